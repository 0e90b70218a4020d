/* bench_uv.c — `fenlu bench`: closed-loop load over gRPC, in the shape that others publish too.
 *
 * Stages: accounts (and their funding with --limits), transfers (timed: "load accepted" and the
 * batch latencies), the latest transfers of one account each (timed: "queries"). bench_load.h makes
 * the records. Every result is checked: anything but "created" is counted, told on stderr, and
 * makes the exit code 1. A batch whose outcome is unknown is sent again with the same ids, and
 * "exists" then counts as accepted.
 */
#include "api/service/client_codec.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/metrics.h"
#include "ledger/core/result.h"
#include "tools/bench_load.h"
#include "tools/progress.h"
#include "tools/remote_uv.h"
#include "tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    CLIENTS_MAX = 256,
    IN_FLIGHT_MAX = 1024,
    STATUSES_MAX = 128,
    CALL_TIMEOUT_S = 30,
    RETRY_MS = 50,
    PROGRESS_MS = 500,
};

enum stage { STAGE_ACCOUNTS, STAGE_FUNDING, STAGE_TRANSFERS, STAGE_QUERIES, STAGE_DONE };

struct bench;

/* One caller: it has one request under way at a time. */
struct caller {
    struct bench *bench;
    struct remote *remote;
    uv_timer_t retry;
    void *records; /* of the request under way, kept to be sent again */
    uint32_t count;
    bool again; /* "exists" is as good as "created" now */
    uint64_t started_ns;
};

struct bench {
    const struct tool *tool;
    struct remote_options options;
    struct bench_load load;
    uint64_t transfers;
    uint64_t queries;
    uint64_t query_rows;
    uint64_t batch;
    uint64_t clients;
    uint64_t in_flight;
    uint64_t seed;
    uint64_t patience_s;
    const char *ids;
    bool json;

    uv_loop_t loop;
    uv_timer_t progress;
    struct clock clock;
    struct remote *remotes[CLIENTS_MAX];
    struct caller *callers;
    uint64_t caller_count;

    enum stage stage;
    uint64_t total;
    uint64_t issued;
    uint64_t answered;
    uint64_t running;
    uint64_t stage_started_ns;
    uint64_t answered_ns; /* when the last good answer came */
    struct histogram latencies;
    uint64_t rejected[STATUSES_MAX];
    uint64_t retries;
    uint64_t load_ns;
    struct histogram batch_latencies;
    bool failed;
};

/* --- calls --- */

static void fill_request(struct caller *caller)
{
    struct bench *bench = caller->bench;
    uint64_t left = bench->total - bench->issued;
    uint64_t size = bench->stage == STAGE_QUERIES ? 1 : bench->batch;
    caller->count = (uint32_t)(left < size ? left : size);
    for (uint32_t i = 0; i < caller->count; i++) {
        if (bench->stage == STAGE_ACCOUNTS) {
            bench_load_account(&bench->load, (struct account *)caller->records + i,
                               bench->issued + i);
        } else if (bench->stage == STAGE_QUERIES) {
            bench_load_query(&bench->load, caller->records, (uint32_t)bench->query_rows);
        } else if (bench->stage == STAGE_FUNDING) {
            bench_load_funding(&bench->load, (struct transfer *)caller->records + i,
                               bench->issued + i);
        } else {
            bench_load_transfer(&bench->load, (struct transfer *)caller->records + i);
        }
    }
    bench->issued += caller->count;
    caller->again = false;
}

/* --- calls
 * ------------------------------------------------------------------------------------------------
 */

static void next_request(struct caller *caller);
static void start_stage(struct bench *bench);

static enum operation stage_operation(const struct bench *bench)
{
    switch (bench->stage) {
    case STAGE_ACCOUNTS:
        return OPERATION_CREATE_ACCOUNTS;
    case STAGE_FUNDING:
    case STAGE_TRANSFERS:
        return OPERATION_CREATE_TRANSFERS;
    case STAGE_QUERIES:
        return OPERATION_GET_ACCOUNT_TRANSFERS;
    case STAGE_DONE:
        break;
    }
    UNREACHABLE();
}

