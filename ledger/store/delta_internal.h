/* delta_internal.h — what the store needs of the delta beyond what apply uses: bringing records in,
 * the frozen generation, the walk over an account's transfers.
 *
 * Ids       One map a generation says of an id that it is a transfer (an index) or failed (the bit
 *           DELTA_ID_FAILED). What prefetch found outside the live generation is copied into a
 *           third, small set, the old ids: so apply asks two maps, and only one as long as nothing
 *           old is named. Likewise old timestamps.
 * Order     transfers, changes and created accounts of a generation ascend by timestamp, and all of
 *           the frozen generation are before all of the live one.
 * Links     each transfer knows the one before it of its debit account and of its credit account,
 *           and the head of an account's slot is its last transfer: an account's transfers, newest
 *           first, without an index. A link may lead into the generation before.
 * Threads   the state machine's; a sealer may read struct delta_generation of the frozen generation
 *           (but not its heap) and the frozen records from delta_freeze until delta_frozen_drop.
 */
#pragma once

#include "ledger/store/delta.h"
#include "ledger/store/delta_object.h"
#include "ledger/store/delta_table.h"

#define DELTA_ID_FAILED 0x80000000U

/* What one entry can name, for each of its events: */
enum {
    /* its two accounts or, instead, those of its pending transfer; as many can change; */
    DELTA_BATCH_ACCOUNTS_MAX = 2 * ENTRY_EVENTS_MAX,
    /* an id and a pending id; */
    DELTA_BATCH_IDS_MAX = 2 * ENTRY_EVENTS_MAX,
    /* the hold of the pending transfer (a pulse: one for each event that it makes); */
    DELTA_BATCH_HOLDS_MAX = ENTRY_EVENTS_MAX,
    /* the timestamp of an imported one. */
    DELTA_BATCH_TIMESTAMPS_MAX = ENTRY_EVENTS_MAX,
};
_Static_assert((int)DELTA_BATCH_HOLDS_MAX >= (int)BATCH_EVENTS_MAX, "room for a full pulse");

struct delta_link {
    uint32_t debit; /* index of the transfer before; TABLE_HEAD_NONE, TABLE_HEAD_EARLIER | index */
    uint32_t credit;
    uint32_t change; /* index of the transfer's own change */
};

struct delta_created {
    u128 id;
    uint64_t timestamp;
};

/* Whose balances an expiry changed: its change and no transfer of its own says it. */
struct delta_expiry {
    u128 debit_account_id;
    u128 credit_account_id;
    uint64_t timestamp; /* the expiry's */
    uint32_t ledger;
    uint32_t reserved;
};

/* A pending hold with a time limit; `before` orders them. */
struct delta_due {
    uint64_t expires_at;
    uint64_t timestamp;
};

struct delta_heap {
    struct delta_due *dues; /* the first one is due first; holds that are resolved may stay in */
    uint32_t count;
    uint32_t capacity;
};

struct delta_generation {
    struct map ids; /* index into transfers, or DELTA_ID_FAILED | index into failed */
    struct transfer *transfers;
    struct delta_link *links; /* of the transfers */
    struct change *changes;
    struct delta_expiry *expiries;  /* of the changes that are expiries */
    struct delta_created *accounts; /* those created */
    struct journal_row *journals;   /* those posted; each has a transfer at least */
    u128 *failed;
    uint16_t *failed_why;
    struct delta_heap due; /* holds created in this generation */
    uint32_t transfer_count;
    uint32_t change_count;
    uint32_t expiry_count;
    uint32_t account_count;
    uint32_t journal_count;
    uint32_t failed_count;
};

struct delta_chain {
    bool open;
    uint32_t transfer_count;
    uint32_t change_count;
    uint32_t account_count;
    uint32_t timed_count;
};

enum delta_origin { DELTA_DUE_LIVE, DELTA_DUE_FROZEN, DELTA_DUE_SEALED };

struct delta_pick {
    struct delta_due due;
    enum delta_origin origin;
};

struct delta {
    struct delta_options options;
    u128 digest;
    uint64_t batch_index;
    bool in_batch;
    bool has_frozen;

    struct delta_generation live;
    struct delta_generation frozen;
    struct account *frozen_accounts; /* values at the freeze of all that changed */
    struct hold *frozen_holds;
    uint32_t frozen_account_count;
    uint32_t frozen_hold_count;

    struct table accounts;
    struct table holds;
    struct delta_objects objects;
    uint32_t
        touched[2]; /* slots of the accounts that changed last in this batch; or TOUCHED_NONE */
    struct delta_chain chain;
    uint32_t first_transfer; /* of this batch */
    uint32_t first_change;

    /* Brought in by prefetch. */
    struct map old_ids;
    struct map old_timestamps;
    struct transfer *old_transfers;
    uint32_t old_transfer_count;
    u128 groups_cut;  /* delta_groups_cut */
    struct map taken; /* timestamps; the upper half of the key is enum delta_taken */

    struct delta_due *timed; /* holds inserted in this batch */
    uint32_t timed_count;
    struct delta_pick *picks;
    uint32_t pick_count;
};

#define DELTA_TOUCHED_NONE UINT32_MAX

/* Capacities that follow from the options. A freeze is due at seal_events, and then one entry more
 * may come (a pulse of BATCH_EVENTS_MAX at the most). */
static inline uint32_t delta_generation_events_max(const struct delta_options *options)
{
    return options->seal_events + ENTRY_EVENTS_MAX;
}
static inline uint32_t delta_dirty_max(const struct delta_options *options)
{
    return options->seal_events + DELTA_BATCH_ACCOUNTS_MAX;
}

