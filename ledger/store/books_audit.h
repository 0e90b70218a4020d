/* books_audit.h — do the books add up? Recomputes what the sealed past says from its transfers.
 *
 * Checked     each change is what its transfer says, and its balances follow from those before it;
 *             balances of each account = the sum of what its transfers did; pending of each account
 *             = the sum of its live holds; what a hold captured and released = its changes; no account
 *             without controls is beyond its limit flags; debits = credits in each ledger, posted and pending;
 *             each row of the trial balance (the present one, which the caller gives, and those kept
 *             at seals) = the sum of the accounts.
 * How         one walk over the changes in order, with the holds beside them, and one over the
 *             accounts, in bounded memory whatever their number: for each of BOOKS_BUCKETS groups of
 *             accounts (holds) sums of hashes and of weighted amounts are kept that are zero when
 *             all of the group add up (a wrong group passes with a probability of about 2^-100).
 *             Only when some are not zero, a second walk looks at the accounts and holds of those
 *             groups one by one, and says which, where, what was expected and what is found.
 * Not checked that all is there that was: the digest says that (store_audit). Objects: controls and
 *             groups, tools/audit_controls.h.
 * Threads     any, on a store that is not in use otherwise.
 */
#pragma once

#include "ledger/store/store.h"

enum { BOOKS_BUCKETS = 64 * 1024 };

enum books_check {
    BOOKS_RECORD,  /* a record cannot be read */
    BOOKS_CHANGE,  /* a change does not follow from its transfer, or from the change before */
    BOOKS_BALANCE, /* of an account */
    BOOKS_PENDING, /* of an account, against its live holds */
    BOOKS_HOLD,
    BOOKS_LIMIT,
    BOOKS_LEDGER, /* debits and credits */
    BOOKS_TRIAL,  /* a row of the trial balance */
    BOOKS_CHECKS
};
const char *books_check_name(enum books_check check);

struct books_options {
    struct store_watch watch;
    /* Told of each difference, with a sentence that says what, where, expected and found. */
    void (*difference)(void *context, enum books_check check, const char *text);
    void *context;
    const struct trial_row *trial; /* the trial balance at the checkpoint, ascending; NULL: none */
    uint32_t trial_count;
};

struct books_result {
    uint64_t accounts;
    uint64_t transfers;
    uint64_t changes;
    uint64_t holds;
    uint64_t holds_pending;
    uint64_t seals; /* whose rows of the trial balance were compared */
    uint32_t ledgers;
    uint32_t pairs; /* of ledger and account code */
    uint64_t differences[BOOKS_CHECKS];
    uint64_t differences_all;
};

/* OK, too, when differences were found. MEMORY, IO, CORRUPT (a block that does not have its
 * checksum), SHUTTING_DOWN: the watch gave up. */
STATUS_MUST_USE enum status books_audit(struct store *store, const struct books_options *options,
                                        struct books_result *result, struct error *error);

/* --- for those above that recompute something else -------------------------------------------- */
/* An event with the hold that it made, or NULL. */
struct books_event {
    const struct transfer *transfer; /* of an expiry: accounts and ledger of what expired */
    const struct change *change;
    const struct hold *hold;
};
typedef enum status (*books_see)(void *context, const struct books_event *event,
                                 struct error *error);
/* All events of the sealed past from a timestamp on, in order; those that cannot be read are passed
 * over, because books_audit tells of them. Errors as books_audit, and those of `see`. */
STATUS_MUST_USE enum status books_each_event(struct store *store, const struct store_watch *watch,
                                             uint64_t from_timestamp, books_see see, void *context,
                                             struct error *error);
/* A record as it is sealed, with what only the ledger sees of it. */
STATUS_MUST_USE enum status books_account(struct store *store, u128 id, struct account *account,
                                          bool *found, struct error *error);
/* The posted journal that the transfer with this timestamp is a leg of. */
STATUS_MUST_USE enum status books_journal_at(struct store *store, uint64_t timestamp,
                                             struct journal *journal, bool *found,
                                             struct error *error);
