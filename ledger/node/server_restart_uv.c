/* server_restart_uv.c — closing what a server has on its disk and opening it again, with a snapshot
 * switched in, while the loop goes on: a large snapshot takes an hour, in which the process answers
 * its API's clients (from the other servers), its metrics, and SIGTERM. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/metrics.h"
#include "ledger/node/server_parts_uv.h"

static struct metric installing = { .name = "fenlu_snapshot_installing",
                                    .help = "1 while this server is closed to its peers because "
                                            "it opens its data again: a snapshot is switched in, "
                                            "or a repaired list of members taken up.",
                                    .kind = METRIC_GAUGE };

void server_restart_register_metrics(void)
{
    metrics_register(&installing);
}

/* In a thread of the pool. */
static void reopen(uv_work_t *work)
{
    struct server *server = work->data;
    server_stop_workers(server);
    server_data_close(&server->data);
    server->reopened = __atomic_load_n(&server->stop_asked, __ATOMIC_ACQUIRE)
                           ? STATUS_SHUTTING_DOWN
                           : server_open_data(server, &server->reopen_error);
}

static void go_on(struct server *server)
{
    struct error error;
    if (server_start_net(server, &error) != STATUS_OK ||
        server_start_workers(server, &error) != STATUS_OK) {
        server_fatal(server, &error);
    }
    server->restarting = false;
    metric_set(&installing, 0);
    server_start_turns(server);
}

static void on_reopened(uv_work_t *work, int result)
{
    struct server *server = work->data;
    ASSERT(result == 0); /* nobody cancels it */
    bool given_up = server->stop_asked && server->reopened == STATUS_SHUTTING_DOWN;
    if (server->reopened != STATUS_OK && !given_up) {
        server_fatal(server, &server->reopen_error); /* the next start says why, too */
    }
    if (server->stop_asked) {
        server_close_handles(server);
        return;
    }
    go_on(server);
}

static void on_net_stopped(void *context)
{
    struct server *server = context;
    server->net = NULL;
    server->reopening.data = server;
    int result = uv_queue_work(server->options.loop, &server->reopening, reopen, on_reopened);
    ASSERT(result == 0);
}

void server_begin_restart(struct server *server)
{
    server->restart_asked = false;
    server->restarting = true;
    metric_set(&installing, 1);
    server_stop_turns(server);
    net_stop(server->net, on_net_stopped, server);
}
