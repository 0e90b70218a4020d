#include "ledger/node/server_uv.h"

#include "base/assert.h"
#include "base/log_line.h"
#include "base/thread.h"
#include "ledger/node/server_data.h"
#include "raft/net/net_uv.h"

#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_POLL_MS = 10, DISK_POLL_MS = 1000 };

/* In the order of their ends: the later ones take what the earlier leave. */
enum { MACHINE, KEEPER, SEALER, WRITER, WORKERS };

struct server {
    struct server_options options;
    struct disk disk;
    struct data_folder folder;
    struct superblock identity; /* as it was at the start; the log writer changes the folder's */
    struct server_data data;
    struct net *net;
    struct worker workers[WORKERS];
    uv_async_t bell;
    uv_timer_t tick;
    uv_timer_t disk_poll;
    uv_timer_t drain;
    uv_prepare_t before_poll;
    unsigned handles_open;
    bool restart_asked; /* by the node; heeded at the end of the loop's turn */
    bool restarting;    /* stages have ended, the network is closing */
    bool stop_asked;    /* while it restarts */
    uint64_t drain_until_ms;
    void (*done)(void *context);
    void *done_context;
};

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

static void restart(void *context)
{
    struct server *server = context;
    server->restart_asked = true;
}

static void fatal(void *context, const struct error *error)
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

/* --- the loop --- */

static void on_bell(uv_async_t *bell)
{
    struct server *server = bell->data;
    node_collect(server->data.node);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    node_tick(server->data.node);
}

static void begin_restart(struct server *server);

/* Before the loop sleeps: propose what this iteration brought, and sleep no longer than Raft may.
 */
static void before_poll(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    if (server->restart_asked && !server->stop_asked) {
        begin_restart(server);
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
    if (disk_free_bytes(&server->disk, server->folder.path, &bytes, &error) == STATUS_OK) {
        node_set_disk_free(server->data.node, bytes);
    } else {
        log_line(LOG_WARN, "disk_unreadable", LOG_TEXT("reason", error.text), LOG_END);
    }
}

/* --- start --- */

static enum status open_data(struct server *server, struct error *error)
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
        .host = { .ring_loop = ring_loop,
                  .ring_writer = ring_writer,
                  .ring_machine = ring_machine,
                  .ring_sealer = ring_sealer,
                  .ring_keeper = ring_keeper,
                  .restart = restart,
                  .fatal = fatal,
                  .context = server },
    };
    return server_data_open(&options, &server->data, error);
}

static void stop_workers(struct server *server, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        worker_stop(&server->workers[i]);
    }
}

static enum status start_workers(struct server *server, struct error *error)
{
    static const struct {
        const char *name;
        bool (*step)(void *context);
    } STAGES[WORKERS] = {
        [MACHINE] = { "machine", machine_step },
        [KEEPER] = { "keeper", keeper_step },
        [SEALER] = { "sealer", sealer_step },
        [WRITER] = { "log_writer", writer_step },
    };
    for (unsigned i = 0; i < WORKERS; i++) {
        enum status status = worker_start(&server->workers[i], STAGES[i].name, STAGES[i].step,
                                          server->data.node, error);
        if (status != STATUS_OK) {
            stop_workers(server, i);
            return status;
        }
        worker_ring(&server->workers[i]); /* for what was rung before there was a thread */
    }
    return STATUS_OK;
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
    result = uv_prepare_start(&server->before_poll, before_poll);
    ASSERT(result == 0);
    result = uv_timer_start(&server->disk_poll, on_disk_poll, 0, DISK_POLL_MS);
    ASSERT(result == 0);
}

static enum status start_net(struct server *server, struct error *error)
{
    struct net_options options = {
        .loop = server->options.loop,
        .clock = clock_os(),
        .entropy = entropy_os(),
        .identity = &server->folder.superblock,
        .handler = node_bus_handler(server->data.node),
    };
    TRY(net_start(&options, &server->net, error));
    node_attach(server->data.node, net_bus(server->net));
    return STATUS_OK;
}

enum status server_start(const struct server_options *options, struct server **server_out,
                         struct error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the server");
    }
    server->options = *options;
    server->disk = disk_os();
    enum status status =
        data_folder_open(&server->disk, options->data_folder, &server->folder, error);
    if (status != STATUS_OK) {
        goto free_server;
    }
    status = open_data(server, error);
    if (status != STATUS_OK) {
        goto close_folder;
    }
    server->identity = server->folder.superblock;
    status = start_net(server, error);
    if (status != STATUS_OK) {
        goto close_data;
    }
    start_handles(server); /* before the workers, which may ring the loop at once */
    status = start_workers(server, error);
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
    return net_port(server->net);
}

bool server_serving(const struct server *server)
{
    return !server->restarting && node_serving(server->data.node);
}

/* --- restart --- */

static void on_net_stopped(void *context);

/* What cannot be opened again ends the process: the next start says why, too. */
static void open_again(struct server *server)
{
    struct error error;
    server_data_close(&server->data);
    if (open_data(server, &error) != STATUS_OK || start_net(server, &error) != STATUS_OK ||
        start_workers(server, &error) != STATUS_OK) {
        fatal(server, &error);
    }
}

static void on_net_stopped_to_restart(void *context)
{
    struct server *server = context;
    if (server->stop_asked) {
        on_net_stopped(server);
        return;
    }
    open_again(server);
    server->restarting = false;
    int result = uv_prepare_start(&server->before_poll, before_poll);
    ASSERT(result == 0);
    ring_loop(server);
}

static void begin_restart(struct server *server)
{
    server->restart_asked = false;
    server->restarting = true;
    int result = uv_prepare_stop(&server->before_poll);
    ASSERT(result == 0);
    result = uv_timer_stop(&server->tick);
    ASSERT(result == 0);
    stop_workers(server, WORKERS);
    net_stop(server->net, on_net_stopped_to_restart, server);
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

static void on_net_stopped(void *context)
{
    struct server *server = context;
    uv_close((uv_handle_t *)&server->bell, on_handle_closed);
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->disk_poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->drain, on_handle_closed);
    uv_close((uv_handle_t *)&server->before_poll, on_handle_closed);
}

static void on_drain_poll(uv_timer_t *timer)
{
    struct server *server = timer->data;
    if (!node_idle(server->data.node) && uv_now(server->options.loop) < server->drain_until_ms) {
        return;
    }
    int result = uv_timer_stop(&server->drain);
    ASSERT(result == 0);
    result = uv_prepare_stop(&server->before_poll);
    ASSERT(result == 0);
    result = uv_timer_stop(&server->tick);
    ASSERT(result == 0);
    stop_workers(server, WORKERS);
    net_stop(server->net, on_net_stopped, server);
}

void server_stop(struct server *server, void (*done)(void *context), void *context)
{
    server->done = done;
    server->done_context = context;
    server->stop_asked = true;
    if (server->restarting) {
        return; /* the network is closing already */
    }
    node_drain(server->data.node);
    uv_update_time(server->options.loop);
    server->drain_until_ms = uv_now(server->options.loop) + SERVER_DRAIN_GRACE_MS;
    int result = uv_timer_start(&server->drain, on_drain_poll, DRAIN_POLL_MS, DRAIN_POLL_MS);
    ASSERT(result == 0);
}
