/* sim_profile.h — what a run may meet: named profiles of ranges, and the plan that one seed draws
 * from them (swarm testing: each seed takes its own values, and leaves out about a third of the
 * faults, so that one does not hide another; a third of the seeds knows no affairs).
 *
 * To add a fault: a line in SIM_FAULT_MAP, its function in sim_faults*.c, and its mean distance in
 * the profiles that shall have it. To add a profile: a row in PROFILES (sim_profile.c).
 */
#pragma once

#include "sim/sim_cluster.h"

/*    name, what it does */
#define SIM_FAULT_MAP(X)                                                                           \
    X(isolate, "cuts a node off from all others")                                                  \
    X(isolate_leader, "cuts the leader off")                                                       \
    X(split, "parts the nodes in two")                                                             \
    X(one_way, "a node hears nothing, or is not heard")                                            \
    X(partial, "cuts some of all links, each way by itself")                                       \
    X(slow_link, "makes a link slow")                                                              \
    X(reset_link, "breaks connections of a node")                                                  \
    X(storm, "loss, delays, repetition and disorder for everybody, for a while")                   \
    X(calm, "mends the network")                                                                   \
    X(crash, "a machine stops: what was not flushed is lost or torn")                              \
    X(crash_in_write, "a machine stops in the middle of a change of its disk")                     \
    X(kill, "a process ends, its machine does not")                                                \
    X(crash_all, "all machines stop")                                                              \
    X(pause, "a process stands still")                                                             \
    X(slow_stage, "a stage of all nodes becomes slow")                                             \
    X(drain, "a node hands over and stops, as for an upgrade")                                     \
    X(flush_fails, "a flush fails: the process must end")                                          \
    X(disk_full, "a disk is full for a while")                                                     \
    X(disk_hangs, "the log writer of a node gets nowhere for about ten election timeouts")         \
    X(reads_hang, "nobody can read the log of a node for some election timeouts")                  \
    X(rot, "a bit of a frail node's disk flips")                                                   \
    X(lose_sector, "a sector of a frail node's disk becomes unreadable")                           \
    X(misdirect, "a write on a frail node's disk goes elsewhere")                                  \
    X(wipe, "a frail node's disk is replaced by an empty one, formatted under its old id")         \
    X(clock_jump, "a wall clock jumps")                                                            \
    X(clock_drift, "a node's clocks run at another speed")                                         \
    X(transfer, "an operator moves leadership")                                                    \
    X(snapshot, "an operator has a snapshot taken")                                                \
    X(member_add, "an operator adds a node, which is promoted when it has caught up")              \
    X(member_remove, "an operator removes a node")                                                 \
    X(member_replace, "an operator replaces a node whose disk is lost or refused")                 \
    X(upgrade, "a node restarts with the other release")                                           \
    X(old_leader, "a leader is cut off, and learns late that there is another one")                \
    X(churn, "leaders are cut off as soon as they lead, one after the other")                      \
    X(transfer_astray, "an operator moves leadership to a node that stands still")                 \
    X(lose_tail, "the end of a frail node's log is damaged")                                       \
    X(lose_entry, "an entry of a frail node's log is damaged")                                     \
    X(figure_8, "stages figure 8 of the Raft paper: a majority's entry is overwritten")

#define SIM_FAULT_ENUM(name, text) SIM_FAULT_##name,
enum sim_fault { SIM_FAULT_MAP(SIM_FAULT_ENUM) SIM_FAULT_COUNT };
#undef SIM_FAULT_ENUM

/* What clients do beside transfers, holds and look-ups (workload_affairs.c).
 *    name, what it is */
#define SIM_AFFAIR_MAP(X)                                                                          \
    X(journals, "journals posted and reversed")                                                    \
    X(controls, "freezes, limits and groups, and transfers of the accounts that have them")        \
    X(registry, "ledgers and account codes registered, and the mode changed")                      \
    X(metadata, "metadata of accounts and journals changed")                                       \
    X(queries, "questions about all that there is, and was")

#define SIM_AFFAIR_ENUM(name, text) SIM_AFFAIR_##name,
enum sim_affair { SIM_AFFAIR_MAP(SIM_AFFAIR_ENUM) SIM_AFFAIR_COUNT };
#undef SIM_AFFAIR_ENUM

const char *sim_fault_name(enum sim_fault fault);
const char *sim_fault_text(enum sim_fault fault);

struct sim_range {
    uint64_t low;
    uint64_t high;
};

struct sim_profile {
    const char *name;
    const char *text;
    bool short_log;   /* hardly any of it is kept for a member that lags */
    bool undisturbed; /* clients get all they ask for: they rest longer, and seals are larger */
    struct sim_range loss;      /* per 10,000 packets, in a storm */
    struct sim_range delay_us;  /* the longest, in a storm */
    struct sim_range duplicate; /* per 10,000 Raft messages, in a storm */
    struct sim_range reorder;
    struct sim_range every_ms[SIM_FAULT_COUNT]; /* mean distance of a fault; 0: never */
    struct sim_range affairs[SIM_AFFAIR_COUNT]; /* per 1,000 commands */
};

/* What one seed does. */
struct sim_plan {
    const struct sim_profile *profile;
    uint32_t nodes;
    uint64_t election_timeout_ns;
    uint64_t heartbeat_ns;
    uint32_t clients;
    uint64_t rest_max_ns;               /* of a client between an answer and the next command */
    uint32_t events_max;                /* of one command */
    uint32_t affairs[SIM_AFFAIR_COUNT]; /* of 1,000 commands */
    uint32_t seal_events;
    uint32_t entry_body_max;
    uint32_t segment_size;
    uint64_t log_keep_bytes;
    uint64_t window_bytes; /* in flight to a follower; 0: as in production, where it never fills */
    uint64_t scrub_bytes_per_s;
    uint64_t snapshot_bytes_per_s;
    uint64_t safety_ns; /* how long there are faults */
    struct sim_weather storm;
    uint64_t every_ns[SIM_FAULT_COUNT]; /* 0: left out */
    uint64_t cut_max_ns;                /* a partition lasts */
    uint64_t down_max_ns;               /* a machine is off */
    uint64_t pause_max_ns;              /* a process stands still */
    int64_t drift_max_ppm;
    uint64_t jump_max_ns;
    uint32_t frail;       /* nodes whose disks may be damaged, a bit each */
    bool part_stays_down; /* in the liveness phase only a majority is mended at first */
};

/* NULL: there is none of that name. */
const struct sim_profile *sim_profile_find(const char *name);
const struct sim_profile *sim_profile_at(uint32_t i); /* NULL: no more */
/* `nodes`: 0 for as the seed wants. */
void sim_plan_draw(struct sim_plan *plan, const struct sim_profile *profile, uint32_t nodes,
                   struct random *random);
/* The profiles and their ranges, for people. */
void sim_profile_print(const struct sim_profile *profile);
