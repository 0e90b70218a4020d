/* server_parts_uv.h — between the files of a server: server_uv.c starts, turns and stops it,
 * server_restart_uv.c closes and opens it again.
 *
 * Who owns what  while `restarting`, the data folder's superblock, `data` and the workers belong to
 * the restart: first to the loop, that closes the network, then to a thread of uv's pool, that
 * joins the workers, closes and opens; the loop touches none of them until it has them back.
 */
#pragma once

#include "base/thread.h"
#include "ledger/node/server_data.h"
#include "ledger/node/server_uv.h"
#include "raft/net/net_uv.h"

/* In the order of their ends: the later ones take what the earlier leave. */
enum server_stage { FETCHER, MACHINE, KEEPER, SEALER, WRITER, WORKERS };

struct server {
    struct server_options options;
    struct disk disk;
    struct data_folder folder;
    struct superblock identity; /* as it was at the start; the log writer changes the folder's */
    uint16_t port;
    struct server_data data;
    struct net *net; /* NULL: closed */
    struct worker workers[WORKERS];
    uv_async_t bell;
    uv_timer_t tick;
    uv_timer_t disk_poll;
    uv_timer_t drain;
    uv_prepare_t before_poll;
    unsigned handles_open;
    bool restart_asked; /* by the node; heeded at the end of the loop's turn */
    bool restarting;
    bool stop_asked; /* atomic: the pool's thread looks at it */
    uv_work_t reopening;
    enum status reopened; /* the work's outcome, with its error */
    struct error reopen_error;
    uint64_t drain_until_ms;
    void (*done)(void *context);
    void *done_context;
};

/* --- server_uv.c --- */
STATUS_MUST_USE enum status server_open_data(struct server *server, struct error *error);
STATUS_MUST_USE enum status server_start_net(struct server *server, struct error *error);
STATUS_MUST_USE enum status server_start_workers(struct server *server, struct error *error);
void server_stop_workers(struct server *server);
/* The loop's turns, with what is open. */
void server_start_turns(struct server *server);
void server_stop_turns(struct server *server);
/* The last part of stopping, once the network is closed and the workers have ended. */
void server_close_handles(struct server *server);
void server_fatal(void *context, const struct error *error);

/* --- server_restart_uv.c --- */
void server_restart_register_metrics(void);
void server_begin_restart(struct server *server);
