/* bench_store.c — plain transfers applied by the ledger core on the store, without network or Raft;
 * sealing and compaction included. Not a test: bench_store --help.
 *
 * Ids are time-ordered (48 bits of time, 80 of randomness) or random, accounts drawn uniformly; a
 * batch is prefetched, applied and, when it is due, the delta frozen, as the state machine does it.
 * What a batch takes counts the waiting for the sealer too. Flushes (fsync, fdatasync) of the
 * process are timed beside it, because a batch that waits for the disk is the disk's time.
 *
 * The run is told by slices of ten million, each with its CPU time, and at the end the last of them
 * beside the first: what a large ledger costs more.
 *
 * With --expect it is a test, the short form of a long run: bounds that no noise of the machine
 * reaches, but a ledger that gets dearer as it grows does.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/thread.h"
#include "ledger/core/ledger.h"
#include "ledger/store/store.h"
#include "ledger/store/store_rocks.h"
#include "tests/ledger_store/folder.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 8189 };

struct bench {
    const char *folder;
    uint64_t transfers;
    uint32_t accounts;
    bool random_ids;
    bool audit;     /* at the end */
    bool user_data; /* random, as `fenlu bench` has it */
    uint32_t seal_events;
    uint32_t accounts_cached;
    uint64_t cache_mib;
    uint64_t slice;      /* transfers */
    uint64_t expect_mib; /* 0: nothing is expected */

    struct store *store;
    struct ledger *ledger;
    struct kv *kv;
    struct random random;
    uint64_t log_index;
    uint64_t timestamp;
    struct worker sealer;

    uint64_t *batch_ns;
    uint64_t batches;
    uint64_t waits_ns;
    uint64_t making_ns;
    uint64_t parts_ns[2]; /* CPU: prefetch, apply */
    double first_slice;   /* transfers/s */
    double last_slice;
    double first_cpu_us; /* a transfer, of that slice */
    double last_cpu_us;
    uint32_t slices;
    bool missed;
};

/* A part of the run. */
struct slice {
    uint64_t transfers;
    double wall;
    double cpu;
    uint64_t making_ns;
};

static void die(const struct error *error)
{
    (void)fprintf(stderr, "bench_store: %s\n", error->text);
    exit(1);
}

static void must(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        die(error);
    }
}

static uint64_t ns_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- flushes: these take the place of the C library's for every library of the process ---------
 */

static uint64_t longest_flush_ns;
static uint64_t flushes;

