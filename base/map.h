/* map.h — a fixed-capacity hash map from u128 to u32, open addressing, linear probing.
 *
 * Made for ids: the value is usually an index into an array of the caller's.
 * Invariants  count <= capacity; the slots in use of it are a power of two and at most half full;
 *             their order depends on the operations alone (no entropy, no pointers), so iteration
 *             is the same on every replica.
 * Memory      the caller gives map_footprint(capacity) bytes, all zero and aligned to 8; nothing is
 *             allocated. map_init writes none of them, and a map begins with few of its slots and
 *             takes more as it fills: in fresh pages of the system, it costs what is used of it.
 * Errors      none: inserting beyond the capacity is a bug of the caller.
 * Cost        a look-up is one or two cache lines; map_clear is O(1) (a generation number) and
 *             keeps the slots. Taking more places MAP_SLOTS_GRADUAL / 2 keys anew at the most.
 * Pure.
 */
#pragma once

#include "base/u128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAP_SLOTS_FIRST = 128,         /* what a map begins with: a page */
    MAP_SLOTS_GRADUAL = 32 * 1024, /* up to here they double; then a map takes all it has */
};

struct map_slot {
    uint64_t key_low;
    uint64_t key_high;
    uint32_t value;
    uint32_t generation; /* the slot is in use when this equals the map's */
};

struct map {
    struct map_slot *slots;
    uint32_t mask; /* of the slots that are taken */
    uint32_t count;
    uint32_t room; /* keys that they have room for */
    uint32_t capacity;
    uint32_t generation;
};

size_t map_footprint(uint32_t capacity);
/* Of zeroed memory; to begin anew later, map_clear. */
void map_init(struct map *map, void *memory, uint32_t capacity);
/* Forgets every key. */
void map_clear(struct map *map);
/* The value of `key`, or NULL; valid until the next insert, remove or clear. */
uint32_t *map_find(const struct map *map, u128 key);
/* Adds a key that is not there yet. */
void map_insert(struct map *map, u128 key, uint32_t value);
/* Removes a key; false when it is not there. */
bool map_remove(struct map *map, u128 key);
/* Asks the processor to fetch the slot of `key`, for batches of look-ups. */
void map_prefetch(const struct map *map, u128 key);
