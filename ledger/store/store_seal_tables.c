/* store_seal_tables.c — the tables of a seal: records of one kind, ascending by key. */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* --- one table -------------------------------------------------------------------------------- */

void seal_table_abandon(struct store *store)
{
    if (store->seal.table != NULL) {
        store->kv->ops->table_abandon(store->seal.table);
        store->seal.table = NULL;
    }
}

enum status seal_table_begin(struct store *store, enum key_kind kind, struct error *error)
{
    struct seal *seal = &store->seal;
    ASSERT(seal->name_count < SEAL_TABLES_MAX);
    char *name = seal->names[seal->name_count];
    (void)snprintf(name, SEAL_NAME_MAX, "seal-%020llu-%c", (unsigned long long)seal->past.log_index,
                   (char)kind);
    TRY(store->kv->ops->table_open(store->kv, name, &seal->table, error));
    seal->name_count++;
    seal->record_cost = seal_record_cost(kind);
    return STATUS_OK;
}

enum status seal_table_end(struct store *store, struct error *error)
{
    struct kv_table *table = store->seal.table;
    uint64_t size;
    store->seal.table = NULL; /* closed, however that ends */
    TRY(store->kv->ops->table_close(table, &size, error));
    seal_count_end(&store->seal);
    return STATUS_OK;
}

/* The next ones of `count` records go into the open table. */
enum status seal_add_piece(struct store *store, uint32_t count, seal_make make, bool *done,
                           struct error *error)
{
    struct seal *seal = &store->seal;
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        struct seal_record record;
        record.deleted = false;
        make(store, i, &record);
        struct bytes value = { record.deleted ? NULL : record.value, record.value_size };
        TRY(store->kv->ops->table_add(seal->table, (struct bytes){ record.key, record.key_size },
                                      value, error));
    }
    seal_count(seal, end - seal->position);
    seal->position = end;
    *done = end == count;
    return STATUS_OK;
}

static enum status write_table(struct store *store, enum key_kind kind, uint32_t count,
                               seal_make make, bool *done, struct error *error)
{
    *done = count == 0;
    if (*done) {
        return STATUS_OK; /* an empty table is none */
    }
    if (store->seal.position == 0) {
        TRY(seal_table_begin(store, kind, error));
    }
    TRY(seal_add_piece(store, count, make, done, error));
    return *done ? seal_table_end(store, error) : STATUS_OK;
}

/* --- in order as they are --------------------------------------------------------------------- */

/* Changes and transfers ascend alike; the cursor is the next transfer. */
static void make_event(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct delta_generation *frozen = &store->delta->frozen;
    struct seal *seal = &store->seal;
    const struct change *change = &frozen->changes[i];
    struct transfer expired;
    const struct transfer *transfer = &expired;
    if (change->kind == CHANGE_EXPIRED) {
        /* As many expiries came before as changes that are of no transfer. */
        const struct delta_expiry *expiry = &frozen->expiries[i - seal->cursor];
        ASSERT(expiry->timestamp == change->timestamp);
        expired = (struct transfer){ .debit_account_id = expiry->debit_account_id,
                                     .credit_account_id = expiry->credit_account_id,
                                     .ledger = expiry->ledger,
                                     .timestamp = expiry->timestamp };
    } else {
        transfer = &frozen->transfers[seal->cursor];
        seal->cursor++;
    }
    record->key_size = key_of_timestamp(record->key, KEY_EVENT, change->timestamp);
    record->value_size = value_of_event(record->value, transfer, change);
}

enum status seal_write_events(struct store *store, bool *done, struct error *error)
{
    const struct delta_generation *frozen = &store->delta->frozen;
    TRY(write_table(store, KEY_EVENT, frozen->change_count, make_event, done, error));
    ASSERT(!*done || store->seal.cursor == frozen->transfer_count);
    return STATUS_OK;
}

static void make_created(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct delta_created *created = &store->delta->frozen.accounts[i];
    record->key_size = key_of_timestamp(record->key, KEY_CREATED, created->timestamp);
    record->value_size = value_of_created(record->value, created->id);
}

enum status seal_write_created(struct store *store, bool *done, struct error *error)
{
    return write_table(store, KEY_CREATED, store->delta->frozen.account_count, make_created, done,
                       error);
}

static void make_journal(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct journal_row *row = &store->delta->frozen.journals[i];
    record->key_size = key_of_timestamp(record->key, KEY_JOURNAL, row->timestamp);
    record->value_size = value_of_journal(record->value, row);
}

enum status seal_write_journals(struct store *store, bool *done, struct error *error)
{
    return write_table(store, KEY_JOURNAL, store->delta->frozen.journal_count, make_journal, done,
                       error);
}

/* --- sorted ones ------------------------------------------------------------------------------ */

static void make_id(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct id_sort *sort = &store->seal.sort;
    const struct id_item *item = &sort->items[i];
    struct eras *eras = &store->seal.past.eras;
    const uint64_t era_begin = eras_begin(eras, eras->count);
    record->key_size = key_of_sealed_id(record->key, era_begin, item->key);
    record->value_size = value_of_id(record->value, item->payload);
    id_gaps_see(&store->seal.gaps, item->key);
    eras_see_id(eras, item->key);
    filter_add(store, sort, i, era_begin);
}

