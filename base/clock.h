/* clock.h — the seam for time: production reads the kernel, the simulator a number.
 *
 * Units nanoseconds. `mono` never goes back and starts anywhere; `wall` is Unix time and may jump.
 * Threads any.
 */
#pragma once

#include <stdint.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

struct clock {
    uint64_t (*mono_ns)(void *context);
    uint64_t (*wall_ns)(void *context);
    void *context;
};

static inline uint64_t clock_mono_ns(const struct clock *clock)
{
    return clock->mono_ns(clock->context);
}

static inline uint64_t clock_wall_ns(const struct clock *clock)
{
    return clock->wall_ns(clock->context);
}

/* The kernel's clocks (base/os/clock_os.c). */
struct clock clock_os(void);
