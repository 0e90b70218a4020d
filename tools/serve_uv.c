#include "api/api_uv.h"
#include "base/assert.h"
#include "base/log_line.h"
#include "base/version.h"
#include "ledger/node/server_uv.h"
#include "tools/metrics_http.h"
#include "tools/open_files.h"
#include "tools/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

enum { READY_POLL_MS = 20 };

const char *const SERVE_LOG_FORMATS[] = { "logfmt", "json", NULL };
const char *const SERVE_LOG_LEVELS[] = { "debug", "info", "warn", "error", NULL };

/* The API on a loop and a thread of its own, so that its work never delays Raft. */
struct api_thread {
    struct api_server_options options;
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop_bell;
    uv_timer_t serving_poll;
    uv_sem_t started;
    uv_async_t *ended; /* of the main loop: rung when the thread is about to end */
    struct api_server *server;
    enum status status;
    struct error error;
    char address[ADDRESS_TEXT_MAX];
    bool serving; /* atomic */
};

struct serving {
    const struct tool *tool;
    const struct serve_options *options;
    uv_loop_t loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_timer_t ready_poll;
    uv_async_t api_ended;
    struct server *server;
    struct api_thread api;
    bool api_running;
    struct metrics_http *metrics;
    bool stopping;
};

void serve_options_default(struct serve_options *options)
{
    *options = (struct serve_options){ .log_format = "logfmt",
                                       .log_level = "info",
                                       .cache_mib = 256,
                                       .disk_reserve_mib = DISK_FREE_STOP_MIB,
                                       .log_keep_mib = LOG_KEEP_BYTES >> 20,
                                       .snapshot_mib_per_s = SNAPSHOT_BYTES_PER_S >> 20,
                                       .scrub_mib_per_s = SCRUB_BYTES_PER_S >> 20,
                                       .election_timeout_ms = 600,
                                       .heartbeat_ms = 100 };
}

/* --- API thread --- */

static void on_serving_poll(uv_timer_t *timer)
{
    struct api_thread *api = timer->data;
    __atomic_store_n(&api->serving, api_server_serving(api->server), __ATOMIC_RELEASE);
}

static void on_api_stopped(void *context)
{
    struct api_thread *api = context;
    uv_close((uv_handle_t *)&api->stop_bell, NULL);
}

static void on_stop_bell(uv_async_t *bell)
{
    struct api_thread *api = bell->data;
    uv_close((uv_handle_t *)&api->serving_poll, NULL);
    api_server_stop(api->server, on_api_stopped, api);
}

static void run_api(void *context)
{
    struct api_thread *api = context;
    int result = uv_loop_init(&api->loop);
    ASSERT(result == 0);
    result = uv_async_init(&api->loop, &api->stop_bell, on_stop_bell);
    ASSERT(result == 0);
    api->stop_bell.data = api;
    api->options.loop = &api->loop;
    api->status = api_server_start(&api->options, &api->server, &api->error);
    if (api->status == STATUS_OK) {
        address_format(api_server_address(api->server), api->address);
        result = uv_timer_init(&api->loop, &api->serving_poll);
        ASSERT(result == 0);
        api->serving_poll.data = api;
        result = uv_timer_start(&api->serving_poll, on_serving_poll, 0, READY_POLL_MS);
        ASSERT(result == 0);
    } else {
        uv_close((uv_handle_t *)&api->stop_bell, NULL);
    }
    uv_sem_post(&api->started);
    result = uv_run(&api->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&api->loop);
    ASSERT(result == 0);
    if (api->status == STATUS_OK) {
        result = uv_async_send(api->ended);
        ASSERT(result == 0);
    }
}

static enum status start_api(struct serving *serving, const struct superblock_member *members,
                             uint32_t member_count, u128 cluster, struct error *error)
{
    struct api_thread *api = &serving->api;
    const struct serve_options *options = serving->options;
    api->options = (struct api_server_options){
        .clock = clock_os(),
        .entropy = entropy_os(),
        .certificate_file = options->tls_certificate_file,
        .key_file = options->tls_key_file,
        .ca_file = options->tls_client_ca_file,
        .members = members,
        .member_count = member_count,
        .cluster = cluster,
        .version = FENLU_VERSION,
        .drain_grace_ns = API_DRAIN_GRACE_MS * NS_PER_MS,
    };
    TRY(address_parse(options->grpc, &api->options.address, error));
    api->ended = &serving->api_ended;
    int result = uv_sem_init(&api->started, 0);
    ASSERT(result == 0);
    result = uv_thread_create(&api->thread, run_api, api);
    if (result != 0) {
        return error_set(error, STATUS_MEMORY, "cannot start the API thread: %s",
                         uv_strerror(result));
    }
    uv_sem_wait(&api->started);
    if (api->status != STATUS_OK) {
        result = uv_thread_join(&api->thread);
        ASSERT(result == 0);
        *error = api->error;
        return api->status;
    }
    serving->api_running = true;
    return STATUS_OK;
}

