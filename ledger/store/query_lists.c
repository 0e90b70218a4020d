/* query_lists.c — the posting lists of a filter, and what all of them have in common: each in turn
 * leaps to the first timestamp at or past the one that the others have come to; when all stand at
 * the same one, it is found. */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/store/query_internal.h"

/* --- streams ---------------------------------------------------------------------------------- */

static void add_list(struct query *query, struct query_stream *stream, enum index_field field,
                     u128 value)
{
    ASSERT(query->list_count < QUERY_LISTS_MAX && stream->list_count < QUERY_STREAM_LISTS_MAX);
    struct index_list *list = &query->lists[query->list_count];
    query->list_count++;
    index_list_open(list, query->store->kv, &query->store->past.eras, field, value,
                    query->backwards);
    list->passes_max = query->pieces.passes;
    stream->lists[stream->list_count] = list;
    stream->list_count++;
}

static struct query_stream *add_stream(struct query *query)
{
    ASSERT(query->stream_count < QUERY_STREAMS_MAX);
    struct query_stream *stream = &query->streams[query->stream_count];
    query->stream_count++;
    stream->list_count = 0;
    return stream;
}

static void add_value(struct query *query, enum index_field field, u128 value)
{
    if (value != 0) {
        add_list(query, add_stream(query), field, value);
    }
}

static void add_account(struct query *query)
{
    struct query_stream *stream = add_stream(query);
    if (query->debits) {
        add_list(query, stream, INDEX_DEBIT_ACCOUNT, query->filter.account_id);
    }
    if (query->credits) {
        add_list(query, stream, INDEX_CREDIT_ACCOUNT, query->filter.account_id);
    }
    if (query->kind == QUERY_ACCOUNT_LAST) {
        add_list(query, stream, INDEX_EXPIRED_DEBIT_ACCOUNT, query->filter.account_id);
        add_list(query, stream, INDEX_EXPIRED_CREDIT_ACCOUNT, query->filter.account_id);
    }
}

/* A range of dates is looked at in the records that the other lists name. */
static void add_journal_values(struct query *query)
{
    const struct query_filter *filter = &query->filter;
    const bool one_date = filter->business_date_min == filter->business_date_max;
    add_value(query, INDEX_JOURNAL_REFERENCE, filter->reference);
    add_value(query, INDEX_JOURNAL_BUSINESS_DATE, one_date ? filter->business_date_min : 0);
    add_value(query, INDEX_JOURNAL_KIND, filter->kind);
}

void query_streams_open(struct query *query)
{
    const struct query_filter *filter = &query->filter;
    bool accounts = query->kind == QUERY_ACCOUNTS;
    query->stream_count = 0;
    query->list_count = 0;
    if (query->kind == QUERY_CHANGES) {
        return;
    }
    if (query->kind == QUERY_JOURNALS) {
        add_journal_values(query);
        return;
    }
    if (query_names_account(query)) {
        add_account(query);
    }
    add_value(query, accounts ? INDEX_ACCOUNT_USER_DATA_128 : INDEX_TRANSFER_USER_DATA_128,
              filter->user_data_128);
    add_value(query, accounts ? INDEX_ACCOUNT_USER_DATA_64 : INDEX_TRANSFER_USER_DATA_64,
              filter->user_data_64);
    add_value(query, accounts ? INDEX_ACCOUNT_USER_DATA_32 : INDEX_TRANSFER_USER_DATA_32,
              filter->user_data_32);
    add_value(query, accounts ? INDEX_ACCOUNT_CODE : INDEX_TRANSFER_CODE, filter->code);
    add_value(query, accounts ? INDEX_ACCOUNT_LEDGER : INDEX_TRANSFER_LEDGER, filter->ledger);
}

void query_streams_close(struct query *query)
{
    for (uint32_t i = 0; i < query->list_count; i++) {
        index_list_close(&query->lists[i]);
    }
}

/* --- intersection ----------------------------------------------------------------------------- */

/* `a` comes before `b` in the direction of the query. */
static bool before(const struct query *query, uint64_t a, uint64_t b)
{
    return query->backwards ? a > b : a < b;
}

/* Where a stream stands. */
struct standing {
    uint64_t at;
    bool ended;
    bool stopped; /* it need not have `at`, but has nothing before it */
};

/* The first of the stream at or past `from`. */
static enum status stream_seek(struct query *query, struct query_stream *stream, uint64_t from,
                               struct standing *standing, struct error *error)
{
    *standing = (struct standing){ .ended = true };
    for (uint32_t i = 0; i < stream->list_count; i++) {
        struct index_list *list = stream->lists[i];
        uint64_t now;
        TRY(index_list_seek(list, from, error));
        if (!index_list_now(list, &now)) {
            continue;
        }
        bool same = !standing->ended && now == standing->at;
        if (standing->ended || before(query, now, standing->at)) {
            *standing = (struct standing){ .at = now, .stopped = list->stopped };
        } else if (same) {
            standing->stopped = standing->stopped && list->stopped;
        }
    }
    return STATUS_OK;
}

enum leap { LEAP_FOUND, LEAP_ENDED, LEAP_STOPPED };

/* Moves *target to the next timestamp that all streams have; up to `to`. LEAP_STOPPED: the step has
 * done its share, and *target is as far as it came. */
static enum status leap(struct query *query, uint64_t *target, uint64_t to, uint32_t *seeks,
                        enum leap *outcome, struct error *error)
{
    uint32_t agreed = 0;
    for (uint32_t i = 0; agreed < query->stream_count; i = (i + 1) % query->stream_count) {
        struct standing standing;
        if (*seeks == 0) {
            *outcome = LEAP_STOPPED;
            return STATUS_OK;
        }
        (*seeks)--;
        TRY(stream_seek(query, &query->streams[i], *target, &standing, error));
        if (standing.ended || before(query, to, standing.at)) {
            *outcome = LEAP_ENDED;
            return STATUS_OK;
        }
        agreed = standing.at == *target ? agreed + 1 : 1;
        *target = standing.at;
        if (standing.stopped) {
            *outcome = LEAP_STOPPED;
            return STATUS_OK;
        }
    }
    *outcome = LEAP_FOUND;
    return STATUS_OK;
}

enum status query_streams_intersect(struct query *query, uint64_t from, uint64_t to, uint32_t max,
                                    uint64_t *passed, struct error *error)
{
    ASSERT(query->stream_count > 0 && max > 0 && max <= QUERY_PIECE_ROWS);
    const uint64_t forth = query->backwards ? UINT64_MAX : 1; /* one on, modulo 2^64 */
    uint32_t seeks = query->pieces.seeks;
    uint64_t target = from;
    query->found_count = 0;
    while (!before(query, to, target)) {
        enum leap outcome;
        TRY(leap(query, &target, to, &seeks, &outcome, error));
        if (outcome == LEAP_ENDED) {
            break;
        }
        if (outcome == LEAP_STOPPED) {
            *passed = MUTATION(query_stop_skips_one) ? target : target - forth;
            return STATUS_OK;
        }
        query->found[query->found_count] = target;
        query->found_count++;
        if (query->found_count == max) {
            *passed = target;
            return STATUS_OK;
        }
        target += forth;
    }
    *passed = to;
    return STATUS_OK;
}
