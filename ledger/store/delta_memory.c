/* delta_memory.c — the delta's memory, freezing and dropping a generation. */
#include "base/assert.h"
#include "ledger/store/delta_internal.h"
#include "ledger/store/delta_place.h"

/* --- layout ----------------------------------------------------------------------------------- */

static void place_generation(struct delta_generation *generation, uint8_t *memory, size_t *at,
                             uint32_t events)
{
    place_map(&generation->ids, memory, at, events);
    generation->transfers = place(memory, at, (size_t)events * sizeof(struct transfer));
    generation->links = place(memory, at, (size_t)events * sizeof(struct delta_link));
    generation->changes = place(memory, at, (size_t)events * sizeof(struct change));
    generation->expiries = place(memory, at, (size_t)events * sizeof(struct delta_expiry));
    generation->accounts = place(memory, at, (size_t)events * sizeof(struct delta_created));
    generation->journals = place(memory, at, (size_t)events * sizeof(struct journal_row));
    generation->failed = place(memory, at, (size_t)events * sizeof(u128));
    generation->failed_why = place(memory, at, (size_t)events * sizeof(uint16_t));
    generation->due.dues = place(memory, at, (size_t)events * sizeof(struct delta_due));
    generation->due.capacity = events;
}

static void place_tables(struct delta *delta, uint8_t *memory, size_t *at)
{
    const struct delta_options *options = &delta->options;
    const struct table_limits accounts = {
        .dirty = delta_dirty_max(options),
        .batch = DELTA_BATCH_ACCOUNTS_MAX,
        .spare = options->accounts_cached + DELTA_BATCH_ACCOUNTS_MAX,
    };
    const struct table_limits holds = {
        .dirty = delta_generation_events_max(options), /* an event changes one at the most */
        .batch = DELTA_BATCH_HOLDS_MAX,
        .spare = DELTA_BATCH_HOLDS_MAX, /* none for a cache: a hold is needed twice in its life */
    };
    table_layout(&delta->accounts, &delta_kind_account, &accounts, memory, at);
    table_layout(&delta->holds, &delta_kind_hold, &holds, memory, at);
    delta->frozen_accounts = place(memory, at, (size_t)accounts.dirty * sizeof(struct account));
    delta->frozen_holds = place(memory, at, (size_t)holds.dirty * sizeof(struct hold));
}

static size_t place_all(struct delta *delta, uint8_t *memory)
{
    uint32_t events = delta_generation_events_max(&delta->options);
    size_t at = sizeof *delta;
    place_generation(&delta->live, memory, &at, events);
    place_generation(&delta->frozen, memory, &at, events);
    place_tables(delta, memory, &at);
    delta_objects_place(&delta->objects, &delta->options, memory, &at);
    place_map(&delta->old_ids, memory, &at, DELTA_BATCH_IDS_MAX);
    place_map(&delta->old_timestamps, memory, &at, DELTA_BATCH_IDS_MAX);
    delta->old_transfers = place(memory, &at, DELTA_BATCH_IDS_MAX * sizeof(struct transfer));
    place_map(&delta->taken, memory, &at, DELTA_BATCH_TIMESTAMPS_MAX);
    delta->timed = place(memory, &at, DELTA_BATCH_HOLDS_MAX * sizeof(struct delta_due));
    delta->picks = place(memory, &at, BATCH_EVENTS_MAX * sizeof(struct delta_pick));
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
    delta->options = *options;
    delta->groups_cut = U128_MAX;
    size_t size = place_all(delta, memory);
    ASSERT(size == delta_footprint(options));
    return delta;
}

/* --- recovery --------------------------------------------------------------------------------- */

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

/* --- generations ------------------------------------------------------------------------------ */

bool delta_seal_due(const struct delta *delta)
{
    const struct delta_generation *live = &delta->live;
    uint32_t seal_events = delta->options.seal_events;
    return live->transfer_count + live->failed_count >= seal_events ||
           live->change_count >= seal_events || live->account_count >= seal_events ||
           delta->accounts.dirty_count >= seal_events ||
           delta_objects_fill(&delta->objects, &delta->options, 1) > 0;
}

static void generation_clear(struct delta_generation *generation)
{
    map_clear(&generation->ids);
    generation->transfer_count = 0;
    generation->change_count = 0;
    generation->expiry_count = 0;
    generation->account_count = 0;
    generation->journal_count = 0;
    generation->failed_count = 0;
    generation->due.count = 0;
}

void delta_freeze(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    ASSERT(!delta->has_frozen);
    delta_due_restore(delta); /* each heap has its own again */
    struct delta_generation empty = delta->frozen;
    delta->frozen = delta->live;
    delta->live = empty;
    delta->frozen_account_count = table_freeze(&delta->accounts, delta->frozen_accounts);
    delta->frozen_hold_count = table_freeze(&delta->holds, delta->frozen_holds);
    delta_objects_freeze(&delta->objects);
    delta->has_frozen = true;
}

void delta_frozen_drop(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->has_frozen);
    delta_due_restore(delta);
    generation_clear(&delta->frozen);
    table_frozen_drop(&delta->accounts);
    table_frozen_drop(&delta->holds);
    delta_objects_frozen_drop(&delta->objects);
    delta->frozen_account_count = 0;
    delta->frozen_hold_count = 0;
    delta->has_frozen = false;
}
