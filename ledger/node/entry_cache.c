#include "ledger/node/entry_cache.h"

#include "base/assert.h"

void entry_cache_init(struct entry_cache *cache, uint64_t last_index)
{
    cache->first = last_index + 1;
    cache->last = last_index;
}

static void drop(struct entry_cache *cache, uint64_t index)
{
    struct entry **slot = &cache->entries[index % ENTRY_CACHE_MAX];
    cache->bytes -= entry_size(&(*slot)->header);
    entry_release(*slot);
    *slot = NULL;
}

void entry_cache_close(struct entry_cache *cache)
{
    for (uint64_t index = cache->first; index <= cache->last; index++) {
        drop(cache, index);
    }
    cache->first = cache->last + 1;
}

void entry_cache_append(struct entry_cache *cache, struct entry *entry)
{
    ASSERT(entry->header.index == cache->last + 1);
    ASSERT(cache->last + 1 - cache->first < ENTRY_CACHE_MAX);
    size_t slot = entry->header.index % ENTRY_CACHE_MAX;
    cache->entries[slot] = entry_keep(entry);
    cache->bytes += entry_size(&entry->header);
    cache->appended_bytes += entry_size(&entry->header);
    cache->end_bytes[slot] = cache->appended_bytes;
    cache->last++;
}

void entry_cache_truncate(struct entry_cache *cache, uint64_t index)
{
    ASSERT(index > 0);
    while (cache->last >= index && cache->last >= cache->first) {
        cache->appended_bytes -= entry_size(&entry_cache_find(cache, cache->last)->header);
        drop(cache, cache->last);
        cache->last--;
    }
    if (cache->last >= index) { /* all of the cache was beyond, and more */
        cache->last = index - 1;
        cache->first = index;
    }
}

void entry_cache_trim(struct entry_cache *cache, uint64_t durable_index)
{
    while (cache->first <= cache->last && cache->first < durable_index &&
           (cache->bytes > ENTRY_CACHE_BYTES ||
            cache->last + 1 - cache->first >= ENTRY_CACHE_MAX - RAFT_MESSAGE_ENTRIES_MAX)) {
        drop(cache, cache->first);
        cache->first++;
    }
}

struct entry *entry_cache_find(const struct entry_cache *cache, uint64_t index)
{
    if (index < cache->first || index > cache->last) {
        return NULL;
    }
    return cache->entries[index % ENTRY_CACHE_MAX];
}

uint64_t entry_cache_bytes_after(const struct entry_cache *cache, uint64_t index)
{
    if (index >= cache->last) {
        return 0;
    }
    if (index < cache->first) {
        return cache->bytes;
    }
    return cache->appended_bytes - cache->end_bytes[index % ENTRY_CACHE_MAX];
}
