/* The memory of entries: the one part of raft/core that allocates, so a library of its own. */
#include "base/assert.h"
#include "raft/core/entry.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };
_Static_assert(sizeof(struct entry) % ALIGNMENT == 0, "the body is aligned");
_Static_assert(offsetof(struct entry, header) % ALIGNMENT == 0, "the header is aligned");
_Static_assert(offsetof(struct entry, body) ==
                   offsetof(struct entry, header) + RAFT_ENTRY_HEADER_SIZE,
               "header and body lie together, as on the wire and on disk");

struct entry *entry_new(uint32_t body_size)
{
    ASSERT(body_size <= RAFT_ENTRY_BODY_MAX);
    size_t size = sizeof(struct entry) + body_size;
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct entry *entry = aligned_alloc(ALIGNMENT, rounded);
    if (entry == NULL) {
        fenlu_panic(__FILE__, __LINE__, "out of memory for a log entry");
    }
    entry->references = 1;
    entry->body_capacity = body_size;
    return entry;
}

struct entry *entry_keep(struct entry *entry)
{
    uint32_t before = __atomic_fetch_add(&entry->references, 1, __ATOMIC_RELAXED);
    ASSERT(before > 0 && before < UINT32_MAX);
    return entry;
}

void entry_release(struct entry *entry)
{
    uint32_t before = __atomic_fetch_sub(&entry->references, 1, __ATOMIC_ACQ_REL);
    ASSERT(before > 0);
    if (before == 1) {
        free(entry);
    }
}