static void give_up(struct bench *bench, const char *text)
{
    if (!bench->failed) {
        (void)tool_failed(bench->tool, "%s", text);
    }
    bench->failed = true;
}

static void count_results(struct caller *caller, struct bytes message)
{
    struct bench *bench = caller->bench;
    static struct result results[BATCH_EVENTS_MAX];
    uint32_t count = 0;
    uint64_t log_index = 0;
    if (client_decode_results(message, results, BATCH_EVENTS_MAX, &count, &log_index) !=
            STATUS_OK ||
        count != caller->count) {
        give_up(bench, "the server answered with a reply that is not understood");
        return;
    }
    uint32_t exists = stage_operation(bench) == OPERATION_CREATE_ACCOUNTS
                          ? (uint32_t)ACCOUNT_STATUS_EXISTS
                          : (uint32_t)TRANSFER_STATUS_EXISTS;
    for (uint32_t i = 0; i < count; i++) {
        bool good = results[i].status == TRANSFER_STATUS_CREATED ||
                    (caller->again && results[i].status == exists);
        if (!good) {
            bench->rejected[results[i].status < STATUSES_MAX ? results[i].status : 0]++;
        }
    }
}

static void send_request(struct caller *caller);

static void on_retry(uv_timer_t *timer)
{
    send_request(timer->data);
}

static bool may_retry(const struct bench *bench, enum grpc_code code)
{
    bool passing = code == GRPC_UNAVAILABLE || code == GRPC_DEADLINE_EXCEEDED ||
                   code == GRPC_RESOURCE_EXHAUSTED;
    return passing && !bench->failed &&
           clock_mono_ns(&bench->clock) - bench->answered_ns < bench->patience_s * NS_PER_S;
}

static void on_answer(void *context, const struct remote_answer *answer)
{
    struct caller *caller = context;
    struct bench *bench = caller->bench;
    if (may_retry(bench, answer->code)) {
        bench->retries++;
        caller->again = true;
        int result = uv_timer_start(&caller->retry, on_retry, RETRY_MS, 0);
        ASSERT(result == 0);
        return;
    }
    histogram_add(&bench->latencies, clock_mono_ns(&bench->clock) - caller->started_ns);
    bench->answered += caller->count;
    if (answer->code != GRPC_OK) {
        char text[ERROR_TEXT_MAX];
        (void)snprintf(text, sizeof text, "%s: %.400s", grpc_code_name(answer->code), answer->text);
        give_up(bench, text);
    } else {
        bench->answered_ns = clock_mono_ns(&bench->clock);
        if (bench->stage != STAGE_QUERIES) {
            count_results(caller, answer->message);
        }
    }
    bench->running--;
    next_request(caller);
    if (bench->running == 0) {
        start_stage(bench);
    }
}

static void send_request(struct caller *caller)
{
    enum operation operation = stage_operation(caller->bench);
    struct grpc_buffer *message =
        operation_is_write(operation)
            ? client_encode_create(operation, caller->records, caller->count)
            : client_encode_account_filter(caller->records);
    remote_call(caller->remote, client_path(operation), message, CALL_TIMEOUT_S * NS_PER_S,
                on_answer, caller);
}

static void next_request(struct caller *caller)
{
    struct bench *bench = caller->bench;
    if (bench->issued == bench->total || bench->failed) {
        return;
    }
    fill_request(caller);
    bench->running++;
    caller->started_ns = clock_mono_ns(&bench->clock);
    send_request(caller);
}

/* --- stages
 * ------------------------------------------------------------------------------------------------
 */

static void close_all(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->caller_count; i++) {
        uv_close((uv_handle_t *)&bench->callers[i].retry, NULL);
    }
    for (uint64_t i = 0; i < bench->clients; i++) {
        remote_close(bench->remotes[i]);
    }
    uv_close((uv_handle_t *)&bench->progress, NULL);
}

