#include "ledger/store/delta_table.h"

#include "base/hash.h"
#include "ledger/store/delta_place.h"

#include <string.h>

void table_layout(struct table *table, const struct table_kind *kind,
                  const struct table_limits *limits, uint8_t *memory, size_t *at)
{
    /* The dirty ones, those of the generation being sealed, and what is spare. */
    uint32_t slots = 2 * limits->dirty + limits->spare;
    *table = (struct table){ .kind = kind,
                             .limits = *limits,
                             .size_log2 = kind->size_log2,
                             .slot_capacity = slots,
                             .generation = 1, /* 0 in table_state.generation means unchanged */
                             .unsealed = 1,
                             .prefetch = 1,
                             .mark = 1 };
    ASSERT(kind->size_log2 >= 6);
    place_map(&table->slots, memory, at, slots);
    table->values = place(memory, at, (size_t)slots << kind->size_log2);
    table->states = place(memory, at, (size_t)slots * sizeof(struct table_state));
    table->free_slots = place(memory, at, (size_t)limits->batch * sizeof(uint32_t));
    table->changed = place(memory, at, (size_t)limits->batch * sizeof(uint32_t));
    table->dirty = place(memory, at, (size_t)limits->dirty * sizeof(uint32_t));
    table->undo = place(memory, at, (size_t)limits->batch * sizeof(struct table_undo));
    table->undo_values = place(memory, at, (size_t)limits->batch << kind->size_log2);
}

static u128 hash_of(const struct table *table, uint32_t slot)
{
    return hash_record(table->kind->seed, table_at(table, slot), (size_t)1 << table->size_log2);
}

/* By lines of constant size: quicker than one copy of a size that is not. */
static void copy_value(const struct table *table, void *to, const void *from)
{
    for (size_t line = 0; line < (size_t)1 << table->size_log2; line += CACHE_LINE) {
        memcpy((uint8_t *)to + line, (const uint8_t *)from + line, CACHE_LINE);
    }
}

/* --- slots ------------------------------------------------------------------------------------ */

static bool slot_is_pinned(const struct table *table, const struct table_state *state)
{
    return state->generation >= table->unsealed || state->used == table->prefetch ||
           state->changed != 0;
}

static uint32_t slot_evict(struct table *table)
{
    /* Twice around clears every second chance; and some slots are not pinned: the spare ones are
     * more than what a prefetch names and a batch creates. */
    for (uint64_t i = 0; i < 2 * (uint64_t)table->slot_capacity + 1; i++) {
        uint32_t slot = table->clock_hand;
        table->clock_hand = slot + 1 == table->slot_capacity ? 0 : slot + 1;
        struct table_state *state = &table->states[slot];
        if (slot_is_pinned(table, state)) {
            continue;
        }
        if (state->recent == 0) {
            bool removed = map_remove(&table->slots, table->kind->key(table_at(table, slot)));
            ASSERT(removed);
            return slot;
        }
        state->recent = 0;
    }
    UNREACHABLE();
}

/* A slot for a new record, evicting if need be. */
static uint32_t slot_take(struct table *table)
{
    if (table->free_count > 0) {
        table->free_count--;
        return table->free_slots[table->free_count];
    }
    if (table->slots_begun < table->slot_capacity) {
        table->slots_begun++;
        return table->slots_begun - 1;
    }
    return slot_evict(table);
}

static uint32_t slot_fill(struct table *table, const void *value)
{
    uint32_t slot = slot_take(table);
    map_insert(&table->slots, table->kind->key(value), slot);
    copy_value(table, table_at(table, slot), value);
    table->states[slot] = (struct table_state){ .used = table->prefetch & TABLE_PREFETCH_MAX,
                                                .recent = 1,
                                                .head = TABLE_HEAD_NONE };
    return slot;
}

static void slot_release(struct table *table, uint32_t slot)
{
    bool removed = map_remove(&table->slots, table->kind->key(table_at(table, slot)));
    ASSERT(removed);
    ASSERT(table->free_count < table->limits.batch);
    table->states[slot] = (struct table_state){ 0 };
    table->free_slots[table->free_count] = slot;
    table->free_count++;
}

/* --- batches ---------------------------------------------------------------------------------- */

void table_batch_begin(struct table *table)
{
    ASSERT(table->changed_count == 0);
    table->mark = 1;
    table->chain_number = 1;
}

u128 table_batch_end(struct table *table)
{
    ASSERT(table->mark == 1);
    u128 added = 0;
    for (uint32_t i = 0; i < table->changed_count; i++) {
        uint32_t slot = table->changed[i];
        struct table_state *state = &table->states[slot];
        u128 hash = hash_of(table, slot);
        added += hash - state->hash;
        state->hash = hash;
        state->changed = 0;
    }
    table->changed_count = 0;
    return added;
}

