/* Reads at a follower (dissertation §6.4): it asks its leader for a read index, and serves once it
 * has applied that far. One question is under way at a time, and reads that come meanwhile wait for
 * the next: the leader's index must be of a time after the read came. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/state.h"

static bool under_way(const struct raft *raft)
{
    return raft->reads.confirmed < raft->reads.round && raft->role == RAFT_FOLLOWER;
}

static void ask(struct raft *raft)
{
    if (raft->reads.wanted <= raft->reads.round) {
        return;
    }
    ASSERT(raft->leader != 0 && !under_way(raft));
    raft->reads.round++;
    raft->reads.asked_ns = raft->now_ns;
    raft_send(raft, RAFT_READ, raft->leader)->read_round = raft->reads.round;
}

enum status read_remote_ask(struct raft *raft, uint64_t read_id)
{
    if (raft->role != RAFT_FOLLOWER || raft->leader == 0) {
        return STATUS_NOT_LEADER;
    }
    if (raft->reads.count == RAFT_READS_MAX) {
        return STATUS_BUSY;
    }
    raft->reads.wanted = raft->reads.round + 1;
    read_index_push(raft, read_id, 0, raft->reads.wanted);
    if (!under_way(raft)) {
        ask(raft);
    }
    return STATUS_OK;
}

static void answered(struct raft *raft, uint64_t index)
{
    raft->reads.confirmed = raft->reads.round;
    read_index_answer(raft, true, index);
    ask(raft);
}

void read_remote_result(struct raft *raft, const struct raft_message *message)
{
    if (under_way(raft) && message->from == raft->leader &&
        (message->read_round == raft->reads.round || MUTATION(raft_remote_read_old_answer))) {
        answered(raft, message->commit_index);
    }
}

uint64_t read_remote_deadline_ns(const struct raft *raft)
{
    return under_way(raft) ? raft->reads.asked_ns + raft->options.election_timeout_ns : UINT64_MAX;
}

void read_remote_tick(struct raft *raft)
{
    if (raft->now_ns >= read_remote_deadline_ns(raft)) {
        SITUATION(raft_remote_read_timed_out);
        answered(raft, 0);
    }
}
