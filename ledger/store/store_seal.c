/* store_seal.c — the sealer: a frozen generation becomes tables, accounts and a checkpoint.
 *
 * The phases, each a function that does one bounded piece: transfers are gathered, sorted by
 * timestamp and written; ids the same, sorted by id; both tables are ingested; the changed accounts
 * are encoded; one commit takes them and the checkpoint record. Only that last step makes the seal
 * count. A seal that met a full disk starts over: it writes the same again.
 */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PIECE = 4096, /* records of one call */
    ACCOUNT_ROOM = KEY_SIZE_MAX + VALUE_ROOM,
};

bool seal_open(struct store *store)
{
    struct seal *seal = &store->seal;
    const struct delta_options *options = &store->options.delta;
    size_t events = delta_generation_events_max(options);
    size_t dirty = delta_dirty_max(options);
    seal->items = malloc(events * sizeof *seal->items);
    seal->other = malloc(events * sizeof *seal->other);
    seal->puts = malloc((dirty + 1) * sizeof *seal->puts);
    seal->account_bytes = malloc(dirty * ACCOUNT_ROOM);
    return seal->items != NULL && seal->other != NULL && seal->puts != NULL &&
           seal->account_bytes != NULL;
}

static void table_abandon(struct store *store)
{
    if (store->seal.table != NULL) {
        store->kv->ops->table_abandon(store->seal.table);
        store->seal.table = NULL;
    }
}

void seal_close(struct store *store)
{
    struct seal *seal = &store->seal;
    table_abandon(store);
    free(seal->items);
    free(seal->other);
    free(seal->puts);
    free(seal->account_bytes);
    free(seal->checkpoint_bytes);
    free(seal->extra);
}

/* --- gathering and sorting -------------------------------------------------------------------- */

static enum status begin(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    seal->name_count = 0;
    seal->account_bytes_used = 0;
    seal->gaps = (struct id_gaps){ 0 };
    *done = true;
    return STATUS_OK;
}

static uint32_t piece_end(uint32_t position, uint32_t count)
{
    return count - position < PIECE ? count : position + PIECE;
}

static enum status gather_transfers(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    const struct delta_generation *frozen = &store->delta->frozen;
    uint32_t end = piece_end(seal->position, frozen->transfer_count);
    for (uint32_t i = seal->position; i < end; i++) {
        uint64_t log_index = delta_transfer_index(frozen, &seal->run, i);
        seal->items[i] = (struct id_item){
            .key = frozen->transfers[i].timestamp,
            .payload = log_index,
            .position = i,
        };
    }
    seal->position = end;
    *done = end == frozen->transfer_count;
    if (*done) {
        id_sort_init(&seal->sort, seal->items, seal->other, end);
    }
    return STATUS_OK;
}

/* Transfers first, then failed ids; the tag is the run's number, which has the log index. */
static enum status gather_ids(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    const struct delta_generation *frozen = &store->delta->frozen;
    uint32_t transfers = frozen->transfer_count;
    uint32_t count = transfers + (MUTATION(store_failed_ids_not_sealed) ? 0 : frozen->failed_count);
    uint32_t end = piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        if (i == transfers) {
            seal->run = 0;
        }
        struct id_item *item = &seal->items[i];
        item->position = i;
        if (i < transfers) {
            (void)delta_transfer_index(frozen, &seal->run, i);
            item->key = frozen->transfers[i].id;
            item->payload = frozen->transfers[i].timestamp;
        } else {
            (void)delta_failed_index(frozen, &seal->run, i - transfers);
            item->key = frozen->failed[i - transfers];
            item->payload = 0;
        }
        item->tag = seal->run;
    }
    seal->position = end;
    *done = end == count;
    if (*done) {
        id_sort_init(&seal->sort, seal->items, seal->other, end);
    }
    return STATUS_OK;
}

static enum status sort(struct store *store, bool *done, struct error *error)
{
    (void)error;
    *done = !id_sort_step(&store->seal.sort);
    return STATUS_OK;
}

/* --- tables ----------------------------------------------------------------------------------- */

static enum status table_begin(struct store *store, char letter, struct error *error)
{
    struct seal *seal = &store->seal;
    ASSERT(seal->name_count < SEAL_TABLES_MAX);
    char *name = seal->names[seal->name_count];
    (void)snprintf(name, SEAL_NAME_MAX, "seal-%020llu-%c", (unsigned long long)seal->past.log_index,
                   letter);
    TRY(store->kv->ops->table_open(store->kv, name, &seal->table, error));
    seal->name_count++;
    return STATUS_OK;
}

static enum status table_end(struct store *store, struct error *error)
{
    struct kv_table *table = store->seal.table;
    uint64_t size;
    store->seal.table = NULL; /* closed, however that ends */
    return store->kv->ops->table_close(table, &size, error);
}

typedef size_t (*make_record)(struct store *store, const struct id_item *item, uint8_t *key,
                              uint8_t *value, size_t *value_size);

static size_t make_transfer(struct store *store, const struct id_item *item, uint8_t *key,
                            uint8_t *value, size_t *value_size)
{
    const struct transfer *transfer = &store->delta->frozen.transfers[item->position];
    *value_size = value_of_transfer(value, transfer, item->payload);
    return key_of_transfer(key, (uint64_t)item->key);
}

