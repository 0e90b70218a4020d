/* id_ranges.h — where among all 128-bit ids the sealed ones lie, roughly: a bounded, ascending list
 * of disjoint closed intervals that covers every sealed id.
 *
 * An id outside of all intervals was never sealed, and asking the store for it can be left out:
 * that is every new id of a client whose ids grow with time. When the list is full, the smallest
 * gaps close; random ids soon make it one interval, and the store's filters take over. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ID_RANGES_MAX = 256,
    ID_RANGES_A_SEAL = 16, /* intervals that one seal adds at most */
};

struct id_range {
    u128 first;
    u128 last;
};

struct id_ranges {
    uint32_t count;
    struct id_range ranges[ID_RANGES_MAX];
};

bool id_ranges_cover(const struct id_ranges *ranges, u128 id);
/* Adds an interval that may touch or overlap others. */
void id_ranges_add(struct id_ranges *ranges, u128 first, u128 last);

/* Finds the widest gaps of an ascending stream of ids: the intervals between them cover it. */
struct id_gaps {
    struct id_range gaps[ID_RANGES_A_SEAL - 1]; /* (last before, first after), unsorted */
    uint32_t count;
    bool begun;
    u128 first;
    u128 last;
};
void id_gaps_see(struct id_gaps *gaps, u128 id);
void id_gaps_into(const struct id_gaps *gaps, struct id_ranges *ranges);

void id_ranges_write(const struct id_ranges *ranges, struct writer *writer);
/* False: damaged. */
STATUS_MUST_USE bool id_ranges_read(struct id_ranges *ranges, struct reader *reader);
