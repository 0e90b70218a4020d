/* What a node may still promise when part of its log is damaged or gone (../raft.h). */
#include "base/assert.h"
#include "base/situation.h"
#include "raft/core/state.h"

uint64_t damage_limit(const struct raft *raft, uint64_t index)
{
    bool damaged = raft->first_damaged != 0 && index >= raft->first_damaged;
    return damaged ? raft->first_damaged - 1 : index;
}

void damage_cut(struct raft *raft, uint64_t from)
{
    if (raft->first_damaged >= from) {
        raft->first_damaged = 0; /* the damaged entries are the ones that go */
    }
    if (raft->confirmed_index >= from) {
        raft->confirmed_index = from - 1;
    }
}

void damage_compact(struct raft *raft, uint64_t index)
{
    if (raft->first_damaged != 0 && raft->first_damaged <= index) {
        raft->first_damaged = index < raft->log.last_index ? index + 1 : 0;
    }
}

void damage_repaired(struct raft *raft, uint64_t first_damaged)
{
    ASSERT(first_damaged == 0 || first_damaged > raft->log.base_index);
    ASSERT(first_damaged <= raft->log.last_index);
    raft->first_damaged = first_damaged;
    if (raft->role == RAFT_LEADER && first_damaged <= raft->commit_index) {
        commit_advance(raft);
    } else if (first_damaged != 0 && raft->role != RAFT_FOLLOWER) {
        election_follow(raft, raft->term, 0);
    }
}

/* Whoever led a term after the one that this node started in was elected without it, as it does
 * not vote: by voters who have all that it promised and that was committed. And in the same term,
 * or under a leader that it elected before, what it promised ends at lost_index. */
void damage_found(struct raft *raft)
{
    if (raft->lost_index == 0) {
        return;
    }
    uint64_t sure = raft->confirmed_index < raft->writes.durable_index ? raft->confirmed_index
                                                                       : raft->writes.durable_index;
    if (sure >= raft->lost_index || term_log_term(&raft->log, sure) > raft->lost_term) {
        SITUATION(raft_lost_tail_recovered);
        raft->lost_index = 0;
    }
}

void damage_confirmed(struct raft *raft, uint64_t index)
{
    ASSERT(index <= raft->log.last_index);
    if (index > raft->confirmed_index) {
        raft->confirmed_index = index;
    }
    damage_found(raft);
}
