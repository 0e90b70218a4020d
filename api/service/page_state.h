/* page_state.h — what a call keeps of its query until the answer comes, for its next page (page.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Which page of a query is asked for (page.h). */
struct page {
    uint64_t filter; /* its hash */
    uint64_t first;  /* its timestamp_min */
    uint64_t until;  /* no row is later; 0: not known yet */
    uint32_t limit;  /* rows */
    uint8_t operation;
    bool backwards;
    bool goes_on; /* it is not the first */
};
