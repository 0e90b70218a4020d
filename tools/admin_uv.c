/* admin_uv.c — `fenlu admin`: shows and changes the members of a cluster, and waits until a change
 * is in effect. What to do next is admin_plan.h's; here are the calls, the clock and the terminal.
 */
#include "api/service/client_codec.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tools/admin_plan.h"
#include "tools/admin_text.h"
#include "tools/remote_uv.h"
#include "tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
    PAUSE_MS = 500,
    CALL_TIMEOUT_MS = 10000,
    SNAPSHOT_TIMEOUT_MS = 600000,
    HINT_LOOKS = 5, /* a new member that is there is heard sooner */
};

struct admin {
    const struct tool *tool;
    struct remote_options options;
    struct remote *remote;
    uv_loop_t loop;
    uv_timer_t pause;
    uint64_t patience_s;
    bool json;
    bool no_wait;
    struct admin_plan plan;
    void (*next)(struct admin *admin); /* after the pause */
    bool begun;                        /* the plan has seen a list */
    bool repeated;                     /* the request that is asked was sent before */
    uint32_t unheard_looks;
    struct members_view view;
    uint64_t log_index;
    u128 cluster;
    struct node_status status; /* of the member in question */
    bool status_known;
    uint64_t measure;
    uint64_t moved_ms; /* when something moved the last time */
    int exit_code;
};

static void look(struct admin *admin);
static void ask(struct admin *admin);

/* --- ends ------------------------------------------------------------------------------------- */

static void close_all(struct admin *admin, int exit_code)
{
    admin->exit_code = exit_code;
    remote_close(admin->remote);
    uv_close((uv_handle_t *)&admin->pause, NULL);
}