static uint64_t stage_total(const struct bench *bench, enum stage stage)
{
    switch (stage) {
    case STAGE_ACCOUNTS:
        return bench->load.accounts;
    case STAGE_FUNDING:
        return bench->load.limits ? bench->load.accounts - 1 : 0;
    case STAGE_TRANSFERS:
        return bench->transfers;
    case STAGE_QUERIES:
        return bench->queries;
    case STAGE_DONE:
        return 0;
    }
    UNREACHABLE();
}

static void print_number(const struct bench *bench, const char *name, const char *key, double value,
                         const char *unit, bool integer)
{
    if (bench->json) {
        printf(integer ? "%s\"%s\":%.0f" : "%s\"%s\":%.3f",
               strcmp(key, "load_accepted_tx_per_s") == 0 ? "{" : ",", key, value);
    } else {
        printf(integer ? "%s = %.0f %s\n" : "%s = %.2f %s\n", name, value, unit);
    }
}

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

static void print_report(const struct bench *bench, uint64_t queries_ns)
{
    const struct histogram *batches = &bench->batch_latencies;
    double seconds = (double)bench->load_ns / 1e9;
    double query_seconds = (double)queries_ns / 1e9;
    print_number(bench, "load accepted", "load_accepted_tx_per_s",
                 seconds > 0 ? (double)bench->transfers / seconds : 0, "tx/s", true);
    print_number(bench, "batch latency p50", "batch_latency_p50_ms",
                 milliseconds(histogram_quantile(batches, 500000)), "ms", false);
    print_number(bench, "batch latency p99", "batch_latency_p99_ms",
                 milliseconds(histogram_quantile(batches, 990000)), "ms", false);
    print_number(bench, "batch latency p99.9", "batch_latency_p99_9_ms",
                 milliseconds(histogram_quantile(batches, 999000)), "ms", false);
    print_number(bench, "batch latency p100", "batch_latency_p100_ms",
                 milliseconds(histogram_quantile(batches, 1000000)), "ms", false);
    print_number(bench, "queries", "queries_per_s",
                 query_seconds > 0 ? (double)bench->queries / query_seconds : 0, "query/s", true);
    print_number(bench, "query latency p99", "query_latency_p99_ms",
                 milliseconds(histogram_quantile(&bench->latencies, 990000)), "ms", false);
    if (bench->json) {
        printf("}\n");
    }
}

static void end_stage(struct bench *bench)
{
    uint64_t took_ns = clock_mono_ns(&bench->clock) - bench->stage_started_ns;
    if (bench->stage == STAGE_TRANSFERS) {
        bench->load_ns = took_ns;
        bench->batch_latencies = bench->latencies;
    }
    if (bench->stage == STAGE_QUERIES && !bench->failed) {
        progress_end();
        print_report(bench, took_ns);
    }
}

static void start_stage(struct bench *bench)
{
    do {
        if (bench->total > 0) {
            end_stage(bench);
        }
        bench->stage = bench->failed ? STAGE_DONE : (enum stage)((int)bench->stage + 1);
        bench->total = stage_total(bench, bench->stage);
    } while (bench->stage != STAGE_DONE && bench->total == 0);
    bench->issued = 0;
    bench->answered = 0;
    memset(&bench->latencies, 0, sizeof bench->latencies);
    bench->stage_started_ns = clock_mono_ns(&bench->clock);
    if (bench->stage == STAGE_DONE) {
        close_all(bench);
        return;
    }
    for (uint64_t i = 0; i < bench->caller_count; i++) {
        next_request(&bench->callers[i]);
    }
}

static void on_progress(uv_timer_t *timer)
{
    static const char *const NAMES[] = { "accounts", "fundings", "transfers", "queries", "" };
    struct bench *bench = timer->data;
    uint64_t elapsed_ns = clock_mono_ns(&bench->clock) - bench->stage_started_ns;
    if (bench->stage != STAGE_DONE && !bench->json) {
        progress_draw(NAMES[bench->stage], bench->answered, bench->total, bench->answered,
                      elapsed_ns / NS_PER_MS);
    }
}