static int timed_flush(long call, int file)
{
    uint64_t begun = ns_of(CLOCK_MONOTONIC);
    int result = (int)syscall(call, file);
    uint64_t took = ns_of(CLOCK_MONOTONIC) - begun;
    __atomic_fetch_add(&flushes, 1, __ATOMIC_RELAXED);
    uint64_t longest = __atomic_load_n(&longest_flush_ns, __ATOMIC_RELAXED);
    while (took > longest && !__atomic_compare_exchange_n(&longest_flush_ns, &longest, took, false,
                                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return result;
}

int fsync(int file)
{
    return timed_flush(SYS_fsync, file);
}

int fdatasync(int file)
{
    return timed_flush(SYS_fdatasync, file);
}

/* --- events ----------------------------------------------------------------------------------- */

static u128 account_id(uint32_t number)
{
    return u128_make(hash_u128(number), number + 1);
}

static void make_batch(struct bench *bench, struct transfer *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t debit = (uint32_t)random_below(&bench->random, bench->accounts);
        uint32_t credit =
            (debit + 1 + (uint32_t)random_below(&bench->random, bench->accounts - 1)) %
            bench->accounts;
        u128 id = random_u128(&bench->random);
        if (!bench->random_ids) {
            id = (u128)(0x019000000000ULL + bench->log_index) << 80 | (u128)i << 60 | id >> 80;
        }
        batch[i] = (struct transfer){
            .id = id,
            .debit_account_id = account_id(debit),
            .credit_account_id = account_id(credit),
            .amount = 1 + random_below(&bench->random, 20000),
            .ledger = 2,
            .code = 1 + (uint16_t)random_below(&bench->random, 65535),
        };
        if (bench->user_data) {
            batch[i].user_data_128 = random_u128(&bench->random);
            batch[i].user_data_64 = random_u64(&bench->random);
            batch[i].user_data_32 = (uint32_t)random_u64(&bench->random);
        }
    }
}

/* --- the state machine ------------------------------------------------------------------------ */

static bool seal_step(void *context)
{
    struct bench *bench = context;
    bool more;
    struct error error;
    must(store_seal_step(bench->store, &more, &error), &error);
    return more;
}

/* As the state machine does: waits when the sealer is behind. */
static void freeze_when_due(struct bench *bench)
{
    struct timespec pause = { .tv_nsec = 100000 };
    uint64_t begun = ns_of(CLOCK_MONOTONIC);
    while (store_seal_behind(bench->store)) {
        (void)nanosleep(&pause, NULL);
    }
    bool due = store_seal_due(bench->store);
    while (due && store_seal_busy(bench->store)) {
        (void)nanosleep(&pause, NULL);
    }
    bench->waits_ns += ns_of(CLOCK_MONOTONIC) - begun;
    if (!due) {
        return;
    }
    static uint8_t extra[LEDGER_SAVE_SIZE];
    struct writer writer = writer_init(extra, sizeof extra);
    ledger_save(bench->ledger, &writer);
    struct store_checkpoint checkpoint = { .log_index = bench->log_index,
                                           .log_term = 1,
                                           .timestamp = bench->timestamp,
                                           .digest = delta_digest(store_delta(bench->store)),
                                           .extra = { extra, writer_size(&writer) } };
    store_freeze(bench->store, &checkpoint);
    worker_ring(&bench->sealer);
}

static void batch_begin(struct bench *bench)
{
    bench->log_index++;
    store_batch_index(bench->store, bench->log_index);
    delta_batch_begin(store_delta(bench->store));
}

static void batch_end(struct bench *bench, const struct result *results, uint32_t count)
{
    delta_batch_end(store_delta(bench->store));
    bench->timestamp += count;
    for (uint32_t i = 0; i < count; i++) {
        if (results[i].status != TRANSFER_STATUS_CREATED) { /* the same number for accounts */
            (void)fprintf(stderr, "bench_store: an event got status %u\n", results[i].status);
            exit(1);
        }
    }
}

static void create_accounts(struct bench *bench)
{
    static struct account batch[BATCH];
    static struct result results[BATCH];
    struct error error;
    for (uint32_t at = 0; at < bench->accounts;) {
        u128 ids[BATCH];
        uint32_t count = bench->accounts - at < BATCH ? bench->accounts - at : BATCH;
        freeze_when_due(bench);
        for (uint32_t i = 0; i < count; i++) {
            ids[i] = account_id(at + i);
            batch[i] = (struct account){ .id = ids[i], .ledger = 2, .code = 1 };
        }
        struct store_names names = { .account_ids = ids, .account_count = count };
        must(store_prefetch(bench->store, &names, &error), &error);
        batch_begin(bench);
        ledger_create_accounts(bench->ledger, batch, count, bench->timestamp + 1, results);
        batch_end(bench, results, count);
        at += count;
    }
}

static void prefetch(struct bench *bench, const struct transfer *batch, uint32_t count)
{
    static u128 ids[BATCH];
    static u128 accounts[2 * BATCH];
    struct error error;
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = batch[i].id;
        accounts[2 * i] = batch[i].debit_account_id;
        accounts[2 * i + 1] = batch[i].credit_account_id;
    }
    struct store_names names = { .account_ids = accounts,
                                 .account_count = 2 * (size_t)count,
                                 .transfer_ids = ids,
                                 .transfer_count = count };
    must(store_prefetch(bench->store, &names, &error), &error);
}

