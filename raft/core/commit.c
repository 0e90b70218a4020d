/* The commit index (dissertation §3.6.2): an entry of the leader's own term that a quorum holds
 * durably, and with it everything before. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/quorum.h"
#include "raft/core/state.h"

/* What a quorum holds durably, this node included up to what is durable and undamaged. */
static uint64_t quorum_index(const struct raft *raft)
{
    uint64_t held[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->config.count; i++) {
        uint64_t own = MUTATION(raft_commit_counts_unwritten) ? raft->log.last_index
                                                              : raft->writes.durable_index;
        held[i] = raft_is_self(raft, i) ? damage_limit(raft, own) : raft->members[i].counted_index;
    }
    return quorum_value(&raft->config, held);
}

bool commit_own_term(const struct raft *raft)
{
    return raft->role == RAFT_LEADER && term_log_term(&raft->log, raft->commit_index) == raft->term;
}

void commit_advance(struct raft *raft)
{
    ASSERT(raft->role == RAFT_LEADER);
    uint64_t index = quorum_index(raft);
    bool own_term = term_log_term(&raft->log, index) == raft->term;
    if (index > raft->commit_index && !own_term) {
        SITUATION(raft_commit_waits_for_own_term);
    }
    if (index <= raft->commit_index || (!own_term && !MUTATION(raft_commit_old_term))) {
        return;
    }
    bool first = !commit_own_term(raft);
    raft->commit_index = index;
    if (first) {
        read_index_ready(raft);
    }
}

void commit_follow(struct raft *raft, uint64_t index)
{
    ASSERT(raft->role == RAFT_FOLLOWER && index <= raft->log.last_index);
    if (index > raft->commit_index) {
        raft->commit_index = index;
    }
}

uint64_t commit_pending_bytes(const struct raft *raft)
{
    return term_log_bytes(&raft->log, raft->commit_index + 1, raft->log.last_index);
}
