/* node.h — one member of the cluster: the only place where Raft and the ledger meet.
 *
 * Events come in (frames, time, stages that finished), raft_step decides, and the node carries the
 * update out: writes to the log writer, messages to the bus, committed entries to the state
 * machine, replies to clients. It sees nothing but seams (clock, bus, disk below the log, kv below
 * the store) and never blocks or starts a thread: the host runs its stages, in production in
 * threads (server_uv.c), in the simulator one after another.
 *
 * Stages and what they own
 *   loop     raft, the requests, the entry cache: node_tick, node_collect, node_flush, bus handler
 *   writer   the log's write side: node_writer_step
 *   machine  ledger, replies, delta: node_machine_step
 *   sealer   sorted tables, copies of the store: node_sealer_step
 *   keeper   snapshots sent and received, the scrubber: node_keeper_step
 *   fetcher  reads entries that the cache has let go of: node_fetcher_step
 * They meet in bounded rings; `node_host` rings the bell of the other side.
 *
 * The way of a write: on_client_frame checks it and copies its command into the batch that is being
 * made; node_flush proposes the batch when the log writer is idle or the batch is full (group
 * commit that clocks itself, no timer); its entry goes to writer and followers at once; when it is
 * committed and durable here it is fed to the machine, whose results answer the clients. A leader
 * that is deposed answers LEADER_LOST to what it had proposed (the outcome is unknown: the API node
 * sends it to the next leader under the same sequence) and NOT_LEADER to what it had not. What
 * waits past its deadline is answered TIMEOUT_UNKNOWN, and stays under way.
 *
 * Errors   host.fatal is called with a text when the process must end (failed flush, damaged data,
 *          a log that differs from the leader's); it does not return.
 */
#pragma once

#include "base/clock.h"
#include "ledger/node/machine.h"
#include "ledger/node/wire.h"
#include "raft/log/log.h"
#include "raft/net/bus.h"

struct node;

struct node_host {
    void (*ring_loop)(void *context); /* any thread: node_collect is due */
    void (*ring_writer)(void *context);
    void (*ring_machine)(void *context);
    void (*ring_sealer)(void *context);
    void (*ring_keeper)(void *context);
    void (*ring_fetcher)(void *context);
    /* Once this call has returned and the loop's turn is over, the host closes node, store and log
     * and opens them again, from the data folder's start on: a snapshot is to be switched in. */
    void (*restart)(void *context);
    void (*fatal)(void *context, const struct error *error);
    void *context;
};

struct node_options {
    struct clock clock;
    uint64_t seed;
    const struct superblock *identity; /* cluster, node, members, term and vote at the start */
    struct disk *disk;
    const char *folder; /* the data folder */
    struct log *log;
    const struct log_recovered *recovered;
    struct store *store;
    const struct store_checkpoint *checkpoint;
    uint64_t election_timeout_ns;
    uint64_t heartbeat_interval_ns;
    uint64_t disk_reserve_bytes; /* below this much free space writes are refused */
    uint64_t features;           /* that this node understands; 0: FENLU_FEATURES */
    uint32_t entry_body_max;    /* of an entry of this leader; 0: RAFT_ENTRY_BODY_MAX; small logs */
    uint64_t log_keep_bytes;    /* of the log for a follower that lags; 0: LOG_KEEP_BYTES */
    uint64_t window_bytes;      /* in flight to a follower; 0: RAFT_WINDOW_BYTES */
    uint64_t scrub_bytes_per_s; /* 0: SCRUB_BYTES_PER_S */
    uint64_t snapshot_bytes_per_s; /* 0: SNAPSHOT_BYTES_PER_S */
    uint32_t snapshot_chunk_size;  /* 0: SNAPSHOT_CHUNK_SIZE; simulations use less */
    struct node_host host;
};

STATUS_MUST_USE enum status node_open(const struct node_options *options, struct node **node,
                                      struct error *error);
/* Stages have ended. Log and store stay the caller's. */
void node_close(struct node *node);
/* The handler to give to the bus, and the bus to use from then on. */
struct bus_handler node_bus_handler(struct node *node);
void node_attach(struct node *node, struct bus *bus);

/* --- loop ------------------------------------------------------------------------------------- */
uint64_t node_deadline_ns(const struct node *node);
void node_tick(struct node *node);
/* Takes what the stages finished. */
void node_collect(struct node *node);
/* Proposes and asks for reads what has queued since the last call; at the end of an iteration. */
void node_flush(struct node *node);
void node_set_disk_free(struct node *node, uint64_t bytes);
/* Refuses new requests and hands leadership over, when there is somebody to take it. */
void node_drain(struct node *node);
/* Nothing is under way any more (or this node does not lead). */
bool node_idle(const struct node *node);
void node_status(struct node *node, struct node_status *status);
/* A leader is known and, if it is this node, it has committed and applied an entry of its term and
 * hears a majority. */
bool node_serving(const struct node *node);

/* --- the other stages: true while there is more to do ------------------------------------------
 */
bool node_writer_step(struct node *node);
bool node_machine_step(struct node *node);
bool node_sealer_step(struct node *node);
bool node_keeper_step(struct node *node);
bool node_fetcher_step(struct node *node);
