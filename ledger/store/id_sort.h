/* id_sort.h — sorts positions by a 128-bit key: for seals and for batches of look-ups.
 *
 * A radix sort by bytes from the least significant, stable, that leaves out the bytes in which all
 * keys agree, and everything when the keys are in order already. When keys differ in many bytes it
 * begins with the uppermost of them, which tell nearly all random ids apart, and puts the few that
 * they do not in order one by one; when those are many, it sorts by all bytes after all. One pass is
 * one bounded piece. Memory: two arrays of the caller's, each with room for `count`. Pure.
 */
#pragma once

#include "base/u128.h"

#include <stdbool.h>
#include <stdint.h>

struct id_item {
    u128 key;
    uint64_t payload; /* the caller's */
    uint32_t position;
    uint32_t tag; /* the caller's */
};

struct id_sort {
    struct id_item *items; /* the sorted ones, at the end */
    struct id_item *other;
    uint32_t count;
    uint32_t pass;  /* the next byte to sort by; 16: sorted */
    u128 differing; /* bits in which keys differ */
    bool upper;     /* only the uppermost bytes have been sorted by */
};

/* Looks the items over; sorts nothing yet. */
void id_sort_init(struct id_sort *sort, struct id_item *items, struct id_item *other,
                  uint32_t count);
/* One pass over the items; false when they are sorted. */
bool id_sort_step(struct id_sort *sort);
/* The whole of it. */
struct id_item *id_sort_all(struct id_item *items, struct id_item *other, uint32_t count);
