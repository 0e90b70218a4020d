/* script_query.h — what the queries of a script find: every record of a ledger in memory is looked
 * at, so that nothing can be missed. A filter that can match nothing finds nothing: it is no error.
 *
 * The rules of filters  zero means any; limit 0, a timestamp past the largest, a range upside down,
 * an unknown flag, an account filter of account 0 or 2^128-1 or without a side: impossible. More
 * than SCRIPT_ROWS_MAX are never found.
 */
#pragma once

#include "base/limits.h"
#include "ledger/store/delta.h"

enum { SCRIPT_ROWS_MAX = BATCH_EVENTS_MAX };

enum script_filter_flags {
    SCRIPT_FILTER_DEBITS = 1 << 0,
    SCRIPT_FILTER_CREDITS = 1 << 1,
    SCRIPT_FILTER_REVERSED = 1 << 2,
    SCRIPT_QUERY_REVERSED = 1 << 0, /* of a query that names no account */
};

struct script_filter {
    u128 id; /* of the account */
    u128 user_data_128;
    /* Ids of records whose timestamps are meant; 0: none is. Whoever asks turns them into
     * timestamp_min and timestamp_max. */
    u128 timestamp_min_transfer;
    u128 timestamp_max_transfer;
    u128 timestamp_min_account;
    u128 timestamp_max_account;
    u128 reference; /* this and the next three: of journals */
    uint32_t kind;
    uint32_t date_min;
    uint32_t date_max;
    uint64_t user_data_64;
    uint64_t timestamp_min;
    uint64_t timestamp_max;
    uint32_t user_data_32;
    uint32_t ledger;
    uint32_t limit;
    uint32_t flags;
    uint16_t code;
};

struct script_balance_row {
    u128 transfer;
    struct balances balances;
    uint64_t timestamp;
};

/* One account in a change: its id, its balances, whether it is closed. */
struct script_side {
    u128 id;
    u128 balances[4]; /* debits pending, posted, credits pending, posted */
    bool closed;
};

struct script_change_row {
    u128 transfer; /* 0: an expiry, which is no transfer */
    u128 amount;
    u128 pending_id;
    uint64_t timestamp;
    struct script_side debit;
    struct script_side credit;
    uint32_t ledger;
    uint16_t code;
    uint16_t kind; /* enum change_kind */
};

/* Each gives the number of rows, which has room for SCRIPT_ROWS_MAX. Between batches. */
uint32_t script_find_account_transfers(struct delta *delta, const struct script_filter *filter,
                                       const struct transfer **rows);
uint32_t script_find_account_balances(struct delta *delta, const struct script_filter *filter,
                                      struct script_balance_row *rows);
uint32_t script_find_transfers(struct delta *delta, const struct script_filter *filter,
                               const struct transfer **rows);
uint32_t script_find_accounts(struct delta *delta, const struct script_filter *filter,
                              const struct account **rows);
uint32_t script_find_journals(struct delta *delta, const struct script_filter *filter,
                              const struct journal **rows);
uint32_t script_find_changes(struct delta *delta, const struct script_filter *filter,
                             struct script_change_row *rows);
