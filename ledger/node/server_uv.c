#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/server_parts_uv.h"

#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_POLL_MS = 10, DISK_POLL_MS = 1000 };

void server_options_default(struct server_options *options)
{
    *options = (struct server_options){
        .cache_bytes = (uint64_t)256 << 20,
        .election_timeout_ms = 600,
        .heartbeat_ms = 100,
        .disk_reserve_bytes = (uint64_t)DISK_FREE_STOP_MIB << 20,
    };
}

/* --- the host of the node --- */

static void ring_loop(void *context)
{
    struct server *server = context;
    (void)uv_async_send(&server->bell);
}

static void ring_writer(void *context)
{
    struct server *server = context;
    worker_ring(&server->workers[WRITER]);
}

static void ring_machine(void *context)
{
    struct server *server = context;
    worker_ring(&server->workers[MACHINE]);
}

static void ring_sealer(void *context)
{
    struct server *server = context;
    worker_ring(&server->workers[SEALER]);
}

static void ring_keeper(void *context)
{
    struct server *server = context;
    worker_ring(&server->workers[KEEPER]);
}

static void ring_fetcher(void *context)
{
    struct server *server = context;
    worker_ring(&server->workers[FETCHER]);
}

static void restart(void *context)
{
    struct server *server = context;
    server->restart_asked = true;
}

void server_fatal(void *context, const struct error *error)
{
    (void)context;
    log_line(LOG_ERROR, "fatal", LOG_TEXT("status", status_name(error->status)),
             LOG_TEXT("reason", error->text), LOG_END);
    _exit(SERVER_FATAL_EXIT);
}

static bool writer_step(void *context)
{
    return node_writer_step(context);
}

static bool machine_step(void *context)
{
    return node_machine_step(context);
}

static bool sealer_step(void *context)
{
    return node_sealer_step(context);
}

static bool keeper_step(void *context)
{
    return node_keeper_step(context);
}

static bool fetcher_step(void *context)
{
    return node_fetcher_step(context);
}

/* --- the loop --- */

static void on_bell(uv_async_t *bell)
{
    struct server *server = bell->data;
    if (server->restarting) {
        return; /* the node is being closed */
    }
    node_collect(server->data.node);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    node_tick(server->data.node);
}

/* Before the loop sleeps: propose what this iteration brought, and sleep no longer than Raft may.
 */
static void before_poll(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    if (server->restart_asked && !server->stop_asked) {
        server_begin_restart(server);
        return;
    }
    node_flush(server->data.node);
    uint64_t now_ns = uv_hrtime();
    uint64_t deadline_ns = node_deadline_ns(server->data.node);
    uint64_t wait_ms =
        deadline_ns > now_ns ? (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    uv_update_time(server->options.loop);
    int result = uv_timer_start(&server->tick, on_tick, wait_ms, 0);
    ASSERT(result == 0);
}

static void on_disk_poll(uv_timer_t *timer)
{
    struct server *server = timer->data;
    uint64_t bytes = 0;
    struct error error;
    if (server->restarting) {
        return;
    }
    if (disk_free_bytes(&server->disk, server->folder.path, &bytes, &error) == STATUS_OK) {
        node_set_disk_free(server->data.node, bytes);
    } else {
        log_line(LOG_WARN, "disk_unreadable", LOG_TEXT("reason", error.text), LOG_END);
    }
}

/* --- start --- */

enum status server_open_data(struct server *server, struct error *error)
{
    struct server_data_options options = {
        .folder = &server->folder,
        .cache_bytes = server->options.cache_bytes,
        .election_timeout_ms = server->options.election_timeout_ms,
        .heartbeat_ms = server->options.heartbeat_ms,
        .disk_reserve_bytes = server->options.disk_reserve_bytes,
        .log_keep_bytes = server->options.log_keep_bytes,
        .snapshot_bytes_per_s = server->options.snapshot_bytes_per_s,
        .scrub_bytes_per_s = server->options.scrub_bytes_per_s,
        .abandon = &server->stop_asked,
        .host = { .ring_loop = ring_loop,
                  .ring_writer = ring_writer,
                  .ring_machine = ring_machine,
                  .ring_sealer = ring_sealer,
                  .ring_keeper = ring_keeper,
                  .ring_fetcher = ring_fetcher,
                  .restart = restart,
                  .fatal = server_fatal,
                  .context = server },
    };
    return server_data_open(&options, &server->data, error);
}

static void stop_first_workers(struct server *server, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        worker_stop(&server->workers[i]);
    }
}

void server_stop_workers(struct server *server)
{
    stop_first_workers(server, WORKERS);
}

enum status server_start_workers(struct server *server, struct error *error)
{
    static const struct {
        const char *name;
        bool (*step)(void *context);
    } STAGES[WORKERS] = {
        [FETCHER] = { "fetcher", fetcher_step },  [MACHINE] = { "machine", machine_step },
        [KEEPER] = { "keeper", keeper_step },     [SEALER] = { "sealer", sealer_step },
        [WRITER] = { "log_writer", writer_step },
    };
    for (unsigned i = 0; i < WORKERS; i++) {
        enum status status = worker_start(&server->workers[i], STAGES[i].name, STAGES[i].step,
                                          server->data.node, error);
        if (status != STATUS_OK) {
            stop_first_workers(server, i);
            return status;
        }
        worker_ring(&server->workers[i]); /* for what was rung before there was a thread */
    }
    return STATUS_OK;
}

