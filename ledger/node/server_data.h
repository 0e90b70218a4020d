/* server_data.h — what a server has on its disk, opened: log, store and the node over them.
 *
 * Opened at the start, and again when the node asks for it (node.h, restart). The data folder stays
 * locked all the while; it is the caller's. Opening switches a snapshot in that has arrived: of a
 * large one that takes an hour, which log (snapshot_checking) and metrics tell of, and which
 * *abandon ends early: nothing is lost but what was read of the snapshot.
 * Threads  one at a time; the loop's is the wrong one but at the start.
 * Memory   the struct is the caller's; server_data_close gives back what opening took.
 */
#pragma once

#include "ledger/node/data_folder.h"
#include "ledger/node/node.h"

struct server_data_options {
    struct data_folder *folder;
    uint64_t cache_bytes; /* RocksDB's block cache */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint64_t disk_reserve_bytes;
    uint64_t log_keep_bytes; /* this and the next two: 0 is the default of node.h */
    uint64_t snapshot_bytes_per_s;
    uint64_t scrub_bytes_per_s;
    const bool *abandon; /* atomic: opening may give up, SHUTTING_DOWN; NULL: it may not */
    struct node_host host;
};

/* Zeros: not open. */
struct server_data {
    struct log *log;
    struct store *store;
    struct node *node;
};

/* Before any thread that prints metrics could look. */
void server_data_register_metrics(void);
STATUS_MUST_USE enum status server_data_open(struct server_data_options *options,
                                             struct server_data *data, struct error *error);
/* Stages and network have ended. What is not open stays so. */
void server_data_close(struct server_data *data);
