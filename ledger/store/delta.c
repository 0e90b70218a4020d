/* delta.c — look-ups and changes during a batch, chains and their undo, the digest. */
#include "ledger/store/delta.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ledger/store/delta_internal.h"

/* Seeds keep the kinds apart: an account and a transfer of the same bytes differ. */
static const uint64_t SEED_ACCOUNT = 0x41AC5E0F6D2B9C17U;
static const uint64_t SEED_TRANSFER = 0x54D39A7B10C8E265U;
static const uint64_t SEED_FAILED = 0x46E1B8306F9D427BU;
static const uint64_t SEED_HOLD = 0x486C02F7D19B3EA5U;
static const uint64_t SEED_CHANGE = 0x43F75A86E20D914CU;

/* --- records and their hashes ----------------------------------------------------------------- */

static u128 key_of_account(const void *value)
{
    const struct account *account = value;
    return account->id;
}

static u128 key_of_hold(const void *value)
{
    const struct hold *hold = value;
    return hold->timestamp;
}

const struct table_kind delta_kind_account = { SEED_ACCOUNT, 7, key_of_account };
const struct table_kind delta_kind_hold = { SEED_HOLD, 6, key_of_hold };
_Static_assert(sizeof(struct account) == 1U << 7, "size of delta_kind_account");
_Static_assert(sizeof(struct hold) == 1U << 6, "size of delta_kind_hold");

u128 delta_hash_account(const struct account *account)
{
    return hash_record(SEED_ACCOUNT, account, sizeof *account);
}

u128 delta_hash_transfer(const struct transfer *transfer)
{
    return hash_record(SEED_TRANSFER, transfer, sizeof *transfer);
}

u128 delta_hash_failed_id(u128 id, uint16_t why)
{
    return hash_bytes(SEED_FAILED ^ why, &id, sizeof id);
}

u128 delta_hash_hold(const struct hold *hold)
{
    return hash_record(SEED_HOLD, hold, sizeof *hold);
}

u128 delta_hash_change(const struct change *change)
{
    return hash_record(SEED_CHANGE, change, sizeof *change);
}

u128 delta_digest(const struct delta *delta)
{
    ASSERT(!delta->in_batch);
    return delta->digest;
}

/* --- batches ---------------------------------------------------------------------------------- */

void delta_batch_begin(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->timed_count == 0);
    delta->in_batch = true;
    delta->chain = (struct delta_chain){ .open = false };
    table_batch_begin(&delta->accounts);
    table_batch_begin(&delta->holds);
    delta_objects_batch_begin(&delta->objects);
    delta->touched[0] = delta->touched[1] = DELTA_TOUCHED_NONE;
    delta->first_transfer = delta->live.transfer_count;
    delta->first_change = delta->live.change_count;
}

/* All at once at the end: the processor works on several hashes at a time, and what a chain undid
 * costs none. */
static void hash_written(struct delta *delta)
{
    const struct delta_generation *live = &delta->live;
    for (uint32_t i = delta->first_transfer; i < live->transfer_count; i++) {
        delta->digest += delta_hash_transfer(&live->transfers[i]);
    }
    for (uint32_t i = delta->first_change; i < live->change_count; i++) {
        delta->digest += delta_hash_change(&live->changes[i]);
    }
}

void delta_batch_end(struct delta *delta)
{
    ASSERT(delta->in_batch);
    ASSERT(!delta->chain.open);
    hash_written(delta);
    delta->digest += table_batch_end(&delta->accounts);
    delta->digest += table_batch_end(&delta->holds);
    delta->digest += delta_objects_batch_end(&delta->objects);
    delta_due_batch_end(delta);
    delta->in_batch = false;
}

/* --- accounts --------------------------------------------------------------------------------- */

struct account *delta_account(struct delta *delta, u128 id)
{
    return table_find(&delta->accounts, id);
}

void delta_account_change(struct delta *delta, struct account *account)
{
    ASSERT(delta->in_batch);
    uint32_t slot = table_slot(&delta->accounts, account);
    table_change(&delta->accounts, slot);
    if (delta->touched[0] != slot) {
        delta->touched[1] = delta->touched[0];
        delta->touched[0] = slot;
    }
}

struct account *delta_account_insert(struct delta *delta, const struct account *account)
{
    ASSERT(delta->in_batch);
    struct delta_generation *live = &delta->live;
    ASSERT(live->account_count < delta_generation_events_max(&delta->options));
    ASSERT(live->account_count == 0 ||
           live->accounts[live->account_count - 1].timestamp < account->timestamp);
    live->accounts[live->account_count] =
        (struct delta_created){ .id = account->id, .timestamp = account->timestamp };
    live->account_count++;
    return table_insert(&delta->accounts, account);
}

