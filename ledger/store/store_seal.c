/* store_seal.c — the sealer: a frozen generation becomes tables that one ingest makes count.
 *
 * The phases, each a function that does one bounded piece: what is in order already is written as
 * it is, everything else gathered, sorted and written, a table a kind (store_seal_tables.c); the
 * last record of the accounts' table is the checkpoint. Then all tables are ingested in one call,
 * and only that makes the seal count. A seal that met a full disk starts over: it writes the same
 * again.
 */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>

static bool index_memory_open(struct seal *seal, size_t events)
{
    struct index_seal_memory *memory = &seal->index_memory;
    bool complete = true;
    for (size_t i = 0; i < INDEX_SEAL_FIELDS_MAX; i++) {
        memory->items[i] = malloc(events * sizeof *memory->items[i]);
        complete = complete && memory->items[i] != NULL;
    }
    memory->timestamps = malloc(events * sizeof *memory->timestamps);
    memory->sorted = malloc(events * sizeof *memory->sorted);
    memory->by_time[0] = seal->items;
    memory->by_time[1] = seal->other;
    return complete && memory->timestamps != NULL && memory->sorted != NULL;
}

static void index_memory_close(struct index_seal_memory *memory)
{
    for (size_t i = 0; i < INDEX_SEAL_FIELDS_MAX; i++) {
        free(memory->items[i]);
    }
    free(memory->timestamps);
    free(memory->sorted);
}

bool seal_open(struct store *store)
{
    struct seal *seal = &store->seal;
    const struct delta_options *options = &store->options.delta;
    size_t events = delta_generation_events_max(options);
    size_t changed = delta_dirty_max(options);
    size_t items = events > changed ? events : changed;
    seal->items = malloc(items * sizeof *seal->items);
    seal->other = malloc(items * sizeof *seal->other);
    seal->trial.rows = malloc(ACCOUNT_CODES_MAX * sizeof *seal->trial.rows);
    return index_memory_open(seal, events) && seal->items != NULL && seal->other != NULL &&
           seal->trial.rows != NULL;
}

void seal_close(struct store *store)
{
    struct seal *seal = &store->seal;
    seal_table_abandon(store);
    index_memory_close(&seal->index_memory);
    free(seal->trial.rows);
    free(seal->items);
    free(seal->other);
    free(seal->extra);
}

/* --- gathering and sorting -------------------------------------------------------------------- */

static enum status begin(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    const struct delta *delta = store->delta;
    const struct delta_generation *frozen = &delta->frozen;
    seal->name_count = 0;
    seal->gaps = (struct id_gaps){ 0 };
    seal->first_due = (struct delta_due){ UINT64_MAX, UINT64_MAX };
    seal->past.holds = store->past.holds;
    seal->past.dues = store->past.dues;
    seal->past.eras = store->past.eras;
    if (frozen->change_count > 0) {
        eras_seal(&seal->past.eras, store->past.changes, store->options.delta.seal_events,
                  frozen->changes[0].timestamp);
    }
    seal_progress_begin(seal, delta);
    *done = true;
    return STATUS_OK;
}

static void add_item(struct seal *seal, u128 key, uint64_t payload, uint32_t position)
{
    seal->items[seal->item_count] =
        (struct id_item){ .key = key, .payload = payload, .position = position };
    seal->item_count++;
}

/* What every gathering ends with. */
static enum status gathered(struct seal *seal, uint32_t end, uint32_t count, bool *done)
{
    seal_count_gathered(seal, end - seal->position);
    seal->position = end;
    *done = end == count;
    if (*done) {
        id_sort_init(&seal->sort, seal->items, seal->other, seal->item_count);
    }
    return STATUS_OK;
}

/* Transfers first, then failed ids; the payload is the id's fate. */
static enum status gather_ids(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    const struct delta_generation *frozen = &store->delta->frozen;
    uint32_t transfers = frozen->transfer_count;
    uint32_t count = transfers + (MUTATION(store_failed_ids_not_sealed) ? 0 : frozen->failed_count);
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        if (i < transfers) {
            add_item(seal, frozen->transfers[i].id, frozen->transfers[i].timestamp, i);
        } else {
            const uint32_t at = i - transfers;
            add_item(seal, frozen->failed[at], fate_of_failed(frozen->failed_why[at]), i);
        }
    }
    return gathered(seal, end, count, done);
}

static enum status gather_accounts(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    uint32_t count = store->delta->frozen_account_count;
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        add_item(seal, store->delta->frozen_accounts[i].id, 0, i);
    }
    return gathered(seal, end, count, done);
}

/* Created in the generation that is being sealed. Every hold that it changed has a change of it. */
static bool is_new(const struct delta *delta, const struct hold *hold)
{
    return hold->timestamp >= delta->frozen.changes[0].timestamp;
}

