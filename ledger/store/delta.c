/* delta.c — look-ups and changes during a batch, chains and their undo, the digest. */
#include "ledger/store/delta.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ledger/store/delta_internal.h"

/* Seeds keep the three kinds apart: an account and a transfer of the same bytes differ. */
static const uint64_t SEED_ACCOUNT = 0x41AC5E0F6D2B9C17U;
static const uint64_t SEED_TRANSFER = 0x54D39A7B10C8E265U;
static const uint64_t SEED_FAILED = 0x46E1B8306F9D427BU;

u128 delta_hash_account(const struct account *account)
{
    return hash_bytes(SEED_ACCOUNT, account, sizeof *account);
}

u128 delta_hash_transfer(const struct transfer *transfer)
{
    return hash_bytes(SEED_TRANSFER, transfer, sizeof *transfer);
}

u128 delta_hash_failed_id(u128 id)
{
    return hash_bytes(SEED_FAILED, &id, sizeof id);
}

u128 delta_digest(const struct delta *delta)
{
    ASSERT(!delta->in_batch);
    return delta->digest;
}

/* --- batches ---------------------------------------------------------------------------------- */

/* A run without an event is taken over, so there are never more runs than events and one. */
static void begin_run(struct delta_generation *live, uint64_t log_index)
{
    struct delta_run run = { log_index, live->transfer_count, live->failed_count };
    uint32_t at = live->run_count;
    if (at > 0) {
        const struct delta_run *last = &live->runs[at - 1];
        if (last->log_index == log_index) {
            return;
        }
        ASSERT(last->log_index < log_index);
        if (last->first_transfer == run.first_transfer && last->first_failed == run.first_failed) {
            at--;
        }
    }
    live->runs[at] = run;
    live->run_count = at + 1;
}

void delta_batch_begin(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->changed_count == 0);
    delta->in_batch = true;
    delta->chain = (struct delta_chain){ .number = 1 };
    begin_run(&delta->live, delta->batch_index);
}

void delta_batch_end(struct delta *delta)
{
    ASSERT(delta->in_batch);
    ASSERT(!delta->chain.open);
    for (uint32_t i = 0; i < delta->changed_count; i++) {
        uint32_t slot = delta->changed[i];
        struct delta_account_state *state = &delta->states[slot];
        u128 hash = delta_hash_account(&delta->accounts[slot]);
        delta->digest += hash - state->hash;
        state->hash = hash;
        state->changed = 0;
    }
    delta->changed_count = 0;
    delta->in_batch = false;
}

/* --- accounts --------------------------------------------------------------------------------- */

struct account *delta_account(struct delta *delta, u128 id)
{
    const uint32_t *slot = map_find(&delta->account_slots, id);
    return slot == NULL ? NULL : &delta->accounts[*slot];
}

static void undo_push(struct delta *delta, uint32_t slot, bool created)
{
    ASSERT(delta->chain.undo_count < DELTA_BATCH_ACCOUNTS_MAX);
    struct delta_undo *undo = &delta->undo[delta->chain.undo_count];
    delta->chain.undo_count++;
    undo->slot = slot;
    undo->created = created;
    undo->changed = delta->states[slot].changed;
    undo->generation = delta->states[slot].generation;
    if (!created) {
        undo->before = delta->accounts[slot];
    }
}

static void mark_changed(struct delta *delta, struct delta_account_state *state, uint32_t slot)
{
    if (state->changed == 0) {
        ASSERT(delta->changed_count < DELTA_BATCH_ACCOUNTS_MAX);
        delta->changed[delta->changed_count] = slot;
        delta->changed_count++;
        state->changed = 1;
    }
    if (state->generation != delta->generation) {
        ASSERT(delta->dirty_count < delta_dirty_max(&delta->options));
        delta->dirty[delta->dirty_count] = slot;
        delta->dirty_count++;
        state->generation = delta->generation;
    }
}

void delta_account_change(struct delta *delta, struct account *account)
{
    ASSERT(delta->in_batch);
    ASSERT(account >= delta->accounts && account < delta->accounts + delta->slot_capacity);
    uint32_t slot = (uint32_t)(account - delta->accounts);
    struct delta_account_state *state = &delta->states[slot];
    if (state->changed == delta->chain.number && delta->chain.open) {
        return;
    }
    if (delta->chain.open) {
        undo_push(delta, slot, false);
    }
    mark_changed(delta, state, slot);
    if (delta->chain.open) {
        state->changed = delta->chain.number;
    }
}