/* --- holds ------------------------------------------------------------------------------------ */

struct hold *delta_hold(struct delta *delta, uint64_t timestamp)
{
    return table_find(&delta->holds, timestamp);
}

void delta_hold_change(struct delta *delta, struct hold *hold)
{
    ASSERT(delta->in_batch);
    table_change(&delta->holds, table_slot(&delta->holds, hold));
}

struct hold *delta_hold_insert(struct delta *delta, const struct hold *hold)
{
    ASSERT(delta->in_batch);
    const struct delta_generation *live = &delta->live;
    ASSERT(live->transfer_count > 0);
    ASSERT(live->transfers[live->transfer_count - 1].timestamp == hold->timestamp);
    if (hold->expires_at != 0) {
        ASSERT(delta->timed_count < DELTA_BATCH_HOLDS_MAX);
        delta->timed[delta->timed_count] =
            (struct delta_due){ .expires_at = hold->expires_at, .timestamp = hold->timestamp };
        delta->timed_count++;
    }
    return table_insert(&delta->holds, hold);
}

/* --- transfers and failed ids ----------------------------------------------------------------- */

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

uint16_t delta_id_failure(struct delta *delta, u128 id)
{
    const struct transfer *transfers;
    const uint32_t *found = find_named(delta, id, &transfers);
    if (found == NULL || (*found & DELTA_ID_FAILED) == 0) {
        return 0;
    }
    const uint32_t value = *found & ~DELTA_ID_FAILED;
    return transfers == delta->live.transfers ? delta->live.failed_why[value] : (uint16_t)value;
}

const struct transfer *delta_transfer_at(struct delta *delta, uint64_t timestamp)
{
    const struct transfer *transfer;
    enum delta_place place = delta_find_transfer_at(delta, timestamp, &transfer);
    return place == DELTA_LIVE || place == DELTA_OLD ? transfer : NULL;
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
    ASSERT(live->transfer_count == 0 ||
           live->transfers[live->transfer_count - 1].timestamp < transfer->timestamp);
    struct transfer *place = &live->transfers[live->transfer_count];
    *place = *transfer;
    map_insert(&live->ids, transfer->id, live->transfer_count);
    live->transfer_count++;
    return place;
}

void delta_id_fail(struct delta *delta, u128 id, uint16_t why)
{
    assert_room(delta);
    ASSERT(why != 0);
    struct delta_generation *live = &delta->live;
    live->failed[live->failed_count] = id;
    live->failed_why[live->failed_count] = why;
    map_insert(&live->ids, id, DELTA_ID_FAILED | live->failed_count);
    live->failed_count++;
    delta->digest += delta_hash_failed_id(id, why);
}

/* --- changes ---------------------------------------------------------------------------------- */

static uint32_t slot_of_account(const struct delta *delta, u128 id)
{
    /* The event has just changed both its accounts. */
    for (size_t i = 0; i < 2; i++) {
        uint32_t slot = delta->touched[i];
        if (slot != DELTA_TOUCHED_NONE) {
            const struct account *account = table_at(&delta->accounts, slot);
            if (account->id == id) {
                return slot;
            }
        }
    }
    const uint32_t *slot = map_find(&delta->accounts.slots, id);
    ASSERT(slot != NULL);
    return *slot;
}

/* Gives the account's transfer before, and makes this one its last. */
static uint32_t link_account(struct delta *delta, u128 id, uint32_t transfer)
{
    uint32_t slot = slot_of_account(delta, id);
    table_change(&delta->accounts,
                 slot); /* the head is of the live generation, and can be undone */
    uint32_t before = delta->accounts.states[slot].head;
    delta->accounts.states[slot].head = transfer;
    return before;
}

static void link_transfer(struct delta *delta, uint32_t change)
{
    struct delta_generation *live = &delta->live;
    uint32_t at = live->transfer_count - 1;
    const struct transfer *transfer = &live->transfers[at];
    ASSERT(transfer->timestamp == live->changes[change].timestamp);
    struct delta_link *link = &live->links[at];
    link->debit = link_account(delta, transfer->debit_account_id, at);
    link->credit = link_account(delta, transfer->credit_account_id, at);
    link->change = change;
}

/* Timestamp of the last change in memory; 0: there is none. */
static uint64_t last_change(const struct delta *delta)
{
    const struct delta_generation *live = &delta->live;
    const struct delta_generation *frozen = &delta->frozen;
    return live->change_count > 0     ? live->changes[live->change_count - 1].timestamp
           : frozen->change_count > 0 ? frozen->changes[frozen->change_count - 1].timestamp
                                      : 0;
}

