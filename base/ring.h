/* ring.h — a bounded queue of pointers between exactly two threads: one puts, one takes.
 *
 * Invariant  0 <= tail - head <= capacity (a power of two). A full ring refuses: the producer
 *            answers BUSY or waits for its own bound, it never grows.
 * Memory     the slots are the caller's, ring_footprint(capacity) bytes.
 * Order      first in, first out; what the producer wrote before ring_put is seen after ring_take.
 * Pure (atomics only): waking the other side is thread.h's bell.
 */
#pragma once

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    void **slots;
    uint32_t mask;
    _Alignas(64) uint32_t head; /* next to take; written by the consumer */
    _Alignas(64) uint32_t tail; /* next to put; written by the producer */
};

static inline size_t ring_footprint(uint32_t capacity)
{
    return (size_t)capacity * sizeof(void *);
}

static inline void ring_init(struct ring *ring, void *memory, uint32_t capacity)
{
    ASSERT(capacity > 0 && (capacity & (capacity - 1)) == 0);
    ring->slots = memory;
    ring->mask = capacity - 1;
    ring->head = 0;
    ring->tail = 0;
}

static inline bool ring_put(struct ring *ring, void *item)
{
    uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    if (tail - __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) > ring->mask) {
        return false;
    }
    ring->slots[tail & ring->mask] = item;
    __atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}

/* The oldest item, or NULL when the ring is empty (so NULL itself cannot be an item). */
static inline void *ring_take(struct ring *ring)
{
    uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
        return NULL;
    }
    void *item = ring->slots[head & ring->mask];
    __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
    return item;
}
