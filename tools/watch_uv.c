/* watch_uv.c — `fenlu watch`: follows the change feed, one line an event.
 *
 * It keeps the timestamp of the last event; whatever ends a stream but the user and a refusal, the
 * next one begins behind it, so nothing is missed and nothing comes twice.
 */
#include "api/service/watch_codec.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tools/import_rows.h"
#include "tools/remote_uv.h"
#include "tools/tools.h"
#include "tools/watch_text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { RETRY_MS = 200, FLUSH_MS = 50 };
#define PATH "/fenlu.v1.Ledger/Watch"

struct watch_tool {
    const struct tool *tool;
    struct remote_options options;
    const char *account;
    const char *read;
    uint64_t ledger;
    uint64_t code;
    uint64_t limit;
    bool json;
    bool quiet;
    struct changes_filter filter; /* `after`: the last event */
    uv_loop_t loop;
    uv_timer_t retry;
    uv_timer_t flush;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    struct clock clock;
    struct remote *remote;
    uint64_t events;
    uint64_t first_ns;
    uint64_t last_ns;
    bool finished;
    bool told; /* that it tries again; until the next event */
    int exit_code;
};

static void finish(struct watch_tool *watch, int exit_code)
{
    if (watch->finished) {
        return;
    }
    watch->finished = true;
    watch->exit_code = exit_code;
    remote_close(watch->remote);
    uv_close((uv_handle_t *)&watch->retry, NULL);
    uv_close((uv_handle_t *)&watch->flush, NULL);
    uv_close((uv_handle_t *)&watch->interrupt, NULL);
    uv_close((uv_handle_t *)&watch->terminate, NULL);
}

static void start_timer(uv_timer_t *timer, uv_timer_cb callback, uint64_t after_ms, uint64_t ms)
{
    int result = uv_timer_start(timer, callback, after_ms, ms);
    ASSERT(result == 0);
}

/* --- events ----------------------------------------------------------------------------------- */

static void take_event(struct watch_tool *watch, const struct query_change *row)
{
    bool change = row->change.kind != 0;
    watch->told = false;
    watch->filter.after = row->change.timestamp;
    if (change) {
        watch->last_ns = clock_mono_ns(&watch->clock);
        watch->first_ns = watch->events == 0 ? watch->last_ns : watch->first_ns;
        watch->events++;
    }
    if (!watch->quiet && watch->json) {
        watch_print_json(stdout, row);
    } else if (!watch->quiet && change) {
        watch_print_text(stdout, row);
    }
    if (ferror(stdout) != 0) {
        (void)tool_failed(watch->tool, "writing to the standard output failed");
        finish(watch, EXIT_FAILED);
    } else if (change && watch->events == watch->limit) {
        finish(watch, EXIT_OK);
    }
}

