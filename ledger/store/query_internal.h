/* query_internal.h — the parts of a query, for its own files.
 *
 * [low, high] is what is left to look at, both ends included: it shrinks from the end where the
 * query reads, by whole pieces, and is all that a query remembers between steps beside its rows.
 */
#pragma once

#include "ledger/store/index_list.h"
#include "ledger/store/past.h"
#include "ledger/store/query.h"
#include "ledger/store/store_internal.h"

enum {
    QUERY_STREAMS_MAX = 6,                   /* account, three user data, ledger, code */
    QUERY_STREAM_LISTS_MAX = 4,              /* an account's debits and credits are one stream, */
    QUERY_LISTS_MAX = QUERY_STREAMS_MAX + 3, /* with its expiries for who wants them */
    QUERY_PIECE_ROWS = 256,
    QUERY_PIECE_CHAIN = 1024,
};

/* What one step does at the most. */
struct query_pieces {
    uint32_t rows;  /* records of the sealed past that it reads, at most QUERY_PIECE_ROWS; or rows
                       that it takes */
    uint32_t seeks; /* in posting lists; at least QUERY_STREAMS_MAX + 1, so that it comes forward */
    uint32_t passes; /* chunks of one list in a row that have nothing of it, at least 1 */
    uint32_t scan;   /* records of memory that it looks at */
    uint32_t chain;  /* transfers of one account in memory that it follows, at most
                        QUERY_PIECE_CHAIN */
    uint32_t looked; /* not of a step: after so many records a whole QUERY_CHANGES ends */
};

/* Timestamps with one value of the filter: a list, or several at once. */
struct query_stream {
    struct index_list *lists[QUERY_STREAM_LISTS_MAX];
    uint32_t list_count;
};

struct query {
    struct store *store;
    enum query_kind kind;
    struct past *past; /* of the kinds of past.h, which have nothing of what follows; else NULL */
    struct query_filter filter;
    struct query_pieces pieces;
    bool backwards;
    bool debits; /* the sides asked for */
    bool credits;
    bool done;
    bool account_checked; /* for its history */
    uint64_t low;
    uint64_t high;
    uint32_t limit;
    uint32_t looked; /* records of QUERY_CHANGES, those that did not fit too */
    uint32_t count;  /* of rows; of accounts, until the last step, of ids */
    size_t row_size;
    uint8_t *rows;
    u128 *ids; /* of accounts */

    /* For the length of a step: */
    uint64_t found[QUERY_PIECE_ROWS]; /* timestamps, in the direction of the query */
    uint32_t found_count;
    struct query_stream streams[QUERY_STREAMS_MAX];
    uint32_t stream_count;
    struct index_list lists[QUERY_LISTS_MAX];
    uint32_t list_count;
};

static inline bool query_names_account(const struct query *query)
{
    return query->kind == QUERY_ACCOUNT_TRANSFERS || query->kind == QUERY_ACCOUNT_BALANCES ||
           query->kind == QUERY_ACCOUNT_LAST;
}
static inline uint32_t query_room(const struct query *query)
{
    return query->limit - query->count;
}

/* query.c: comparing and taking. Timestamps are not looked at. */
bool query_fits_transfer(const struct query *query, const struct transfer *transfer);
bool query_fits_change(const struct query *query, const struct transfer *transfer,
                       const struct change *change);
bool query_fits_account(const struct query *query, const struct account *account);
void query_take_transfer(struct query *query, const struct transfer *transfer,
                         const struct change *change);
void query_take_change(struct query *query, const struct transfer *transfer,
                       const struct change *change);
/* Of the rows from `first` on, drops those that turned out not to fit. */
void query_keep_fitting(struct query *query, uint32_t first);
void query_take_account(struct query *query, u128 id);
bool query_fits_journal(const struct query *query, const struct journal_row *row);
/* A row that fits, with all of its record. */
STATUS_MUST_USE enum status query_take_journal(struct query *query, const struct journal_row *row,
                                               struct error *error);
/* Nothing up to this timestamp, in the direction of the query and included, need be looked at any
 * more. */
void query_passed(struct query *query, uint64_t timestamp);

/* query_memory.c: the first timestamp of what is in memory; UINT64_MAX: nothing is. */
uint64_t query_memory_first(const struct query *query);
/* One piece of [low, high], all of which is in memory. */
STATUS_MUST_USE enum status query_memory_step(struct query *query, uint64_t low, uint64_t high,
                                              struct error *error);

/* query_sealed.c: one piece of [low, high], all of which is sealed. */
STATUS_MUST_USE enum status query_sealed_step(struct query *query, uint64_t low, uint64_t high,
                                              struct error *error);
/* The pending transfer of an expiry, wherever it is. */
STATUS_MUST_USE enum status query_read_expired(struct query *query, uint32_t first_row,
                                               struct error *error);

/* query_lists.c: opens the streams that the filter asks for; none: stream_count is 0. */
void query_streams_open(struct query *query);
void query_streams_close(struct query *query);
/* Finds timestamps that are in all streams, in the direction of the query from `from`, up to `to`:
 * at most `max`, into query->found. *passed: none that was left out is before it, in the direction;
 * `to` itself when all were found. */
STATUS_MUST_USE enum status query_streams_intersect(struct query *query, uint64_t from, uint64_t to,
                                                    uint32_t max, uint64_t *passed,
                                                    struct error *error);
