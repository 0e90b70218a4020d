/* delta_memory.c — the delta's memory: layout, account slots and their eviction, what prefetch
 * brings in, freezing and dropping a generation. */
#include "base/assert.h"
#include "ledger/store/delta_internal.h"

#include <string.h>

/* --- layout ----------------------------------------------------------------------------------- */

enum { CACHE_LINE = 64 };

/* One walk serves both the footprint (memory == NULL) and the placing. */
static void *place(uint8_t *memory, size_t *at, size_t size)
{
    *at = (*at + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *here = memory == NULL ? NULL : memory + *at;
    *at += size;
    return here;
}

static void place_map(struct map *map, uint8_t *memory, size_t *at, uint32_t capacity)
{
    void *here = place(memory, at, map_footprint(capacity));
    if (here != NULL) {
        map_init(map, here, capacity);
    }
}

static void place_generation(struct delta_generation *generation, uint8_t *memory, size_t *at,
                             uint32_t events)
{
    place_map(&generation->ids, memory, at, events);
    generation->transfers = place(memory, at, (size_t)events * sizeof(struct transfer));
    generation->failed = place(memory, at, (size_t)events * sizeof(u128));
    generation->runs = place(memory, at, ((size_t)events + 1) * sizeof(struct delta_run));
}

static size_t place_all(struct delta *delta, uint8_t *memory)
{
    const struct delta_options *options = &delta->options;
    uint32_t events = delta_generation_events_max(options);
    uint32_t dirty = delta_dirty_max(options);
    uint32_t slots = 2 * dirty + options->accounts_cached + DELTA_BATCH_ACCOUNTS_MAX;
    size_t at = sizeof *delta;
    delta->slot_capacity = slots;
    place_generation(&delta->live, memory, &at, events);
    place_generation(&delta->frozen, memory, &at, events);
    delta->frozen_accounts = place(memory, &at, (size_t)dirty * sizeof(struct account));
    place_map(&delta->account_slots, memory, &at, slots);
    delta->accounts = place(memory, &at, (size_t)slots * sizeof(struct account));
    delta->states = place(memory, &at, (size_t)slots * sizeof(struct delta_account_state));
    delta->free_slots = place(memory, &at, DELTA_BATCH_ACCOUNTS_MAX * sizeof(uint32_t));
    delta->changed = place(memory, &at, DELTA_BATCH_ACCOUNTS_MAX * sizeof(uint32_t));
    delta->dirty = place(memory, &at, (size_t)dirty * sizeof(uint32_t));
    delta->undo = place(memory, &at, DELTA_BATCH_ACCOUNTS_MAX * sizeof(struct delta_undo));
    place_map(&delta->old_ids, memory, &at, DELTA_BATCH_IDS_MAX);
    delta->old_transfers = place(memory, &at, DELTA_BATCH_IDS_MAX * sizeof(struct transfer));
    return at;
}

size_t delta_footprint(const struct delta_options *options)
{
    ASSERT(options->seal_events > 0 && options->seal_events <= UINT32_MAX / 16);
    ASSERT(options->accounts_cached <= UINT32_MAX / 16);
    struct delta sizing = { .options = *options };
    return place_all(&sizing, NULL);
}

struct delta *delta_init(void *memory, const struct delta_options *options)
{
    ASSERT((uintptr_t)memory % 16 == 0);
    struct delta *delta = memory;
    memset(delta, 0, sizeof *delta);
    delta->options = *options;
    delta->generation = 1; /* 0 in account_state.generation means unchanged */
    delta->prefetch = 1;
    size_t size = place_all(delta, memory);
    ASSERT(size == delta_footprint(options));
    return delta;
}

/* --- account slots ---------------------------------------------------------------------------- */

static bool slot_is_pinned(const struct delta *delta, const struct delta_account_state *state)
{
    uint32_t unsealed = delta->generation - (delta->has_frozen ? 1 : 0);
    return state->generation >= unsealed || state->used == delta->prefetch || state->changed != 0;
}

static uint32_t slot_evict(struct delta *delta)
{
    /* Twice around clears every second chance; accounts_cached slots at least are not pinned. */
    for (uint64_t i = 0; i < 2 * (uint64_t)delta->slot_capacity + 1; i++) {
        uint32_t slot = delta->clock_hand;
        delta->clock_hand = slot + 1 == delta->slot_capacity ? 0 : slot + 1;
        struct delta_account_state *state = &delta->states[slot];
        if (slot_is_pinned(delta, state)) {
            continue;
        }
        if (state->recent == 0) {
            bool removed = map_remove(&delta->account_slots, delta->accounts[slot].id);
            ASSERT(removed);
            return slot;
        }
        state->recent = 0;
    }
    UNREACHABLE();
}

uint32_t delta_slot_take(struct delta *delta)
{
    if (delta->free_count > 0) {
        delta->free_count--;
        return delta->free_slots[delta->free_count];
    }
    if (delta->slots_begun < delta->slot_capacity) {
        delta->slots_begun++;
        return delta->slots_begun - 1;
    }
    return slot_evict(delta);
}

void delta_slot_release(struct delta *delta, uint32_t slot)
{
    ASSERT(delta->free_count < DELTA_BATCH_ACCOUNTS_MAX);
    delta->states[slot] = (struct delta_account_state){ 0 };
    delta->free_slots[delta->free_count] = slot;
    delta->free_count++;
}

/* --- recovery and prefetch -------------------------------------------------------------------- */

void delta_set_digest(struct delta *delta, u128 digest)
{
    ASSERT(!delta->in_batch);
    delta->digest = digest;
}

void delta_set_batch_index(struct delta *delta, uint64_t log_index)
{
    ASSERT(!delta->in_batch);
    ASSERT(log_index >= delta->batch_index);
    delta->batch_index = log_index;
}

void delta_prefetch_begin(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    delta->prefetch++;
    map_clear(&delta->old_ids);
    delta->old_transfer_count = 0;
}

bool delta_prefetch_pin_account(struct delta *delta, u128 id)
{
    const uint32_t *slot = map_find(&delta->account_slots, id);
    if (slot == NULL) {
        return false;
    }
    delta->states[*slot].used = delta->prefetch;
    delta->states[*slot].recent = 1;
    return true;
}

void delta_prefetch_account(struct delta *delta, const struct account *account)
{
    ASSERT(!delta->in_batch);
    uint32_t slot = delta_slot_take(delta);
    map_insert(&delta->account_slots, account->id, slot);
    delta->accounts[slot] = *account;
    delta->states[slot] = (struct delta_account_state){ .hash = delta_hash_account(account),
                                                        .used = delta->prefetch,
                                                        .recent = 1 };
}

void delta_prefetch_transfer(struct delta *delta, const struct transfer *transfer)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->old_transfer_count < DELTA_BATCH_IDS_MAX);
    delta->old_transfers[delta->old_transfer_count] = *transfer;
    map_insert(&delta->old_ids, transfer->id, delta->old_transfer_count);
    delta->old_transfer_count++;
}