static void run_batch(struct bench *bench, uint32_t count)
{
    static struct transfer batch[BATCH];
    static struct result results[BATCH];
    uint64_t t0 = ns_of(CLOCK_MONOTONIC);
    make_batch(bench, batch, count);
    uint64_t t1 = ns_of(CLOCK_MONOTONIC);
    freeze_when_due(bench);
    uint64_t cpu0 = ns_of(CLOCK_THREAD_CPUTIME_ID);
    prefetch(bench, batch, count);
    uint64_t cpu1 = ns_of(CLOCK_THREAD_CPUTIME_ID);
    batch_begin(bench);
    ledger_create_transfers(bench->ledger, batch, count, bench->timestamp + 1, results);
    batch_end(bench, results, count);
    bench->parts_ns[0] += cpu1 - cpu0;
    bench->parts_ns[1] += ns_of(CLOCK_THREAD_CPUTIME_ID) - cpu1;
    bench->making_ns += t1 - t0;
    bench->batch_ns[bench->batches++] = ns_of(CLOCK_MONOTONIC) - t1;
}

/* --- the report ------------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    return (double)ns_of(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static double batch_ms(const struct bench *bench, double part)
{
    uint64_t at = (uint64_t)((double)bench->batches * part);
    at = at < bench->batches ? at : bench->batches - 1;
    return (double)bench->batch_ns[at] / 1e6;
}

static void expect_at_most(struct bench *bench, const char *what, double value, double most)
{
    if (bench->expect_mib > 0 && value > most) {
        (void)fprintf(stderr, "bench_store: %s: %.1f, expected at most %.1f\n", what, value, most);
        bench->missed = true;
    }
}

static void expect_of_run(struct bench *bench)
{
    enum { CPU_PERCENT_MAX = 250, BATCH_MS_MAX = 500, FLUSHES_MAX = 4 };
    expect_at_most(bench, "CPU of the last slice, in percent of the first one's",
                   100 * bench->last_cpu_us / bench->first_cpu_us, CPU_PERCENT_MAX);
    expect_at_most(bench, "ms of one batch in a thousand", batch_ms(bench, 0.999),
                   BATCH_MS_MAX + FLUSHES_MAX * (double)longest_flush_ns / 1e6);
}

static void report_run(struct bench *bench, double wall, double cpu)
{
    double count = (double)bench->transfers;
    double making = (double)bench->making_ns / 1e9;
    (void)printf("%.0f transfers/s (making them left out); CPU %.2f us a transfer, all threads; of "
                 "the applying one: prefetch %.0f ns, apply %.0f ns; waited for seals %.0f ns\n",
                 count / (wall - making), (cpu - making) * 1e6 / count,
                 (double)bench->parts_ns[0] / count, (double)bench->parts_ns[1] / count,
                 (double)bench->waits_ns / count);
    qsort(bench->batch_ns, bench->batches, sizeof bench->batch_ns[0], compare_u64);
    (void)printf("batches of %u: p50 %.1f ms, p99 %.1f, p99.9 %.1f, p100 %.1f; longest of %" PRIu64
                 " flushes %.1f ms\n",
                 BATCH, batch_ms(bench, 0.5), batch_ms(bench, 0.99), batch_ms(bench, 0.999),
                 batch_ms(bench, 1.0), flushes, (double)longest_flush_ns / 1e6);
    if (bench->slices > 1) {
        (void)printf("the last slice went at %.0f %% of the first one's speed\n",
                     100 * bench->last_slice / bench->first_slice);
    }
    expect_of_run(bench);
}

static double now_seconds(void)
{
    return (double)ns_of(CLOCK_MONOTONIC) / 1e9;
}

static struct slice slice_begin(const struct bench *bench)
{
    struct slice slice = { .wall = now_seconds(), .cpu = cpu_seconds() };
    slice.making_ns = bench->making_ns;
    return slice;
}

static void slice_end(struct bench *bench, const struct slice *slice, uint64_t done)
{
    double making = (double)(bench->making_ns - slice->making_ns) / 1e9;
    double count = (double)slice->transfers;
    bench->last_slice = count / (now_seconds() - slice->wall - making);
    bench->last_cpu_us = (cpu_seconds() - slice->cpu - making) * 1e6 / count;
    if (bench->slices == 0) {
        bench->first_slice = bench->last_slice;
        bench->first_cpu_us = bench->last_cpu_us;
    }
    bench->slices++;
    (void)printf("  up to %" PRIu64 ": %.0f transfers/s, CPU %.2f us a transfer\n", done,
                 bench->last_slice, bench->last_cpu_us);
    (void)fflush(stdout);
}

static void run(struct bench *bench)
{
    bench->batch_ns = calloc(bench->transfers / BATCH + 1, sizeof *bench->batch_ns);
    double cpu = cpu_seconds();
    double begun = now_seconds();
    bench->waits_ns = 0;
    longest_flush_ns = 0;
    flushes = 0;
    struct slice slice = slice_begin(bench);
    for (uint64_t done = 0; done < bench->transfers;) {
        uint64_t left = bench->transfers - done;
        uint32_t count = left < BATCH ? (uint32_t)left : BATCH;
        run_batch(bench, count);
        done += count;
        slice.transfers += count;
        if (slice.transfers >= bench->slice) {
            slice_end(bench, &slice, done);
            slice = slice_begin(bench);
        }
    }
    if (slice.transfers >= bench->slice / 10 * 9) { /* batches do not divide it */
        slice_end(bench, &slice, bench->transfers);
    }
    report_run(bench, now_seconds() - begun, cpu_seconds() - cpu);
    free(bench->batch_ns);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void open_store(struct bench *bench)
{
    struct kv_rocks_options rocks = { .folder = bench->folder,
                                      .cache_bytes = bench->cache_mib << 20,
                                      .background_jobs = 2 };
    struct error error;
    must(kv_rocks_open(&rocks, &bench->kv, &error), &error);
    struct store_options options = {
        .delta = { .seal_events = bench->seal_events, .accounts_cached = bench->accounts_cached },
        .id_filter_bytes = bench->cache_mib << 19,
        .kv = bench->kv,
    };
    struct store_checkpoint recovered;
    must(store_open(&options, &bench->store, &recovered, &error), &error);
    if (bench->ledger == NULL) {
        const size_t size = (ledger_footprint() + 63) / 64 * 64;
        bench->ledger =
            ledger_init(memset(aligned_alloc(64, size), 0, size), store_delta(bench->store));
    }
    bench->log_index = recovered.log_index;
}