static size_t make_id(struct store *store, const struct id_item *item, uint8_t *key, uint8_t *value,
                      size_t *value_size)
{
    struct id_record record = { .timestamp = item->payload,
                                .log_index = store->delta->frozen.runs[item->tag].log_index };
    *value_size = value_of_id(value, &record);
    id_gaps_see(&store->seal.gaps, item->key);
    return key_of_id(key, item->key);
}

static enum status write_table(struct store *store, char letter, make_record make, bool *done,
                               struct error *error)
{
    struct seal *seal = &store->seal;
    uint32_t count = seal->sort.count;
    *done = count == 0;
    if (count == 0) {
        return STATUS_OK; /* an empty table is none */
    }
    if (seal->position == 0) {
        TRY(table_begin(store, letter, error));
    }
    uint32_t end = piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        uint8_t key[KEY_SIZE_MAX];
        uint8_t value[VALUE_ROOM];
        size_t value_size;
        size_t key_size = make(store, &seal->sort.items[i], key, value, &value_size);
        TRY(store->kv->ops->table_add(seal->table, (struct bytes){ key, key_size },
                                      (struct bytes){ value, value_size }, error));
    }
    seal->position = end;
    *done = end == count;
    return *done ? table_end(store, error) : STATUS_OK;
}

static enum status write_transfers(struct store *store, bool *done, struct error *error)
{
    return write_table(store, 't', make_transfer, done, error);
}

static enum status write_ids(struct store *store, bool *done, struct error *error)
{
    return write_table(store, 'i', make_id, done, error);
}

static enum status ingest(struct store *store, bool *done, struct error *error)
{
    struct seal *seal = &store->seal;
    const char *names[SEAL_TABLES_MAX];
    for (uint32_t i = 0; i < seal->name_count; i++) {
        names[i] = seal->names[i];
    }
    *done = true;
    return seal->name_count == 0
               ? STATUS_OK
               : store->kv->ops->ingest(store->kv, names, seal->name_count, error);
}

/* --- accounts and checkpoint ------------------------------------------------------------------ */

static enum status encode_accounts(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    uint32_t count = store->delta->frozen_account_count;
    uint32_t end = piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        const struct account *account = &store->delta->frozen_accounts[i];
        uint8_t *key = seal->account_bytes + seal->account_bytes_used;
        size_t key_size = key_of_account(key, account->id);
        uint8_t *value = key + key_size;
        size_t value_size = value_of_account(value, account);
        seal->account_bytes_used += key_size + value_size;
        seal->puts[i] = (struct kv_put){ .key = { key, key_size }, .value = { value, value_size } };
    }
    seal->position = end;
    *done = end == count;
    return STATUS_OK;
}

static enum status commit(struct store *store, bool *done, struct error *error)
{
    struct seal *seal = &store->seal;
    static const uint8_t key[1] = { KEY_CHECKPOINT };
    uint32_t count = store->delta->frozen_account_count;
    seal->past.ranges = store->past.ranges;
    if (!MUTATION(store_id_ranges_stale)) {
        id_gaps_into(&seal->gaps, &seal->past.ranges);
    }
    size_t size = checkpoint_size(&seal->past, seal->extra_size);
    free(seal->checkpoint_bytes);
    seal->checkpoint_bytes = malloc(size);
    if (seal->checkpoint_bytes == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %zu bytes of checkpoint", size);
    }
    checkpoint_write(seal->checkpoint_bytes, &seal->past,
                     (struct bytes){ seal->extra, seal->extra_size });
    seal->puts[count] =
        (struct kv_put){ .key = { key, sizeof key }, .value = { seal->checkpoint_bytes, size } };
    *done = true;
    if (MUTATION(store_commit_in_two)) {
        TRY(store->kv->ops->commit(store->kv, seal->puts, count, error));
    }
    return store->kv->ops->commit(store->kv, seal->puts, count + 1, error);
}

/* --- the phases ------------------------------------------------------------------------------- */

typedef enum status (*seal_phase)(struct store *store, bool *done, struct error *error);

static const seal_phase phases[] = {
    begin, gather_transfers, sort,   write_transfers, gather_ids,
    sort,  write_ids,        ingest, encode_accounts, commit,
};

enum { PHASE_COUNT = sizeof phases / sizeof phases[0] };

static void start_phase(struct seal *seal, uint32_t phase)
{
    seal->phase = phase;
    seal->position = 0;
    seal->run = 0;
}

enum status store_seal_step(struct store *store, bool *more, struct error *error)
{
    struct seal *seal = &store->seal;
    *more = false;
    if (__atomic_load_n(&seal->state, __ATOMIC_ACQUIRE) != SEAL_RUNNING) {
        return STATUS_OK;
    }
    bool done = false;
    enum status status = phases[seal->phase](store, &done, error);
    if (status != STATUS_OK) {
        table_abandon(store);
        start_phase(seal, 0);
        return status;
    }
    if (done && seal->phase + 1 == PHASE_COUNT) {
        __atomic_store_n(&seal->state, SEAL_DONE, __ATOMIC_RELEASE);
        return STATUS_OK;
    }
    if (done) {
        start_phase(seal, seal->phase + 1);
    }
    *more = true;
    return STATUS_OK;
}
