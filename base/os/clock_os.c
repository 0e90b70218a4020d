#include "base/assert.h"
#include "base/clock.h"

#include <time.h>

static uint64_t now_ns(clockid_t id)
{
    struct timespec now;
    int result = clock_gettime(id, &now);
    ASSERT(result == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t mono_ns(void *context)
{
    (void)context;
    return now_ns(CLOCK_MONOTONIC);
}

static uint64_t wall_ns(void *context)
{
    (void)context;
    return now_ns(CLOCK_REALTIME);
}

struct clock clock_os(void)
{
    return (struct clock){ .mono_ns = mono_ns, .wall_ns = wall_ns, .context = NULL };
}
