/* past.h — what was: the trial balance, and balances of accounts, as of a timestamp.
 *
 * As of T     after all changes, and with all accounts, whose timestamp is T or before: timestamps
 *             ascend in the order of commit, so that is a state that the ledger was in, between two
 *             events. An expiry counts from its own timestamp (the pulse that made it), so a hold
 *             whose time was over and that no pulse had come for is pending still, as it was. T =
 * 0, or one beyond the last event, means now: what was committed when the question was opened.
 * Trial       the rows of the last seal at or before T, and the changes after it up to T on top: at
 *             most those of two generations, whatever the age of T.
 * Balances    those after the account's last change at T or before; of accounts with the flag
 *             `history`, as in every question about the past of an account.
 * How         both are queries (query.h): stepped, done, read and closed as those are. Rows are
 *             struct trial_row, ascending by ledger and code, without pairs that had no account
 *             then; or one struct balances_answer for each question, in their order.
 * Threads     the state machine's, between batches.
 */
#pragma once

#include "ledger/store/query.h"

/* Which rows are asked for: 0 means any. */
struct trial_question {
    uint64_t as_of;
    uint32_t ledger;
    uint32_t after_ledger; /* rows after this pair; 0, 0: from the first */
    uint16_t code;
    uint16_t after_code;
    uint32_t limit; /* above QUERY_ROWS_MAX it means that */
};

/* The trial balance as it is now: all rows, ascending, with the times up to which they stand. */
struct trial_now {
    const struct trial_row *rows; /* borrowed for the call */
    uint32_t count;
    uint64_t last_change;
    uint64_t last_account;
};

/* MEMORY. */
STATUS_MUST_USE enum status past_open_trial(struct store *store,
                                            const struct trial_question *question,
                                            const struct trial_now *now, struct query **query,
                                            struct error *error);

struct balances_question {
    u128 account_id;
    uint64_t as_of;
    uint64_t reserved; /* zero */
};

enum balances_state {
    BALANCES_FOUND = 1,
    BALANCES_NOT_FOUND = 2, /* no account with this id, then */
    BALANCES_NO_HISTORY = 3,
};

struct balances_answer {
    struct balances balances;
    u128 account_id;
    uint64_t timestamp; /* of the change that left them so; of the account when there was none */
    uint32_t state;     /* enum balances_state */
    uint32_t ledger;
};
_Static_assert(sizeof(struct balances_question) == 32, "fixed layout");
_Static_assert(sizeof(struct balances_answer) == 96, "fixed layout");

/* At most BATCH_EVENTS_MAX questions; copies them. MEMORY. */
STATUS_MUST_USE enum status past_open_balances(struct store *store,
                                               const struct balances_question *questions,
                                               uint32_t count, struct query **query,
                                               struct error *error);

/* --- for query.c ------------------------------------------------------------------------------ */
struct past;
STATUS_MUST_USE enum status past_step(struct past *past, bool *done, struct error *error);
const void *past_rows(const struct past *past, uint32_t *count);
void past_close(struct past *past);
