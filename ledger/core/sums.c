#include "ledger/core/sums.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "ledger/core/registry_parts.h"

#include <string.h>

enum { SUMS_VERSION = 2, ROW_SAVED_SIZE = 4 + 2 + 2 * 8 + 4 * (16 + 8) };
_Static_assert(LEDGER_SAVE_SIZE == 32 + 2 * 12 +
                                       (LEDGERS_MAX + ACCOUNT_CODES_MAX) * ROW_SAVED_SIZE +
                                       REGISTRY_SAVE_SIZE,
               "ledger.h promises it");

/* --- memory ----------------------------------------------------------------------------------- */

/* The parts of the caller's memory, from the widest alignment to the narrowest. */
struct places {
    size_t undo, sorted, touched_rows, touched, saved, unsealed, map, end;
};

static struct places places_of(size_t capacity)
{
    struct places places = { .undo = capacity * sizeof(struct ledger_sums) };
    places.sorted = places.undo + capacity * sizeof(struct sums_undo);
    places.touched_rows = places.sorted + capacity * sizeof(uint32_t);
    places.touched = places.touched_rows + capacity * sizeof(uint32_t);
    places.saved = places.touched + capacity * sizeof(bool);
    places.unsealed = places.saved + capacity * sizeof(bool);
    places.map = places.unsealed + capacity * sizeof(uint8_t);
    places.end = places.map + map_footprint((uint32_t)capacity);
    return places;
}
_Static_assert(LEDGERS_MAX % 16 == 0 && ACCOUNT_CODES_MAX % 16 == 0, "every part is aligned");

static uint32_t capacity_of(bool by_code)
{
    return by_code ? ACCOUNT_CODES_MAX : LEDGERS_MAX;
}

size_t sums_footprint(bool by_code)
{
    return places_of(capacity_of(by_code)).end;
}

void sums_init(struct sums *sums, void *memory, bool by_code)
{
    ASSERT((uintptr_t)memory % _Alignof(struct ledger_sums) == 0);
    uint8_t *bytes = memory;
    const struct places places = places_of(capacity_of(by_code));
    *sums = (struct sums){ .rows = memory,
                           .undo = (void *)(bytes + places.undo),
                           .sorted = (void *)(bytes + places.sorted),
                           .touched_rows = (void *)(bytes + places.touched_rows),
                           .touched = (void *)(bytes + places.touched),
                           .saved = (void *)(bytes + places.saved),
                           .unsealed = bytes + places.unsealed,
                           .capacity = capacity_of(by_code),
                           .by_code = by_code };
    map_init(&sums->rows_by_key, bytes + places.map, sums->capacity);
}

void sums_clear(struct sums *sums)
{
    ASSERT(!sums->chain_is_open && sums->touched_count == 0);
    sums->count = 0;
    sums->totals = (struct ledger_totals){ 0 };
    map_clear(&sums->rows_by_key);
    memset(sums->unsealed, 0, sums->capacity);
}

/* --- rows ------------------------------------------------------------------------------------- */

static uint64_t key_of(uint32_t ledger, uint16_t code)
{
    return (uint64_t)ledger << 16 | code;
}

static uint64_t key_of_row(const struct ledger_sums *row)
{
    return key_of(row->ledger, row->code);
}

const struct ledger_sums *sums_find(const struct sums *sums, uint32_t ledger)
{
    const uint32_t *row = map_find(&sums->rows_by_key, key_of(ledger, 0));
    return row == NULL ? NULL : &sums->rows[*row];
}

bool sums_has_room_for(const struct sums *sums, uint32_t ledger, uint16_t code)
{
    return sums->count < sums->capacity ||
           map_find(&sums->rows_by_key, key_of(ledger, code)) != NULL;
}