void server_start_turns(struct server *server)
{
    int result = uv_prepare_start(&server->before_poll, before_poll);
    ASSERT(result == 0);
    ring_loop(server); /* for what was rung, or came, before there were turns */
}

void server_stop_turns(struct server *server)
{
    int result = uv_prepare_stop(&server->before_poll);
    ASSERT(result == 0);
    result = uv_timer_stop(&server->tick);
    ASSERT(result == 0);
}

static void start_handles(struct server *server)
{
    uv_loop_t *loop = server->options.loop;
    int result = uv_async_init(loop, &server->bell, on_bell);
    ASSERT(result == 0);
    result = uv_timer_init(loop, &server->tick);
    ASSERT(result == 0);
    result = uv_timer_init(loop, &server->disk_poll);
    ASSERT(result == 0);
    result = uv_timer_init(loop, &server->drain);
    ASSERT(result == 0);
    result = uv_prepare_init(loop, &server->before_poll);
    ASSERT(result == 0);
    server->bell.data = server;
    server->tick.data = server;
    server->disk_poll.data = server;
    server->drain.data = server;
    server->before_poll.data = server;
    server->handles_open = 5;
    result = uv_timer_start(&server->disk_poll, on_disk_poll, 0, DISK_POLL_MS);
    ASSERT(result == 0);
    server_start_turns(server);
}

enum status server_start_net(struct server *server, struct error *error)
{
    struct net_options options = {
        .loop = server->options.loop,
        .clock = clock_os(),
        .entropy = entropy_os(),
        .identity = &server->folder.superblock,
        .listen = server->options.listen,
        .handler = node_bus_handler(server->data.node),
    };
    TRY(net_start(&options, &server->net, error));
    node_attach(server->data.node, net_bus(server->net));
    server->port = net_port(server->net);
    return STATUS_OK;
}

enum status server_start(const struct server_options *options, struct server **server_out,
                         struct error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the server");
    }
    server_data_register_metrics();
    server_restart_register_metrics();
    server->options = *options;
    server->disk = disk_os();
    enum status status =
        data_folder_open(&server->disk, options->data_folder, &server->folder, error);
    if (status != STATUS_OK) {
        goto free_server;
    }
    status = server_open_data(server, error);
    if (status != STATUS_OK) {
        goto close_folder;
    }
    server->identity = server->folder.superblock;
    status = server_start_net(server, error);
    if (status != STATUS_OK) {
        goto close_data;
    }
    start_handles(server); /* before the workers, which may ring the loop at once */
    status = server_start_workers(server, error);
    if (status != STATUS_OK) {
        /* The loop never runs again: the process ends with this error. */
        return status;
    }
    *server_out = server;
    return STATUS_OK;

close_data:
    server_data_close(&server->data);
close_folder:
    data_folder_close(&server->folder);
free_server:
    free(server);
    return status;
}

const struct superblock *server_identity(const struct server *server)
{
    return &server->identity;
}

uint16_t server_port(const struct server *server)
{
    return server->port;
}

bool server_serving(const struct server *server)
{
    return !server->restarting && node_serving(server->data.node);
}

/* --- stop --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;
    server->handles_open--;
    if (server->handles_open > 0) {
        return;
    }
    server_data_close(&server->data);
    data_folder_close(&server->folder);
    void (*done)(void *) = server->done;
    void *context = server->done_context;
    free(server);
    done(context);
}

void server_close_handles(struct server *server)
{
    uv_close((uv_handle_t *)&server->bell, on_handle_closed);
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->disk_poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->drain, on_handle_closed);
    uv_close((uv_handle_t *)&server->before_poll, on_handle_closed);
}

static void on_net_stopped(void *context)
{
    server_close_handles(context);
}

static void on_drain_poll(uv_timer_t *timer)
{
    struct server *server = timer->data;
    if (!node_idle(server->data.node) && uv_now(server->options.loop) < server->drain_until_ms) {
        return;
    }
    int result = uv_timer_stop(&server->drain);
    ASSERT(result == 0);
    server_stop_turns(server);
    server_stop_workers(server);
    net_stop(server->net, on_net_stopped, server);
}

void server_stop(struct server *server, void (*done)(void *context), void *context)
{
    server->done = done;
    server->done_context = context;
    __atomic_store_n(&server->stop_asked, true, __ATOMIC_RELEASE);
    if (server->restarting) {
        return; /* its end is the stop's next step */
    }
    node_drain(server->data.node);
    uv_update_time(server->options.loop);
    server->drain_until_ms = uv_now(server->options.loop) + SERVER_DRAIN_GRACE_MS;
    int result = uv_timer_start(&server->drain, on_drain_poll, DRAIN_POLL_MS, DRAIN_POLL_MS);
    ASSERT(result == 0);
}