static int report_rejections(const struct bench *bench)
{
    int exit_code = bench->failed ? EXIT_FAILED : EXIT_OK;
    for (unsigned i = 0; i < STATUSES_MAX; i++) {
        if (bench->rejected[i] > 0) {
            const char *name = transfer_status_text(i);
            (void)fprintf(stderr, "fenlu bench: %" PRIu64 " rejected: %s\n", bench->rejected[i],
                          name != NULL ? name : "unknown status");
            exit_code = EXIT_FAILED;
        }
    }
    if (bench->retries > 0) {
        (void)fprintf(stderr, "fenlu bench: %" PRIu64 " requests were sent again\n",
                      bench->retries);
    }
    return exit_code;
}

static enum status open_all(struct bench *bench, struct error *error)
{
    int result = uv_loop_init(&bench->loop);
    ASSERT(result == 0);
    bench->options.loop = &bench->loop;
    for (uint64_t i = 0; i < bench->clients; i++) {
        TRY(remote_open(&bench->options, &bench->remotes[i], error));
    }
    bench->caller_count = bench->clients * bench->in_flight;
    ASSERT(bench->caller_count > 0);
    bench->callers = calloc(bench->caller_count, sizeof *bench->callers);
    ASSERT(bench->callers != NULL);
    for (uint64_t i = 0; i < bench->caller_count; i++) {
        struct caller *caller = &bench->callers[i];
        caller->bench = bench;
        caller->remote = bench->remotes[i % bench->clients];
        caller->records = aligned_alloc(16, bench->batch * EVENT_SIZE);
        ASSERT(caller->records != NULL);
        result = uv_timer_init(&bench->loop, &caller->retry);
        ASSERT(result == 0);
        caller->retry.data = caller;
    }
    result = uv_timer_init(&bench->loop, &bench->progress);
    ASSERT(result == 0);
    bench->progress.data = bench;
    result = uv_timer_start(&bench->progress, on_progress, PROGRESS_MS, PROGRESS_MS);
    ASSERT(result == 0);
    return STATUS_OK;
}

static int run_bench(struct bench *bench)
{
    struct error error;
    struct entropy entropy = entropy_os();
    bench->clock = clock_os();
    bench->load.random_ids = strcmp(bench->ids, "random") == 0;
    bench_load_start(&bench->load, bench->clock, bench->seed, entropy_u128(&entropy));
    if (open_all(bench, &error) != STATUS_OK) {
        return tool_usage(bench->tool, "--target: %s", error.text);
    }
    bench->stage = STAGE_ACCOUNTS;
    bench->total = bench->load.accounts;
    bench->stage_started_ns = clock_mono_ns(&bench->clock);
    bench->answered_ns = bench->stage_started_ns;
    for (uint64_t i = 0; i < bench->caller_count; i++) {
        next_request(&bench->callers[i]);
    }
    int result = uv_run(&bench->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&bench->loop);
    ASSERT(result == 0);
    for (uint64_t i = 0; i < bench->caller_count; i++) {
        free(bench->callers[i].records);
    }
    free(bench->callers);
    return report_rejections(bench);
}

static struct bench the_bench = {
    .load.accounts = 10000,
    .transfers = 10000000,
    .queries = 10000,
    .query_rows = 100,
    .batch = 8189,
    .clients = 1,
    .in_flight = 1,
    .seed = 42,
    .ids = "time",
    .patience_s = 30,
};

static const char *const IDS[] = { "time", "random", NULL };