/* Where in the ascending order the key is or belongs. */
static uint32_t sorted_place(const struct sums *sums, uint64_t key)
{
    uint32_t low = 0;
    uint32_t high = sums->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (key_of_row(&sums->rows[sums->sorted[middle]]) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t add_row(struct sums *sums, uint32_t ledger, uint16_t code)
{
    ASSERT(sums->count < sums->capacity);
    uint32_t row = sums->count;
    uint32_t place = sorted_place(sums, key_of(ledger, code));
    memmove(&sums->sorted[place + 1], &sums->sorted[place],
            (sums->count - place) * sizeof(sums->sorted[0]));
    sums->sorted[place] = row;
    sums->rows[row] = (struct ledger_sums){ .ledger = ledger, .code = code };
    map_insert(&sums->rows_by_key, key_of(ledger, code), row);
    sums->count++;
    return row;
}

static void remove_last_row(struct sums *sums)
{
    uint32_t row = sums->count - 1;
    const uint64_t key = key_of_row(&sums->rows[row]);
    uint32_t place = sorted_place(sums, key);
    ASSERT(sums->sorted[place] == row);
    memmove(&sums->sorted[place], &sums->sorted[place + 1],
            (sums->count - place - 1) * sizeof(sums->sorted[0]));
    const bool removed = map_remove(&sums->rows_by_key, key);
    ASSERT(removed);
    sums->unsealed[row] = 0;
    sums->count--;
}

static uint32_t find_row(struct sums *sums, uint32_t ledger, uint16_t code)
{
    uint32_t *recent = &sums->recent[(ledger * 0x9E3779B1U + code) % SUMS_RECENT];
    if (*recent < sums->count && sums->rows[*recent].ledger == ledger &&
        sums->rows[*recent].code == code) {
        return *recent;
    }
    const uint32_t *found = map_find(&sums->rows_by_key, key_of(ledger, code));
    *recent = found != NULL ? *found : add_row(sums, ledger, code);
    return *recent;
}

struct ledger_sums *sums_change_code(struct sums *sums, uint32_t ledger, uint16_t code)
{
    uint32_t row = find_row(sums, ledger, code);
    if (!sums->by_code && !sums->touched[row]) {
        sums->touched[row] = true;
        sums->touched_rows[sums->touched_count++] = row;
    }
    if (sums->chain_is_open && !sums->saved[row] && row < sums->count_at_chain_open) {
        sums->saved[row] = true;
        sums->undo[sums->undo_count++] =
            (struct sums_undo){ .before = sums->rows[row], .row = row };
    }
    return &sums->rows[row];
}

void sums_mark(struct sums *sums, const struct ledger_sums *row, enum sums_unsealed what)
{
    sums->unsealed[row - sums->rows] |= (uint8_t)what;
}

void sums_count_account(struct sums *sums, struct ledger_sums *row)
{
    row->accounts++;
    sums->totals.accounts++;
    sums_mark(sums, row, SUMS_UNSEALED_ACCOUNTS);
}

void sums_count_transfer(struct sums *sums, struct ledger_sums *row)
{
    row->transfers++;
    sums->totals.transfers++;
}

void sum_add(u128 *low, uint64_t *high, u128 amount)
{
    if (!u128_add(*low, amount, low)) {
        (*high)++;
    }
}

void sum_subtract(u128 *low, uint64_t *high, u128 amount)
{
    if (!u128_subtract(*low, amount, low)) {
        (*high)--;
    }
}

void sums_chain_open(struct sums *sums)
{
    ASSERT(!sums->chain_is_open);
    sums->chain_is_open = true;
    sums->count_at_chain_open = sums->count;
    sums->totals_at_chain_open = sums->totals;
}

void sums_chain_close(struct sums *sums, bool keep)
{
    ASSERT(sums->chain_is_open);
    while (sums->undo_count > 0) {
        const struct sums_undo *undo = &sums->undo[--sums->undo_count];
        sums->saved[undo->row] = false;
        if (!keep) {
            sums->rows[undo->row] = undo->before;
        }
    }
    while (!keep && sums->count > sums->count_at_chain_open) {
        remove_last_row(sums);
    }
    if (!keep) {
        sums->totals = sums->totals_at_chain_open;
    }
    sums->chain_is_open = false;
}

static bool row_is_balanced(const struct ledger_sums *row)
{
    return row->debits_posted == row->credits_posted &&
           row->debits_posted_high == row->credits_posted_high &&
           row->debits_pending == row->credits_pending &&
           row->debits_pending_high == row->credits_pending_high;
}

void sums_check(struct sums *sums)
{
    ASSERT(!sums->chain_is_open && sums->undo_count == 0);
    while (sums->touched_count > 0) {
        uint32_t row = sums->touched_rows[--sums->touched_count];
        sums->touched[row] = false;
        ASSERT(row >= sums->count || row_is_balanced(&sums->rows[row]));
    }
}

const struct ledger_sums *sums_row(const struct sums *sums, uint32_t i)
{
    ASSERT(i < sums->count);
    return &sums->rows[sums->sorted[i]];
}

static void save_row(const struct ledger_sums *row, struct writer *writer)
{
    write_u32(writer, row->ledger);
    write_u16(writer, row->code);
    write_u64(writer, row->accounts);
    write_u64(writer, row->transfers);
    write_u128(writer, row->debits_posted);
    write_u128(writer, row->credits_posted);
    write_u128(writer, row->debits_pending);
    write_u128(writer, row->credits_pending);
    write_u64(writer, row->debits_posted_high);
    write_u64(writer, row->credits_posted_high);
    write_u64(writer, row->debits_pending_high);
    write_u64(writer, row->credits_pending_high);
}

/* version, count, the rows in their order, the CRC32C of all that. */
size_t sums_save_size(const struct sums *sums)
{
    return 12 + (size_t)sums->count * ROW_SAVED_SIZE;
}

void sums_save(const struct sums *sums, struct writer *writer)
{
    const uint8_t *start = writer->at;
    write_u32(writer, SUMS_VERSION);
    write_u32(writer, sums->count);
    for (uint32_t i = 0; i < sums->count; i++) {
        save_row(sums_row(sums, i), writer);
    }
    write_u32(writer, crc32c(start, (size_t)(writer->at - start)));
}

static struct ledger_sums load_row(struct reader *reader)
{
    struct ledger_sums row = { .ledger = read_u32(reader) };
    row.code = read_u16(reader);
    row.accounts = read_u64(reader);
    row.transfers = read_u64(reader);
    row.debits_posted = read_u128(reader);
    row.credits_posted = read_u128(reader);
    row.debits_pending = read_u128(reader);
    row.credits_pending = read_u128(reader);
    row.debits_posted_high = read_u64(reader);
    row.credits_posted_high = read_u64(reader);
    row.debits_pending_high = read_u64(reader);
    row.credits_pending_high = read_u64(reader);
    return row;
}

static bool row_is_sound(const struct sums *sums, const struct ledger_sums *row,
                         uint64_t key_before)
{
    return row->ledger != 0 && (row->code != 0) == sums->by_code && key_of_row(row) > key_before &&
           row->accounts > 0 && (sums->by_code || row_is_balanced(row));
}

enum status sums_load(struct sums *sums, struct reader *reader)
{
    ASSERT(sums->count == 0);
    const uint8_t *start = reader->at;
    uint32_t version = read_u32(reader);
    uint32_t count = read_u32(reader);
    if (reader->failed || version != SUMS_VERSION || count > sums->capacity) {
        return STATUS_CORRUPT;
    }
    const size_t size = (size_t)count * ROW_SAVED_SIZE;
    const uint8_t *bytes = read_bytes(reader, size);
    if (bytes == NULL) {
        return STATUS_CORRUPT;
    }
    const uint32_t checksum = crc32c(start, (size_t)(reader->at - start));
    if (read_u32(reader) != checksum || reader->failed) {
        return STATUS_CORRUPT;
    }
    struct reader rows = reader_init(bytes, size);
    struct reader check = rows;
    uint64_t key_before = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_sums row = load_row(&check);
        if (!row_is_sound(sums, &row, key_before)) {
            return STATUS_CORRUPT;
        }
        key_before = key_of_row(&row);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_sums row = load_row(&rows);
        sums->rows[add_row(sums, row.ledger, row.code)] = row;
        sums->totals.accounts += row.accounts;
        sums->totals.transfers += row.transfers;
    }
    return STATUS_OK;
}
