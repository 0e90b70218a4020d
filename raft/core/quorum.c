#include "raft/core/quorum.h"

#include "base/assert.h"

uint32_t quorum_size(uint32_t count)
{
    ASSERT(count >= 1 && count <= RAFT_MEMBERS_MAX);
    return (count / 2) + 1;
}

uint64_t quorum_value(uint64_t *values, uint32_t count)
{
    uint32_t size = quorum_size(count);
    for (uint32_t i = 1; i < count; i++) { /* insertion sort, greatest first */
        uint64_t value = values[i];
        uint32_t at = i;
        for (; at > 0 && values[at - 1] < value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
    return values[size - 1];
}
