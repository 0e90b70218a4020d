/* query.h — what clients ask by account, by value and by time: rows in order of time.
 *
 * Filters     a value of 0 means any; several mean all of them. A filter that nothing can match has
 *             no rows: limit 0, a timestamp above TIMESTAMP_LARGEST, a range upside down, an
 *             unknown flag, account 0 or 2^128-1 or no side where an account is asked for. A limit
 *             above QUERY_ROWS_MAX means that.
 * Rows        in the order of their timestamps, or reversed; what was committed when the query was
 *             opened, and nothing later. Accounts are as they are when their query ends, all at the
 *             same point of the log. Balances are of accounts with history alone, one row for each
 *             transfer of the account; expiries are in the changes only.
 * Work        a step does a bounded piece, so that a query that reads much stops nobody; between
 *             two steps, batches may be applied and generations frozen and sealed.
 * How         sealed: posting lists are intersected and the records found are compared with the
 *             filter once more, or, with nothing but a range of time, records are read in order.
 *             Memory: an account's own transfers, or all records of a generation in order.
 * Errors      as kv.h; CORRUPT, too, when a posting list and a record disagree. After one, the
 *             query can only be closed.
 * Threads     the state machine's, between batches.
 */
#pragma once

#include "ledger/store/store.h"

#include <stdbool.h>

enum query_kind {
    QUERY_ACCOUNT_TRANSFERS, /* rows: struct transfer */
    QUERY_ACCOUNT_BALANCES,  /* struct query_balance */
    QUERY_TRANSFERS,         /* struct transfer */
    QUERY_ACCOUNTS,          /* struct account */
    QUERY_CHANGES,           /* struct query_change; by time, account, ledger and code; never
                                reversed */
    /* struct query_balance: one row, what the last event up to timestamp_max left the account with;
       an expiry, too, whose transfer_id is 0. Never a client's question as it is: as_of.h. */
    QUERY_ACCOUNT_LAST,
    QUERY_TRIAL,          /* of the past (past.h): struct trial_row */
    QUERY_BALANCES_AS_OF, /* struct balances_answer */
    QUERY_JOURNALS,       /* struct journal; those that were posted */
};

/* Of filters that name an account; the bits that clients know. */
enum query_account_flags {
    QUERY_ACCOUNT_DEBITS = 1 << 0,
    QUERY_ACCOUNT_CREDITS = 1 << 1,
    QUERY_ACCOUNT_REVERSED = 1 << 2,
};
/* Of QUERY_CHANGES: which kinds, by bits (1 << (enum change_kind - 1)); none is all. */
enum { QUERY_CHANGE_KINDS = (1 << CHANGE_CAPTURED) - 1 };
/* Of filters that name none. */
enum query_flags {
    QUERY_REVERSED = 1 << 0,
};

struct query_filter {
    u128 account_id; /* of the two kinds that ask for an account; else 0 */
    u128 user_data_128;
    uint64_t user_data_64;
    uint64_t timestamp_min; /* 0: no bound; so is the next */
    uint64_t timestamp_max;
    uint32_t user_data_32;
    uint32_t ledger;
    uint32_t limit;
    uint32_t flags;
    uint16_t code;
    /* Of journals, which have none of the values above but the range of time: */
    uint32_t kind;
    uint32_t business_date_min; /* both ends are included; 0: no bound */
    uint32_t business_date_max;
    u128 reference;
};

#define TIMESTAMP_LARGEST ((uint64_t)INT64_MAX)

struct query_balance {
    struct balances balances; /* of the account, after the transfer */
    u128 transfer_id;
    uint64_t timestamp;
    uint64_t reserved;
};

struct query_change {
    struct transfer transfer; /* of an expiry: the pending transfer that expired */
    struct change change;
};

struct query;

/* MEMORY. */
STATUS_MUST_USE enum status query_open(struct store *store, enum query_kind kind,
                                       const struct query_filter *filter, struct query **query,
                                       struct error *error);
void query_close(struct query *query);
bool query_done(const struct query *query);
/* Of QUERY_CHANGES, when it is done: it has looked at everything up to this timestamp. It stops
 * after CHANGES_LOOKED_MAX records, too. */
uint64_t query_position(const struct query *query);
/* The next piece of a query that is not done. */
STATUS_MUST_USE enum status query_step(struct query *query, struct error *error);
/* Of a query that is done: *count rows of its kind, valid until it is closed. */
const void *query_rows(const struct query *query, uint32_t *count);
