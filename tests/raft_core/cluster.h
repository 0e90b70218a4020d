/* cluster.h — a deterministic cluster of Raft cores: simulated network, disks and clock, and a
 * checker that looks at everything after each step.
 *
 * The host of each node keeps the contract of raft/core/raft.h: one ordered write stream that
 * becomes durable group by group, messages that wait for their write, a crash that loses what was
 * not durable (or keeps any prefix of it).
 *
 * Members  configurations are entries like others, known by their number in configs[]; nodes may
 *          join with an empty log, be removed, lose their disk after that and come back under the
 *          same id. A node that is offered a snapshot is closed and opened again at a state of the
 *          one that offered it. Tails that were acknowledged get lost, entries get damaged; both on
 *          one node at a time, as with two copies gone there is nothing left to recover from.
 *
 * Checked  raft_check on each node; at most one leader and one vote a node in each term; what one
 *          node commits is durable on a quorum of the configuration that holds there, is the same
 *          on all, and is in the log of every later leader; logs that agree on (index, term) agree
 *          before it; in no log more than one configuration is uncommitted, so none is left before
 *          it is; the configuration that holds is the last in the log; nodes promise nothing that
 *          is damaged, and no vote when they lost something; reads see what was committed when they
 *          were asked for; the contract of updates.
 * Failure  ASSERT; the panic hook of the test prints the seed.
 */
#pragma once

#include "base/random.h"
#include "raft/core/raft.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CLUSTER_NODES_MAX = 7,
    CLUSTER_CONFIGS_MAX = 1 << 10,
    CLUSTER_ENTRIES_MAX = 1 << 13,
    CLUSTER_TERMS_MAX = 1 << 12,
    CLUSTER_READS_MAX = 1 << 12,
};

static const uint64_t MILLISECOND_NS = 1000U * 1000U;

struct sim_entry {
    uint64_t term;
    uint64_t payload;
    uint32_t size;
    uint32_t config; /* its number in configs[]; 0: none */
};

struct sim_log {
    uint64_t last_index;
    struct sim_entry entries[CLUSTER_ENTRIES_MAX]; /* by index */
};

struct sim_write {
    struct sim_write *next;
    uint64_t sequence;
    bool hard_state;
    uint64_t term;
    uint32_t voted_for;
    uint64_t truncate_from;
    uint64_t append_first;
    uint32_t append_count;
    struct sim_entry entries[RAFT_MESSAGE_ENTRIES_MAX];
};

struct sim_packet {
    struct sim_packet *next;
    uint64_t deliver_ns;
    struct raft_message message;
    struct raft_entry_info infos[RAFT_MESSAGE_ENTRIES_MAX];
    struct sim_entry entries[RAFT_MESSAGE_ENTRIES_MAX];
    struct raft_config configs[RAFT_MESSAGE_ENTRIES_MAX]; /* as the receiver sees them */
};

struct sim_node {
    uint32_t id;
    bool alive;
    void *memory;
    struct raft *raft;

    struct sim_log log;  /* what the running process has */
    struct sim_log disk; /* what a crash leaves */
    uint64_t disk_term;
    uint32_t disk_vote;
    uint64_t base_index;
    struct sim_write *writes; /* oldest first */
    uint64_t issued;
    uint64_t durable;
    uint64_t flush_ns; /* when the flush under way ends; 0: none */
    uint64_t flush_sequence;
    struct sim_packet *outbox; /* waiting for a write */
    uint32_t incarnation;      /* of its disk */
    bool founder;              /* knows the first configuration */
    uint64_t first_damaged;    /* 0: none */
    uint64_t lost_index;       /* 0: none */
    uint32_t snapshot_from;    /* 0: none was offered */

    uint64_t commit_index;
    uint64_t config_index; /* after the last step */
    bool was_leader;
    uint64_t vote_sent[CLUSTER_TERMS_MAX]; /* by term: for whom a vote has left this node */
};

struct cluster_faults {
    uint32_t loss_percent;
    uint32_t duplicate_percent;
    uint64_t delay_max_ns;
    uint64_t flush_max_ns;
};

/* How often each thing happened: a run where nothing did would prove nothing. */
struct cluster_counts {
    uint64_t leaders_elected;
    uint64_t reads_served;
    uint64_t remote_reads_served;
    uint64_t truncations;
    uint64_t restarts;
    uint64_t configs_committed;
    uint64_t configs_cut;
    uint64_t joint_leaders;
    uint64_t snapshots;
    uint64_t losses;
    uint64_t losses_healed;
    uint64_t damages;
    uint64_t wipes;
};

struct cluster_read {
    uint32_t node; /* 0: answered or gone */
    uint64_t index_min;
};

struct cluster {
    struct random random;
    uint64_t now_ns;
    uint32_t count;
    uint32_t founders;
    struct raft_options options;
    struct cluster_faults faults;
    bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX]; /* [from][to] */
    struct sim_node *nodes[CLUSTER_NODES_MAX];
    struct sim_packet *packets;
    uint64_t payload;
    struct raft_config configs[CLUSTER_CONFIGS_MAX];               /* [0]: the founders */
    uint32_t incarnations[CLUSTER_CONFIGS_MAX][CLUSTER_NODES_MAX]; /* which they mean, by node */
    uint32_t config_count;
    uint32_t leader_of[CLUSTER_TERMS_MAX];
    struct sim_log committed;
    struct cluster_read reads[CLUSTER_READS_MAX];
    uint64_t read_count;
    uint64_t steps;
    struct cluster_counts counts;
};

/* The first `founders` of `count` nodes are voters; the others wait to be added. */
struct cluster *cluster_new(uint64_t seed, uint32_t count, uint32_t founders,
                            const struct raft_options *options);
void cluster_free(struct cluster *cluster);
/* Lets time pass, with everything that happens in it. */
void cluster_run(struct cluster *cluster, uint64_t duration_ns);
enum status cluster_propose(struct cluster *cluster, uint32_t at, uint32_t count, uint32_t size);
enum status cluster_propose_config(struct cluster *cluster, uint32_t at,
                                   const struct raft_config *config);
enum status cluster_read(struct cluster *cluster, uint32_t at);
enum status cluster_event(struct cluster *cluster, uint32_t at, enum raft_event_kind kind,
                          uint32_t to);
void cluster_heal(struct cluster *cluster);
/* The position of the leader of the highest term among live nodes; count when there is none. */
uint32_t cluster_leader(const struct cluster *cluster);

/* --- cluster_life.c -------------------------------------------------------------------------- */
void cluster_crash(struct cluster *cluster, uint32_t at);
void cluster_restart(struct cluster *cluster, uint32_t at);
/* The node forgets a prefix of its log. */
void cluster_compact(struct cluster *cluster, uint32_t at);
/* The node goes on from a state of the one that offered a snapshot, if that is there. */
void cluster_install(struct cluster *cluster, uint32_t at);
/* These do nothing when it would be too much, or too early. */
void cluster_lose_tail(struct cluster *cluster, uint32_t at);
void cluster_damage(struct cluster *cluster, uint32_t at);
void cluster_wipe(struct cluster *cluster, uint32_t at);
void cluster_repair(struct cluster *cluster, uint32_t at);

/* --- cluster_members.c ----------------------------------------------------------------------- */
/* Some legal change, or the end of the one under way, proposed at the leader. */
void cluster_change_members(struct cluster *cluster);
void cluster_leave_joint(struct cluster *cluster);

/* --- cluster_check.c ------------------------------------------------------------------------- */
/* Compares all logs with one another; slow. */
void cluster_check_logs(const struct cluster *cluster);