/* --- this process --- */

static void configure_log(const struct serve_options *options)
{
    enum log_level level = LOG_INFO;
    for (int i = 0; SERVE_LOG_LEVELS[i] != NULL; i++) {
        if (strcmp(options->log_level, SERVE_LOG_LEVELS[i]) == 0) {
            level = (enum log_level)i;
        }
    }
    bool json = strcmp(options->log_format, "json") == 0;
    log_configure(level, json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void close_handles(struct serving *serving)
{
    close_handle((uv_handle_t *)&serving->terminate);
    close_handle((uv_handle_t *)&serving->interrupt);
    close_handle((uv_handle_t *)&serving->ready_poll);
    close_handle((uv_handle_t *)&serving->api_ended);
}

static void on_server_stopped(void *context)
{
    close_handles(context);
}

static void stop_server(struct serving *serving)
{
    if (serving->server != NULL) {
        server_stop(serving->server, on_server_stopped, serving);
        serving->server = NULL;
    } else {
        close_handles(serving);
    }
}

static void on_api_ended(uv_async_t *bell)
{
    struct serving *serving = bell->data;
    int result = uv_thread_join(&serving->api.thread);
    ASSERT(result == 0);
    uv_sem_destroy(&serving->api.started);
    serving->api_running = false;
    stop_server(serving);
}

/* The API first: it needs the server to answer what is under way. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct serving *serving = handle->data;
    if (serving->stopping) {
        _exit(EXIT_FAILED);
    }
    serving->stopping = true;
    log_line(LOG_INFO, "stopping", LOG_INT("signal", number), LOG_END);
    if (serving->api_running) {
        int result = uv_async_send(&serving->api.stop_bell);
        ASSERT(result == 0);
    } else {
        stop_server(serving);
    }
}

static void on_ready_poll(uv_timer_t *timer)
{
    struct serving *serving = timer->data;
    bool ready = serving->server == NULL || server_serving(serving->server);
    if (serving->api_running) {
        ready = ready && __atomic_load_n(&serving->api.serving, __ATOMIC_ACQUIRE);
    }
    if (ready && !serving->stopping) {
        printf("ready grpc=%s\n", serving->api_running ? serving->api.address : "none");
        (void)fflush(stdout);
        int result = uv_timer_stop(timer);
        ASSERT(result == 0);
    }
}

static enum status start_server(struct serving *serving, struct error *error)
{
    const struct serve_options *options = serving->options;
    struct server_options server;
    server_options_default(&server);
    server.loop = &serving->loop;
    server.data_folder = options->data;
    server.listen = options->listen;
    server.cache_bytes = options->cache_mib << 20;
    server.election_timeout_ms = (uint32_t)options->election_timeout_ms;
    server.heartbeat_ms = (uint32_t)options->heartbeat_ms;
    server.disk_reserve_bytes = options->disk_reserve_mib << 20;
    server.log_keep_bytes = options->log_keep_mib << 20;
    server.snapshot_bytes_per_s = options->snapshot_mib_per_s << 20;
    server.scrub_bytes_per_s = options->scrub_mib_per_s << 20;
    return server_start(&server, &serving->server, error);
}

/* The members as this process reaches them: its own server at the port that it really has. */
static enum status start_api_beside_server(struct serving *serving, struct error *error)
{
    struct superblock identity = *server_identity(serving->server);
    for (uint32_t i = 0; i < identity.member_count; i++) {
        if (identity.members[i].id == identity.node) {
            char *address = identity.members[i].address;
            if (serving->options->listen != NULL) {
                (void)snprintf(address, MEMBER_ADDRESS_MAX, "%s", serving->options->listen);
            }
            char *colon = strrchr(address, ':');
            ASSERT(colon != NULL);
            (void)snprintf(colon, MEMBER_ADDRESS_MAX - (size_t)(colon - address), ":%u",
                           server_port(serving->server));
        }
    }
    return start_api(serving, identity.members, identity.member_count, identity.cluster, error);
}

static enum status start_all(struct serving *serving, struct error *error)
{
    const struct serve_options *options = serving->options;
    struct open_files_use use = { .server = options->data != NULL,
                                  .log_keep_bytes = options->log_keep_mib << 20,
                                  .grpc = options->grpc != NULL,
                                  .metrics = options->metrics != NULL };
    TRY(open_files_allow(open_files_needed(&use), error));
    if (options->metrics != NULL) {
        TRY(metrics_http_start(options->metrics, &serving->metrics, error));
    }
    if (options->data != NULL) {
        TRY(start_server(serving, error));
        return options->grpc != NULL ? start_api_beside_server(serving, error) : STATUS_OK;
    }
    return start_api(serving, options->members, options->member_count, options->cluster, error);
}

static void start_handles(struct serving *serving)
{
    int result = uv_loop_init(&serving->loop);
    ASSERT(result == 0);
    result = uv_signal_init(&serving->loop, &serving->terminate);
    ASSERT(result == 0);
    result = uv_signal_init(&serving->loop, &serving->interrupt);
    ASSERT(result == 0);
    result = uv_timer_init(&serving->loop, &serving->ready_poll);
    ASSERT(result == 0);
    result = uv_async_init(&serving->loop, &serving->api_ended, on_api_ended);
    ASSERT(result == 0);
    serving->api_ended.data = serving;
    serving->terminate.data = serving;
    serving->interrupt.data = serving;
    serving->ready_poll.data = serving;
}

int serve_check(const struct tool *tool, const struct serve_options *options)
{
    struct address address;
    struct error error;
    if (options->grpc != NULL && address_parse(options->grpc, &address, &error) != STATUS_OK) {
        return tool_usage(tool, "--grpc: %s", error.text);
    }
    if (options->listen != NULL && address_parse(options->listen, &address, &error) != STATUS_OK) {
        return tool_usage(tool, "--listen: %s", error.text);
    }
    if (options->metrics != NULL &&
        address_parse(options->metrics, &address, &error) != STATUS_OK) {
        return tool_usage(tool, "--metrics: %s", error.text);
    }
    if ((options->tls_certificate_file == NULL) != (options->tls_key_file == NULL)) {
        return tool_usage(tool, "--tls-cert and --tls-key go together");
    }
    if (options->tls_client_ca_file != NULL && options->tls_certificate_file == NULL) {
        return tool_usage(tool, "--tls-client-ca needs --tls-cert and --tls-key");
    }
    if (options->heartbeat_ms * 3 > options->election_timeout_ms) {
        return tool_usage(tool,
                          "--heartbeat-ms %llu: must be at most a third of "
                          "--election-timeout-ms %llu",
                          (unsigned long long)options->heartbeat_ms,
                          (unsigned long long)options->election_timeout_ms);
    }
    return EXIT_OK;
}

int serve(const struct tool *tool, const struct serve_options *options)
{
    int bad = serve_check(tool, options);
    if (bad != EXIT_OK) {
        return bad;
    }
    if (options->with_parent && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
        return tool_failed(tool, "--with-parent: cannot watch the parent process");
    }
    configure_log(options);
    struct serving *serving = calloc(1, sizeof *serving);
    ASSERT(serving != NULL);
    serving->tool = tool;
    serving->options = options;
    start_handles(serving);
    struct error error;
    if (start_all(serving, &error) != STATUS_OK) {
        /* Whatever has started ends with the process: nothing was promised to anybody yet. */
        (void)tool_failed(tool, "%s", error.text);
        (void)fflush(stderr);
        _exit(EXIT_FAILED);
    }
    int result = uv_signal_start(&serving->terminate, on_signal, SIGTERM);
    ASSERT(result == 0);
    result = uv_signal_start(&serving->interrupt, on_signal, SIGINT);
    ASSERT(result == 0);
    result = uv_timer_start(&serving->ready_poll, on_ready_poll, 0, READY_POLL_MS);
    ASSERT(result == 0);
    result = uv_run(&serving->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    if (serving->metrics != NULL) {
        metrics_http_stop(serving->metrics);
    }
    result = uv_loop_close(&serving->loop);
    ASSERT(result == 0);
    free(serving);
    return EXIT_OK;
}
