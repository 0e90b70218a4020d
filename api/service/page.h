/* page.h — where the next page of a query begins: what a reply gives a client to send back.
 *
 * Token     32 bytes, opaque to clients: version, operation, CRC32C of the rest, hash of the filter
 *           (all of it but the limit), timestamp of the last row given, and the cluster time when
 *           the first page was read, or the filter's timestamp_max when that is earlier.
 * Stable    a page begins behind the last row before it and ends where the first page's look ended:
 *           what is committed between two pages is in none, however many there are. An import is
 *           the exception: its rows have the time that they are given.
 * Strangers a token may be forged: then it is another range of time of the same filter, which its
 *           sender may ask for anyway. One that is damaged, or of another call, is refused.
 *
 * Pure.
 */
#pragma once

#include "api/service/convert.h"
#include "ledger/core/filter.h"

enum { PAGE_TOKEN_SIZE = 32 };

/* The queries that have pages. */
static inline bool page_is_of(enum operation operation)
{
    return (operation >= OPERATION_GET_ACCOUNT_TRANSFERS &&
            operation <= OPERATION_QUERY_TRANSFERS) ||
           operation == OPERATION_QUERY_JOURNALS;
}

/* A query that may go on. `filter` is the EVENT_SIZE bytes of a struct filter, of QUERY_JOURNALS of a
 * struct journal_filter, that were checked; a token, which may be empty, moves its range. INVALID
 * with *refusal. */
STATUS_MUST_USE enum status page_begin(enum operation operation, void *filter, struct bytes token,
                                       struct page *page, struct refusal *refusal);
/* The token of the page behind these `count` rows, read at cluster time `read_at`: its size, or 0:
 * there are no more. */
size_t page_next(const struct page *page, struct bytes rows, uint32_t count, uint64_t read_at,
                 uint8_t token[PAGE_TOKEN_SIZE]);
