/* What a plain transfer costs in the core, accounts and ids in memory: run by hand.
 *   bench_apply [ACCOUNTS [BATCH]]
 * Prints nanoseconds per transfer, the best and the median of the batches, for fresh transfers and
 * for a second try of the same ones (exists), and for chains of two of which the second fails. */
#include "base/assert.h"
#include "base/random.h"
#include "tests/ledger_core/books.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* About what one generation of the delta holds. */
enum { TRANSFERS = 250000, TRANSFERS_ROUNDED = TRANSFERS + BATCH_EVENTS_MAX };

/* Of the processor, so that neighbours disturb less. */
static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

struct bench {
    struct books books;
    struct transfer *events;
    struct result *results;
    uint32_t batch;
};

static void create_accounts(struct bench *bench, uint32_t accounts)
{
    for (uint32_t id = 1; id <= accounts; id++) {
        const struct account event = { .id = id, .ledger = 1, .code = 1 };
        books_accounts(&bench->books, &event, 1, bench->results);
    }
}

static void run(struct bench *bench, const char *name, unsigned expected)
{
    uint64_t *times = calloc(TRANSFERS / bench->batch + 1, sizeof *times);
    ASSERT(times != NULL);
    uint32_t batches = 0;
    uint64_t total_ns = 0;
    for (uint32_t first = 0; first + bench->batch <= TRANSFERS; first += bench->batch) {
        const uint64_t before_ns = now_ns();
        books_transfers(&bench->books, bench->events + first, bench->batch, bench->results);
        const uint64_t took_ns = now_ns() - before_ns;
        total_ns += took_ns;
        times[batches++] = took_ns;
        ASSERT(bench->results[bench->batch - 1].status == expected);
    }
    ASSERT(batches > 0);
    qsort(times, batches, sizeof *times, compare_u64);
    printf("%-8s mean %llu ns, best %llu, median %llu\n", name,
           (unsigned long long)(total_ns / ((uint64_t)batches * bench->batch)),
           (unsigned long long)(times[0] / bench->batch),
           (unsigned long long)(times[batches / 2] / bench->batch));
    free(times);
}

int main(int argc, char **argv)
{
    const uint32_t accounts = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    struct bench bench = { .batch = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 8189 };
    ASSERT(accounts >= 2 && bench.batch >= 2 && bench.batch <= BATCH_EVENTS_MAX);
    bench.books = books_open(2 * TRANSFERS_ROUNDED + accounts);
    bench.events = aligned_alloc(64, (size_t)TRANSFERS_ROUNDED * sizeof bench.events[0]);
    bench.results = calloc(BATCH_EVENTS_MAX, sizeof bench.results[0]);
    ASSERT(bench.events != NULL && bench.results != NULL);
    create_accounts(&bench, accounts);
    struct random random;
    random_init(&random, 42);
    for (uint32_t i = 0; i < TRANSFERS_ROUNDED; i++) {
        const uint64_t debit = random_below(&random, accounts);
        bench.events[i] =
            (struct transfer){ .id = u128_make(i + 1, random_u64(&random)),
                               .debit_account_id = debit + 1,
                               .credit_account_id =
                                   (debit + 1 + random_below(&random, accounts - 1)) % accounts + 1,
                               .amount = random_below(&random, 10000),
                               .ledger = 1,
                               .code = 1 };
    }
    run(&bench, "created", TRANSFER_STATUS_CREATED);
    run(&bench, "exists", TRANSFER_STATUS_EXISTS);
    for (uint32_t i = 0; i < TRANSFERS_ROUNDED; i++) {
        bench.events[i].id += u128_make(1ULL << 40, 0);
        const bool second = i % bench.batch % 2 == 1 || i % bench.batch == bench.batch - 1;
        bench.events[i].flags = second ? 0 : TRANSFER_LINKED;
        bench.events[i].code = second ? 0 : 1;
    }
    run(&bench, "undone", TRANSFER_STATUS_CODE_MUST_NOT_BE_ZERO);
    free(bench.events);
    free(bench.results);
    books_close(&bench.books);
    return 0;
}
