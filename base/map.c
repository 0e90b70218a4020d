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

void map_init(struct map *map, void *memory, uint32_t capacity)
{
    ASSERT((uintptr_t)memory % 8 == 0);
    memset(memory, 0, map_footprint(capacity));
    map->slots = memory;
    map->mask = slot_count(capacity) - 1;
    map->count = 0;
    map->capacity = capacity;
    map->generation = 1;
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

void map_insert(struct map *map, u128 key, uint32_t value)
{
    ASSERT(map->count < map->capacity);
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
