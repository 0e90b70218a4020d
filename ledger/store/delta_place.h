/* delta_place.h — how the parts of the delta share the memory of delta_footprint: one walk serves
 * both the sizing (memory NULL) and the placing. Pure. */
#pragma once

#include "base/map.h"

enum { CACHE_LINE = 64 };

static inline void *place(uint8_t *memory, size_t *at, size_t size)
{
    *at = (*at + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *here = memory == NULL ? NULL : memory + *at;
    *at += size;
    return here;
}

static inline void place_map(struct map *map, uint8_t *memory, size_t *at, uint32_t capacity)
{
    void *here = place(memory, at, map_footprint(capacity));
    if (here != NULL) {
        map_init(map, here, capacity);
    }
}
