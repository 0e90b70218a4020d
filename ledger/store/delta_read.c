/* delta_read.c — reading the generations in order of time, and by account. */
#include "base/assert.h"
#include "ledger/store/delta_internal.h"

/* --- by time ---------------------------------------------------------------------------------- */

/* The first of `count` records, `stride` bytes apart, whose timestamp is at least this. */
static uint32_t first_from(const void *timestamps, size_t stride, uint32_t count,
                           uint64_t timestamp)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint64_t *at = (const void *)((const uint8_t *)timestamps + (size_t)middle * stride);
        if (*at < timestamp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t delta_transfers_from(const struct delta_generation *generation, uint64_t timestamp)
{
    return first_from(&generation->transfers->timestamp, sizeof(struct transfer),
                      generation->transfer_count, timestamp);
}

uint32_t delta_changes_from(const struct delta_generation *generation, uint64_t timestamp)
{
    return first_from(&generation->changes->timestamp, sizeof(struct change),
                      generation->change_count, timestamp);
}

uint32_t delta_expiries_from(const struct delta_generation *generation, uint64_t timestamp)
{
    return first_from(&generation->expiries->timestamp, sizeof(struct delta_expiry),
                      generation->expiry_count, timestamp);
}

uint32_t delta_accounts_from(const struct delta_generation *generation, uint64_t timestamp)
{
    return first_from(&generation->accounts->timestamp, sizeof(struct delta_created),
                      generation->account_count, timestamp);
}

uint32_t delta_journals_from(const struct delta_generation *generation, uint64_t timestamp)
{
    return first_from(&generation->journals->timestamp, sizeof(struct journal_row),
                      generation->journal_count, timestamp);
}

/* --- by account ------------------------------------------------------------------------------- */

struct delta_walk delta_walk_begin(const struct delta *delta, u128 account_id)
{
    struct delta_walk walk = { .delta = delta, .account_id = account_id, .at = TABLE_HEAD_NONE };
    const uint32_t *slot = map_find(&delta->accounts.slots, account_id);
    if (slot != NULL) {
        const struct table_state *state = &delta->accounts.states[*slot];
        walk.at = state->head;
        walk.generation = state->generation;
    }
    return walk;
}

/* NULL: sealed. */
static const struct delta_generation *generation_of(const struct delta_walk *walk)
{
    const struct delta *delta = walk->delta;
    if (walk->generation == delta->accounts.generation) {
        return &delta->live;
    }
    bool frozen = delta->has_frozen && walk->generation + 1 == delta->accounts.generation;
    return frozen ? &delta->frozen : NULL;
}

bool delta_walk_next(struct delta_walk *walk, const struct transfer **transfer,
                     const struct change **change)
{
    if (walk->at == TABLE_HEAD_NONE) {
        return false;
    }
    if ((walk->at & TABLE_HEAD_EARLIER) != 0) {
        walk->at &= ~TABLE_HEAD_EARLIER;
        walk->generation--;
    }
    const struct delta_generation *generation = generation_of(walk);
    if (generation == NULL) {
        walk->at = TABLE_HEAD_NONE;
        return false;
    }
    ASSERT(walk->at < generation->transfer_count);
    const struct transfer *found = &generation->transfers[walk->at];
    const struct delta_link *link = &generation->links[walk->at];
    if (transfer != NULL) {
        *transfer = found;
    }
    if (change != NULL) {
        *change = &generation->changes[link->change];
    }
    walk->at = found->debit_account_id == walk->account_id ? link->debit : link->credit;
    return true;
}