static void wait_for_seal(struct bench *bench)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    while (store_seal_busy(bench->store)) {
        (void)nanosleep(&pause, NULL);
    }
}

/* Until RocksDB has merged what it wants to merge. */
static double settle(struct bench *bench)
{
    struct timespec pause = { .tv_nsec = 20000000 };
    double begun = now_seconds();
    int quiet = 0;
    while (quiet < 10) {
        quiet = rocks_load(bench->kv).merging ? 0 : quiet + 1;
        (void)nanosleep(&pause, NULL);
    }
    return now_seconds() - begun;
}

static void finish(struct bench *bench)
{
    struct error error;
    wait_for_seal(bench);
    double settled = settle(bench);
    worker_stop(&bench->sealer);
    double bytes = (double)folder_bytes(bench->folder, ".sst") / (double)bench->transfers;
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("compaction went on for %.1f s; %.1f bytes on disk a transfer; CPU %.2f us a "
                 "transfer with it; at most %ld MiB resident\n",
                 settled, bytes,
                 (cpu_seconds() - (double)bench->making_ns / 1e9) * 1e6 / (double)bench->transfers,
                 usage.ru_maxrss / 1024);
    expect_at_most(bench, "bytes on disk a transfer", bytes, 260);
    expect_at_most(bench, "MiB resident", (double)usage.ru_maxrss / 1024,
                   (double)bench->expect_mib);
    u128 digest;
    double begun = now_seconds();
    if (bench->audit) {
        must(store_recompute_digest(bench->store, &digest, &error), &error);
    }
    double audited = now_seconds();
    store_close(bench->store);
    open_store(bench);
    double opened = now_seconds() - audited;
    (void)printf("audit of the sealed past %.1f s; opened again in %.3f s\n", audited - begun,
                 opened);
    expect_at_most(bench, "seconds to open", opened, 5);
    store_close(bench->store);
}

