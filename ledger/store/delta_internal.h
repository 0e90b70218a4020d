/* delta_internal.h — what the store needs of the delta beyond what apply uses: bringing records in,
 * the frozen generation, the seal's point.
 *
 * Account slots   An account lives in one slot until it is evicted. A slot whose last change lies
 * in a generation that is not yet sealed is pinned, and so is one that the current prefetch named;
 * any other may be evicted, because the store has its value. Ids             One map a generation
 * says of an id that it is a transfer (an index) or failed (the bit DELTA_ID_FAILED). What prefetch
 * found outside the live generation is copied into a third, small set, the old ids: so apply asks
 * two maps, and only one as long as nothing old is named. Threads         the state machine's; a
 * sealer may read struct delta_generation of the frozen generation from delta_freeze until
 * delta_frozen_drop.
 */
#pragma once

#include "base/map.h"
#include "ledger/store/delta.h"

#define DELTA_ID_FAILED 0x80000000U

enum {
    /* What one entry can name: two accounts, an id and a pending id for each event. */
    DELTA_BATCH_ACCOUNTS_MAX = 2 * ENTRY_EVENTS_MAX,
    DELTA_BATCH_IDS_MAX = 2 * ENTRY_EVENTS_MAX,
};

/* From these positions on, records belong to the entry log_index, until the next run. */
struct delta_run {
    uint64_t log_index;
    uint32_t first_transfer;
    uint32_t first_failed;
};

struct delta_generation {
    struct map ids; /* index into transfers, or DELTA_ID_FAILED | index into failed */
    struct transfer *transfers;
    u128 *failed;
    struct delta_run *runs; /* ascending in every field */
    uint32_t transfer_count;
    uint32_t failed_count;
    uint32_t run_count;
    uint32_t account_count; /* accounts created */
};

struct delta_account_state {
    u128 hash;           /* what the digest holds for the account */
    uint32_t changed;    /* 0: not in this batch; else 1, or the number of the chain that did */
    uint32_t generation; /* of the last change; 0: unchanged since it was brought in */
    uint32_t used;       /* number of the last prefetch that named it */
    uint32_t recent;     /* second chance of the eviction's clock */
};

struct delta_undo {
    struct account before;
    uint32_t slot;
    uint32_t changed;
    uint32_t generation;
    bool created;
};

struct delta_chain {
    bool open;
    uint32_t number;
    uint32_t undo_count;
    uint32_t transfer_count;
    uint32_t changed_count;
    uint32_t dirty_count;
    uint32_t account_count;
};

struct delta {
    struct delta_options options;
    u128 digest;
    uint64_t batch_index;
    bool in_batch;
    bool has_frozen;
    uint32_t generation; /* number of the live one; the frozen one is the one before */

    struct delta_generation live;
    struct delta_generation frozen;
    struct account *frozen_accounts; /* values at the freeze of all that changed */
    uint32_t frozen_account_count;

    struct map account_slots;
    struct account *accounts;
    struct delta_account_state *states;
    uint32_t slot_capacity;
    uint32_t slots_begun; /* slots at or after this one were never used */
    uint32_t *free_slots;
    uint32_t free_count;
    uint32_t clock_hand;
    uint32_t prefetch; /* number of the current one */
    uint32_t *changed; /* slots changed in this batch */
    uint32_t changed_count;
    uint32_t *dirty; /* slots changed in the live generation */
    uint32_t dirty_count;
    struct delta_undo *undo;
    struct delta_chain chain;

    struct map old_ids;
    struct transfer *old_transfers;
    uint32_t old_transfer_count;
};

/* Capacities that follow from the options. */
static inline uint32_t delta_generation_events_max(const struct delta_options *options)
{
    return options->seal_events + ENTRY_EVENTS_MAX;
}
static inline uint32_t delta_dirty_max(const struct delta_options *options)
{
    return options->seal_events + DELTA_BATCH_ACCOUNTS_MAX;
}

/* --- recovery -------------------------------------------------------------------------------- */
/* The digest of the sealed past; before anything else. */
void delta_set_digest(struct delta *delta, u128 digest);
/* Records of the coming batches belong to this entry; ascending. */
void delta_set_batch_index(struct delta *delta, uint64_t log_index);

/* --- prefetch -------------------------------------------------------------------------------- */
/* Forgets the old ids and releases the accounts that the last prefetch named. */
void delta_prefetch_begin(struct delta *delta);
/* Pins the account until the next prefetch; false when it is not in memory. */
bool delta_prefetch_pin_account(struct delta *delta, u128 id);
/* Brings in an account that is not in memory, with its sealed value. */
void delta_prefetch_account(struct delta *delta, const struct account *account);
/* Where in memory an id is; DELTA_FROZEN ones must be brought in like sealed ones. */
enum delta_place { DELTA_NOWHERE, DELTA_LIVE, DELTA_FROZEN, DELTA_OLD };
/* *transfer is NULL when the id failed. */
enum delta_place delta_find_id(const struct delta *delta, u128 id,
                               const struct transfer **transfer);
void delta_prefetch_transfer(struct delta *delta, const struct transfer *transfer);
void delta_prefetch_failed(struct delta *delta, u128 id);

/* --- seals ----------------------------------------------------------------------------------- */
bool delta_seal_due(const struct delta *delta);
/* Between batches; there is no frozen generation. */
void delta_freeze(struct delta *delta);
/* Its records are durable in the store. */
void delta_frozen_drop(struct delta *delta);
/* The log index of the i-th transfer, or failed id, of a generation: walk with a cursor that
 * starts at 0 and a position that does not decrease. */
uint64_t delta_transfer_index(const struct delta_generation *generation, uint32_t *cursor,
                              uint32_t position);
uint64_t delta_failed_index(const struct delta_generation *generation, uint32_t *cursor,
                            uint32_t position);

/* --- between the files of the delta ---------------------------------------------------------- */
/* A slot for a new account, evicting if need be. */
uint32_t delta_slot_take(struct delta *delta);
void delta_slot_release(struct delta *delta, uint32_t slot);
