#include "base/map.h"

#include "base/assert.h"
#include "base/hash.h"

#include <string.h>

static uint32_t slot_count(uint32_t capacity)
{
    uint32_t count = 8;
    while (count < capacity * 2) {
        ASSERT(count < UINT32_MAX / 2);
        count *= 2;
    }
    return count;
}

size_t map_footprint(uint32_t capacity)
{
    ASSERT(capacity < UINT32_MAX / 4);
    return (size_t)slot_count(capacity) * sizeof(struct map_slot);
}

static void take_slots(struct map *map, uint32_t wanted)
{
    uint32_t all = slot_count(map->capacity);
    uint32_t taken = wanted <= MAP_SLOTS_GRADUAL && wanted < all ? wanted : all;
    map->mask = taken - 1;
    map->room = taken < all ? taken / 2 : map->capacity;
}

void map_init(struct map *map, void *memory, uint32_t capacity)
{
    ASSERT((uintptr_t)memory % 8 == 0);
    map->slots = memory;
    map->count = 0;
    map->capacity = capacity;
    map->generation = 1; /* of no slot in zeroed memory */
    take_slots(map, MAP_SLOTS_FIRST);
    ASSERT(map->slots[0].generation == 0);
}

void map_clear(struct map *map)
{
    map->count = 0;
    map->generation++;
    if (map->generation == 0) { /* wrapped: old slots would look alive again */
        memset(map->slots, 0, ((size_t)map->mask + 1) * sizeof(struct map_slot));
        map->generation = 1;
    }
}

static uint32_t home(const struct map *map, uint64_t low, uint64_t high)
{
    return (uint32_t)hash_u128_parts(low, high) & map->mask;
}

static bool used(const struct map *map, uint32_t at)
{
    return map->slots[at].generation == map->generation;
}

/* The slot of the key, or the free one where it belongs. */
static uint32_t probe(const struct map *map, uint64_t low, uint64_t high)
{
    uint32_t at = home(map, low, high);
    while (used(map, at)) {
        const struct map_slot *slot = &map->slots[at];
        if (slot->key_low == low && slot->key_high == high) {
            break;
        }
        at = (at + 1) & map->mask;
    }
    return at;
}

uint32_t *map_find(const struct map *map, u128 key)
{
    uint32_t at = probe(map, u128_low(key), u128_high(key));
    return used(map, at) ? &map->slots[at].value : NULL;
}

/* Leaves the generation at less than its largest, without changing what is in use. */
static void renumber(struct map *map)
{
    for (uint32_t at = 0; at <= map->mask; at++) {
        map->slots[at].generation = used(map, at) ? 1 : 0;
    }
    map->generation = 1;
}

/* What was in use before has the generation before, and gives way to what has its place already. */
static void place_again(struct map *map, struct map_slot slot)
{
    const uint32_t before = map->generation - 1;
    while (slot.generation == before) {
        uint32_t at = probe(map, slot.key_low, slot.key_high);
        struct map_slot displaced = map->slots[at];
        slot.generation = map->generation;
        map->slots[at] = slot;
        slot = displaced;
    }
}

/* In place: the new slots are behind the old ones. */
static void grow(struct map *map)
{
    if (map->generation == UINT32_MAX) {
        renumber(map);
    }
    const uint32_t old_mask = map->mask;
    const uint32_t before = map->generation;
    map->generation++;
    take_slots(map, 2 * (old_mask + 1));
    for (uint32_t at = 0; at <= old_mask; at++) {
        struct map_slot slot = map->slots[at];
        if (slot.generation == before) {
            map->slots[at].generation = 0;
            place_again(map, slot);
        }
    }
}

void map_insert(struct map *map, u128 key, uint32_t value)
{
    ASSERT(map->count < map->capacity);
    if (map->count == map->room) {
        grow(map);
    }
    uint32_t at = probe(map, u128_low(key), u128_high(key));
    ASSERT(!used(map, at));
    map->slots[at] = (struct map_slot){ .key_low = u128_low(key),
                                        .key_high = u128_high(key),
                                        .value = value,
                                        .generation = map->generation };
    map->count++;
}

bool map_remove(struct map *map, u128 key)
{
    uint32_t hole = probe(map, u128_low(key), u128_high(key));
    if (!used(map, hole)) {
        return false;
    }
    /* Backward shift: close the hole so that no tombstone is needed. */
    for (uint32_t at = (hole + 1) & map->mask; used(map, at); at = (at + 1) & map->mask) {
        uint32_t wanted = home(map, map->slots[at].key_low, map->slots[at].key_high);
        if (((at - wanted) & map->mask) >= ((at - hole) & map->mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].generation = map->generation - 1;
    map->count--;
    return true;
}

void map_prefetch(const struct map *map, u128 key)
{
    __builtin_prefetch(&map->slots[home(map, u128_low(key), u128_high(key))]);
}
