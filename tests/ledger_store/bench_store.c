/* bench_store.c — plain transfers through the store with a sealing thread; not a test.
 *
 *   bench_store FOLDER [transfers] [accounts] [order: time|random] [seal_events]
 *
 * The apply loop does what a ledger does for a plain transfer (one id, two accounts) without its
 * rules. Prints transfers/s, CPU per transfer, bytes on disk per transfer after compaction of what
 * RocksDB compacts by itself, and the longest time between two batches.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/thread.h"
#include "ledger/store/store.h"
#include "tests/ledger_store/folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 8189 };

struct bench {
    const char *folder;
    uint64_t transfers;
    uint32_t accounts;
    bool random_ids;
    uint32_t seal_events;
    struct store *store;
    struct clock clock;
    struct random random;
    uint64_t log_index;
    struct worker sealer;
    uint64_t waits_ns;
    uint64_t parts_ns[2]; /* CPU: prefetch, apply */
};

static void die(const struct error *error)
{
    (void)fprintf(stderr, "bench_store: %s\n", error->text);
    exit(1);
}

static bool seal_step(void *context)
{
    struct bench *bench = context;
    bool more;
    struct error error;
    if (store_seal_step(bench->store, &more, &error) != STATUS_OK) {
        die(&error);
    }
    return more;
}

static u128 account_id(uint32_t number)
{
    return u128_make(hash_u128(number), number + 1);
}

static void make_batch(struct bench *bench, struct transfer *batch, uint32_t count)
{
    uint64_t now = bench->log_index * BATCH + 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t debit = (uint32_t)random_below(&bench->random, bench->accounts);
        uint32_t credit =
            (debit + 1 + (uint32_t)random_below(&bench->random, bench->accounts - 1)) %
            bench->accounts;
        u128 random = random_u128(&bench->random);
        u128 id = random;
        if (!bench->random_ids) { /* 48 bits of time, 80 of randomness, growing */
            id =
                (u128)(0x019000000000ULL + bench->log_index) << 80 | (u128)i << 60 | (random >> 80);
        }
        batch[i] = (struct transfer){
            .id = id,
            .debit_account_id = account_id(debit),
            .credit_account_id = account_id(credit),
            .amount = random_below(&bench->random, 20000),
            .ledger = 2,
            .code = 1 + (uint16_t)random_below(&bench->random, 65535),
            .timestamp = 1700000000000000000ULL + now + i,
        };
    }
}

static void prefetch(struct bench *bench, const struct transfer *batch, uint32_t count)
{
    static u128 ids[BATCH];
    static u128 accounts[2 * BATCH];
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = batch[i].id;
        accounts[2 * i] = batch[i].debit_account_id;
        accounts[2 * i + 1] = batch[i].credit_account_id;
    }
    struct error error;
    if (store_prefetch(bench->store, accounts, 2 * (size_t)count, ids, count, &error) !=
        STATUS_OK) {
        die(&error);
    }
}

static void apply(struct bench *bench, const struct transfer *batch, uint32_t count)
{
    enum { FAR = 24, NEAR = 12 };
    struct delta *delta = store_delta(bench->store);
    delta_batch_begin(delta);
    for (uint32_t i = 0; i < count; i++) {
        if (i + FAR < count) {
            delta_hint_ids(delta, &batch[i + FAR]);
        }
        if (i + NEAR < count) {
            delta_hint_accounts(delta, &batch[i + NEAR]);
        }
        const struct transfer *transfer = &batch[i];
        if (delta_transfer(delta, transfer->id) != NULL || delta_id_failed(delta, transfer->id)) {
            abort();
        }
        struct account *debit = delta_account(delta, transfer->debit_account_id);
        struct account *credit = delta_account(delta, transfer->credit_account_id);
        delta_account_change(delta, debit);
        delta_account_change(delta, credit);
        debit->debits_posted += transfer->amount;
        credit->credits_posted += transfer->amount;
        (void)delta_transfer_insert(delta, transfer);
    }
    delta_batch_end(delta);
}

static void freeze_when_due(struct bench *bench)
{
    if (!store_seal_due(bench->store)) {
        return;
    }
    uint64_t begun = clock_mono_ns(&bench->clock);
    while (store_seal_busy(bench->store)) {
        struct timespec pause = { .tv_nsec = 100000 };
        (void)nanosleep(&pause, NULL);
    }
    bench->waits_ns += clock_mono_ns(&bench->clock) - begun;
    struct store_checkpoint checkpoint = { .log_index = bench->log_index,
                                           .log_term = 1,
                                           .timestamp = bench->log_index,
                                           .digest = delta_digest(store_delta(bench->store)) };
    store_freeze(bench->store, &checkpoint);
    worker_ring(&bench->sealer);
}

