/* trial_uv.c — `fenlu trial-balance`: asks a target for the rows, a page after the other, all as of
 * one time when it is given. */
#include "api/service/client_codec.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tools/remote_uv.h"
#include "tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define PATH "/fenlu.v1.Ledger/GetTrialBalance"

struct trial_tool {
    const struct tool *tool;
    struct remote_options options;
    struct remote *remote;
    uv_loop_t loop;
    uv_timer_t retry;
    uint64_t timeout_ms;
    uint64_t started_ms;
    uint64_t ledger;
    uint64_t code;
    bool json;
    int exit_code;
    bool any; /* rows were printed */
    struct trial_question question;
    struct trial_row rows[QUERY_ROWS_MAX];
};

static void ask(struct trial_tool *trial);

static void finish(struct trial_tool *trial, int exit_code)
{
    trial->exit_code = exit_code;
    remote_close(trial->remote);
    uv_close((uv_handle_t *)&trial->retry, NULL);
}

static void on_retry(uv_timer_t *timer)
{
    ask(timer->data);
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Beyond 128 bits: the multiple of 2^128 behind a plus. */
static void print_sum(u128 low, uint64_t high, char text[80])
{
    char number[U128_DECIMAL_MAX];
    u128_print(low, number);
    if (high == 0) {
        (void)snprintf(text, 80, "%s", number);
    } else {
        (void)snprintf(text, 80, "%s+%" PRIu64 "*2^128", number, high);
    }
}

static void print_row(struct trial_tool *trial, const struct trial_row *row)
{
    char sums[4][80];
    print_sum(row->debits_pending, row->debits_pending_high, sums[0]);
    print_sum(row->debits_posted, row->debits_posted_high, sums[1]);
    print_sum(row->credits_pending, row->credits_pending_high, sums[2]);
    print_sum(row->credits_posted, row->credits_posted_high, sums[3]);
    if (trial->json) {
        printf("{\"ledger\":%" PRIu32 ",\"code\":%u,\"accounts\":%" PRIu64
               ",\"debits_pending\":\"%s\",\"debits_posted\":\"%s\",\"credits_pending\":\"%s\","
               "\"credits_posted\":\"%s\"}\n",
               row->ledger, row->code, row->accounts, sums[0], sums[1], sums[2], sums[3]);
        return;
    }
    if (!trial->any) {
        printf("%10s %6s %12s %24s %24s %24s %24s\n", "ledger", "code", "accounts",
               "debits pending", "debits posted", "credits pending", "credits posted");
    }
    trial->any = true;
    printf("%10" PRIu32 " %6u %12" PRIu64 " %24s %24s %24s %24s\n", row->ledger, row->code,
           row->accounts, sums[0], sums[1], sums[2], sums[3]);
}

static void take_rows(struct trial_tool *trial, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        print_row(trial, &trial->rows[i]);
    }
    if (count < QUERY_ROWS_MAX) {
        finish(trial, EXIT_OK);
        return;
    }
    trial->question.after_ledger = trial->rows[count - 1].ledger;
    trial->question.after_code = trial->rows[count - 1].code;
    ask(trial);
}

static void on_answer(void *context, const struct remote_answer *answer)
{
    enum { RETRY_MS = 100 };
    struct trial_tool *trial = context;
    uint32_t count;
    if (answer->code == GRPC_OK &&
        client_decode_trial(answer->message, trial->rows, QUERY_ROWS_MAX, &count) == STATUS_OK) {
        take_rows(trial, count);
        return;
    }
    uint64_t waited_ms = uv_now(&trial->loop) - trial->started_ms;
    if (answer->code == GRPC_UNAVAILABLE && waited_ms + RETRY_MS < trial->timeout_ms) {
        int result = uv_timer_start(&trial->retry, on_retry, RETRY_MS, 0);
        ASSERT(result == 0);
        return;
    }
    (void)tool_failed(trial->tool, "%s: %s: %s", trial->options.targets,
                      grpc_code_name(answer->code), answer->text);
    finish(trial, EXIT_FAILED);
}

static void ask(struct trial_tool *trial)
{
    remote_call(trial->remote, PATH, client_encode_trial(&trial->question),
                trial->timeout_ms * NS_PER_MS, on_answer, trial);
}

/* --- the tool --------------------------------------------------------------------------------- */

static int run_loop(struct trial_tool *trial)
{
    struct error error;
    int result = uv_loop_init(&trial->loop);
    ASSERT(result == 0);
    trial->options.loop = &trial->loop;
    if (remote_open(&trial->options, &trial->remote, &error) != STATUS_OK) {
        return tool_usage(trial->tool, "--target: %s", error.text);
    }
    result = uv_timer_init(&trial->loop, &trial->retry);
    ASSERT(result == 0);
    trial->retry.data = trial;
    trial->started_ms = uv_now(&trial->loop);
    ask(trial);
    result = uv_run(&trial->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&trial->loop);
    ASSERT(result == 0);
    return trial->exit_code;
}

static int run(const struct tool *tool, int argc, char **argv)
{
    static struct trial_tool trial = { .timeout_ms = 30000 };
    trial.tool = tool;
    const struct flag flags[] = {
        REMOTE_FLAGS(trial.options),
        { .name = "ledger",
          .kind = FLAG_NUMBER,
          .target = &trial.ledger,
          .value = "N",
          .maximum = UINT32_MAX,
          .help = "Only this ledger; 0: all." },
        { .name = "code",
          .kind = FLAG_NUMBER,
          .target = &trial.code,
          .value = "N",
          .maximum = UINT16_MAX,
          .help = "Only this account code; 0: all." },
        { .name = "as-of",
          .kind = FLAG_NUMBER,
          .target = &trial.question.as_of,
          .value = "TIMESTAMP",
          .maximum = TIMESTAMP_LARGEST,
          .help = "As of this cluster time, in ns; 0: now." },
        { .name = "json",
          .kind = FLAG_SWITCH,
          .target = &trial.json,
          .help = "JSON objects, one a row, instead of a table." },
        { .name = "timeout-ms",
          .kind = FLAG_NUMBER,
          .target = &trial.timeout_ms,
          .value = "N",
          .minimum = 1,
          .maximum = 600000,
          .help = "Gives up after this long; 30000." },
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    trial.question.ledger = (uint32_t)trial.ledger;
    trial.question.code = (uint16_t)trial.code;
    trial.question.limit = QUERY_ROWS_MAX;
    return run_loop(&trial);
}

const struct tool TOOL_TRIAL_BALANCE = {
    .name = "trial-balance",
    .arguments = "",
    .summary = "Shows what the accounts of each ledger and code add up to.",
    .details = "Now, or as of any time: a row for each pair of ledger and account code that has an "
               "account.\nIn every ledger debits equal credits.",
    .run = run,
};
