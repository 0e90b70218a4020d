/* quorum.h — the one place that knows what a majority is. Pure. */
#pragma once

#include "base/limits.h"

#include <stdint.h>

/* How many of `count` voters are a majority. */
uint32_t quorum_size(uint32_t count);
/* The greatest value that a majority has reached; `values` (1..RAFT_MEMBERS_MAX) are reordered. */
uint64_t quorum_value(uint64_t *values, uint32_t count);
