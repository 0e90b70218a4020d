#include "base/pages.h"

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Before what the caller gets, and as aligned. */
struct header {
    _Alignas(64) size_t size;
    struct header *next; /* of those that are kept */
};

static struct {
    size_t bytes_max;
    size_t bytes;
    struct header *first;
} kept;

/* --- what is kept ------------------------------------------------------------------------------
 */

static void give_back(struct header *header)
{
    const int failed = munmap(header, header->size);
    ASSERT(failed == 0);
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* What is in memory is cleared. What is not was never touched, or is swapped out: thrown away, it
 * is zero in both cases. */
static void clear_pages(struct header *header, const uint8_t *in_memory)
{
    const size_t page = page_size();
    const size_t count = (header->size + page - 1) / page;
    size_t first = 0;
    while (first < count) {
        size_t end = first + 1;
        while (end < count && (in_memory[end] & 1) == (in_memory[first] & 1)) {
            end++;
        }
        uint8_t *run = (uint8_t *)header + first * page;
        const size_t size = (end - first) * page;
        if ((in_memory[first] & 1) != 0) {
            memset(run, 0, size);
        } else {
            const int failed = madvise(run, size, MADV_DONTNEED);
            ASSERT(failed == 0);
        }
        first = end;
    }
}

/* False: the system does not say which pages were touched. */
static bool keep(struct header *header)
{
    const size_t size = header->size;
    uint8_t *in_memory = malloc(size / page_size() + 1);
    const bool known = in_memory != NULL && mincore(header, size, in_memory) == 0;
    if (known) {
        clear_pages(header, in_memory);
        *header = (struct header){ .size = size, .next = kept.first };
        kept.first = header;
        kept.bytes += size;
    }
    free(in_memory);
    return known;
}

static struct header *take_kept(size_t size)
{
    for (struct header **at = &kept.first; *at != NULL; at = &(*at)->next) {
        struct header *header = *at;
        if (header->size == size) {
            *at = header->next;
            kept.bytes -= size;
            return header;
        }
    }
    return NULL;
}

/* Until no more than `bytes` are kept; those that were freed first go first. */
static void shrink(size_t bytes)
{
    while (kept.bytes > bytes) {
        struct header **last = &kept.first;
        while ((*last)->next != NULL) {
            last = &(*last)->next;
        }
        kept.bytes -= (*last)->size;
        give_back(*last);
        *last = NULL;
    }
}

void pages_keep(size_t bytes)
{
    kept.bytes_max = bytes;
    shrink(bytes);
}

/* --- for everybody -----------------------------------------------------------------------------
 */

void *pages_new(size_t size)
{
    const size_t all = sizeof(struct header) + size;
    if (all < size) {
        return NULL;
    }
    struct header *header = kept.bytes == 0 ? NULL : take_kept(all);
    if (header != NULL) {
        return header + 1;
    }
    header = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (header == MAP_FAILED) {
        return NULL;
    }
    header->size = all;
    return header + 1;
}

void pages_advise_huge(void *memory)
{
    struct header *header = (struct header *)memory - 1;
    int advised = madvise(header, header->size, MADV_HUGEPAGE);
    (void)advised; /* a system without them refuses, and small ones do as well */
}

void pages_touch(void *part, size_t size)
{
    const uintptr_t page = page_size();
    const uintptr_t first = ((uintptr_t)part + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)part + size) / page * page;
    if (first < end) {
        int touched =
            madvise((uint8_t *)part + (first - (uintptr_t)part), end - first, MADV_POPULATE_WRITE);
        (void)touched; /* a system that does not know it gives them at the first write */
    }
}

void pages_free(void *memory)
{
    if (memory == NULL) {
        return;
    }
    struct header *header = (struct header *)memory - 1;
    if (header->size > kept.bytes_max) {
        give_back(header);
        return;
    }
    shrink(kept.bytes_max - header->size);
    if (!keep(header)) {
        give_back(header);
    }
}
