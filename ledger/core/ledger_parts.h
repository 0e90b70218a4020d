/* ledger_parts.h — what the parts of ledger/core share. Included by its .c files alone.
 *
 * A check answers CREATED when nothing speaks against the event. Pure.
 */
#pragma once

#include "base/assert.h"
#include "ledger/core/chain.h"
#include "ledger/core/registry_parts.h"
#include "ledger/core/sums.h"

/* The order of time, which imported events must keep. */
struct ledger_times {
    uint64_t account; /* timestamp of the last account; 0: there is none */
    uint64_t change;  /* of the last transfer or expiry */
};

/* What the legs of a journal do together to each account with a control (control_net.c). */
struct nets {
    struct map by_account;
    struct net *list;
    uint32_t count;
};
size_t nets_footprint(void);
/* In nets_footprint() bytes, aligned to 16. */
void nets_init(struct nets *nets, void *memory);

struct ledger {
    struct delta *delta;
    struct registry *registry;
    struct nets nets;
    struct sums sums;  /* by ledger */
    struct sums codes; /* by ledger and account code: the trial balance */
    struct ledger_times last;
    struct ledger_times last_at_chain_open;
    uint64_t commit_timestamp; /* of the last call: its last event's */
    u128 released;             /* by movement_release, and not in a change yet */
};

/* When an event is tried. */
struct moment {
    uint64_t timestamp; /* the event's own, cluster time */
    uint64_t commit;    /* of the last event of the call: what is imported lies before it */
    bool imported;      /* the first event of the call is, so all of them must be */
    bool in_journal;    /* a leg: limits are looked at after the last one (journal_net.c) */
};

/* ledger.c: every call of events, with its timestamps, begins so. */
void ledger_begin_call(struct ledger *ledger, uint32_t count, uint64_t first_timestamp);

/* --- account.c, transfer.c: one event of a call ----------------------------------------------- */
/* *result_timestamp changes when the answer's is not the event's own cluster time. */
enum account_status account_create(struct ledger *ledger, const struct account *event,
                                   const struct moment *moment, uint64_t *result_timestamp);
/* Remembers the id of a transient failure. */
enum transfer_status transfer_create(struct ledger *ledger, const struct transfer *event,
                                     const struct moment *moment, uint64_t *result_timestamp);

/* --- imported.c: timestamps that the client gives ----------------------------------------------
 */
/* What the call and the moment say of an event that has this timestamp: EVENT_CREATED, or what
 * accounts and transfers have in common. */
unsigned imported_check_head(const struct moment *moment, bool imported, uint64_t timestamp);
/* The timestamp that the event's record gets. */
static inline uint64_t record_timestamp(const struct moment *moment, bool imported,
                                        uint64_t timestamp)
{
    return imported ? timestamp : moment->timestamp;
}
/* Whether an imported record with this timestamp keeps the order of its kind, and takes nothing
 * that a record of the other kind has. */
bool imported_account_regresses(struct ledger *ledger, uint64_t timestamp);
bool imported_transfer_regresses(struct ledger *ledger, uint64_t timestamp);

/* --- trial.c: the rows of each ledger's codes add up to the ledger's own ------------------------
 */
bool trial_adds_up(const struct ledger *ledger);

/* --- transfer_check.c: what can be said of a transfer without knowing any other record ----------
 */
/* What comes before the question whether its id exists. */
enum transfer_status transfer_check_head(const struct transfer *event);
/* The rest, for one that moves money by itself, and for one that posts, captures or voids. */
enum transfer_status transfer_check_fields(const struct transfer *event);
enum transfer_status transfer_check_resolving(const struct transfer *event);
static inline bool transfer_resolves(const struct transfer *event)
{
    return (event->flags & TRANSFER_RESOLVING) != 0;
}

/* --- transfer_exists.c: an event whose id names a transfer already ------------------------------
 */
enum transfer_status transfer_compare(struct delta *delta, const struct transfer *event,
                                      const struct transfer *existing);

/* --- movement.c: what an event does to the two accounts and their ledger's sums -----------------
 */
struct parties {
    struct account *debit;
    struct account *credit;
};
/* From available to posted, from available to pending, from pending back; `sums` from sums_change
 * for the accounts' ledger. */
void movement_post(struct ledger *ledger, struct ledger_sums *sums, const struct parties *parties,
                   u128 amount);
void movement_reserve(struct ledger *ledger, struct ledger_sums *sums,
                      const struct parties *parties, u128 amount);
void movement_release(struct ledger *ledger, struct ledger_sums *sums,
                      const struct parties *parties, u128 amount);
/* Closes, or reopens, the accounts that the flags of a closing transfer name. */
void movement_close(struct ledger *ledger, const struct parties *parties, unsigned flags);
void movement_reopen(struct ledger *ledger, const struct parties *parties, unsigned flags);
/* Appends the change with the accounts as they are now. */
void movement_record(struct ledger *ledger, const struct parties *parties, enum change_kind kind,
                     u128 amount, uint64_t timestamp, uint64_t pending_timestamp);

/* --- transfer_amount.c: what is moved, and what the balances allow ------------------------------
 */
/* The amount, which balancing clamps. */
u128 amount_of(struct ledger *ledger, const struct transfer *event, const struct parties *parties);
enum transfer_status amount_check(const struct transfer *event, const struct parties *parties,
                                  u128 amount, uint64_t timestamp);
/* What may not be exceeded, with the amount of the record added; `timestamp` is cluster time. */
enum transfer_status amount_check_limits(struct ledger *ledger, const struct transfer *transfer,
                                         const struct parties *parties, uint64_t timestamp);
/* When the hold of a pending transfer ends; 0: never. The sum does not overflow. */
uint64_t amount_expires_at(uint64_t timestamp, uint32_t timeout_s);

/* --- transfer_pending.c: posts, captures or voids a pending transfer ----------------------------
 */
/* What a hold that is pending still holds of its transfer's amount. */
static inline u128 hold_remaining(const struct hold *hold, const struct transfer *pending)
{
    ASSERT(hold->captured <= pending->amount);
    return pending->amount - hold->captured;
}
enum transfer_status pending_resolve(struct ledger *ledger, const struct transfer *event,
                                     const struct moment *moment, uint64_t *result_timestamp);
