/* delta_table.h — records that change and are named by a number: accounts by id, holds by
 * timestamp. Part of the delta.
 *
 * Slots     A record lives in one slot until it is evicted. A slot whose last change lies in a
 *           generation that is not yet sealed is pinned, and so is one that the current prefetch
 *           named; any other may be evicted, because the store has its value.
 * Changes   each is announced by table_change, once or more often, before the bytes change: that
 *           keeps the old value for the chain's undo and notes the slot for the digest and the
 *           seal.
 * Head      each slot has one number more, for the user of the table, which belongs to the
 *           generation of the slot's last change; a chain's undo restores it.
 * Capacity  table_layout's `limits`; exceeding one is a bug of the caller.
 * Values are 64 bytes times a power of two, and have no padding. Pure.
 */
#pragma once

#include "base/assert.h"
#include "base/map.h"

#define TABLE_HEAD_NONE UINT32_MAX
/* The head is of the generation before that of the slot's last change. */
#define TABLE_HEAD_EARLIER 0x80000000U

struct table_kind {
    uint64_t seed; /* of the digest */
    unsigned size_log2;
    u128 (*key)(const void *value);
};

struct table_limits {
    uint32_t dirty; /* slots changed in one generation */
    uint32_t batch; /* slots changed or created in one batch */
    uint32_t spare; /* slots that are neither dirty nor of a generation being sealed */
};

#define TABLE_PREFETCH_MAX 0x7FFFFFFFU /* as wide as table_state.used; then it wraps */

struct table_state {
    u128 hash;           /* what the digest holds for the record */
    uint32_t changed;    /* 0: not in this batch; else 1, or the number of the chain that did */
    uint32_t generation; /* of the last change; 0: unchanged since it was brought in */
    uint32_t head;
    uint32_t used : 31;  /* number of the last prefetch that named it */
    uint32_t recent : 1; /* second chance of the eviction's clock */
};

struct table_undo {
    uint32_t slot;
    uint32_t changed;
    uint32_t generation;
    uint32_t head;
    bool created;
};

struct table {
    const struct table_kind *kind;
    struct table_limits limits;
    unsigned size_log2;
    uint32_t generation; /* number of the live one */
    uint32_t unsealed;   /* slots changed in this generation, or a later one, are pinned */
    uint32_t prefetch;   /* number of the current one */
    uint32_t mark;       /* what `changed` becomes: 1, or the number of the open chain */

    struct map slots;
    uint8_t *values;
    struct table_state *states;
    uint32_t slot_capacity;
    uint32_t slots_begun; /* slots at or after this one were never used */
    uint32_t *free_slots;
    uint32_t free_count;
    uint32_t clock_hand;

    uint32_t *changed; /* slots changed in this batch */
    uint32_t changed_count;
    uint32_t *dirty; /* slots changed in the live generation */
    uint32_t dirty_count;
    struct table_undo *undo;
    uint8_t *undo_values;
    uint32_t undo_count;
    uint32_t chain_number; /* of the last chain of this batch; from 2 */
    uint32_t chain_changed;
    uint32_t chain_dirty;
};

/* Places the table's arrays in zeroed memory from *at on, or only counts their bytes (memory NULL).
 */
void table_layout(struct table *table, const struct table_kind *kind,
                  const struct table_limits *limits, uint8_t *memory, size_t *at);

static inline void *table_at(const struct table *table, uint32_t slot)
{
    return table->values + ((size_t)slot << table->size_log2);
}

/* NULL: there is none. */
static inline void *table_find(const struct table *table, u128 key)
{
    const uint32_t *slot = map_find(&table->slots, key);
    return slot == NULL ? NULL : table_at(table, *slot);
}

static inline uint32_t table_slot(const struct table *table, const void *value)
{
    size_t offset = (size_t)((const uint8_t *)value - table->values);
    ASSERT(offset >> table->size_log2 < table->slot_capacity);
    return (uint32_t)(offset >> table->size_log2);
}

/* --- batches ---------------------------------------------------------------------------------- */
void table_batch_begin(struct table *table);
/* What the batch's changes add to the digest. */
u128 table_batch_end(struct table *table);
void table_change(struct table *table, uint32_t slot);
void *table_insert(struct table *table, const void *value);
void table_chain_open(struct table *table);
void table_chain_close(struct table *table, bool keep);

/* --- prefetch --------------------------------------------------------------------------------- */
/* Releases what the last prefetch named. */
void table_prefetch_begin(struct table *table);
/* Pins the record until the next prefetch; false when it is not in memory. */
bool table_pin(struct table *table, u128 key);
/* Brings in a record that is not in memory, with its sealed value. */
void table_bring(struct table *table, const void *value);
/* Asks the processor for the slot's record and state. */
void table_hint(const struct table *table, u128 key);

/* --- generations ------------------------------------------------------------------------------ */
/* Copies the records that changed since the last freeze; gives their number. */
uint32_t table_freeze(struct table *table, void *values);
void table_frozen_drop(struct table *table);