struct account *delta_account_insert(struct delta *delta, const struct account *account)
{
    ASSERT(delta->in_batch);
    uint32_t slot = delta_slot_take(delta);
    map_insert(&delta->account_slots, account->id, slot);
    delta->accounts[slot] = *account;
    struct delta_account_state *state = &delta->states[slot];
    *state = (struct delta_account_state){ .used = delta->prefetch, .recent = 1 };
    if (delta->chain.open) {
        undo_push(delta, slot, true);
    }
    mark_changed(delta, state, slot);
    if (delta->chain.open) {
        state->changed = delta->chain.number;
    }
    ASSERT(delta->live.account_count < delta_generation_events_max(&delta->options));
    delta->live.account_count++;
    return &delta->accounts[slot];
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

/* What apply sees of an id: the live generation, and what prefetch brought in. */
static const uint32_t *find_named(const struct delta *delta, u128 id,
                                  const struct transfer **transfers)
{
    *transfers = delta->live.transfers;
    const uint32_t *found = map_find(&delta->live.ids, id);
    if (found == NULL && delta->old_ids.count > 0) {
        *transfers = delta->old_transfers;
        found = map_find(&delta->old_ids, id);
    }
    return found;
}

const struct transfer *delta_transfer(struct delta *delta, u128 id)
{
    const struct transfer *transfers;
    const uint32_t *found = find_named(delta, id, &transfers);
    return found == NULL || (*found & DELTA_ID_FAILED) != 0 ? NULL : &transfers[*found];
}

bool delta_id_failed(struct delta *delta, u128 id)
{
    const struct transfer *transfers;
    const uint32_t *found = find_named(delta, id, &transfers);
    return found != NULL && (*found & DELTA_ID_FAILED) != 0;
}

static void assert_room(const struct delta *delta)
{
    ASSERT(delta->in_batch);
    ASSERT(delta->live.transfer_count + delta->live.failed_count <
           delta_generation_events_max(&delta->options));
}

const struct transfer *delta_transfer_insert(struct delta *delta, const struct transfer *transfer)
{
    assert_room(delta);
    struct delta_generation *live = &delta->live;
    struct transfer *place = &live->transfers[live->transfer_count];
    *place = *transfer;
    map_insert(&live->ids, transfer->id, live->transfer_count);
    live->transfer_count++;
    delta->digest += delta_hash_transfer(place);
    return place;
}

void delta_id_fail(struct delta *delta, u128 id)
{
    assert_room(delta);
    struct delta_generation *live = &delta->live;
    live->failed[live->failed_count] = id;
    map_insert(&live->ids, id, DELTA_ID_FAILED | live->failed_count);
    live->failed_count++;
    delta->digest += delta_hash_failed_id(id);
}

/* --- chains ----------------------------------------------------------------------------------- */

void delta_chain_open(struct delta *delta)
{
    ASSERT(delta->in_batch);
    ASSERT(!delta->chain.open);
    delta->chain.open = true;
    delta->chain.number++; /* from 2: 1 in account_state.changed is a change outside chains */
    delta->chain.undo_count = 0;
    delta->chain.transfer_count = delta->live.transfer_count;
    delta->chain.changed_count = delta->changed_count;
    delta->chain.dirty_count = delta->dirty_count;
    delta->chain.account_count = delta->live.account_count;
}

static void undo_transfers(struct delta *delta)
{
    struct delta_generation *live = &delta->live;
    while (live->transfer_count > delta->chain.transfer_count) {
        live->transfer_count--;
        const struct transfer *transfer = &live->transfers[live->transfer_count];
        bool removed = map_remove(&live->ids, transfer->id);
        ASSERT(removed);
        delta->digest -= delta_hash_transfer(transfer);
    }
}

static void undo_accounts(struct delta *delta)
{
    while (delta->chain.undo_count > 0) {
        delta->chain.undo_count--;
        const struct delta_undo *undo = &delta->undo[delta->chain.undo_count];
        if (undo->created) {
            bool removed = map_remove(&delta->account_slots, delta->accounts[undo->slot].id);
            ASSERT(removed);
            delta_slot_release(delta, undo->slot);
            continue;
        }
        delta->accounts[undo->slot] = undo->before;
        delta->states[undo->slot].changed = undo->changed;
        delta->states[undo->slot].generation = undo->generation;
    }
    delta->changed_count = delta->chain.changed_count;
    delta->dirty_count = delta->chain.dirty_count;
    delta->live.account_count = delta->chain.account_count;
}

void delta_chain_close(struct delta *delta, bool keep)
{
    ASSERT(delta->chain.open);
    if (!keep) {
        undo_transfers(delta);
        undo_accounts(delta);
    }
    delta->chain.open = false;
}

bool delta_chain_is_open(const struct delta *delta)
{
    return delta->chain.open;
}

/* --- hints ------------------------------------------------------------------------------------ */

void delta_hint_ids(const struct delta *delta, const struct transfer *transfer)
{
    map_prefetch(&delta->live.ids, transfer->id);
    map_prefetch(&delta->account_slots, transfer->debit_account_id);
    map_prefetch(&delta->account_slots, transfer->credit_account_id);
}

static void hint_account(const struct delta *delta, u128 id)
{
    const uint32_t *slot = map_find(&delta->account_slots, id);
    if (slot != NULL) {
        const uint8_t *account = (const uint8_t *)&delta->accounts[*slot];
        __builtin_prefetch(account, 1);
        __builtin_prefetch(account + 64, 1);
        __builtin_prefetch(&delta->states[*slot], 1);
    }
}

void delta_hint_accounts(const struct delta *delta, const struct transfer *transfer)
{
    hint_account(delta, transfer->debit_account_id);
    hint_account(delta, transfer->credit_account_id);
}
