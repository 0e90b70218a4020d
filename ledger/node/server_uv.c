#include "ledger/node/server_uv.h"

#include "base/assert.h"
#include "base/log_line.h"
#include "base/thread.h"
#include "base/version.h"
#include "raft/net/net_uv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEAL_EVENTS = 256 * 1024,
    ACCOUNTS_CACHED = 256 * 1024,
    DRAIN_POLL_MS = 10,
    DISK_POLL_MS = 1000,
};

struct server {
    struct server_options options;
    struct disk disk;
    struct data_folder folder;
    struct log *log;
    struct store *store;
    struct node *node;
    struct net *net;
    struct worker writer;
    struct worker machine;
    struct worker sealer;
    uv_async_t bell;
    uv_timer_t tick;
    uv_timer_t disk_poll;
    uv_timer_t drain;
    uv_prepare_t before_poll;
    unsigned handles_open;
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
    worker_ring(&server->writer);
}

static void ring_machine(void *context)
{
    struct server *server = context;
    worker_ring(&server->machine);
}

static void ring_sealer(void *context)
{
    struct server *server = context;
    worker_ring(&server->sealer);
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

/* --- the loop --- */

static void on_bell(uv_async_t *bell)
{
    struct server *server = bell->data;
    node_collect(server->node);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    node_tick(server->node);
}

/* Before the loop sleeps: propose what this iteration brought, and sleep no longer than Raft may.
 */
static void before_poll(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    node_flush(server->node);
    uint64_t now_ns = uv_hrtime();
    uint64_t deadline_ns = node_deadline_ns(server->node);
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
        node_set_disk_free(server->node, bytes);
    } else {
        log_line(LOG_WARN, "disk_unreadable", LOG_TEXT("reason", error.text), LOG_END);
    }
}

/* --- start --- */

static enum status open_store(struct server *server, struct store_checkpoint *checkpoint,
                              struct error *error)
{
    char db_path[DISK_PATH_MAX];
    TRY(disk_join(db_path, server->folder.path, "db", error));
    struct kv_rocks_options rocks = { .folder = db_path,
                                      .cache_bytes = server->options.cache_bytes,
                                      .background_jobs = 2 };
    struct store_options store = {
        .delta = { .seal_events = SEAL_EVENTS, .accounts_cached = ACCOUNTS_CACHED },
    };
    TRY(kv_rocks_open(&rocks, &store.kv, error));
    enum status status = store_open(&store, &server->store, checkpoint, error);
    if (status != STATUS_OK) {
        store.kv->ops->close(store.kv);
    }
    return status;
}

static enum status open_node(struct server *server, const struct log_recovered *recovered,
                             const struct store_checkpoint *checkpoint, struct error *error)
{
    struct entropy entropy = entropy_os();
    struct node_options options = {
        .clock = clock_os(),
        .seed = entropy_u64(&entropy),
        .identity = &server->folder.superblock,
        .log = server->log,
        .recovered = recovered,
        .store = server->store,
        .checkpoint = checkpoint,
        .election_timeout_ns = server->options.election_timeout_ms * NS_PER_MS,
        .heartbeat_interval_ns = server->options.heartbeat_ms * NS_PER_MS,
        .disk_reserve_bytes = server->options.disk_reserve_bytes,
        .host = { .ring_loop = ring_loop,
                  .ring_writer = ring_writer,
                  .ring_machine = ring_machine,
                  .ring_sealer = ring_sealer,
                  .fatal = fatal,
                  .context = server },
    };
    return node_open(&options, &server->node, error);
}

static enum status open_data(struct server *server, struct error *error)
{
    struct log_options log = { .disk = &server->disk,
                               .folder = server->folder.path,
                               .segment_size = LOG_SEGMENT_SIZE };
    struct log_recovered *recovered = malloc(sizeof *recovered);
    if (recovered == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the log's recovery");
    }
    struct store_checkpoint checkpoint;
    enum status status = log_open(&log, &server->folder.superblock, &server->log, recovered, error);
    if (status != STATUS_OK) {
        goto free_recovered;
    }
    status = open_store(server, &checkpoint, error);
    if (status != STATUS_OK) {
        goto close_log;
    }
    status = open_node(server, recovered, &checkpoint, error);
    if (status != STATUS_OK) {
        goto close_store;
    }
    log_line(LOG_INFO, "opened", LOG_TEXT("version", FENLU_VERSION),
             LOG_UINT("node", server->folder.superblock.node),
             LOG_TEXT("folder", server->folder.path), LOG_UINT("last_index", recovered->last_index),
             LOG_UINT("checkpoint_index", checkpoint.log_index),
             LOG_UINT("torn_entries", recovered->torn_entries), LOG_END);
    free(recovered);
    return STATUS_OK;

close_store:
    store_close(server->store);
close_log:
    log_close(server->log);
free_recovered:
    free(recovered);
    return status;
}

static void close_data(struct server *server)
{
    node_close(server->node);
    store_close(server->store);
    log_close(server->log);
}

static enum status start_workers(struct server *server, struct error *error)
{
    TRY(worker_start(&server->writer, "log_writer", writer_step, server->node, error));
    enum status status =
        worker_start(&server->machine, "machine", machine_step, server->node, error);
    if (status != STATUS_OK) {
        worker_stop(&server->writer);
        return status;
    }
    status = worker_start(&server->sealer, "sealer", sealer_step, server->node, error);
    if (status != STATUS_OK) {
        worker_stop(&server->machine);
        worker_stop(&server->writer);
    }
    return status;
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
        .handler = node_bus_handler(server->node),
    };
    TRY(net_start(&options, &server->net, error));
    node_attach(server->node, net_bus(server->net));
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
    close_data(server);
close_folder:
    data_folder_close(&server->folder);
free_server:
    free(server);
    return status;
}

const struct superblock *server_identity(const struct server *server)
{
    return &server->folder.superblock;
}

uint16_t server_port(const struct server *server)
{
    return net_port(server->net);
}

bool server_serving(const struct server *server)
{
    return node_serving(server->node);
}

/* --- stop --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;
    server->handles_open--;
    if (server->handles_open > 0) {
        return;
    }
    close_data(server);
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
    if (!node_idle(server->node) && uv_now(server->options.loop) < server->drain_until_ms) {
        return;
    }
    int result = uv_timer_stop(&server->drain);
    ASSERT(result == 0);
    result = uv_prepare_stop(&server->before_poll);
    ASSERT(result == 0);
    result = uv_timer_stop(&server->tick);
    ASSERT(result == 0);
    worker_stop(&server->machine);
    worker_stop(&server->sealer);
    worker_stop(&server->writer);
    net_stop(server->net, on_net_stopped, server);
}

void server_stop(struct server *server, void (*done)(void *context), void *context)
{
    server->done = done;
    server->done_context = context;
    node_drain(server->node);
    uv_update_time(server->options.loop);
    server->drain_until_ms = uv_now(server->options.loop) + SERVER_DRAIN_GRACE_MS;
    int result = uv_timer_start(&server->drain, on_drain_poll, DRAIN_POLL_MS, DRAIN_POLL_MS);
    ASSERT(result == 0);
}
