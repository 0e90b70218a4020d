/* Linearizable reads without the log (dissertation §6.4): take the commit index, then make sure
 * that this node still leads, by a round of heartbeats that began after the read came.
 *
 * Rounds are numbered and never reused, so an answer to a round confirms it and those before it,
 * and nothing else. While a round is under way, reads wait together for the next one. */
#include "base/assert.h"
#include "raft/core/quorum.h"
#include "raft/core/state.h"

static struct pending_read *read_at(struct raft *raft, uint32_t position)
{
    return &raft->reads.items[(raft->reads.head + position) % RAFT_READS_MAX];
}

static void answer_first(struct raft *raft, uint64_t index)
{
    ASSERT(raft->reads.count > 0 && raft->update.read_count < RAFT_READS_MAX);
    struct raft_read *answer = &raft->reads_out[raft->update.read_count];
    raft->update.read_count++;
    answer->read_id = read_at(raft, 0)->read_id;
    answer->index = index;
    raft->reads.head = (raft->reads.head + 1) % RAFT_READS_MAX;
    raft->reads.count--;
}

static void answer_confirmed(struct raft *raft)
{
    while (raft->reads.count > 0) {
        const struct pending_read *first = read_at(raft, 0);
        if (first->round == 0 || first->round > raft->reads.confirmed) {
            return;
        }
        ASSERT(first->index > 0 && first->index <= raft->commit_index);
        answer_first(raft, first->index);
    }
}

static void update_confirmed(struct raft *raft)
{
    uint64_t rounds[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        rounds[i] = raft_is_self(raft, i) ? raft->reads.round : raft->members[i].read_round;
    }
    uint64_t confirmed = quorum_value(rounds, raft->options.member_count);
    if (confirmed > raft->reads.confirmed) {
        raft->reads.confirmed = confirmed;
    }
    answer_confirmed(raft);
}

void read_index_start_round(struct raft *raft)
{
    if (raft->reads.count == 0 ||
        read_at(raft, raft->reads.count - 1)->round <= raft->reads.round) {
        return;
    }
    raft->reads.round++;
    raft->heartbeat_wanted = true;
    update_confirmed(raft); /* alone, this node is the quorum */
}

static void start_round_if_idle(struct raft *raft)
{
    if (raft->reads.confirmed == raft->reads.round) {
        read_index_start_round(raft);
    }
}

void read_index_confirm(struct raft *raft)
{
    update_confirmed(raft);
    start_round_if_idle(raft);
}

enum status read_index_ask(struct raft *raft, uint64_t read_id)
{
    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    if (raft->reads.count == RAFT_READS_MAX) {
        return STATUS_BUSY;
    }
    bool ready = commit_own_term(raft);
    raft->reads.count++;
    struct pending_read *read = read_at(raft, raft->reads.count - 1);
    read->read_id = read_id;
    /* Before an entry of its own term is committed, a leader may not know of all that is. */
    read->index = ready ? raft->commit_index : 0;
    read->round = ready ? raft->reads.round + 1 : 0;
    start_round_if_idle(raft);
    return STATUS_OK;
}

void read_index_ready(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->reads.count; i++) {
        struct pending_read *read = read_at(raft, i);
        ASSERT(read->round == 0);
        read->index = raft->commit_index;
        read->round = raft->reads.round + 1;
    }
    start_round_if_idle(raft);
}

void read_index_refuse_all(struct raft *raft)
{
    while (raft->reads.count > 0) {
        answer_first(raft, 0);
    }
    raft->reads.confirmed = raft->reads.round;
}
