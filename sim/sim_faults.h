/* sim_faults.h — what goes wrong in a run, as its plan says: each fault comes again and again at
 * distances that chance makes, and ends by itself or with another.
 *
 * A supervisor starts processes that are down after a while; an operator (sim_operator.c) changes
 * members and replaces nodes that refuse to start.
 *
 * WHICH FAULTS ARE LEGAL TOGETHER stands in sim_disk.h: everything that a crash does, on all nodes;
 * damage and the loss of a disk, on the frail minority (plan.frail) alone. For the loss of a disk
 * that is formatted again under its old id (wipe) there is a rule more: every other node has to
 * have, durably, the list of members that binds the old incarnation (`binds`). Before, nobody could
 * tell the new folder from the old one that has not been heard yet (docs/raft.md, promise 7).
 * The operator keeps the frail ones a minority of every configuration that he asks for.
 */
#pragma once

#include "sim/sim_profile.h"

struct sim_faults {
    struct sim_cluster *cluster;
    struct sim_plan plan;
    struct random random;
    bool ended;      /* no more faults */
    uint32_t spared; /* in the liveness phase: nodes that nothing happens to, a bit each */
    bool planned[SIM_NODES_MAX];   /* a start of this node is planned */
    bool wiped[SIM_NODES_MAX];     /* it came back with an empty disk under its old id */
    uint32_t binds[SIM_NODES_MAX]; /* nodes that know its incarnation for good, a bit each */
    uint64_t request;              /* the operator's last */
    uint64_t injected[SIM_FAULT_COUNT];
    struct {
        bool parting; /* the old leader is on its way */
        uint32_t old_leader;
        uint64_t slow_ns; /* of links to it */
        uint64_t slowest_ns;
        uint64_t churn_until_ns;
        uint64_t churn_look_ns; /* how often somebody looks for a new leader */
        uint64_t churn_term;    /* of the last one that was cut off */
    } rare;                     /* sim_faults_rare.c */
    struct sim_figure {
        uint32_t act;   /* 0: it is not played */
        uint32_t group; /* nodes that hear each other, a bit each; likewise below */
        uint32_t mute;  /* of them, who is not heard */
        uint32_t all;   /* voters */
        uint32_t told;  /* nodes that got the entry from `old` */
        uint32_t majority;
        uint32_t old;
        uint32_t rival;
        uint64_t index; /* of the entry that is to be overwritten, and its term */
        uint64_t term;
        uint64_t until_ns;
    } figure; /* sim_faults_figure.c */
    struct sim_faults_slot {
        struct sim_faults *faults;
        enum sim_fault fault;
        uint32_t at;
    } slots[SIM_FAULT_COUNT], starts[SIM_NODES_MAX];
};

struct sim_faults *sim_faults_new(struct sim_cluster *cluster, const struct sim_plan *plan,
                                  uint64_t seed);
void sim_faults_free(struct sim_faults *faults);
/* Faults end. Nodes in `core` are mended; the others stay as they are, or get worse. */
void sim_faults_spare(struct sim_faults *faults, uint32_t core);
/* Everybody is mended. */
void sim_faults_end(struct sim_faults *faults);
bool sim_faults_frail(const struct sim_faults *faults, uint32_t at);

/* The log's next segment stands in its folder with nothing allocated, as a crash in the middle of
 * making it leaves it; gives its number. 0: the disk has no log, or no room for the name. */
uint64_t sim_begin_segment(struct sim_disk *disk);

/* sim_faults_*.c, sim_operator.c: one function for each line of SIM_FAULT_MAP. */
#define SIM_FAULT_FUNCTION(name, text) void sim_fault_##name(struct sim_faults *faults);
SIM_FAULT_MAP(SIM_FAULT_FUNCTION)
#undef SIM_FAULT_FUNCTION

/* Blocks a link; a spared node keeps its links to the other spared ones. */
void sim_faults_cut(struct sim_faults *faults, uint32_t from, uint32_t to);
/* All links are whole again after a while. */
void sim_faults_mend_later(struct sim_faults *faults);
/* A new disk, with another incarnation; the node is down afterwards. */
void sim_faults_format(struct sim_faults *faults, uint32_t at, bool joining);
/* May its disk be lost and formatted again under the old id? */
bool sim_faults_may_wipe(const struct sim_faults *faults, uint32_t at);

/* Nodes that refuse to start with an older release get the newer one. */
void sim_operator_mend_releases(struct sim_faults *faults);

/* Some node that is there, or SIM_NODES_MAX. */
uint32_t sim_faults_pick(struct sim_faults *faults, bool alive);
uint32_t sim_faults_pick_frail(struct sim_faults *faults, bool alive);
void sim_faults_say(struct sim_faults *faults, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