static const struct flag FLAGS[] = {
    REMOTE_FLAGS(the_bench.options),
    { .name = "accounts",
      .kind = FLAG_NUMBER,
      .target = &the_bench.load.accounts,
      .value = "N",
      .minimum = 2,
      .maximum = 1000000000,
      .help = "Accounts to create; 10000." },
    { .name = "transfers",
      .kind = FLAG_NUMBER,
      .target = &the_bench.transfers,
      .value = "N",
      .minimum = 1,
      .maximum = 1000000000000,
      .help = "Transfers to post; 10000000." },
    { .name = "queries",
      .kind = FLAG_NUMBER,
      .target = &the_bench.queries,
      .value = "N",
      .minimum = 1,
      .maximum = 1000000000,
      .help = "Queries for the latest transfers of an account; 10000." },
    { .name = "query-rows",
      .kind = FLAG_NUMBER,
      .target = &the_bench.query_rows,
      .value = "N",
      .minimum = 1,
      .maximum = QUERY_ROWS_MAX,
      .help = "Transfers that a query asks for; 100." },
    { .name = "batch",
      .kind = FLAG_NUMBER,
      .target = &the_bench.batch,
      .value = "N",
      .minimum = 1,
      .maximum = BATCH_EVENTS_MAX,
      .help = "Items in a call; 8189." },
    { .name = "clients",
      .kind = FLAG_NUMBER,
      .target = &the_bench.clients,
      .value = "N",
      .minimum = 1,
      .maximum = CLIENTS_MAX,
      .help = "Connections; 1." },
    { .name = "in-flight",
      .kind = FLAG_NUMBER,
      .target = &the_bench.in_flight,
      .value = "N",
      .minimum = 1,
      .maximum = IN_FLIGHT_MAX,
      .help = "Calls under way on each; 1." },
    { .name = "pending",
      .kind = FLAG_NUMBER,
      .target = &the_bench.load.pending,
      .value = "PCT",
      .minimum = 0,
      .maximum = 100,
      .help = "Percentage of transfers that are pending, and expire after 1 to 5 s; 0." },
    { .name = "hot-accounts",
      .kind = FLAG_NUMBER,
      .target = &the_bench.load.hot_accounts,
      .value = "N",
      .minimum = 0,
      .maximum = 1000000000,
      .help = "Transfers stay among the first N accounts, 2 at least; 0: all of them." },
    { .name = "ids",
      .kind = FLAG_TEXT,
      .target = &the_bench.ids,
      .value = "time|random",
      .choices = IDS,
      .help = "Order of transfer ids; time." },
    { .name = "limits",
      .kind = FLAG_SWITCH,
      .target = &the_bench.load.limits,
      .help = "Accounts may not overdraw; they are funded before the load." },
    { .name = "patience",
      .kind = FLAG_NUMBER,
      .target = &the_bench.patience_s,
      .value = "S",
      .minimum = 0,
      .maximum = 86400,
      .help = "Gives up after so many seconds without an answer; 30." },
    { .name = "seed",
      .kind = FLAG_NUMBER,
      .target = &the_bench.seed,
      .value = "N",
      .minimum = 0,
      .maximum = UINT64_MAX,
      .help = "Of amounts and accounts; 42." },
    { .name = "json",
      .kind = FLAG_SWITCH,
      .target = &the_bench.json,
      .help = "One JSON object instead of lines." },
};

static int run(const struct tool *tool, int argc, char **argv)
{
    struct bench *bench = &the_bench;
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, FLAGS, sizeof FLAGS / sizeof FLAGS[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    bench->tool = tool;
    if (bench->load.hot_accounts == 1) {
        return tool_usage(tool, "--hot-accounts 1: a transfer needs two");
    }
    if (bench->load.hot_accounts > bench->load.accounts) {
        return tool_usage(tool, "--hot-accounts %" PRIu64 ": only --accounts %" PRIu64,
                          bench->load.hot_accounts, bench->load.accounts);
    }
    return run_bench(bench);
}

const struct tool TOOL_BENCH = {
    .name = "bench",
    .arguments = "",
    .summary = "Measures throughput and latency through gRPC.",
    .details = "Closed loop: each of clients x in-flight callers waits for its answer. A ledger of "
               "its own is not made:\nuse a data folder that may keep what is posted.",
    .run = run,
};
