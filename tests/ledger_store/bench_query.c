/* bench_query.c — queries over what bench_store left in a folder. Not a test:
 *
 *   bench_store --folder F --transfers N --accounts A;  bench_query F A
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "ledger/store/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 50, CACHE_MIB = 256, LEDGER = 2, CODES = 65535 };

struct bench {
    struct store *store;
    struct random random;
    uint32_t accounts;
};

static void must(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "bench_query: %s\n", error->text);
        exit(1);
    }
}

static double now_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Gives the number of rows. */
static uint32_t run(struct bench *bench, enum query_kind kind, const struct query_filter *filter,
                    double *longest_step)
{
    struct query *query;
    struct error error;
    uint32_t count;
    must(query_open(bench->store, kind, filter, &query, &error), &error);
    while (!query_done(query)) {
        double begun = now_s(CLOCK_THREAD_CPUTIME_ID);
        must(query_step(query, &error), &error);
        double took = now_s(CLOCK_THREAD_CPUTIME_ID) - begun;
        *longest_step = took > *longest_step ? took : *longest_step;
    }
    (void)query_rows(query, &count);
    query_close(query);
    return count;
}

/* As bench_store names them. */
static u128 any_account(struct bench *bench)
{
    uint32_t number = (uint32_t)random_below(&bench->random, bench->accounts);
    return u128_make(hash_u128(number), number + 1);
}

enum subject { BY_ACCOUNT, BY_CODE, BY_ACCOUNT_AND_CODE, BY_LEDGER, BY_TIME };

static struct query_filter make_filter(struct bench *bench, enum subject subject)
{
    struct query_filter filter = { .limit = QUERY_ROWS_MAX };
    if (subject == BY_ACCOUNT || subject == BY_ACCOUNT_AND_CODE) {
        filter.account_id = any_account(bench);
        filter.flags = QUERY_ACCOUNT_DEBITS | QUERY_ACCOUNT_CREDITS;
    }
    if (subject == BY_CODE || subject == BY_ACCOUNT_AND_CODE) {
        filter.code = (uint16_t)(1 + random_below(&bench->random, CODES));
    }
    filter.ledger = subject == BY_LEDGER ? LEDGER : 0;
    return filter;
}

static void measure(struct bench *bench, const char *name, enum query_kind kind,
                    enum subject subject, uint32_t flags, uint32_t limit)
{
    double begun = now_s(CLOCK_MONOTONIC);
    double cpu = now_s(CLOCK_THREAD_CPUTIME_ID);
    double longest = 0;
    uint64_t rows = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct query_filter filter = make_filter(bench, subject);
        filter.flags |= flags;
        filter.limit = limit;
        rows += run(bench, kind, &filter, &longest);
    }
    cpu = now_s(CLOCK_THREAD_CPUTIME_ID) - cpu;
    (void)printf("%-44s %8.0f rows, %7.0f queries/s by CPU, %7.0f by the wall; a row %.2f us; "
                 "longest step %.2f ms\n",
                 name, (double)rows / ROUNDS, ROUNDS / cpu,
                 ROUNDS / (now_s(CLOCK_MONOTONIC) - begun), cpu * 1e6 / (double)(rows + 1),
                 longest * 1e3);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fputs("usage: bench_query FOLDER ACCOUNTS\n", stderr);
        return 2;
    }
    struct bench bench = { .accounts = (uint32_t)strtoul(argv[2], NULL, 10) };
    struct kv_rocks_options rocks = { .folder = argv[1],
                                      .cache_bytes = (uint64_t)CACHE_MIB << 20,
                                      .background_jobs = 1 };
    struct error error;
    struct store_options options = { .delta = { .seal_events = 1000, .accounts_cached = 1000 } };
    struct store_checkpoint recovered;
    random_init(&bench.random, 1);
    must(kv_rocks_open(&rocks, &options.kv, &error), &error);
    must(store_open(&options, &bench.store, &recovered, &error), &error);
    for (int again = 0; again < 2; again++) {
        measure(&bench, "account_transfers, all", QUERY_ACCOUNT_TRANSFERS, BY_ACCOUNT, 0,
                QUERY_ROWS_MAX);
        measure(&bench, "account_transfers, all, reversed", QUERY_ACCOUNT_TRANSFERS, BY_ACCOUNT,
                QUERY_ACCOUNT_REVERSED, QUERY_ROWS_MAX);
        measure(&bench, "account_transfers, last 10", QUERY_ACCOUNT_TRANSFERS, BY_ACCOUNT,
                QUERY_ACCOUNT_REVERSED, 10);
        measure(&bench, "account_transfers of a code", QUERY_ACCOUNT_TRANSFERS, BY_ACCOUNT_AND_CODE,
                0, QUERY_ROWS_MAX);
        measure(&bench, "query_transfers of a code", QUERY_TRANSFERS, BY_CODE, 0, QUERY_ROWS_MAX);
        measure(&bench, "query_transfers of the ledger", QUERY_TRANSFERS, BY_LEDGER, 0,
                QUERY_ROWS_MAX);
        measure(&bench, "query_transfers, any", QUERY_TRANSFERS, BY_TIME, 0, QUERY_ROWS_MAX);
        measure(&bench, "changes", QUERY_CHANGES, BY_TIME, 0, QUERY_ROWS_MAX);
    }
    store_close(bench.store);
    return 0;
}
