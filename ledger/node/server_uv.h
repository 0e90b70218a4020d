/* server_uv.h — a whole server in this process: data folder, log, store, node, threads, network.
 *
 * One uv loop (the caller's) runs the node's loop stage; the log writer, the state machine and the
 * sealer each have a thread. Opening replays nothing by itself: entries after the checkpoint are
 * applied as soon as they are known to be committed again.
 * A snapshot that has arrived is switched in by closing and opening again, in a thread of uv's pool
 * while the loop goes on; the network is closed meanwhile, and the server does not serve.
 * Failure after the start (failed flush, damaged data) is logged as event "fatal" and ends the
 * process with exit code SERVER_FATAL_EXIT.
 */
#pragma once

#include "ledger/node/data_folder.h"
#include "ledger/node/node.h"

#include <uv.h>

enum { SERVER_FATAL_EXIT = 3 };

struct server_options {
    uv_loop_t *loop;
    const char *data_folder;
    const char *listen;   /* HOST:PORT for the cluster; NULL: the node's address as a member */
    uint64_t cache_bytes; /* RocksDB's block cache */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint64_t disk_reserve_bytes;
    uint64_t log_keep_bytes;       /* 0: LOG_KEEP_BYTES */
    uint64_t snapshot_bytes_per_s; /* 0: SNAPSHOT_BYTES_PER_S */
    uint64_t scrub_bytes_per_s;    /* 0: SCRUB_BYTES_PER_S */
};

void server_options_default(struct server_options *options);

struct server;

STATUS_MUST_USE enum status server_start(const struct server_options *options,
                                         struct server **server, struct error *error);
/* As of the start: term and vote go on. */
const struct superblock *server_identity(const struct server *server);
/* The port that the cluster address is bound to (differs from the member entry when that says 0).
 */
uint16_t server_port(const struct server *server);
/* It follows or leads and would take commands. */
bool server_serving(const struct server *server);
/* Hands leadership over, answers what is under way (SERVER_DRAIN_GRACE_MS at most), closes
 * everything; a snapshot that is being switched in is left to the next start, once what is under
 * way at the disk has ended. `done` is called from the loop, and the server's memory is gone after
 * it. */
void server_stop(struct server *server, void (*done)(void *context), void *context);
