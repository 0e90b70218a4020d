#include "base/arena.h"

#include "base/assert.h"

enum { ARENA_ALIGN = 16 };

void arena_init(struct arena *arena, void *memory, size_t size)
{
    ASSERT((uintptr_t)memory % ARENA_ALIGN == 0);
    *arena = (struct arena){ .memory = memory, .size = size, .used = 0 };
}

void *arena_take(struct arena *arena, size_t size)
{
    ASSERT(arena->used <= arena->size);
    if (size > arena->size - arena->used) {
        return NULL;
    }
    size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    void *taken = arena->memory + arena->used;
    size_t left = arena->size - arena->used;
    arena->used += rounded < left ? rounded : left;
    return taken;
}

void arena_reset(struct arena *arena, size_t mark)
{
    ASSERT(mark <= arena->used);
    arena->used = mark;
}
