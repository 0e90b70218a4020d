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

/* --- progress --------------------------------------------------------------------------------- */

/* Entries follow the progress of the seal (store_seal_behind), so it is to be as even as the seal is.
 * Costs are in units of about 10 ns, of a release build, measured with random ids. */
enum {
    COST_GATHER = 1,
    SORT_PASSES = 4, /* of random ids; ids that grow take none */
    COST_PASS = 1,
    COST_VALUES = 4,     /* to gather what the posting lists of a change take */
    TABLE_END_PART = 16, /* of what a table's records cost, to end it: filter, index, sync */
};

/* To write it, compressed. */
uint32_t seal_record_cost(enum key_kind kind)
{
    enum { COST_POSTING = 5, COST_SMALL = 36, COST_EVENT = 48, COST_LARGE = 60 };
    switch ((unsigned)kind) {
    case KEY_POSTING:
    case KEY_POSTING_OTHER:
        return COST_POSTING; /* one of those in a record */
    case KEY_ID:
    case KEY_CREATED:
    case KEY_DUE:
        return COST_SMALL;
    case KEY_ACCOUNT:
    case KEY_OBJECT:
    case KEY_VERSION:
    case KEY_CHECKPOINT:
        return COST_LARGE;
    default:
        return COST_EVENT;
    }
}

static uint64_t cost_of_all(const struct seal *seal, const struct delta *delta)
{
    const struct delta_generation *frozen = &delta->frozen;
    enum { COST_SORTED = COST_GATHER + SORT_PASSES * COST_PASS };
    const struct {
        enum key_kind kind;
        uint64_t records;
        uint32_t before; /* what a record costs before it is written */
    } parts[] = {
        { KEY_EVENT, frozen->change_count, 0 },
        { KEY_CREATED, frozen->account_count, 0 },
        { KEY_JOURNAL, frozen->journal_count, 0 },
        { KEY_ID, (uint64_t)frozen->transfer_count + frozen->failed_count, COST_SORTED },
        { KEY_HOLD, delta->frozen_hold_count, COST_SORTED },
        { KEY_DUE, delta->frozen_hold_count, COST_SORTED },
        { KEY_POSTING, index_seal_work(delta) - seal->absent_expected, 0 },
        { KEY_OBJECT, delta_objects_frozen_count(&delta->objects), 0 },
        { KEY_ACCOUNT, delta->frozen_account_count, COST_SORTED },
        { KEY_CHECKPOINT, 1, 0 },
    };
    uint64_t written = 0;
    uint64_t before = (uint64_t)index_seal_records(delta) * COST_VALUES;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        written += parts[i].records * seal_record_cost(parts[i].kind);
        before += parts[i].records * parts[i].before;
    }
    return before + written + written / TABLE_END_PART;
}

static void publish_progress(struct seal *seal, uint64_t progress)
{
    __atomic_store_n(&seal->progress, (uint32_t)progress, __ATOMIC_RELAXED);
}

/* The last eighth is the ingest's: it waits for the disk several times, in one step. */
static void spend(struct seal *seal, uint64_t cost)
{
    enum { WRITTEN = SEAL_WHOLE - SEAL_WHOLE / 8 };
    seal->cost += cost;
    uint64_t progress = seal->cost * WRITTEN / seal->cost_all;
    progress = progress < WRITTEN ? progress : WRITTEN;
    publish_progress(seal, seal->failed ? SEAL_WHOLE : progress);
}

/* Less is left than was thought. */
static void spare(struct seal *seal, uint64_t cost)
{
    seal->cost_all -= cost;
    spend(seal, 0);
}

void seal_count(struct seal *seal, uint32_t records)
{
    const uint64_t cost = (uint64_t)records * seal->record_cost;
    seal->table_cost += cost;
    spend(seal, cost);
}

void seal_count_end(struct seal *seal)
{
    spend(seal, seal->table_cost / TABLE_END_PART);
    seal->table_cost = 0;
}

void seal_count_values(struct seal *seal, uint32_t records)
{
    spend(seal, (uint64_t)records * COST_VALUES);
}

void seal_count_absent(struct seal *seal, uint32_t postings)
{
    seal->absent += postings;
    if (seal->absent > seal->absent_expected) {
        const uint64_t cost =
            (seal->absent - seal->absent_expected) * seal_record_cost(KEY_POSTING);
        seal->absent_expected = seal->absent;
        spare(seal, cost + cost / TABLE_END_PART);
    }
}

/* What clients leave out in one generation they will in the next. */
static void expect_absent(struct seal *seal, const struct delta *delta)
{
    const uint64_t work = index_seal_work(delta);
    seal->absent_expected = seal->work == 0 ? 0 : work * seal->absent / seal->work;
    seal->absent = 0;
    seal->work = work;
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
        index_eras_seal(&seal->past.eras, store->past.changes, store->options.delta.seal_events,
                        frozen->changes[0].timestamp);
    }
    seal->cost = 0;
    seal->table_cost = 0;
    expect_absent(seal, delta);
    seal->cost_all = cost_of_all(seal, delta);
    spend(seal, 0);
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
    spend(seal, (uint64_t)(end - seal->position) * COST_GATHER);
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
    const uint64_t pass = (uint64_t)seal->sort.count * COST_PASS;
    *done = !id_sort_step(&seal->sort);
    if (*done) {
        spare(seal, (SORT_PASSES - seal->cursor) * pass);
    } else if (seal->cursor < SORT_PASSES) {
        seal->cursor++;
        spend(seal, pass);
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

/* Under a load that keeps the sealer busy, the filter of ids gets a piece with so many of the seal's,
 * which takes about an eighth longer until the filter is whole. */
enum { FILTER_SHARE = 16 };

enum status store_seal_step(struct store *store, bool *more, struct error *error)
{
    struct seal *seal = &store->seal;
    const bool running = __atomic_load_n(&seal->state, __ATOMIC_ACQUIRE) == SEAL_RUNNING;
    *more = running || filter_due(store);
    if (!running || seal->steps++ % FILTER_SHARE == 0) {
        TRY(filter_step(store, error));
    }
    if (!running) {
        filter_begin(store);
        return STATUS_OK;
    }
    bool done = false;
    enum status status = phases[seal->phase](store, &done, error);
    if (status != STATUS_OK) {
        seal_table_abandon(store);
        start_phase(seal, 0);
        seal->failed = true;
        publish_progress(seal, SEAL_WHOLE);
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