void delta_prefetch_failed(struct delta *delta, u128 id)
{
    ASSERT(!delta->in_batch);
    map_insert(&delta->old_ids, id, DELTA_ID_FAILED);
}

/* --- generations ------------------------------------------------------------------------------ */

bool delta_seal_due(const struct delta *delta)
{
    const struct delta_generation *live = &delta->live;
    uint32_t seal_events = delta->options.seal_events;
    return live->transfer_count + live->failed_count >= seal_events ||
           live->account_count >= seal_events || delta->dirty_count >= seal_events;
}

static void generation_clear(struct delta_generation *generation)
{
    map_clear(&generation->ids);
    generation->transfer_count = 0;
    generation->failed_count = 0;
    generation->run_count = 0;
    generation->account_count = 0;
}

void delta_freeze(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    ASSERT(!delta->has_frozen);
    struct delta_generation empty = delta->frozen;
    delta->frozen = delta->live;
    delta->live = empty;
    for (uint32_t i = 0; i < delta->dirty_count; i++) {
        delta->frozen_accounts[i] = delta->accounts[delta->dirty[i]];
    }
    delta->frozen_account_count = delta->dirty_count;
    delta->dirty_count = 0;
    delta->generation++;
    delta->has_frozen = true;
}

void delta_frozen_drop(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->has_frozen);
    generation_clear(&delta->frozen);
    delta->frozen_account_count = 0;
    delta->has_frozen = false;
}

uint64_t delta_transfer_index(const struct delta_generation *generation, uint32_t *cursor,
                              uint32_t position)
{
    ASSERT(position < generation->transfer_count);
    while (*cursor + 1 < generation->run_count &&
           generation->runs[*cursor + 1].first_transfer <= position) {
        (*cursor)++;
    }
    ASSERT(generation->runs[*cursor].first_transfer <= position);
    return generation->runs[*cursor].log_index;
}

uint64_t delta_failed_index(const struct delta_generation *generation, uint32_t *cursor,
                            uint32_t position)
{
    ASSERT(position < generation->failed_count);
    while (*cursor + 1 < generation->run_count &&
           generation->runs[*cursor + 1].first_failed <= position) {
        (*cursor)++;
    }
    ASSERT(generation->runs[*cursor].first_failed <= position);
    return generation->runs[*cursor].log_index;
}