void delta_change_append(struct delta *delta, const struct change *change)
{
    ASSERT(delta->in_batch);
    struct delta_generation *live = &delta->live;
    uint32_t at = live->change_count;
    ASSERT(at < delta_generation_events_max(&delta->options));
    ASSERT(last_change(delta) < change->timestamp);
    live->changes[at] = *change;
    live->change_count = at + 1;
    if (change->kind != CHANGE_EXPIRED) {
        ASSERT(live->transfer_count > 0);
        link_transfer(delta, at);
    } else {
        ASSERT(live->expiry_count > 0 &&
               live->expiries[live->expiry_count - 1].timestamp == change->timestamp);
    }
}

void delta_expiry_append(struct delta *delta, uint64_t timestamp, const struct transfer *pending)
{
    ASSERT(delta->in_batch && !delta->chain.open);
    struct delta_generation *live = &delta->live;
    ASSERT(live->expiry_count < delta_generation_events_max(&delta->options));
    live->expiries[live->expiry_count] =
        (struct delta_expiry){ .debit_account_id = pending->debit_account_id,
                               .credit_account_id = pending->credit_account_id,
                               .timestamp = timestamp,
                               .ledger = pending->ledger };
    live->expiry_count++;
}

void delta_journal_insert(struct delta *delta, const struct journal *journal)
{
    ASSERT(journal->state == JOURNAL_POSTED && !delta->chain.open);
    struct delta_generation *live = &delta->live;
    ASSERT(live->journal_count < delta_generation_events_max(&delta->options));
    ASSERT(live->journal_count == 0 ||
           live->journals[live->journal_count - 1].timestamp < journal->timestamp);
    live->journals[live->journal_count] = journal_row_of(journal);
    live->journal_count++;
    (void)delta_object_insert(delta, OBJECT_JOURNAL, journal);
}

static bool is_taken(const struct delta *delta, enum delta_taken what, uint64_t timestamp)
{
    return map_find(&delta->taken, delta_taken_key(what, timestamp)) != NULL;
}

bool delta_account_timestamp_taken(struct delta *delta, uint64_t timestamp)
{
    const struct delta_generation *live = &delta->live;
    uint32_t at = delta_accounts_from(live, timestamp);
    return (at < live->account_count && live->accounts[at].timestamp == timestamp) ||
           is_taken(delta, DELTA_TAKEN_ACCOUNT, timestamp);
}

bool delta_transfer_timestamp_taken(struct delta *delta, uint64_t timestamp)
{
    const struct delta_generation *live = &delta->live;
    uint32_t at = delta_changes_from(live, timestamp);
    return (at < live->change_count && live->changes[at].timestamp == timestamp) ||
           is_taken(delta, DELTA_TAKEN_CHANGE, timestamp);
}

/* --- chains ----------------------------------------------------------------------------------- */

void delta_chain_open(struct delta *delta)
{
    ASSERT(delta->in_batch);
    ASSERT(!delta->chain.open);
    delta->chain = (struct delta_chain){ .open = true,
                                         .transfer_count = delta->live.transfer_count,
                                         .change_count = delta->live.change_count,
                                         .account_count = delta->live.account_count,
                                         .timed_count = delta->timed_count };
    table_chain_open(&delta->accounts);
    table_chain_open(&delta->holds);
    delta_objects_chain_open(&delta->objects);
}

static void undo_transfers(struct delta *delta)
{
    struct delta_generation *live = &delta->live;
    while (live->transfer_count > delta->chain.transfer_count) {
        live->transfer_count--;
        const struct transfer *transfer = &live->transfers[live->transfer_count];
        bool removed = map_remove(&live->ids, transfer->id);
        ASSERT(removed);
    }
}

void delta_chain_close(struct delta *delta, bool keep)
{
    ASSERT(delta->chain.open);
    if (!keep) {
        undo_transfers(delta);
        delta->live.change_count = delta->chain.change_count;
        delta->live.account_count = delta->chain.account_count;
        delta->timed_count = delta->chain.timed_count;
        delta->touched[0] = delta->touched[1] = DELTA_TOUCHED_NONE; /* slots may be free now */
    }
    table_chain_close(&delta->accounts, keep);
    table_chain_close(&delta->holds, keep);
    delta_objects_chain_close(&delta->objects, keep);
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
    map_prefetch(&delta->accounts.slots, transfer->debit_account_id);
    map_prefetch(&delta->accounts.slots, transfer->credit_account_id);
    if (transfer->pending_id != 0) {
        map_prefetch(&delta->live.ids, transfer->pending_id);
    }
}

void delta_hint_accounts(const struct delta *delta, const struct transfer *transfer)
{
    table_hint(&delta->accounts, transfer->debit_account_id);
    table_hint(&delta->accounts, transfer->credit_account_id);
}
