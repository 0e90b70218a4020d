#include "base/pages.h"

#include "base/assert.h"

#include <stdint.h>
#include <sys/mman.h>

/* Before what the caller gets, and as aligned. */
struct header {
    _Alignas(64) size_t size;
};

void *pages_new(size_t size)
{
    const size_t all = sizeof(struct header) + size;
    if (all < size) {
        return NULL;
    }
    struct header *header =
        mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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

void pages_free(void *memory)
{
    if (memory != NULL) {
        struct header *header = (struct header *)memory - 1;
        const int failed = munmap(header, header->size);
        ASSERT(failed == 0);
    }
}
