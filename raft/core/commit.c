/* The commit index (dissertation §3.6.2): an entry of the leader's own term that a quorum holds
 * durably, and with it everything before. */
#include "base/assert.h"
#include "raft/core/quorum.h"
#include "raft/core/state.h"

uint64_t commit_quorum_index(const struct raft *raft)
{
    uint64_t held[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        held[i] = raft_is_self(raft, i) ? raft->writes.durable_index : raft->members[i].match_index;
    }
    return quorum_value(held, raft->options.member_count);
}

bool commit_own_term(const struct raft *raft)
{
    return raft->role == RAFT_LEADER && term_log_term(&raft->log, raft->commit_index) == raft->term;
}

void commit_advance(struct raft *raft)
{
    ASSERT(raft->role == RAFT_LEADER);
    uint64_t index = commit_quorum_index(raft);
    if (index <= raft->commit_index || term_log_term(&raft->log, index) != raft->term) {
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
