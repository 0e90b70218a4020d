/* delta_prefetch.c — what a batch names and the live generation does not have: brought in from the
 * frozen generation and, by the store, from the sealed past. */
#include "base/assert.h"
#include "ledger/store/delta_internal.h"

void delta_prefetch_begin(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    delta_due_restore(delta);
    table_prefetch_begin(&delta->accounts);
    table_prefetch_begin(&delta->holds);
    delta_objects_prefetch_begin(&delta->objects);
    map_clear(&delta->old_ids);
    map_clear(&delta->old_timestamps);
    map_clear(&delta->taken);
    delta->old_transfer_count = 0;
    delta->groups_cut = U128_MAX;
}

void delta_prefetch_cut_groups(struct delta *delta, u128 account_id)
{
    ASSERT(!delta->in_batch);
    delta->groups_cut = account_id;
}

/* --- accounts and holds ----------------------------------------------------------------------- */

bool delta_prefetch_pin_account(struct delta *delta, u128 id)
{
    return table_pin(&delta->accounts, id);
}

void delta_prefetch_account(struct delta *delta, const struct account *account)
{
    ASSERT(!delta->in_batch);
    table_bring(&delta->accounts, account);
}

void delta_prefetch_hint_account(const struct delta *delta, u128 id)
{
    map_prefetch(&delta->accounts.slots, id);
}

void delta_prefetch_hint_id(const struct delta *delta, u128 id)
{
    map_prefetch(&delta->live.ids, id);
    map_prefetch(&delta->frozen.ids, id);
}

bool delta_prefetch_pin_hold(struct delta *delta, uint64_t timestamp)
{
    return table_pin(&delta->holds, timestamp);
}

void delta_prefetch_hold(struct delta *delta, const struct hold *hold)
{
    ASSERT(!delta->in_batch);
    table_bring(&delta->holds, hold);
}

/* --- transfers and failed ids ----------------------------------------------------------------- */

enum delta_place delta_find_id(const struct delta *delta, u128 id, const struct transfer **transfer)
{
    const uint32_t *found = map_find(&delta->live.ids, id);
    const struct transfer *transfers = delta->live.transfers;
    enum delta_place place = DELTA_LIVE;
    if (found == NULL && delta->old_ids.count > 0) {
        found = map_find(&delta->old_ids, id);
        transfers = delta->old_transfers;
        place = DELTA_OLD;
    }
    if (found == NULL && delta->has_frozen) {
        found = map_find(&delta->frozen.ids, id);
        transfers = delta->frozen.transfers;
        place = DELTA_FROZEN;
    }
    if (found == NULL) {
        return DELTA_NOWHERE;
    }
    *transfer = (*found & DELTA_ID_FAILED) != 0 ? NULL : &transfers[*found];
    return place;
}

static const struct transfer *transfer_in(const struct delta_generation *generation,
                                          uint64_t timestamp)
{
    uint32_t at = delta_transfers_from(generation, timestamp);
    bool found =
        at < generation->transfer_count && generation->transfers[at].timestamp == timestamp;
    return found ? &generation->transfers[at] : NULL;
}

enum delta_place delta_find_transfer_at(const struct delta *delta, uint64_t timestamp,
                                        const struct transfer **transfer)
{
    *transfer = transfer_in(&delta->live, timestamp);
    if (*transfer != NULL) {
        return DELTA_LIVE;
    }
    const uint32_t *old = map_find(&delta->old_timestamps, timestamp);
    if (old != NULL) {
        *transfer = &delta->old_transfers[*old];
        return DELTA_OLD;
    }
    *transfer = delta->has_frozen ? transfer_in(&delta->frozen, timestamp) : NULL;
    return *transfer != NULL ? DELTA_FROZEN : DELTA_NOWHERE;
}

void delta_prefetch_transfer(struct delta *delta, const struct transfer *transfer)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->old_transfer_count < DELTA_BATCH_IDS_MAX);
    delta->old_transfers[delta->old_transfer_count] = *transfer;
    map_insert(&delta->old_ids, transfer->id, delta->old_transfer_count);
    map_insert(&delta->old_timestamps, transfer->timestamp, delta->old_transfer_count);
    delta->old_transfer_count++;
}

void delta_prefetch_failed(struct delta *delta, u128 id, uint16_t why)
{
    ASSERT(!delta->in_batch);
    map_insert(&delta->old_ids, id, DELTA_ID_FAILED | why);
}

uint16_t delta_frozen_failure(const struct delta *delta, u128 id)
{
    const uint32_t *found = map_find(&delta->frozen.ids, id);
    ASSERT(delta->has_frozen && found != NULL && (*found & DELTA_ID_FAILED) != 0);
    return delta->frozen.failed_why[*found & ~DELTA_ID_FAILED];
}

/* --- timestamps that imported events name ----------------------------------------------------- */

static bool frozen_takes(const struct delta *delta, enum delta_taken what, uint64_t timestamp)
{
    const struct delta_generation *frozen = &delta->frozen;
    if (what == DELTA_TAKEN_ACCOUNT) {
        uint32_t at = delta_accounts_from(frozen, timestamp);
        return at < frozen->account_count && frozen->accounts[at].timestamp == timestamp;
    }
    uint32_t at = delta_changes_from(frozen, timestamp);
    return at < frozen->change_count && frozen->changes[at].timestamp == timestamp;
}

bool delta_prefetch_ask_taken(struct delta *delta, enum delta_taken what, uint64_t timestamp)
{
    bool live = what == DELTA_TAKEN_ACCOUNT ? delta_account_timestamp_taken(delta, timestamp)
                                            : delta_transfer_timestamp_taken(delta, timestamp);
    if (live) {
        return true;
    }
    bool frozen = delta->has_frozen && frozen_takes(delta, what, timestamp);
    if (frozen) {
        delta_prefetch_taken(delta, what, timestamp);
    }
    return frozen;
}

void delta_prefetch_taken(struct delta *delta, enum delta_taken what, uint64_t timestamp)
{
    ASSERT(!delta->in_batch);
    u128 key = delta_taken_key(what, timestamp);
    if (map_find(&delta->taken, key) == NULL) {
        map_insert(&delta->taken, key, 0);
    }
}