enum status seal_write_ids(struct store *store, bool *done, struct error *error)
{
    return write_table(store, KEY_ID, store->seal.sort.count, make_id, done, error);
}

static void make_hold(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct id_item *item = &store->seal.sort.items[i];
    record->key_size = key_of_timestamp(record->key, KEY_HOLD, (uint64_t)item->key);
    record->value_size = value_of_hold(record->value, &store->delta->frozen_holds[item->position]);
}

enum status seal_write_holds(struct store *store, bool *done, struct error *error)
{
    return write_table(store, KEY_HOLD, store->seal.sort.count, make_hold, done, error);
}

static void make_due(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct id_item *item = &store->seal.sort.items[i];
    record->key_size = key_of_due(record->key, u128_high(item->key), u128_low(item->key));
    record->value_size = 0;
    record->deleted = item->payload == 0 && !MUTATION(store_due_never_deleted);
}

enum status seal_write_dues(struct store *store, bool *done, struct error *error)
{
    return write_table(store, KEY_DUE, store->seal.sort.count, make_due, done, error);
}

/* --- posting lists ---------------------------------------------------------------------------- */

/* The cursor is the kind of the open table. */
static enum status posting_table(struct store *store, enum key_kind kind, struct error *error)
{
    struct seal *seal = &store->seal;
    if (seal->table != NULL && seal->cursor != kind) {
        TRY(seal_table_end(store, error));
    }
    if (seal->table == NULL) {
        seal->cursor = kind;
        TRY(seal_table_begin(store, kind, error));
    }
    return STATUS_OK;
}

static enum status add_chunks(struct store *store, struct error *error)
{
    struct seal *seal = &store->seal;
    struct index_chunk chunk;
    uint32_t written = 0;
    while (written < SEAL_PIECE && index_seal_chunk(&seal->index, &chunk)) {
        TRY(posting_table(store, (enum key_kind)chunk.key[0], error));
        TRY(store->kv->ops->table_add(seal->table, (struct bytes){ chunk.key, sizeof chunk.key },
                                      (struct bytes){ chunk.value, chunk.value_size }, error));
        written += chunk.count;
    }
    seal_count(seal, written);
    return STATUS_OK;
}

/* Gathers and sorts as it writes: a field after the other, into one table or two. */
enum status seal_write_postings(struct store *store, bool *done, struct error *error)
{
    struct seal *seal = &store->seal;
    if (seal->position == 0) {
        const struct eras *eras = &seal->past.eras;
        index_seal_begin(&seal->index, store->delta, eras_begin(eras, eras->count),
                         &seal->index_memory);
        seal->position = 1;
    }
    if (seal->index.state == INDEX_SEAL_DONE) {
        *done = true;
        return seal->table == NULL ? STATUS_OK : seal_table_end(store, error);
    }
    if (seal->index.state == INDEX_SEAL_CHUNKS) {
        return add_chunks(store, error);
    }
    if (seal->index.state == INDEX_SEAL_VALUES) {
        const uint32_t from = seal->index.position;
        seal_count_values(seal, seal_piece_end(from, seal->index.records) - from);
    }
    seal_count_absent(seal, index_seal_step(&seal->index));
    return STATUS_OK;
}

/* --- accounts and checkpoint ------------------------------------------------------------------ */

static void make_account(struct store *store, uint32_t i, struct seal_record *record)
{
    const struct id_item *item = &store->seal.sort.items[i];
    record->key_size = key_of_id(record->key, KEY_ACCOUNT, item->key);
    record->value_size =
        value_of_account(record->value, &store->delta->frozen_accounts[item->position]);
}

static enum status add_checkpoint(struct store *store, struct error *error)
{
    struct seal *seal = &store->seal;
    static const uint8_t key[1] = { KEY_CHECKPOINT };
    seal->past.ranges = store->past.ranges;
    if (!MUTATION(store_id_ranges_stale)) {
        id_gaps_into(&seal->gaps, &seal->past.ranges);
    }
    size_t size = checkpoint_size(&seal->past, seal->extra_size);
    uint8_t *value = malloc(size);
    if (value == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %zu bytes of checkpoint", size);
    }
    checkpoint_write(value, &seal->past, (struct bytes){ seal->extra, seal->extra_size });
    enum status status = store->kv->ops->table_add(seal->table, (struct bytes){ key, sizeof key },
                                                   (struct bytes){ value, size }, error);
    free(value);
    return status;
}

/* The checkpoint's key comes after those of accounts. */
enum status seal_write_accounts(struct store *store, bool *done, struct error *error)
{
    if (store->seal.position == 0) {
        TRY(seal_table_begin(store, KEY_ACCOUNT, error));
    }
    TRY(seal_add_piece(store, store->seal.sort.count, make_account, done, error));
    if (!*done) {
        return STATUS_OK;
    }
    TRY(add_checkpoint(store, error));
    return seal_table_end(store, error);
}