static const char usage[] =
    "usage: bench_store [--transfers N] [--accounts N] [--ids time|random] [--seal-events N]\n"
    "                   [--accounts-cached N] [--cache-mib N] [--folder PATH]\n"
    "                   [--user-data none|random] [--audit yes|no] [--slice N] [--expect MIB]\n"
    "4000000 transfers between 10000 accounts, ids time; the folder is a temporary one;\n"
    "--expect: fails when more than so much is resident, or another bound is missed\n";

static bool read_arguments(struct bench *bench, int argc, char **argv)
{
    static const struct option options[] = {
        { "transfers", required_argument, NULL, 't' },
        { "accounts", required_argument, NULL, 'a' },
        { "ids", required_argument, NULL, 'i' },
        { "seal-events", required_argument, NULL, 's' },
        { "accounts-cached", required_argument, NULL, 'c' },
        { "cache-mib", required_argument, NULL, 'm' },
        { "folder", required_argument, NULL, 'f' },
        { "user-data", required_argument, NULL, 'u' },
        { "audit", required_argument, NULL, 'd' },
        { "slice", required_argument, NULL, 'l' },
        { "expect", required_argument, NULL, 'e' },
        { 0 },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        switch (option) {
        case 't':
            bench->transfers = number;
            break;
        case 'a':
            bench->accounts = (uint32_t)number;
            break;
        case 'i':
            bench->random_ids = strcmp(optarg, "random") == 0;
            break;
        case 's':
            bench->seal_events = (uint32_t)number;
            break;
        case 'c':
            bench->accounts_cached = (uint32_t)number;
            break;
        case 'm':
            bench->cache_mib = number;
            break;
        case 'f':
            bench->folder = optarg;
            break;
        case 'd':
            bench->audit = strcmp(optarg, "no") != 0;
            break;
        case 'l':
            bench->slice = number;
            break;
        case 'e':
            bench->expect_mib = number;
            break;
        case 'u':
            bench->user_data = strcmp(optarg, "random") == 0;
            break;
        default:
            return false;
        }
    }
    return optind == argc && bench->accounts >= 2 && bench->transfers > 0;
}

int main(int argc, char **argv)
{
    char folder[DISK_PATH_MAX];
    struct error error;
    struct bench bench = { .transfers = 4000000,
                           .accounts = 10000,
                           .seal_events = 256 * 1024,
                           .accounts_cached = 256 * 1024,
                           .cache_mib = 256,
                           .audit = true,
                           .slice = 10000000,
                           .timestamp = 1700000000000000000U };
    if (!read_arguments(&bench, argc, argv)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    bool temporary = bench.folder == NULL;
    if (temporary) {
        folder_make(folder);
        bench.folder = folder;
    }
    random_init(&bench.random, 1);
    open_store(&bench);
    must(worker_start(&bench.sealer, "sealer", seal_step, &bench, &error), &error);
    create_accounts(&bench);
    run(&bench);
    finish(&bench);
    free(bench.ledger);
    if (temporary) {
        folder_remove(folder);
    }
    return bench.missed ? 1 : 0;
}
