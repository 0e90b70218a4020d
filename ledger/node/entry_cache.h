/* entry_cache.h — the tail of the log in memory: what is sent to followers and applied soon.
 *
 * Invariants  holds the consecutive indexes first..last (none when last < first); at most
 *             ENTRY_CACHE_MAX entries; entries that are not durable are never evicted.
 * Memory      one reference to each entry. Threads: the loop's.
 */
#pragma once

#include "raft/core/entry.h"

enum { ENTRY_CACHE_MAX = 8192, ENTRY_CACHE_BYTES = 64 << 20 };

struct entry_cache {
    uint64_t first;
    uint64_t last;
    uint64_t bytes;
    uint64_t appended_bytes;                /* of all entries ever appended: a position */
    struct entry *entries[ENTRY_CACHE_MAX]; /* by index modulo the size */
    uint64_t end_bytes[ENTRY_CACHE_MAX];    /* appended_bytes after the entry */
};

/* Empty, in memory that is all zero; the next index is last_index + 1. */
void entry_cache_init(struct entry_cache *cache, uint64_t last_index);
void entry_cache_close(struct entry_cache *cache);
/* Takes a reference; the index is last + 1. */
void entry_cache_append(struct entry_cache *cache, struct entry *entry);
/* Drops entries from `index` on. */
void entry_cache_truncate(struct entry_cache *cache, uint64_t index);
/* Drops the oldest durable ones beyond the bounds. */
void entry_cache_trim(struct entry_cache *cache, uint64_t durable_index);
/* A borrowed entry, or NULL. */
struct entry *entry_cache_find(const struct entry_cache *cache, uint64_t index);
/* Bytes of the entries after `index`, as far as the cache knows them. */
uint64_t entry_cache_bytes_after(const struct entry_cache *cache, uint64_t index);