static void clear_line(void)
{
    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

static void succeed(struct admin *admin)
{
    clear_line();
    if (admin->json) {
        admin_print_json(stdout, &admin->view, admin->log_index);
    } else if (admin->plan.verb == VERB_LIST) {
        admin_print_table(stdout, &admin->view);
    } else {
        char text[256];
        admin_plan_outcome(&admin->plan, &admin->view, admin->log_index, text);
        printf("%s\n", text);
    }
    close_all(admin, EXIT_OK);
}

static void fail(struct admin *admin, const char *text)
{
    clear_line();
    (void)tool_failed(admin->tool, "%s", text);
    close_all(admin, EXIT_FAILED);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_pause_over(uv_timer_t *timer)
{
    struct admin *admin = timer->data;
    admin->next(admin);
}

/* False: it has lasted too long, and this was said. */
static bool pause_then(struct admin *admin, void (*next)(struct admin *admin), const char *text)
{
    uint64_t waited_ms = uv_now(&admin->loop) - admin->moved_ms;
    if (waited_ms > admin->patience_s * 1000) {
        char whole[ERROR_TEXT_MAX + 128];
        (void)snprintf(whole, sizeof whole,
                       "gave up after %" PRIu64 " s without progress (--patience): %s",
                       admin->patience_s, text);
        fail(admin, whole);
        return false;
    }
    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r\033[K%s", text);
    }
    admin->next = next;
    int result = uv_timer_start(&admin->pause, on_pause_over, PAUSE_MS, 0);
    ASSERT(result == 0);
    return true;
}

/* No call outlasts the patience of the caller. */
static uint64_t patient_ns(const struct admin *admin, uint64_t timeout_ms)
{
    uint64_t patience_ms = admin->patience_s * 1000;
    return (timeout_ms < patience_ms ? timeout_ms : patience_ms) * NS_PER_MS;
}

/* Trouble that may pass: nobody reachable, no leader, another change under way. */
static bool may_pass(const struct admin *admin, enum grpc_code code)
{
    bool busy = code == GRPC_RESOURCE_EXHAUSTED && !admin->no_wait;
    return code == GRPC_UNAVAILABLE || code == GRPC_DEADLINE_EXCEEDED || busy;
}

static void trouble(struct admin *admin, const struct remote_answer *answer,
                    void (*again)(struct admin *admin))
{
    char text[ERROR_TEXT_MAX + 64];
    (void)snprintf(text, sizeof text, "%s: %s", grpc_code_name(answer->code), answer->text);
    if (may_pass(admin, answer->code)) {
        (void)pause_then(admin, again, text);
    } else {
        fail(admin, text);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static void wait_on(struct admin *admin)
{
    struct admin_progress progress;
    admin_plan_progress(&admin->plan, &admin->view, admin->status_known ? &admin->status : NULL,
                        &progress);
    if (progress.measure != admin->measure) {
        admin->measure = progress.measure;
        admin->moved_ms = uv_now(&admin->loop);
    }
    admin->unheard_looks += progress.unheard ? 1 : 0;
    if (progress.unheard && admin->unheard_looks == HINT_LOOKS) {
        admin_print_join(stderr, &admin->view, admin->cluster, admin->plan.request.id,
                         admin->plan.request.address);
    }
    (void)pause_then(admin, look, progress.text);
}

static void take_step(struct admin *admin, enum admin_step step, const struct error *error)
{
    switch (step) {
    case ADMIN_STEP_ASK:
        admin->repeated = false;
        ask(admin);
        return;
    case ADMIN_STEP_WAIT:
        wait_on(admin);
        return;
    case ADMIN_STEP_DONE:
        succeed(admin);
        return;
    case ADMIN_STEP_FAILED:
        fail(admin, error->text);
        return;
    }
    UNREACHABLE();
}

static void judge(struct admin *admin)
{
    struct error error = { .status = STATUS_OK };
    enum admin_step step = ADMIN_STEP_WAIT;
    if (admin->begun) {
        step = admin_plan_look(&admin->plan, &admin->view);
    } else {
        step = admin_plan_begin(&admin->plan, &admin->view, &error);
        admin->begun = step != ADMIN_STEP_FAILED;
    }
    take_step(admin, step, &error);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* The state of the member that is waited for, and the cluster's id; without it one knows less. */
static void on_status(void *context, const struct remote_answer *answer)
{
    struct admin *admin = context;
    struct client_cluster_status status;
    admin->status_known = false;
    if (answer->code == GRPC_OK && client_decode_status(answer->message, &status) == STATUS_OK) {
        admin->cluster = status.cluster;
        for (uint32_t i = 0; i < status.node_count; i++) {
            if (status.nodes[i].status.node == admin->plan.request.id &&
                status.nodes[i].reachable) {
                admin->status = status.nodes[i].status;
                admin->status_known = true;
            }
        }
    }
    judge(admin);
}

static void on_list(void *context, const struct remote_answer *answer)
{
    struct admin *admin = context;
    uint64_t log_index = 0;
    if (answer->code != GRPC_OK) {
        trouble(admin, answer, look);
        return;
    }
    if (client_decode_members(answer->message, &admin->view, &log_index) != STATUS_OK) {
        fail(admin, "the answer is not a list of members: is --target a fenlu api node?");
        return;
    }
    if (admin->plan.request.action != ADMIN_ADD) {
        judge(admin);
        return;
    }
    remote_call(admin->remote, CLIENT_STATUS_PATH, grpc_buffer_new(0),
                patient_ns(admin, CALL_TIMEOUT_MS), on_status, admin);
}

static void look(struct admin *admin)
{
    static const struct admin_request LIST = { .action = ADMIN_LIST };
    remote_call(admin->remote, client_admin_path(ADMIN_LIST), client_encode_admin(&LIST),
                patient_ns(admin, CALL_TIMEOUT_MS), on_list, admin);
}

static void on_asked(void *context, const struct remote_answer *answer)
{
    struct admin *admin = context;
    bool done_before = admin->repeated && admin_plan_was_done(&admin->plan, answer->code);
    bool first_half =
        admin->plan.verb == VERB_REPLACE && admin->plan.request.action == ADMIN_REMOVE;
    if (answer->code != GRPC_OK && !done_before) {
        admin->repeated = admin->repeated || may_pass(admin, answer->code);
        trouble(admin, answer, ask);
        return;
    }
    admin->moved_ms = uv_now(&admin->loop);
    if (answer->code == GRPC_OK &&
        client_decode_members(answer->message, &admin->view, &admin->log_index) != STATUS_OK) {
        fail(admin, "the answer is not a list of members: is --target a fenlu api node?");
    } else if ((admin->no_wait && !first_half) || admin->plan.verb == VERB_SNAPSHOT) {
        succeed(admin);
    } else {
        look(admin);
    }
}

static void ask(struct admin *admin)
{
    const struct admin_request *request = &admin->plan.request;
    uint64_t timeout_ms = request->action == ADMIN_SNAPSHOT ? SNAPSHOT_TIMEOUT_MS : CALL_TIMEOUT_MS;
    remote_call(admin->remote, client_admin_path(request->action), client_encode_admin(request),
                patient_ns(admin, timeout_ms), on_asked, admin);
}

/* --- the tool --------------------------------------------------------------------------------- */

static int run_loop(struct admin *admin)
{
    struct error error;
    int result = uv_loop_init(&admin->loop);
    ASSERT(result == 0);
    admin->options.loop = &admin->loop;
    if (remote_open(&admin->options, &admin->remote, &error) != STATUS_OK) {
        return tool_usage(admin->tool, "--target: %s", error.text);
    }
    result = uv_timer_init(&admin->loop, &admin->pause);
    ASSERT(result == 0);
    admin->pause.data = admin;
    admin->moved_ms = uv_now(&admin->loop);
    look(admin);
    result = uv_run(&admin->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&admin->loop);
    ASSERT(result == 0);
    return admin->exit_code;
}

static int run(const struct tool *tool, int argc, char **argv)
{
    static struct admin admin;
    struct admin_flags asked = { .priority = PRIORITY_NOT_GIVEN };
    admin.tool = tool;
    admin.patience_s = 300;
    const struct flag flags[] = {
        REMOTE_FLAGS(admin.options),
        { .name = "id",
          .kind = FLAG_NUMBER,
          .target = &asked.id,
          .value = "N",
          .minimum = 1,
          .maximum = UINT32_MAX,
          .help = "Which member; transfer-leader: the best one without it." },
        { .name = "address",
          .kind = FLAG_TEXT,
          .target = &asked.address,
          .value = "ADDR",
          .help = "Cluster address of the new member, HOST:PORT; replace: as before without it." },
        { .name = "priority",
          .kind = FLAG_NUMBER,
          .target = &asked.priority,
          .value = "N",
          .maximum = UINT8_MAX,
          .help = "Who leads when several could: 1 to 255, 0 never; 100." },
        { .name = "json",
          .kind = FLAG_SWITCH,
          .target = &admin.json,
          .help = "One JSON object, the members, instead of text." },
        { .name = "no-wait",
          .kind = FLAG_SWITCH,
          .target = &admin.no_wait,
          .help = "Ends when the change has begun." },
        { .name = "patience",
          .kind = FLAG_NUMBER,
          .target = &admin.patience_s,
          .value = "S",
          .minimum = 1,
          .maximum = 86400,
          .help = "Gives up after so many seconds without progress; 300." },
    };
    struct arguments words;
    struct error error;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &words, &exit_code)) {
        return exit_code;
    }
    if (admin_plan_make(&admin.plan, &words, &asked, &error) != STATUS_OK) {
        return tool_usage(tool, "%s", error.text);
    }
    return run_loop(&admin);
}

const struct tool TOOL_ADMIN = {
    .name = "admin",
    .arguments = "member list|add|promote|remove|replace | transfer-leader | snapshot",
    .summary = "Shows and changes the members of a cluster.",
    .details =
        "member list                         who takes part, how far each has come\n"
        "member add --id N --address ADDR    takes in a node formatted with `fenlu format "
        "--join`:\n"
        "                                    a learner first, a voter by itself when it caught up\n"
        "member promote --id N               makes a voter of a learner now; with --priority: sets "
        "it\n"
        "member remove --id N                takes a member out; then stop its server\n"
        "member replace --id N               for a node whose disk is lost: removes it, and adds "
        "it\n"
        "                                    again with a new data folder, at --address if it "
        "moved\n"
        "transfer-leader [--id N]            hands leadership over\n"
        "snapshot                            makes a snapshot that members which lag can fetch\n\n"
        "Waits until a change is in effect, and says what it waits for. Any of them can be given "
        "again after\nan interruption. Exit codes: 0 done, 1 refused or given up (stderr says "
        "why), "
        "2 bad usage.",
    .run = run,
};
