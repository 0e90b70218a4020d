/* Who takes part, and as what. */
#include "base/assert.h"
#include "sim/check_internal.h"
#include "sim/sim_bus.h"

static uint8_t roles_of(const struct raft_status *now, uint32_t id)
{
    for (uint32_t i = 0; i < now->member_count; i++) {
        if (now->members[i].id == id) {
            return now->members[i].roles;
        }
    }
    return 0;
}

/* One that a configuration which is not committed made a voter, or no voter, may stand. */
void member_check_candidate(const struct check *check, const struct sim_node *node)
{
    const struct raft_status *now = &node->node->raft_now;
    const unsigned votes = RAFT_VOTER | RAFT_VOTER_OLD;
    if (now->role != RAFT_PRE_CANDIDATE && now->role != RAFT_CANDIDATE) {
        return;
    }
    if (now->config_committed && (roles_of(now, node->at + 1) & votes) == 0) {
        check_fail(check, CHECK_CONFIG, "node %u stands for election and is no voter",
                   node->at + 1);
    }
}

/* NULL: what stands there is damaged, and nobody can tell. */
static const struct known *entry_at(const struct check *check, const struct view *view,
                                    uint64_t index)
{
    if (index <= view->base) {
        return index <= check->canon_count ? canon_at(check, index) : NULL;
    }
    return book_find(check, index, view_chain(check, view, index));
}

/* A list that is damaged here is left out until it is repaired; the log tells of the last two, so
 * with both damaged the node goes by an older one than it has. It does not stand meanwhile. */
void member_check_config(const struct check *check, const struct sim_node *node,
                         const struct view *view)
{
    const uint64_t holds = node->node->raft_now.config_index;
    const uint64_t damaged = node->node->raft_now.first_damaged;
    for (uint64_t index = view->last; index > holds; index--) {
        const struct known *known = entry_at(check, view, index);
        const bool readable = (damaged == 0 || index < damaged) && !node->node->config.unreadable;
        if (known != NULL && known->kind == ENTRY_MEMBERS && readable) {
            check_fail(check, CHECK_CONFIG,
                       "node %u goes by the configuration of entry %llu, and has that of %llu",
                       node->at + 1, (unsigned long long)holds, (unsigned long long)index);
        }
    }
    const struct known *known = holds == 0 ? NULL : entry_at(check, view, holds);
    if (known != NULL && (holds > view->last || known->kind != ENTRY_MEMBERS)) {
        check_fail(check, CHECK_CONFIG, "node %u goes by the configuration of entry %llu, not one",
                   node->at + 1, (unsigned long long)holds);
    }
}

void member_check_incarnation(const struct check *check, const struct sim_node *node, uint32_t to)
{
    const struct sim_cluster *cluster = check->cluster;
    if (to >= SIM_NODES_MAX || !sim_bus_connected(cluster, node->at, to)) {
        return;
    }
    const struct sim_node *other = cluster->nodes[to];
    const struct node_config *config = &other->node->config;
    if (config->last.index != other->config_index) {
        return; /* its connections still go by another list */
    }
    if (node->config_index > other->config_index) {
        return; /* who has a newer list may stand in it with another folder (greeting.c) */
    }
    const struct member *member = members_find(&config->last.members, node->at + 1);
    if (member != NULL && member->incarnation != 0 && member->incarnation != node->incarnation) {
        check_fail(check, CHECK_CONFIG, "node %u serves node %u, whose data folder is another one",
                   to + 1, node->at + 1);
    }
}
