/* sim_cluster.h — production nodes in one process, one thread and simulated time, over a simulated
 * clock, network, disk and process table; the whole of it from one seed.
 *
 * Everything that happens is an event with a time (sim_queue.h): a packet arrives, a stage that was
 * rung takes a step, a loop's turn ends or its timer fires, somebody outside acts. Events run one
 * after another; chance, from the seed, makes their times. Nothing else decides: no real time, no
 * address, no order of a hash map.
 *
 * Network    sim_bus.h. Disk  sim_disk.h, one a node, under log, superblock, store and snapshots.
 * Processes  a crash takes effect between two events or in the middle of any change of the disk,
 *            and loses, tears or keeps what was not flushed; a kill keeps all of it; a paused
 *            process does nothing while packets wait; a process whose disk fails a flush ends.
 * Clocks     each node has a monotonic clock that drifts and a wall clock that jumps besides.
 * Checks     check.h is told of everything; without one (small tests) the cluster checks nothing.
 * Failure    sim_cluster_fail and a panic end the run; who runs many seeds does so in processes.
 *
 * Threads  one. Memory  sim_cluster_free. A process that ended in the middle of a step is taken
 * apart too, with its disk off; what only that step knew of stays lost until this process ends.
 */
#pragma once

#include "base/random.h"
#include "ledger/node/node.h"
#include "sim/sim_disk.h"
#include "sim/sim_queue.h"
#include "sim/sim_trace.h"

#include <setjmp.h>

enum {
    SIM_NODES_MAX = RAFT_MEMBERS_MAX, /* ids 1.. ; a node's place is its id - 1 */
    SIM_CLIENTS_MAX = 16,
    SIM_OPERATOR = SIM_CLIENTS_MAX, /* one more client: who administers the cluster */
    SIM_CALLERS_MAX = SIM_CLIENTS_MAX + 1,
    SIM_ENDPOINTS_MAX = SIM_NODES_MAX + SIM_CALLERS_MAX, /* nodes from 0, then clients */
};

enum sim_stage {
    SIM_LOOP,
    SIM_WRITER,
    SIM_MACHINE,
    SIM_SEALER,
    SIM_KEEPER,
    SIM_FETCHER,
    SIM_STAGE_COUNT,
};

enum sim_life {
    SIM_ABSENT, /* not formatted yet */
    SIM_RUNNING,
    SIM_DOWN,    /* may start again */
    SIM_REFUSED, /* its start was refused: `refusal` says why; an operator has to act */
};

struct check;
struct sim_cluster;

/* What a process knows of another node. */
struct sim_peer {
    bool listed;
    uint64_t expected;    /* by the list; 0: any */
    uint64_t incarnation; /* that said hello last; 0: none */
};

struct sim_node {
    struct bus bus; /* first: the bus is found from it */
    struct sim_cluster *cluster;
    uint32_t at; /* id - 1 */
    enum sim_life life;
    bool alive;                 /* life == SIM_RUNNING */
    bool dying;                 /* its disk will stop in a write */
    bool restarting;            /* it asked for a restart */
    enum status fatal_expected; /* a fatal error of this kind aborts the process; OK: none */
    enum status fatal_status;   /* of the last process that ended itself */
    bool spoiled;               /* a test altered its books: it may end as CORRUPT */
    uint64_t run;               /* processes so far */
    uint64_t features;          /* of its release */
    uint64_t incarnation;
    struct sim_disk *disk;
    struct superblock superblock;
    struct log *log;
    struct store *store;
    struct node *node;
    enum status refusal_status;
    char refusal[ERROR_TEXT_MAX];
    struct sim_peer peers[SIM_NODES_MAX];
    uint64_t config_index; /* of the list of members that the process goes by */

    bool rung[SIM_STAGE_COUNT];
    bool flush_due;
    uint64_t tick_at_ns; /* of the event that is waiting; 0: none */
    uint64_t paused_until_ns;
    uint64_t reads_hang_until_ns;   /* whoever reads its log waits so long */
    uint64_t writer_hangs_until_ns; /* its disk neither takes nor refuses what the log writes */
    jmp_buf escape;                 /* out of a step in which the process ended */
    bool escapable;

    /* clocks: mono = mono_base + (now - sim_base) * (1 + drift_ppm / 10^6) */
    uint64_t sim_base_ns;
    uint64_t mono_base_ns;
    int64_t drift_ppm;
    int64_t wall_offset_ns;
};

_Static_assert((int)SIM_ENDPOINTS_MAX <= 32, "sim_cluster.blocked has a bit for each");

struct sim_link {
    bool accepted; /* between nodes: the receiver took the hello */
    bool dialling;
    uint64_t slow_ns;    /* added to each delay */
    uint64_t last_ns[2]; /* arrival of what was sent last: without, with payload */
};

