#include "tests/ledger_core/books.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static void *take(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    ASSERT(memory != NULL);
    memset(memory, 0, size); /* no first touches in what is measured */
    return memory;
}

struct books books_open(uint32_t events)
{
    const struct delta_options options = { .seal_events = events, .accounts_cached = 0 };
    struct books books = { .delta = delta_init(take(delta_footprint(&options)), &options) };
    books.ledger = ledger_init(take(ledger_footprint()), books.delta);
    return books;
}

void books_close(struct books *books)
{
    free(books->ledger);
    free(books->delta);
}

void books_accounts(struct books *books, const struct account *events, uint32_t count,
                    struct result *results)
{
    delta_batch_begin(books->delta);
    ledger_create_accounts(books->ledger, events, count, books->timestamp + 1, results);
    delta_batch_end(books->delta);
    books->timestamp += count;
}

void books_transfers(struct books *books, const struct transfer *events, uint32_t count,
                     struct result *results)
{
    delta_batch_begin(books->delta);
    ledger_create_transfers(books->ledger, events, count, books->timestamp + 1, results);
    delta_batch_end(books->delta);
    books->timestamp += count;
}
