/* throttle.h — a token bucket of bytes: keeps background work to a rate.
 *
 * A piece of work is allowed while there are tokens and may put the bucket into debt, so that any
 * piece passes at any rate and the rate holds on average. At most a quarter of a second's tokens
 * are saved up. Time is the caller's. Pure.
 */
#pragma once

#include "base/clock.h"
#include "base/u128.h"

#include <stdbool.h>
#include <stdint.h>

struct throttle {
    uint64_t bytes_per_s;
    uint64_t free_ns; /* when the debt is paid: work is allowed from then on */
};

static inline void throttle_init(struct throttle *throttle, uint64_t bytes_per_s, uint64_t now_ns)
{
    *throttle =
        (struct throttle){ .bytes_per_s = bytes_per_s > 0 ? bytes_per_s : 1, .free_ns = now_ns };
}

static inline bool throttle_allows(const struct throttle *throttle, uint64_t now_ns)
{
    return now_ns >= throttle->free_ns;
}

static inline void throttle_take(struct throttle *throttle, uint64_t bytes, uint64_t now_ns)
{
    uint64_t saved_ns = NS_PER_S / 4;
    uint64_t oldest_ns = now_ns > saved_ns ? now_ns - saved_ns : 0;
    uint64_t from_ns = throttle->free_ns > oldest_ns ? throttle->free_ns : oldest_ns;
    throttle->free_ns = from_ns + (uint64_t)((u128)bytes * NS_PER_S / throttle->bytes_per_s);
}
