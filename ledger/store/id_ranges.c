#include "ledger/store/id_ranges.h"

#include "base/assert.h"

#include <string.h>

/* The first interval that ends at or after id. */
static uint32_t search(const struct id_ranges *ranges, u128 id)
{
    uint32_t low = 0;
    uint32_t high = ranges->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (ranges->ranges[middle].last < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool id_ranges_cover(const struct id_ranges *ranges, u128 id)
{
    uint32_t at = search(ranges, id);
    return at < ranges->count && ranges->ranges[at].first <= id;
}

/* Replaces the intervals [from, to) by one. */
static void replace(struct id_ranges *ranges, uint32_t from, uint32_t to, struct id_range range)
{
    struct id_range *at = &ranges->ranges[from];
    memmove(at + 1, &ranges->ranges[to], (ranges->count - to) * sizeof *at);
    *at = range;
    ranges->count = ranges->count - (to - from) + 1;
}

static void close_smallest_gap(struct id_ranges *ranges)
{
    uint32_t best = 0;
    u128 best_gap = U128_MAX;
    for (uint32_t i = 0; i + 1 < ranges->count; i++) {
        u128 gap = ranges->ranges[i + 1].first - ranges->ranges[i].last;
        if (gap < best_gap) {
            best = i;
            best_gap = gap;
        }
    }
    struct id_range joined = { ranges->ranges[best].first, ranges->ranges[best + 1].last };
    replace(ranges, best, best + 2, joined);
}

void id_ranges_add(struct id_ranges *ranges, u128 first, u128 last)
{
    ASSERT(first <= last);
    if (ranges->count == ID_RANGES_MAX) { /* also when it would have joined another: no matter */
        close_smallest_gap(ranges);
    }
    struct id_range range = { first, last };
    uint32_t from = search(ranges, first);
    uint32_t to = from;
    while (to < ranges->count && ranges->ranges[to].first <= last) {
        range.first =
            ranges->ranges[to].first < range.first ? ranges->ranges[to].first : range.first;
        range.last = ranges->ranges[to].last > range.last ? ranges->ranges[to].last : range.last;
        to++;
    }
    replace(ranges, from, to, range);
}

void id_gaps_see(struct id_gaps *gaps, u128 id)
{
    if (!gaps->begun) {
        gaps->begun = true;
        gaps->first = id;
        gaps->last = id;
        return;
    }
    ASSERT(id > gaps->last);
    struct id_range gap = { gaps->last, id };
    gaps->last = id;
    if (gaps->count < ID_RANGES_A_SEAL - 1) {
        gaps->gaps[gaps->count] = gap;
        gaps->count++;
        return;
    }
    uint32_t least = 0;
    for (uint32_t i = 1; i < gaps->count; i++) {
        if (gaps->gaps[i].last - gaps->gaps[i].first <
            gaps->gaps[least].last - gaps->gaps[least].first) {
            least = i;
        }
    }
    if (gap.last - gap.first > gaps->gaps[least].last - gaps->gaps[least].first) {
        gaps->gaps[least] = gap;
    }
}

void id_gaps_into(const struct id_gaps *gaps, struct id_ranges *ranges)
{
    if (!gaps->begun) {
        return;
    }
    u128 first = gaps->first;
    while (true) {
        /* The next gap after `first`, in ascending order: there are few. */
        const struct id_range *next = NULL;
        for (uint32_t i = 0; i < gaps->count; i++) {
            const struct id_range *gap = &gaps->gaps[i];
            if (gap->first >= first && (next == NULL || gap->first < next->first)) {
                next = gap;
            }
        }
        id_ranges_add(ranges, first, next == NULL ? gaps->last : next->first);
        if (next == NULL) {
            return;
        }
        first = next->last;
    }
}

void id_ranges_write(const struct id_ranges *ranges, struct writer *writer)
{
    write_u32(writer, ranges->count);
    for (uint32_t i = 0; i < ranges->count; i++) {
        write_u128(writer, ranges->ranges[i].first);
        write_u128(writer, ranges->ranges[i].last);
    }
}

bool id_ranges_read(struct id_ranges *ranges, struct reader *reader)
{
    ranges->count = read_u32(reader);
    if (reader->failed || ranges->count > ID_RANGES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < ranges->count; i++) {
        struct id_range *range = &ranges->ranges[i];
        range->first = read_u128(reader);
        range->last = read_u128(reader);
        if (range->first > range->last || (i > 0 && range->first <= range[-1].last)) {
            return false;
        }
    }
    return !reader->failed;
}