static void undo_push(struct table *table, uint32_t slot, bool created)
{
    ASSERT(table->undo_count < table->limits.batch);
    const struct table_state *state = &table->states[slot];
    table->undo[table->undo_count] = (struct table_undo){ .slot = slot,
                                                          .changed = state->changed,
                                                          .generation = state->generation,
                                                          .head = state->head,
                                                          .created = created };
    if (!created) {
        copy_value(table, table->undo_values + ((size_t)table->undo_count << table->size_log2),
                   table_at(table, slot));
    }
    table->undo_count++;
}

/* The head goes on to mean the same, seen from the live generation; what is older is sealed. */
static uint32_t head_in_live(const struct table *table, const struct table_state *state)
{
    bool earlier = (state->head & TABLE_HEAD_EARLIER) != 0; /* NONE has that bit too */
    return earlier || state->generation + 1 != table->generation ? TABLE_HEAD_NONE
                                                                 : state->head | TABLE_HEAD_EARLIER;
}

static void mark_changed(struct table *table, struct table_state *state, uint32_t slot)
{
    if (state->changed == 0) {
        ASSERT(table->changed_count < table->limits.batch);
        table->changed[table->changed_count] = slot;
        table->changed_count++;
    }
    state->changed = table->mark;
    if (state->generation != table->generation) {
        ASSERT(table->dirty_count < table->limits.dirty);
        table->dirty[table->dirty_count] = slot;
        table->dirty_count++;
        state->head = head_in_live(table, state);
        state->generation = table->generation;
    }
}

void table_change(struct table *table, uint32_t slot)
{
    struct table_state *state = &table->states[slot];
    if (state->changed == table->mark) {
        return;
    }
    if (table->mark != 1) {
        undo_push(table, slot, false);
    }
    mark_changed(table, state, slot);
}

void *table_insert(struct table *table, const void *value)
{
    uint32_t slot = slot_fill(table, value);
    if (table->mark != 1) {
        undo_push(table, slot, true);
    }
    mark_changed(table, &table->states[slot], slot);
    return table_at(table, slot);
}

void table_chain_open(struct table *table)
{
    table->chain_number++;
    table->mark = table->chain_number;
    table->undo_count = 0;
    table->chain_changed = table->changed_count;
    table->chain_dirty = table->dirty_count;
}

static void undo_all(struct table *table)
{
    while (table->undo_count > 0) {
        table->undo_count--;
        const struct table_undo *undo = &table->undo[table->undo_count];
        if (undo->created) {
            slot_release(table, undo->slot);
            continue;
        }
        copy_value(table, table_at(table, undo->slot),
                   table->undo_values + ((size_t)table->undo_count << table->size_log2));
        struct table_state *state = &table->states[undo->slot];
        state->changed = undo->changed;
        state->generation = undo->generation;
        state->head = undo->head;
    }
    table->changed_count = table->chain_changed;
    table->dirty_count = table->chain_dirty;
}

void table_chain_close(struct table *table, bool keep)
{
    ASSERT(table->mark != 1);
    if (!keep) {
        undo_all(table);
    }
    table->mark = 1;
}

/* --- prefetch --------------------------------------------------------------------------------- */

void table_prefetch_begin(struct table *table)
{
    table->prefetch = (table->prefetch + 1) & TABLE_PREFETCH_MAX;
}

bool table_pin(struct table *table, u128 key)
{
    const uint32_t *slot = map_find(&table->slots, key);
    if (slot == NULL) {
        return false;
    }
    table->states[*slot].used = table->prefetch & TABLE_PREFETCH_MAX;
    table->states[*slot].recent = 1;
    return true;
}

void table_bring(struct table *table, const void *value)
{
    uint32_t slot = slot_fill(table, value);
    table->states[slot].hash = hash_of(table, slot);
}

void table_hint(const struct table *table, u128 key)
{
    const uint32_t *slot = map_find(&table->slots, key);
    if (slot == NULL) {
        return;
    }
    const uint8_t *value = table_at(table, *slot);
    for (size_t line = 0; line < (size_t)1 << table->size_log2; line += CACHE_LINE) {
        __builtin_prefetch(value + line, 1);
    }
    __builtin_prefetch(&table->states[*slot], 1);
}

/* --- generations ------------------------------------------------------------------------------ */

uint32_t table_freeze(struct table *table, void *values)
{
    ASSERT(table->unsealed == table->generation);
    uint32_t count = table->dirty_count;
    for (uint32_t i = 0; i < count; i++) {
        copy_value(table, (uint8_t *)values + ((size_t)i << table->size_log2),
                   table_at(table, table->dirty[i]));
    }
    table->dirty_count = 0;
    table->generation++;
    return count;
}

void table_frozen_drop(struct table *table)
{
    ASSERT(table->unsealed + 1 == table->generation);
    table->unsealed = table->generation;
}
