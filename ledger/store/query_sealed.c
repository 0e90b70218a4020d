/* query_sealed.c — the sealed past: by posting lists when the filter names a value, else the
 * records of the range in order. */
#include "base/assert.h"
#include "ledger/store/query_internal.h"

#include <inttypes.h>

static enum status untrue(struct error *error, const char *kind, uint64_t timestamp)
{
    return error_set(error, STATUS_CORRUPT,
                     "the store's record of %s at %" PRIu64 " is damaged or missing: restore this "
                     "node from another",
                     kind, timestamp);
}

static uint64_t from_of(const struct query *query, uint64_t low, uint64_t high)
{
    return query->backwards ? high : low;
}

static uint64_t to_of(const struct query *query, uint64_t low, uint64_t high)
{
    return query->backwards ? low : high;
}

/* --- records of timestamps that were found ---------------------------------------------------- */

static enum key_kind kind_of(const struct query *query)
{
    switch ((unsigned)query->kind) {
    case QUERY_ACCOUNTS:
        return KEY_CREATED;
    case QUERY_JOURNALS:
        return KEY_JOURNAL;
    default:
        return KEY_EVENT;
    }
}

static enum status take_journal(struct query *query, struct bytes value, uint64_t timestamp,
                                struct error *error)
{
    struct journal_row row;
    if (!value_read_journal(value, timestamp, &row)) {
        return untrue(error, "a journal", timestamp);
    }
    return query_fits_journal(query, &row) ? query_take_journal(query, &row, error) : STATUS_OK;
}

/* Named by posting lists or not, a transfer may have other values than the filter's. */
static enum status take_record(struct query *query, struct bytes value, uint64_t timestamp,
                               bool named, struct error *error)
{
    struct transfer transfer;
    struct change change;
    u128 id;
    if (query->kind == QUERY_ACCOUNTS) {
        if (!value_read_created(value, &id)) {
            return untrue(error, "an account", timestamp);
        }
        query_take_account(query, id);
        return STATUS_OK;
    }
    if (query->kind == QUERY_JOURNALS) {
        return take_journal(query, value, timestamp, error);
    }
    if (!value_read_event(value, timestamp, &transfer, &change)) {
        return untrue(error, "an event", timestamp);
    }
    if (query->kind == QUERY_CHANGES) {
        query_take_change(query, &transfer, &change);
    } else if (transfer.id == 0 && query->kind != QUERY_ACCOUNT_LAST) {
        return named ? untrue(error, "a transfer, or a posting list that names it,", timestamp)
                     : STATUS_OK;
    } else if (query_fits_transfer(query, &transfer)) {
        transfer.timestamp = timestamp; /* an expiry's own */
        query_take_transfer(query, &transfer, &change);
    }
    return STATUS_OK;
}

static enum status read_found(struct query *query, struct error *error)
{
    struct store_gets *gets = &query->store->records;
    gets_begin(gets);
    for (uint32_t i = 0; i < query->found_count; i++) {
        gets_add(gets, query->found[i], i, 0);
    }
    TRY(gets_run(query->store, gets, kind_of(query), error));
    for (uint32_t i = 0; i < query->found_count; i++) {
        /* They were sorted, and no two are the same. */
        uint32_t at = query->backwards ? query->found_count - 1 - i : i;
        ASSERT(gets->sorted[at].position == i);
        struct bytes value;
        if (!gets_found(gets, at, &value)) {
            return untrue(error, "what a posting list names", query->found[i]);
        }
        TRY(take_record(query, value, query->found[i], true, error));
    }
    return STATUS_OK;
}

static enum status step_lists(struct query *query, uint64_t low, uint64_t high, struct error *error)
{
    uint32_t room = query_room(query);
    uint32_t max = room < query->pieces.rows ? room : query->pieces.rows;
    uint64_t passed = 0;
    enum status status = query_streams_intersect(query, from_of(query, low, high),
                                                 to_of(query, low, high), max, &passed, error);
    query_streams_close(query);
    TRY(status);
    TRY(read_found(query, error));
    query_passed(query, passed);
    return STATUS_OK;
}

/* --- all records of a range ------------------------------------------------------------------- */

/* The iterator's records up to `to`, as many as there is room for. */
static enum status read_range(struct query *query, struct kv_iterator *iterator, uint64_t to,
                              struct error *error)
{
    for (uint32_t i = 0; i < query->pieces.rows && query_room(query) > 0; i++) {
        struct bytes key, value;
        uint64_t timestamp = 0;
        TRY(query->store->kv->ops->next(iterator, &key, &value, error));
        bool mine = key.data != NULL && key_read_timestamp(key, kind_of(query), &timestamp);
        if (!mine || (query->backwards ? timestamp < to : timestamp > to)) {
            query_passed(query, to);
            return STATUS_OK;
        }
        TRY(take_record(query, value, timestamp, false, error));
        query_passed(query, timestamp);
    }
    return STATUS_OK;
}

static enum status step_range(struct query *query, uint64_t low, uint64_t high, struct error *error)
{
    uint8_t key[KEY_SIZE_MAX];
    size_t size = key_of_timestamp(key, kind_of(query), from_of(query, low, high));
    struct kv *kv = query->store->kv;
    struct kv_iterator *iterator;
    uint32_t first = query->count;
    TRY(kv->ops->iterate(kv, (struct bytes){ key, size }, query->backwards, &iterator, error));
    enum status status = read_range(query, iterator, to_of(query, low, high), error);
    kv->ops->iterate_end(iterator);
    TRY(status);
    return query->kind == QUERY_CHANGES ? query_read_expired(query, first, error) : STATUS_OK;
}

enum status query_sealed_step(struct query *query, uint64_t low, uint64_t high, struct error *error)
{
    query_streams_open(query);
    return query->stream_count > 0 ? step_lists(query, low, high, error)
                                   : step_range(query, low, high, error);
}

/* --- expiries --------------------------------------------------------------------------------- */

static struct query_change *change_row(struct query *query, uint32_t i)
{
    return (struct query_change *)(void *)query->rows + i;
}

static const struct transfer *in_memory(const struct query *query, uint64_t timestamp)
{
    const struct delta *delta = query->store->delta;
    const struct delta_generation *generations[] = { &delta->live, &delta->frozen };
    for (size_t i = 0; i < (delta->has_frozen ? 2 : 1); i++) {
        uint32_t at = delta_transfers_from(generations[i], timestamp);
        if (at < generations[i]->transfer_count &&
            generations[i]->transfers[at].timestamp == timestamp) {
            return &generations[i]->transfers[at];
        }
    }
    return NULL;
}

static void keep_pending(void *context, u128 id, uint32_t position, const struct transfer *transfer,
                         uint16_t why)
{
    (void)id;
    (void)why;
    change_row(context, position)->transfer = *transfer;
}

enum status query_read_expired(struct query *query, uint32_t first_row, struct error *error)
{
    struct store *store = query->store;
    gets_begin(&store->records);
    for (uint32_t i = first_row; i < query->count; i++) {
        struct query_change *row = change_row(query, i);
        if (row->change.kind != CHANGE_EXPIRED) {
            continue;
        }
        const struct transfer *pending = in_memory(query, row->change.pending_timestamp);
        if (pending != NULL) {
            row->transfer = *pending;
        } else {
            gets_add(&store->records, row->change.pending_timestamp, i, UINT64_MAX);
        }
    }
    TRY(store_read_events(store, keep_pending, query, error));
    query_keep_fitting(query, first_row);
    return STATUS_OK;
}
