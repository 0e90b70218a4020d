#include "base/assert.h"
#include "base/entropy.h"

#include <sys/random.h>

static uint64_t os_u64(void *context)
{
    (void)context;
    uint64_t value = 0;
    ssize_t size = getrandom(&value, sizeof value, 0);
    ASSERT(size == (ssize_t)sizeof value);
    return value;
}

struct entropy entropy_os(void)
{
    return (struct entropy){ .u64 = os_u64, .context = NULL };
}
