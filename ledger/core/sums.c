#include "ledger/core/sums.h"

#include "base/assert.h"
#include "base/crc32c.h"

#include <string.h>

enum { SUMS_VERSION = 1, ROW_SAVED_SIZE = 4 + 2 * 8 + 4 * (16 + 8) };
_Static_assert(LEDGER_SAVE_SIZE == 32 + 3 * 4 + LEDGERS_MAX * ROW_SAVED_SIZE,
               "ledger.h promises it");

/* The parts of the caller's memory, from the widest alignment to the narrowest. */
enum {
    ROWS_AT = 0,
    UNDO_AT = ROWS_AT + LEDGERS_MAX * sizeof(struct ledger_sums),
    SORTED_AT = UNDO_AT + LEDGERS_MAX * sizeof(struct sums_undo),
    TOUCHED_ROWS_AT = SORTED_AT + LEDGERS_MAX * sizeof(uint32_t),
    TOUCHED_AT = TOUCHED_ROWS_AT + LEDGERS_MAX * sizeof(uint32_t),
    SAVED_AT = TOUCHED_AT + LEDGERS_MAX * sizeof(bool),
    MAP_AT = SAVED_AT + LEDGERS_MAX * sizeof(bool),
};
_Static_assert(MAP_AT % 8 == 0, "the map is aligned");

size_t sums_footprint(void)
{
    return MAP_AT + map_footprint(LEDGERS_MAX);
}

void sums_init(struct sums *sums, void *memory)
{
    ASSERT((uintptr_t)memory % _Alignof(struct ledger_sums) == 0);
    uint8_t *bytes = memory;
    *sums = (struct sums){ .rows = (void *)(bytes + ROWS_AT),
                           .undo = (void *)(bytes + UNDO_AT),
                           .sorted = (void *)(bytes + SORTED_AT),
                           .touched_rows = (void *)(bytes + TOUCHED_ROWS_AT),
                           .touched = (void *)(bytes + TOUCHED_AT),
                           .saved = (void *)(bytes + SAVED_AT) };
    map_init(&sums->rows_by_ledger, bytes + MAP_AT, LEDGERS_MAX);
}

bool sums_has_room_for(const struct sums *sums, uint32_t ledger)
{
    return sums->count < LEDGERS_MAX || map_find(&sums->rows_by_ledger, ledger) != NULL;
}

/* Where in the ascending order the ledger is or belongs. */
static uint32_t sorted_place(const struct sums *sums, uint32_t ledger)
{
    uint32_t low = 0;
    uint32_t high = sums->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sums->rows[sums->sorted[middle]].ledger < ledger) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t add_row(struct sums *sums, uint32_t ledger)
{
    ASSERT(sums->count < LEDGERS_MAX);
    uint32_t row = sums->count;
    uint32_t place = sorted_place(sums, ledger);
    memmove(&sums->sorted[place + 1], &sums->sorted[place],
            (sums->count - place) * sizeof(sums->sorted[0]));
    sums->sorted[place] = row;
    sums->rows[row] = (struct ledger_sums){ .ledger = ledger };
    map_insert(&sums->rows_by_ledger, ledger, row);
    sums->count++;
    return row;
}

static void remove_last_row(struct sums *sums)
{
    uint32_t row = sums->count - 1;
    uint32_t place = sorted_place(sums, sums->rows[row].ledger);
    ASSERT(sums->sorted[place] == row);
    memmove(&sums->sorted[place], &sums->sorted[place + 1],
            (sums->count - place - 1) * sizeof(sums->sorted[0]));
    const bool removed = map_remove(&sums->rows_by_ledger, sums->rows[row].ledger);
    ASSERT(removed);
    sums->count--;
}

static uint32_t find_row(struct sums *sums, uint32_t ledger)
{
    if (sums->last_row < sums->count && sums->rows[sums->last_row].ledger == ledger) {
        return sums->last_row;
    }
    const uint32_t *found = map_find(&sums->rows_by_ledger, ledger);
    sums->last_row = found != NULL ? *found : add_row(sums, ledger);
    return sums->last_row;
}

struct ledger_sums *sums_change(struct sums *sums, uint32_t ledger)
{
    uint32_t row = find_row(sums, ledger);
    if (!sums->touched[row]) {
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

void sums_count_account(struct sums *sums, struct ledger_sums *row)
{
    row->accounts++;
    sums->totals.accounts++;
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

/* version, count, the rows ascending by ledger, the CRC32C of all that. */
size_t sums_save_size(const struct sums *sums)
{
    enum { SUMS_ROW_SIZE = 4 + 2 * 8 + 4 * 16 + 4 * 8 };
    return 12 + (size_t)sums->count * SUMS_ROW_SIZE;
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

static bool row_is_sound(const struct ledger_sums *row, uint32_t ledger_before)
{
    return row->ledger > ledger_before && row->accounts > 0 && row_is_balanced(row);
}

enum status sums_load(struct sums *sums, struct reader *reader)
{
    ASSERT(sums->count == 0);
    const uint8_t *start = reader->at;
    uint32_t version = read_u32(reader);
    uint32_t count = read_u32(reader);
    if (reader->failed || version != SUMS_VERSION || count > LEDGERS_MAX) {
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
    uint32_t ledger_before = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_sums row = load_row(&check);
        if (!row_is_sound(&row, ledger_before)) {
            return STATUS_CORRUPT;
        }
        ledger_before = row.ledger;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_sums row = load_row(&rows);
        sums->rows[add_row(sums, row.ledger)] = row;
        sums->totals.accounts += row.accounts;
        sums->totals.transfers += row.transfers;
    }
    return STATUS_OK;
}
