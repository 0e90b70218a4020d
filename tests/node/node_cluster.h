/* node_cluster.h — real nodes in one process, one thread and simulated time: what production runs,
 * over a simulated clock, network, disk and key-value store.
 *
 * Everything that happens is an event with a time: a packet arrives, a stage that was rung takes a
 * step, the loop flushes or ticks. Events run one after another in the order of their times, which
 * chance makes, so one seed is one run.
 *
 * Network  as bus.h promises: frames of a link stay in order, except that Raft frames without
 *          payload overtake those with one; a new connection (a reset link) may overtake all.
 * Disk     tests/lib/memory_disk under the real raft/log; a crash loses, keeps or tears what was
 * not flushed, and may come in the middle of a write. Store    kv_memory under the real
 * ledger/store: its commits are atomic and survive. Checked  at any time, on all nodes: the same
 * digest, term and timestamp at the same applied index, timestamps that do not go back, nothing
 * applied that a crash can lose. Failure  node_cluster_fail and the panic hook name the seed;
 * FENLU_SEED=N replays it.
 */
#pragma once

#include "base/random.h"
#include "ledger/node/node.h"
#include "tests/lib/memory_disk.h"

#include <setjmp.h>

enum {
    CLUSTER_NODES_MAX = 5,
    CLUSTER_CLIENTS_MAX = 16,
    CLUSTER_ENDPOINTS_MAX = CLUSTER_NODES_MAX + CLUSTER_CLIENTS_MAX,
    CLUSTER_INDEX_MAX = 1 << 16,
};

enum stage { STAGE_LOOP, STAGE_WRITER, STAGE_MACHINE, STAGE_SEALER, STAGE_COUNT };

struct packet {
    struct packet *next;
    uint64_t deliver_ns;
    uint32_t from; /* endpoints: nodes from 0, clients from CLUSTER_NODES_MAX */
    uint32_t to;
    uint64_t run;        /* of the receiving node: packets do not outlive a process */
    uint64_t connection; /* with a client */
    enum frame_kind kind;
    uint32_t head_size;
    uint32_t payload_size;
    uint8_t bytes[];
};

struct sim_node {
    struct bus bus; /* first: the bus is found from it */
    struct node_cluster *cluster;
    uint32_t at; /* id - 1 */
    bool alive;
    bool dying;                 /* its disk will stop in a write */
    enum status fatal_expected; /* a fatal error of this kind aborts the process; OK: none */
    uint64_t run;
    struct memory_disk *disk;
    struct kv *kv;
    struct kv_ops kv_kept; /* closing leaves the data */
    void (*kv_close)(struct kv *kv);
    struct superblock superblock;
    struct log *log;
    struct store *store;
    struct node *node;
    uint64_t ring_ns[STAGE_COUNT]; /* when a stage takes its step; 0: not rung */
    uint64_t flush_ns;             /* end of the loop's iteration; 0: it sleeps */
    uint64_t tick_late_ns;
    uint64_t paused_until_ns;
    int64_t wall_offset_ns;
    uint64_t applied_max; /* in all of its runs */
    jmp_buf escape;       /* out of a write that the disk stopped */
};

/* What every node has to agree on. */
struct applied {
    bool known;
    uint64_t term;
    uint64_t timestamp;
    u128 digest;
};

struct cluster_options {
    uint64_t seed;
    uint32_t count;
    uint32_t seal_events;
    uint32_t segment_size;
    uint64_t disk_reserve_bytes;
    /* A reply to a client; payload is valid during the call. */
    void (*on_reply)(void *context, uint32_t client, uint32_t node, const struct reply *reply,
                     struct bytes payload);
    /* Before each event. */
    void (*poll)(void *context);
    void *context;
};

struct node_cluster {
    struct cluster_options options;
    struct random random;
    uint64_t now_ns;
    /* faults */
    uint32_t loss_percent;
    uint64_t delay_max_ns;
    uint64_t stage_delay_max_ns[STAGE_COUNT];
    bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX]; /* [from][to] */

    struct sim_node *nodes[CLUSTER_NODES_MAX];
    struct packet *packets;
    uint64_t last_ns[CLUSTER_ENDPOINTS_MAX][CLUSTER_ENDPOINTS_MAX][2]; /* without, with payload */
    uint64_t connections[CLUSTER_CLIENTS_MAX][CLUSTER_NODES_MAX];
    struct applied applied[CLUSTER_INDEX_MAX];
    uint64_t events;
    uint64_t crashes;
    uint64_t torn_writes;
    uint64_t seals;
};

/* The seeds of a test: `count` from `first` on, or the one that FENLU_SEED names. */
struct seeds {
    uint64_t first;
    uint64_t count;
};
struct seeds cluster_seeds(uint64_t first, uint64_t count);

struct node_cluster *node_cluster_new(const struct cluster_options *options);
void node_cluster_free(struct node_cluster *cluster);
_Noreturn void node_cluster_fail(const struct node_cluster *cluster, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Lets time pass, with everything that happens in it. */
void node_cluster_run(struct node_cluster *cluster, uint64_t duration_ns);
/* Lets one thing happen; at most until `until_ns`. */
void node_cluster_step(struct node_cluster *cluster, uint64_t until_ns);

void node_cluster_crash(struct node_cluster *cluster, uint32_t at, enum memory_crash crash);
/* The disk stops in the middle of one of its next writes. */
void node_cluster_crash_in_write(struct node_cluster *cluster, uint32_t at);
void node_cluster_restart(struct node_cluster *cluster, uint32_t at);
/* No partitions, losses or pauses; short delays; everybody up. */
void node_cluster_heal(struct node_cluster *cluster);
/* The live leader of the highest term; the count of nodes when there is none. */
uint32_t node_cluster_leader(const struct node_cluster *cluster);
void node_cluster_check_applied(struct node_cluster *cluster, struct sim_node *node);

/* --- node_cluster_bus.c: the network ---------------------------------------------------------- */
void cluster_bus_attach(struct sim_node *node);
/* The time of the earliest packet and where it goes; NULL: none. */
struct packet *cluster_bus_next(const struct node_cluster *cluster, uint64_t *at_ns);
/* Takes it off the wire and hands it over, if it still arrives. */
void cluster_bus_deliver(struct node_cluster *cluster, struct packet *packet);
void cluster_bus_clear(struct node_cluster *cluster);
/* A request frame from a client to a node, over the connection they have. */
void node_cluster_request(struct node_cluster *cluster, uint32_t client, uint32_t node,
                          const struct request *request, struct bytes payload);
/* What is under way on the connection is lost, both ways. */
void node_cluster_hang_up(struct node_cluster *cluster, uint32_t client, uint32_t node);
/* Frames sent from now on may overtake those under way. */
void node_cluster_reset_link(struct node_cluster *cluster, uint32_t from, uint32_t to);
