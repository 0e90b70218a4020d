/* status_uv.c — `fenlu status`: asks a target for the state of each node. */
#include "api/service/client_codec.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tools/remote_uv.h"
#include "tools/status_text.h"
#include "tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

struct status_tool {
    const struct tool *tool;
    struct remote_options options;
    struct remote *remote;
    uv_loop_t loop;
    uv_timer_t retry;
    uint64_t timeout_ms;
    uint64_t started_ms;
    bool json;
    int exit_code;
};

static void ask(struct status_tool *status_tool);

static void finish(struct status_tool *status_tool, int exit_code)
{
    status_tool->exit_code = exit_code;
    remote_close(status_tool->remote);
    uv_close((uv_handle_t *)&status_tool->retry, NULL);
}

static void on_retry(uv_timer_t *timer)
{
    ask(timer->data);
}

static void on_answer(void *context, const struct remote_answer *answer)
{
    enum { RETRY_MS = 100 };
    struct status_tool *status_tool = context;
    struct client_cluster_status status;
    if (answer->code == GRPC_OK && client_decode_status(answer->message, &status) == STATUS_OK) {
        if (status_tool->json) {
            status_print_json(stdout, &status);
        } else {
            status_print_table(stdout, &status);
        }
        finish(status_tool, EXIT_OK);
        return;
    }
    uint64_t waited_ms = uv_now(&status_tool->loop) - status_tool->started_ms;
    if (answer->code == GRPC_UNAVAILABLE && waited_ms + RETRY_MS < status_tool->timeout_ms) {
        int result = uv_timer_start(&status_tool->retry, on_retry, RETRY_MS, 0);
        ASSERT(result == 0);
        return;
    }
    (void)tool_failed(status_tool->tool, "%s: %s: %s", status_tool->options.targets,
                      grpc_code_name(answer->code), answer->text);
    finish(status_tool, EXIT_FAILED);
}

static void ask(struct status_tool *status_tool)
{
    remote_call(status_tool->remote, CLIENT_STATUS_PATH, grpc_buffer_new(0),
                status_tool->timeout_ms * NS_PER_MS, on_answer, status_tool);
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct status_tool status_tool = { .tool = tool, .timeout_ms = 3000 };
    const struct flag flags[] = {
        REMOTE_FLAGS(status_tool.options),
        { .name = "json",
          .kind = FLAG_SWITCH,
          .target = &status_tool.json,
          .help = "One JSON object instead of a table." },
        { .name = "timeout-ms",
          .kind = FLAG_NUMBER,
          .target = &status_tool.timeout_ms,
          .value = "N",
          .minimum = 1,
          .maximum = 600000,
          .help = "Gives up after this long; 3000." },
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    int result = uv_loop_init(&status_tool.loop);
    ASSERT(result == 0);
    struct error error;
    status_tool.options.loop = &status_tool.loop;
    if (remote_open(&status_tool.options, &status_tool.remote, &error) != STATUS_OK) {
        return tool_usage(tool, "--target: %s", error.text);
    }
    result = uv_timer_init(&status_tool.loop, &status_tool.retry);
    ASSERT(result == 0);
    status_tool.retry.data = &status_tool;
    status_tool.started_ms = uv_now(&status_tool.loop);
    ask(&status_tool);
    result = uv_run(&status_tool.loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&status_tool.loop);
    ASSERT(result == 0);
    return status_tool.exit_code;
}

const struct tool TOOL_STATUS = {
    .name = "status",
    .arguments = "",
    .summary = "Shows role, term, positions and digest of each node.",
    .details =
        "Equal digests at the same applied index mean equal books. Below the table: what is not "
        "as it should be,\nsuch as damaged entries, a full disk, a release that lags, and "
        "snapshots "
        "under way.",
    .run = run,
};