struct sim_options {
    uint64_t seed;
    uint32_t count; /* nodes that are formatted as the first members */
    uint32_t seal_events;
    uint32_t segment_size;
    uint64_t disk_reserve_bytes;
    uint64_t election_timeout_ns;  /* 0: 150 ms */
    uint64_t heartbeat_ns;         /* 0: a fifth of it */
    uint32_t entry_body_max;       /* 0: the node's default; small segments need small entries */
    uint64_t log_keep_bytes;       /* likewise */
    uint64_t window_bytes;         /* likewise */
    uint64_t scrub_bytes_per_s;    /* likewise */
    uint64_t snapshot_bytes_per_s; /* likewise; the node has a lowest rate */
    uint64_t features;             /* of the release that formats the nodes; 0: FENLU_FEATURES */
    enum sim_trace_mode trace_mode;
    bool trace_messages;
    bool asleep; /* nothing runs before sim_cluster_heal */
    /* A reply to a client; payload is valid during the call. */
    void (*on_reply)(void *context, uint32_t client, uint32_t node, const struct reply *reply,
                     struct bytes payload);
    void *context;
    /* Says how the run failed and ends it; NULL: prints and aborts. */
    void (*on_failure)(const struct sim_cluster *cluster, const char *text);
};

/* What the network does to everybody. Chances are per 10,000. */
struct sim_weather {
    uint32_t loss;
    uint32_t duplicate; /* Raft's messages only: connections do not repeat bytes */
    uint32_t reorder;   /* likewise */
    uint64_t delay_min_ns;
    uint64_t delay_max_ns;
};

struct sim_counts {
    uint64_t events, packets, lost, strangers, crashes, torn_writes, ended, refused, restarts,
        seals;
};

struct sim_cluster {
    struct sim_options options;
    struct random random;
    struct sim_queue queue;
    struct sim_trace trace;
    struct check *check; /* NULL: nobody looks */
    uint64_t now_ns;
    struct sim_weather weather;
    bool install_crashes; /* a machine may stop while a snapshot is switched in */
    uint64_t stage_delay_max_ns[SIM_STAGE_COUNT];
    struct sim_link links[SIM_ENDPOINTS_MAX][SIM_ENDPOINTS_MAX]; /* [from][to] */
    uint32_t blocked[SIM_ENDPOINTS_MAX]; /* packets from it to whose bit is set are lost */
    uint64_t connections[SIM_CALLERS_MAX][SIM_NODES_MAX];
    struct {
        /* A frame for it; NULL: options.on_reply gets it. */
        void (*on_frame)(void *context, uint32_t node, enum frame_kind kind, struct bytes head,
                         struct bytes payload);
        void *context;
    } clients[SIM_CALLERS_MAX];
    struct sim_node *nodes[SIM_NODES_MAX];
    struct sim_counts counts;
};

struct sim_cluster *sim_cluster_new(const struct sim_options *options);
void sim_cluster_free(struct sim_cluster *cluster);
_Noreturn void sim_cluster_fail(const struct sim_cluster *cluster, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- time --------------------------------------------------------------------------------------
 */

/* Lets time pass, with everything that happens in it. */
void sim_cluster_run(struct sim_cluster *cluster, uint64_t duration_ns);
/* Lets one thing happen; at most until `until_ns`. */
void sim_cluster_step(struct sim_cluster *cluster, uint64_t until_ns);
/* Calls act(context) at that time (not before now). */
void sim_at(struct sim_cluster *cluster, uint64_t at_ns, void (*act)(void *context), void *context);
/* The same with a context from malloc: `act` frees it, or the cluster when that time never comes.
 */
void sim_at_given(struct sim_cluster *cluster, uint64_t at_ns, void (*act)(void *context),
                  void *context);
uint64_t sim_mono_ns(const struct sim_node *node);
uint64_t sim_wall_ns(const struct sim_node *node);
/* From now on its clock runs at another speed. */
void sim_node_drift(struct sim_node *node, int64_t drift_ppm);

/* --- processes (sim_node.c) --------------------------------------------------------------------
 */

struct sim_node *sim_node_new(struct sim_cluster *cluster, uint32_t at);
void sim_node_free(struct sim_node *node);
/* Gives it a new disk and formats it: as one of the first members, or to be added later. */
void sim_node_format(struct sim_node *node, bool joining, uint64_t incarnation);
void sim_cluster_crash(struct sim_cluster *cluster, uint32_t at, enum sim_crash crash);
/* The disk stops in the middle of one of its next `within` changes. */
void sim_cluster_crash_in_write(struct sim_cluster *cluster, uint32_t at, uint64_t within);
/* The node is down (any way) afterwards either running or refused. */
void sim_cluster_restart(struct sim_cluster *cluster, uint32_t at);
/* No partitions, losses or pauses; short delays; everybody up who can. */
void sim_cluster_heal(struct sim_cluster *cluster);
/* The same for the network alone. */
void sim_cluster_calm_network(struct sim_cluster *cluster);
/* Every stage takes what it takes on a good day. */
void sim_cluster_quick_stages(struct sim_cluster *cluster);
/* The live leader of the highest term; SIM_NODES_MAX when there is none. */
uint32_t sim_cluster_leader(const struct sim_cluster *cluster);
/* Runs one event of the node (sim_cluster.c gives it). */
void sim_node_stage(struct sim_node *node, enum sim_stage stage);
void sim_node_flush(struct sim_node *node);
void sim_node_tick(struct sim_node *node);
/* Runs `act` as a part of the process: true when it came back, false when the process ended. */
bool sim_node_guard(struct sim_node *node, void (*act)(struct sim_node *node, void *argument),
                    void *argument);
void sim_node_ring(struct sim_node *node, enum sim_stage stage);
/* The loop has something to flush, and perhaps another timer. */
void sim_node_woken(struct sim_node *node);
