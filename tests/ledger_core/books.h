/* books.h — a ledger on a delta in memory, for tests and measurements.
 *
 * Memory  from the allocator; books_close gives it back.
 */
#pragma once

#include "ledger/core/ledger.h"

struct books {
    struct delta *delta;
    struct ledger *ledger;
    uint64_t timestamp; /* of the last event */
};

/* Room for `events` transfers, accounts and failed ids. */
struct books books_open(uint32_t events);
void books_close(struct books *books);

/* One batch each; the results are the caller's. */
void books_accounts(struct books *books, const struct account *events, uint32_t count,
                    struct result *results);
void books_transfers(struct books *books, const struct transfer *events, uint32_t count,
                     struct result *results);
