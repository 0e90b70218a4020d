/* books_audit_parts.h — what the files of the audit share. For books_audit*.c alone. */
#pragma once

#include "ledger/store/books_audit.h"
#include "ledger/store/store_internal.h"

/* Sums that are zero when all accounts (the first two) and all holds of the bucket add up. */
struct books_bucket {
    u128 chain;    /* hashes of balances before and after each change, from nothing to the record */
    u128 pending;  /* weighted: pending in the records less what live holds hold */
    u128 released; /* weighted: amounts less what was released, less what live holds hold */
    u128 captured; /* weighted: posted less what the holds say */
};

/* Rows of the trial balance as they come out, ascending by ledger and code. */
struct books_rows {
    struct trial_row *rows; /* ACCOUNT_CODES_MAX */
    uint32_t count;
    uint32_t last;
};

struct books {
    struct store *store;
    const struct books_options *options;
    struct books_result *result;
    struct books_bucket *buckets; /* BOOKS_BUCKETS */
    struct books_rows of_changes;
    struct books_rows of_accounts;
    uint64_t records; /* read so far */
    uint64_t records_all;
};

typedef enum status (*books_event_function)(struct books *books, void *context,
                                            const struct books_event *event, struct error *error);
typedef void (*books_account_function)(struct books *books, void *context,
                                       const struct account *account);

/* books_audit_walk.c: all events in order of time, from `from_timestamp` on; holds that no pending
 * transfer has are told of when `tell`. */
STATUS_MUST_USE enum status books_walk_events(struct books *books, uint64_t from_timestamp,
                                              books_event_function see, void *context, bool tell,
                                              struct error *error);
STATUS_MUST_USE enum status books_walk_accounts(struct books *books, books_account_function see,
                                                void *context, bool tell, struct error *error);
void books_tell(struct books *books, enum books_check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* books_audit_search.c: the second walk. */
STATUS_MUST_USE enum status books_search(struct books *books, struct error *error);

uint32_t books_bucket_of(u128 key);
/* What a pending hold holds still. */
static inline u128 books_remaining(const struct books_event *event)
{
    return event->hold->state == HOLD_PENDING ? event->change->amount - event->hold->captured : 0;
}
static inline struct balances books_balances(const struct account *account)
{
    return (struct balances){ account->debits_pending, account->debits_posted,
                              account->credits_pending, account->credits_posted };
}
/* Before the change, when its effect is taken back; modulo 2^128. */
static inline struct balances books_before(const struct change *change, bool debit)
{
    const struct change_effect effect = change_effect(change);
    struct balances before = debit ? change->debit : change->credit;
    u128 *pending = debit ? &before.debits_pending : &before.credits_pending;
    u128 *posted = debit ? &before.debits_posted : &before.credits_posted;
    *pending += effect.released - effect.reserved;
    *posted -= effect.posted;
    return before;
}
