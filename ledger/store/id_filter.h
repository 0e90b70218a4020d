/* id_filter.h — which 128-bit ids were surely never added, or not in a part: a blocked Bloom filter.
 *
 * All bits of an id lie in one cache line, so a question costs one access to memory, and that can be
 * asked for ahead. Some of them depend on the id alone, the others on the part that it was added in
 * as well: one question tells whether there is any part that may have it, and then those that surely
 * do not are told for nothing. Source: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom
 * Filters", 2007.
 *
 * Wrong "maybe"s  of ids, and of parts of an id that is there in another: about 1 in 60 and 1 in 20
 *                 questions when it holds an id a sixteen bits, 1 in 15 and 1 in 7 an id a ten bits,
 *                 1 in 3 and 2 in 5 an id a five bits. It is never full.
 * Never wrong     an id that was added is always "maybe".
 * Memory          the caller's: all zero, aligned to ID_FILTER_BLOCK_BYTES.
 * Threads         one adds while another asks. What was added before the one that adds released
 *                 something (__ATOMIC_RELEASE) that the one that asks acquired is seen by it.
 * Errors          none.
 */
#pragma once

#include "base/u128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ID_FILTER_BLOCK_BYTES = 64 };

struct id_filter {
    uint64_t *words;
    uint64_t blocks;
};

/* Of `bytes`, at least one block; what is beyond a whole block stays unused. */
void id_filter_init(struct id_filter *filter, void *memory, size_t bytes);
/* A part is any number. */
void id_filter_add(struct id_filter *filter, u128 id, uint64_t part);
bool id_filter_may_have(const struct id_filter *filter, u128 id);
/* Of an id that it may have. */
bool id_filter_may_have_in(const struct id_filter *filter, u128 id, uint64_t part);
/* Asks the processor to fetch what the question about this id takes, for batches of them. */
void id_filter_hint(const struct id_filter *filter, u128 id);
