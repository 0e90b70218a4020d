/* arena.h — a bump allocator over memory that the caller gives: one call, one reset.
 *
 * Invariant  used <= size. Errors  arena_take gives NULL when it does not fit; the caller answers
 * STATUS_TOO_LARGE. Memory is aligned to 16 and not cleared. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *memory;
    size_t size;
    size_t used;
};

void arena_init(struct arena *arena, void *memory, size_t size);
void *arena_take(struct arena *arena, size_t size);
/* Everything taken after `mark` (a former `used`) is given back. */
void arena_reset(struct arena *arena, size_t mark);
