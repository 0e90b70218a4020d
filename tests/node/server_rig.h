/* server_rig.h — a cluster of real servers and a client of it in this process, on one loop, with
 * their threads, folders and loopback ports.
 *
 * Everything that waits runs the loop meanwhile and fails the test after RIG_PATIENCE_S.
 * Threads  the test's.
 */
#pragma once

#include "api/client/cluster_client.h"
#include "base/disk.h"
#include "ledger/node/server_uv.h"

enum { RIG_SERVERS = 3, RIG_PATIENCE_S = 90 };

struct server_rig {
    uv_loop_t loop;
    uv_timer_t pulse; /* keeps the loop turning while the rig waits */
    struct disk disk;
    char folder[DISK_PATH_MAX];
    struct superblock_member members[RIG_SERVERS];
    u128 cluster;
    struct server *servers[RIG_SERVERS]; /* NULL: does not run */
    uint32_t running;
    struct cluster_client *client;
    bool client_closed;
    /* What is under way, and how it ended. */
    uint32_t open;
    uint32_t failed;
    char failure[160];
    uint64_t deadline_ns;
    struct cluster_member_status rows[RIG_SERVERS];
    bool rows_came;
    uint64_t scrub_bytes_per_s; /* of servers that start from now on */
};

/* Formats all of it; and starts it. */
void server_rig_prepare(struct server_rig *rig);
void server_rig_begin(struct server_rig *rig);
/* Both. */
void server_rig_open(struct server_rig *rig);
void server_rig_close(struct server_rig *rig);

void server_rig_start(struct server_rig *rig, uint32_t at);
void server_rig_stop(struct server_rig *rig, uint32_t at);

/* `count` events, copied; the answer only counts. */
void server_rig_submit(struct server_rig *rig, enum operation operation, const void *events,
                       uint32_t count);
/* Makes a snapshot on the leader. */
void server_rig_snapshot(struct server_rig *rig);
/* Until at most `open` requests are under way. */
void server_rig_wait(struct server_rig *rig, uint32_t open);
/* Runs the loop for so long; nothing but the servers and the client wakes it. */
void server_rig_run(struct server_rig *rig, uint64_t ms);
/* Until *flag; fails after RIG_PATIENCE_S. */
void server_rig_until(struct server_rig *rig, const bool *flag);
/* Fills rig->rows; takes a moment at least. */
void server_rig_look(struct server_rig *rig);