static void create_accounts(struct bench *bench)
{
    struct delta *delta = store_delta(bench->store);
    uint32_t at = 0;
    while (at < bench->accounts) {
        u128 ids[BATCH];
        struct error error;
        freeze_when_due(bench);
        uint32_t count = bench->accounts - at < BATCH ? bench->accounts - at : BATCH;
        for (uint32_t i = 0; i < count; i++) {
            ids[i] = account_id(at + i);
        }
        if (store_prefetch(bench->store, ids, count, NULL, 0, &error) != STATUS_OK) {
            die(&error);
        }
        bench->log_index++;
        store_batch_index(bench->store, bench->log_index);
        delta_batch_begin(delta);
        for (uint32_t i = 0; i < count; i++) {
            struct account account = { .id = ids[i], .ledger = 1, .code = 1, .timestamp = at + i };
            (void)delta_account_insert(delta, &account);
        }
        delta_batch_end(delta);
        at += count;
    }
}

/* CPU of this thread, which others on the machine do not change much. */
static uint64_t thread_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static void run(struct bench *bench)
{
    static struct transfer batch[BATCH];
    uint64_t begun = clock_mono_ns(&bench->clock);
    uint64_t making_ns = 0;
    uint64_t longest_ns = 0;
    double cpu = cpu_seconds();
    for (uint64_t done = 0; done < bench->transfers;) {
        uint64_t left = bench->transfers - done;
        uint32_t count = left < BATCH ? (uint32_t)left : BATCH;
        uint64_t t0 = clock_mono_ns(&bench->clock);
        make_batch(bench, batch, count);
        uint64_t t1 = clock_mono_ns(&bench->clock);
        freeze_when_due(bench);
        uint64_t t2 = thread_ns();
        prefetch(bench, batch, count);
        uint64_t t3 = thread_ns();
        bench->log_index++;
        store_batch_index(bench->store, bench->log_index);
        apply(bench, batch, count);
        bench->parts_ns[0] += t3 - t2;
        bench->parts_ns[1] += thread_ns() - t3;
        uint64_t t4 = clock_mono_ns(&bench->clock);
        making_ns += t1 - t0;
        longest_ns = t4 - t1 > longest_ns ? t4 - t1 : longest_ns;
        done += count;
    }
    uint64_t applied_ns = clock_mono_ns(&bench->clock) - begun;
    while (store_seal_busy(bench->store)) {
        struct timespec pause = { .tv_nsec = 100000 };
        (void)nanosleep(&pause, NULL);
    }
    double count = (double)bench->transfers;
    (void)printf("%.0f transfers/s, %.0f without making the batches; CPU %.2f us per transfer "
                 "(making them %.2f)\n",
                 count * 1e9 / (double)applied_ns, count * 1e9 / (double)(applied_ns - making_ns),
                 (cpu_seconds() - cpu) * 1e6 / count, (double)making_ns / 1e3 / count);
    (void)printf("the applying thread's CPU per transfer: prefetch %.0f ns, apply %.0f ns; waited "
                 "for seals %.0f ns; longest batch %.1f ms\n",
                 (double)bench->parts_ns[0] / count, (double)bench->parts_ns[1] / count,
                 (double)bench->waits_ns / count, (double)longest_ns / 1e6);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_store FOLDER [transfers] [accounts] [time|random] "
                              "[seal_events]\n");
        return 2;
    }
    struct bench bench = {
        .folder = argv[1],
        .transfers = argc > 2 ? strtoull(argv[2], NULL, 10) : 4000000,
        .accounts = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 10000,
        .random_ids = argc > 4 && strcmp(argv[4], "random") == 0,
        .seal_events = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 250000,
        .clock = clock_os(),
    };
    random_init(&bench.random, 1);
    struct kv_rocks_options rocks = { .folder = bench.folder,
                                      .cache_bytes = 256 * 1024 * 1024,
                                      .background_jobs = 2 };
    struct kv *kv;
    struct error error;
    if (kv_rocks_open(&rocks, &kv, &error) != STATUS_OK) {
        die(&error);
    }
    struct store_options options = {
        .delta = { .seal_events = bench.seal_events, .accounts_cached = 100000 },
        .kv = kv,
    };
    struct store_checkpoint recovered;
    if (store_open(&options, &bench.store, &recovered, &error) != STATUS_OK ||
        worker_start(&bench.sealer, "sealer", seal_step, &bench, &error) != STATUS_OK) {
        die(&error);
    }
    bench.log_index = recovered.log_index;
    create_accounts(&bench);
    run(&bench);
    uint64_t begun = clock_mono_ns(&bench.clock);
    u128 digest;
    if (store_recompute_digest(bench.store, &digest, &error) != STATUS_OK) {
        die(&error);
    }
    (void)printf("audit of the sealed past: %.2f s\n",
                 (double)(clock_mono_ns(&bench.clock) - begun) / 1e9);
    worker_stop(&bench.sealer);
    store_close(bench.store);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("%.1f bytes on disk per transfer; %ld MiB resident at most\n",
                 (double)folder_bytes(bench.folder, ".sst") / (double)bench.transfers,
                 usage.ru_maxrss / 1024);
    return 0;
}