/* --- recovery --------------------------------------------------------------------------------- */
/* The digest of the sealed past; before anything else. */
void delta_set_digest(struct delta *delta, u128 digest);
void delta_set_object_counts(struct delta *delta, const uint64_t counts[OBJECT_KINDS]);
/* The coming batch belongs to this entry; ascending. */
void delta_set_batch_index(struct delta *delta, uint64_t log_index);

/* --- prefetch (delta_prefetch.c) -------------------------------------------------------------- */
/* Forgets what the last prefetch brought but for accounts and holds, which it releases. */
void delta_prefetch_begin(struct delta *delta);

/* Pins the account until the next prefetch; false when it is not in memory. */
bool delta_prefetch_pin_account(struct delta *delta, u128 id);
/* Brings in an account that is not in memory, with its sealed value. */
void delta_prefetch_account(struct delta *delta, const struct account *account);
/* Asks the processor for what the two above, and find_id, will look at. */
void delta_prefetch_hint_account(const struct delta *delta, u128 id);
void delta_prefetch_hint_id(const struct delta *delta, u128 id);

bool delta_prefetch_pin_hold(struct delta *delta, uint64_t timestamp);
void delta_prefetch_hold(struct delta *delta, const struct hold *hold);

bool delta_prefetch_pin_object(struct delta *delta, struct object_name name);
void delta_prefetch_object(struct delta *delta, enum object_kind kind, const void *record);

/* Where in memory something is; DELTA_FROZEN ones must be brought in like sealed ones. */
enum delta_place { DELTA_NOWHERE, DELTA_LIVE, DELTA_FROZEN, DELTA_OLD };
/* *transfer is NULL when the id failed. */
enum delta_place delta_find_id(const struct delta *delta, u128 id,
                               const struct transfer **transfer);
enum delta_place delta_find_transfer_at(const struct delta *delta, uint64_t timestamp,
                                        const struct transfer **transfer);
/* Of a transfer that is not live and not brought in yet. */
void delta_prefetch_transfer(struct delta *delta, const struct transfer *transfer);
void delta_prefetch_failed(struct delta *delta, u128 id, uint16_t why);
/* Why an id of the frozen generation failed. */
uint16_t delta_frozen_failure(const struct delta *delta, u128 id);

/* What has a timestamp that an imported event names: an account, or a change (of a transfer or an
 * expiry). False: memory does not know, so the sealed past must be asked, and
 * delta_prefetch_taken says what it answered yes to (repetitions are fine). */
enum delta_taken { DELTA_TAKEN_ACCOUNT, DELTA_TAKEN_CHANGE };
bool delta_prefetch_ask_taken(struct delta *delta, enum delta_taken what, uint64_t timestamp);
void delta_prefetch_taken(struct delta *delta, enum delta_taken what, uint64_t timestamp);

/* --- due holds (delta_due.c) ------------------------------------------------------------------ */
static inline bool delta_due_before(struct delta_due a, struct delta_due b)
{
    return a.expires_at != b.expires_at ? a.expires_at < b.expires_at : a.timestamp < b.timestamp;
}
/* Picks the first `max` that are due at now_ns among those in memory and the sealed ones, which are
 * in order and whose holds are in memory (those that are not pending any more are passed over, and
 * so are those that memory has too). Pins all the holds and brings in transfers and accounts as far
 * as memory has them; of sealed ones, bring what delta_find_transfer_at does not find. */
void delta_pick_due(struct delta *delta, uint64_t now_ns, uint32_t max,
                    const struct delta_due *sealed, uint32_t sealed_count);
/* Gives up all picks but the first `count`. */
void delta_due_cut(struct delta *delta, uint32_t count);
/* delta_groups_cut of the coming batch. */
void delta_prefetch_cut_groups(struct delta *delta, u128 account_id);

/* --- seals ------------------------------------------------------------------------------------ */
bool delta_seal_due(const struct delta *delta);
/* Between batches; there is no frozen generation. */
void delta_freeze(struct delta *delta);
/* Its records are durable in the store. */
void delta_frozen_drop(struct delta *delta);

/* --- queries (delta_read.c); between batches -------------------------------------------------- */
/* Index of the first whose timestamp is at least this, or the count. */
uint32_t delta_transfers_from(const struct delta_generation *generation, uint64_t timestamp);
uint32_t delta_changes_from(const struct delta_generation *generation, uint64_t timestamp);
uint32_t delta_expiries_from(const struct delta_generation *generation, uint64_t timestamp);
uint32_t delta_accounts_from(const struct delta_generation *generation, uint64_t timestamp);
uint32_t delta_journals_from(const struct delta_generation *generation, uint64_t timestamp);

/* The transfers of one account in memory, newest first: the live generation's, then the frozen
 * one's. An account of which nothing is in memory has none. */
struct delta_walk {
    const struct delta *delta;
    u128 account_id;
    uint32_t at;
    uint32_t generation;
};
struct delta_walk delta_walk_begin(const struct delta *delta, u128 account_id);
/* False: no more. Both may be NULL when they are of no interest. */
bool delta_walk_next(struct delta_walk *walk, const struct transfer **transfer,
                     const struct change **change);

/* --- between the files of the delta ----------------------------------------------------------- */
static inline u128 delta_taken_key(enum delta_taken what, uint64_t timestamp)
{
    return u128_make((uint64_t)what, timestamp);
}
extern const struct table_kind delta_kind_account;
extern const struct table_kind delta_kind_hold;
/* The heap's due ones after a batch; back into the heaps what was picked and not resolved. */
void delta_due_batch_end(struct delta *delta);
void delta_due_restore(struct delta *delta);
