/* memory.h — memory of connections and queued frames. Both are bounded by limits.h, so memory that
 * is gone means a limit set too high, and ends the process (as entry_new does). The caller frees.
 */
#pragma once

#include "base/assert.h"

#include <stdlib.h>

static inline void *net_allocate(size_t size)
{
    void *memory = malloc(size);
    ASSERT(memory != NULL);
    return memory;
}
