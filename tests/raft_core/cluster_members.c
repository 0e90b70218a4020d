/* Changes of the members, as an operator and the host of a leader would ask for them. */
#include "base/assert.h"
#include "cluster_parts.h"

enum { VOTERS_MAX = 5 };

static void propose(struct cluster *cluster, uint32_t leader, const struct raft_config *config)
{
    enum status status = cluster_propose_config(cluster, leader, config);
    ASSERT(status == STATUS_OK || status == STATUS_BUSY);
}

static void add(struct raft_config *config, uint32_t id, uint8_t roles, uint8_t priority)
{
    uint32_t at = config->count;
    for (; at > 0 && config->members[at - 1].id > id; at--) {
        config->members[at] = config->members[at - 1];
    }
    config->members[at] = (struct raft_config_member){ id, roles, priority };
    config->count++;
}

void cluster_leave_joint(struct cluster *cluster)
{
    uint32_t leader = cluster_leader(cluster);
    if (leader == cluster->count) {
        return;
    }
    const struct raft_config *now = raft_config(cluster->nodes[leader]->raft);
    struct raft_config next = { 0 };
    for (uint32_t i = 0; i < now->count; i++) {
        const struct raft_config_member *member = &now->members[i];
        uint8_t roles = (uint8_t)(member->roles & ~(unsigned)RAFT_VOTER_OLD);
        if (roles != 0) {
            add(&next, member->id, roles, member->priority);
        }
    }
    if (config_is_joint(now)) {
        propose(cluster, leader, &next);
    }
}

/* Learners come and go, priorities change. */
static void change_simply(struct cluster *cluster, uint32_t leader)
{
    struct random *random = &cluster->random;
    const struct raft_config *now = raft_config(cluster->nodes[leader]->raft);
    uint32_t id = (uint32_t)random_between(random, 1, cluster->count);
    struct raft_config next = { 0 };
    for (uint32_t i = 0; i < now->count; i++) {
        const struct raft_config_member *member = &now->members[i];
        bool goes = member->id == id && member->roles == RAFT_LEARNER;
        if (!goes) {
            uint8_t priority =
                member->id == id ? (uint8_t)random_between(random, 99, 102) : member->priority;
            add(&next, member->id, member->roles, priority);
        }
    }
    if (config_position(now, id) == RAFT_MEMBERS_MAX) {
        add(&next, id, RAFT_LEARNER, (uint8_t)random_between(random, 99, 102));
    }
    propose(cluster, leader, &next);
}

/* Any other set of voters, one to five of them; who goes stays as a learner or not. */
static void change_voters(struct cluster *cluster, uint32_t leader)
{
    struct random *random = &cluster->random;
    const struct raft_config *now = raft_config(cluster->nodes[leader]->raft);
    struct raft_config next = { .count = now->count };
    uint32_t voters = 0;
    for (uint32_t i = 0; i < now->count; i++) {
        const struct raft_config_member *member = &now->members[i];
        bool old = (member->roles & RAFT_VOTER) != 0;
        bool votes = voters < VOTERS_MAX && random_chance(random, old ? 3 : 2, 4);
        uint8_t roles = votes ? RAFT_VOTER : random_chance(random, 1, 2) ? RAFT_LEARNER : 0;
        if (old) {
            roles |= RAFT_VOTER_OLD;
        } else if (roles == 0) {
            roles = RAFT_LEARNER;
        }
        next.members[i] = (struct raft_config_member){ member->id, roles, member->priority };
        voters += votes ? 1 : 0;
    }
    if (voters > 0) {
        propose(cluster, leader, &next);
    }
}

void cluster_change_members(struct cluster *cluster)
{
    uint32_t leader = cluster_leader(cluster);
    if (leader == cluster->count || cluster->config_count == CLUSTER_CONFIGS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i]->lost_index != 0 || cluster->nodes[i]->first_damaged != 0) {
            return; /* first things first: it may be needed */
        }
    }
    if (config_is_joint(raft_config(cluster->nodes[leader]->raft))) {
        cluster_leave_joint(cluster);
    } else if (random_chance(&cluster->random, 1, 2)) {
        change_simply(cluster, leader);
    } else {
        change_voters(cluster, leader);
    }
}