static enum status gather_holds(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    uint32_t count = store->delta->frozen_hold_count;
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        const struct hold *hold = &store->delta->frozen_holds[i];
        add_item(seal, hold->timestamp, 0, i);
        seal->past.holds += is_new(store->delta, hold);
    }
    return gathered(seal, end, count, done);
}

static void gather_due(struct seal *seal, const struct delta *delta, uint32_t position)
{
    const struct hold *hold = &delta->frozen_holds[position];
    bool pending = hold->state == HOLD_PENDING;
    bool sealed_before = !is_new(delta, hold);
    if (hold->expires_at == 0 || pending == sealed_before) {
        return; /* never due; or there is a record already, or never was one and need not be */
    }
    struct delta_due due = { hold->expires_at, hold->timestamp };
    add_item(seal, u128_make(due.expires_at, due.timestamp), pending, position);
    seal->past.dues += pending ? 1 : UINT64_MAX; /* one more, or one less */
    if (pending && delta_due_before(due, seal->first_due)) {
        seal->first_due = due;
    }
}

static enum status gather_dues(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    uint32_t count = store->delta->frozen_hold_count;
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        gather_due(seal, store->delta, i);
    }
    return gathered(seal, end, count, done);
}

static enum status sort(struct store *store, bool *done, struct error *error)
{
    (void)error;
    struct seal *seal = &store->seal;
    *done = !id_sort_step(&seal->sort);
    if (*done) {
        seal_count_sorted(seal, seal->cursor, seal->sort.count);
    } else {
        seal_count_pass(seal, seal->cursor, seal->sort.count);
        seal->cursor++;
    }
    return STATUS_OK;
}

/* --- the end ---------------------------------------------------------------------------------- */

static enum status ingest(struct store *store, bool *done, struct error *error)
{
    struct seal *seal = &store->seal;
    const struct kv_ops *ops = store->kv->ops;
    const char *names[SEAL_TABLES_MAX];
    uint32_t count = seal->name_count;
    for (uint32_t i = 0; i < count; i++) {
        names[i] = seal->names[i];
    }
    *done = true;
    if (count > 1 && MUTATION(store_ingest_in_two)) {
        TRY(ops->ingest(store->kv, names, count - 1, error));
        return ops->ingest(store->kv, names + count - 1, 1, error);
    }
    return ops->ingest(store->kv, names, count, error);
}

/* --- the phases ------------------------------------------------------------------------------- */

static const seal_phase phases[] = {
    begin,
    seal_write_events,
    seal_write_created,
    seal_write_journals,
    gather_ids,
    sort,
    seal_write_ids,
    gather_holds,
    sort,
    seal_write_holds,
    gather_dues,
    sort,
    seal_write_dues,
    seal_write_postings,
    seal_write_trial,
    seal_write_objects,
    seal_write_versions,
    gather_accounts,
    sort,
    seal_write_accounts,
    ingest,
};

enum { PHASE_COUNT = sizeof phases / sizeof phases[0] };

/* A gathering begins with no items; a writing goes on with those of the gathering. */
static void start_phase(struct seal *seal, uint32_t phase)
{
    seal->phase = phase;
    seal->position = 0;
    seal->cursor = 0;
    seal->item_count = 0;
}

/* Under a load that keeps the sealer busy, the filter of ids gets so many pieces in the course of a
 * seal: until it is whole, a seal takes about a quarter longer. */
enum { FILTER_PIECES = 32 };

static enum status filter_share(struct store *store, struct error *error)
{
    struct seal *seal = &store->seal;
    if (seal->cost < seal->filter_cost) {
        return STATUS_OK;
    }
    seal->filter_cost = seal->cost + seal->cost_all / FILTER_PIECES;
    return filter_step(store, error);
}

enum status store_seal_step(struct store *store, bool *more, struct error *error)
{
    struct seal *seal = &store->seal;
    const bool running = __atomic_load_n(&seal->state, __ATOMIC_ACQUIRE) == SEAL_RUNNING;
    *more = running || filter_due(store);
    if (!running) {
        return filter_step(store, error);
    }
    TRY(filter_share(store, error));
    bool done = false;
    enum status status = phases[seal->phase](store, &done, error);
    if (status != STATUS_OK) {
        seal_table_abandon(store);
        start_phase(seal, 0);
        seal_progress_fail(seal);
        return status;
    }
    if (done && seal->phase + 1 == PHASE_COUNT) {
        filter_begin(store); /* the next seal may run at once when this one is done */
        *more = filter_due(store);
        __atomic_store_n(&seal->state, SEAL_DONE, __ATOMIC_RELEASE);
        return STATUS_OK;
    }
    if (done) {
        start_phase(seal, seal->phase + 1);
    }
    return STATUS_OK;
}