static void on_event(void *context, struct bytes message)
{
    struct watch_tool *watch = context;
    struct query_change row;
    if (watch->finished) {
        return;
    }
    if (watch_decode_event(message, &row) != STATUS_OK ||
        row.change.timestamp < watch->filter.after) {
        (void)tool_failed(watch->tool, "the server sent an event that is not understood");
        finish(watch, EXIT_FAILED);
        return;
    }
    take_event(watch, &row);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void begin(uv_timer_t *timer);

/* A server that goes, a network that breaks, a node that is full: another try finds another. */
static bool passes(enum grpc_code code)
{
    switch ((int)code) {
    case GRPC_INVALID_ARGUMENT:
    case GRPC_UNIMPLEMENTED:
    case GRPC_PERMISSION_DENIED:
    case GRPC_UNAUTHENTICATED:
        return false;
    default:
        return true;
    }
}

static void on_end(void *context, const struct remote_answer *answer)
{
    struct watch_tool *watch = context;
    if (watch->finished) {
        return;
    }
    if (!passes(answer->code)) {
        (void)tool_failed(watch->tool, "%s: %s: %s", watch->options.targets,
                          grpc_code_name(answer->code), answer->text);
        finish(watch, EXIT_FAILED);
        return;
    }
    if (!watch->told) {
        watch->told = true;
        (void)fprintf(stderr, "fenlu watch: %s: %s: %s; trying again\n", watch->options.targets,
                      grpc_code_name(answer->code), answer->text);
    }
    start_timer(&watch->retry, begin, RETRY_MS, 0);
}

static void begin(uv_timer_t *timer)
{
    struct watch_tool *watch = timer->data;
    const struct remote_stream stream = {
        .path = PATH,
        .read = watch->read,
        .on_message = on_event,
        .on_end = on_end,
        .context = watch,
    };
    remote_stream(watch->remote, &stream, watch_encode_request(&watch->filter));
}

/* --- the tool --------------------------------------------------------------------------------- */

static void on_flush(uv_timer_t *timer)
{
    (void)timer;
    (void)fflush(stdout); /* a failure stays in ferror, which every event looks at */
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    finish(handle->data, EXIT_OK);
}

static void start_signal(struct watch_tool *watch, uv_signal_t *handle, int number)
{
    int result = uv_signal_init(&watch->loop, handle);
    ASSERT(result == 0);
    handle->data = watch;
    result = uv_signal_start(handle, on_signal, number);
    ASSERT(result == 0);
}

static void start_all(struct watch_tool *watch)
{
    int result = uv_timer_init(&watch->loop, &watch->retry);
    ASSERT(result == 0);
    result = uv_timer_init(&watch->loop, &watch->flush);
    ASSERT(result == 0);
    watch->retry.data = watch;
    start_timer(&watch->flush, on_flush, FLUSH_MS, FLUSH_MS);
    start_signal(watch, &watch->interrupt, SIGINT);
    start_signal(watch, &watch->terminate, SIGTERM);
    begin(&watch->retry);
}

static void print_summary(const struct watch_tool *watch)
{
    double seconds = (double)(watch->last_ns - watch->first_ns) / 1e9;
    double rate = seconds > 0 ? (double)watch->events / seconds : 0;
    if (watch->json) {
        printf("{\"events\":%" PRIu64 ",\"seconds\":%.3f,\"events_per_s\":%.0f,\"after\":\"%" PRIu64
               "\"}\n",
               watch->events, seconds, rate, watch->filter.after);
    } else {
        printf("events = %" PRIu64 "\nseconds = %.3f\nrate = %.0f events/s\nafter = %" PRIu64 "\n",
               watch->events, seconds, rate, watch->filter.after);
    }
}

static bool take_account(struct watch_tool *watch)
{
    return watch->account == NULL ||
           import_parse_id(watch->account, strlen(watch->account), &watch->filter.account_id);
}

static int follow(struct watch_tool *watch)
{
    struct error error;
    int result = uv_loop_init(&watch->loop);
    ASSERT(result == 0);
    watch->options.loop = &watch->loop;
    if (remote_open(&watch->options, &watch->remote, &error) != STATUS_OK) {
        return tool_usage(watch->tool, "--target: %s", error.text);
    }
    start_all(watch);
    result = uv_run(&watch->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&watch->loop);
    ASSERT(result == 0);
    if (watch->quiet) {
        print_summary(watch);
    }
    if (fflush(stdout) != 0 && watch->exit_code == EXIT_OK) {
        return tool_failed(watch->tool, "writing to the standard output failed");
    }
    return watch->exit_code;
}

static bool parse(struct watch_tool *watch, int argc, char **argv, int *exit_code)
{
    static const char *const reads[] = { "leader", "follower", "stale", NULL };
    const struct flag flags[] = {
        REMOTE_FLAGS(watch->options),
        { .name = "after",
          .kind = FLAG_NUMBER,
          .target = &watch->filter.after,
          .value = "TIMESTAMP",
          .maximum = TIMESTAMP_LARGEST,
          .help = "Only what came after this (ns, of an earlier event); 0: from the beginning." },
        { .name = "account",
          .kind = FLAG_TEXT,
          .target = &watch->account,
          .value = "ID",
          .help = "Only what debits or credits it: a UUID, 0x and hex digits, or decimal." },
        { .name = "ledger",
          .kind = FLAG_NUMBER,
          .target = &watch->ledger,
          .value = "N",
          .maximum = UINT32_MAX,
          .help = "Only transfers of this ledger." },
        { .name = "code",
          .kind = FLAG_NUMBER,
          .target = &watch->code,
          .value = "N",
          .maximum = UINT16_MAX,
          .help = "Only transfers with this code." },
        { .name = "limit",
          .kind = FLAG_NUMBER,
          .target = &watch->limit,
          .value = "N",
          .maximum = INT64_MAX,
          .help = "Ends after so many changes; 0: never." },
        { .name = "read",
          .kind = FLAG_TEXT,
          .target = &watch->read,
          .value = "MODE",
          .choices = reads,
          .help = "Who answers: leader, follower (as fresh), or stale (any server); leader." },
        { .name = "json",
          .kind = FLAG_SWITCH,
          .target = &watch->json,
          .help = "One JSON object a line; progress, too." },
        { .name = "quiet",
          .kind = FLAG_SWITCH,
          .target = &watch->quiet,
          .help = "Prints no events, and at the end their number and rate." },
    };
    struct arguments arguments;
    return flags_parse(watch->tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                       exit_code);
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct watch_tool watch = { .tool = tool, .clock = clock_os() };
    int exit_code;
    if (!parse(&watch, argc, argv, &exit_code)) {
        return exit_code;
    }
    if (!take_account(&watch)) {
        return tool_usage(tool,
                          "--account: %s is no id: give a UUID, 0x and hex digits, or a decimal "
                          "number",
                          watch.account);
    }
    watch.filter.ledger = (uint32_t)watch.ledger;
    watch.filter.code = (uint16_t)watch.code;
    return follow(&watch);
}

const struct tool TOOL_WATCH = {
    .name = "watch",
    .arguments = "",
    .summary = "Follows the change feed: every change of the books, once, in order.",
    .details = "One line an event: timestamp, type, and the balances of both accounts after it "
               "(debits pending/posted,\ncredits pending/posted). It connects again by itself and "
               "goes on where it was, until SIGINT or SIGTERM.\nTo go on later, give --after the "
               "timestamp of the last line.",
    .run = run,
};
