/* Linearizable reads without the log (dissertation §6.4): take the commit index, then make sure
 * that this node still leads, by a round of heartbeats that began after the read came.
 *
 * Rounds are numbered and never reused, so an answer to a round confirms it and those before it,
 * and nothing else. While a round is under way, reads wait together for the next one. A follower's
 * question waits in the same way, beside the queue: it has one at a time. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/state.h"

/* A question numbered this much lower is of another process: numbers begin at random. */
static const uint64_t ROUNDS_LATE = UINT64_C(1) << 20;

static struct pending_read *read_at(struct raft *raft, uint32_t position)
{
    return &raft->reads.items[(raft->reads.head + position) % RAFT_READS_MAX];
}

void read_index_push(struct raft *raft, uint64_t read_id, uint64_t index, uint64_t round)
{
    ASSERT(raft->reads.count < RAFT_READS_MAX);
    raft->reads.count++;
    *read_at(raft, raft->reads.count - 1) =
        (struct pending_read){ .read_id = read_id, .index = index, .round = round };
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

void read_index_answer(struct raft *raft, bool replace, uint64_t index)
{
    while (raft->reads.count > 0) {
        const struct pending_read *first = read_at(raft, 0);
        if (first->round == 0 || first->round > raft->reads.confirmed) {
            return;
        }
        answer_first(raft, replace ? index : first->index);
    }
}

static void answer_member(struct raft *raft, uint32_t to, uint64_t follower_round, uint64_t index)
{
    struct raft_message *answer = raft_send(raft, RAFT_READ_RESULT, to);
    answer->read_round = follower_round;
    answer->commit_index = index;
}

static void answer_members(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->config.count; i++) {
        struct member_read *read = &raft->members[i].read;
        if (read->open && read->round != 0 && read->round <= raft->reads.confirmed) {
            ASSERT(read->index > 0 && read->index <= raft->commit_index);
            read->open = false;
            answer_member(raft, raft->members[i].id, read->follower_round, read->index);
        }
    }
}

static void update_confirmed(struct raft *raft)
{
    uint64_t rounds[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->config.count; i++) {
        bool sure = raft_is_self(raft, i) || MUTATION(raft_read_without_quorum);
        rounds[i] = sure ? raft->reads.round : raft->members[i].read_round;
    }
    uint64_t confirmed = quorum_value(&raft->config, rounds);
    if (confirmed > raft->reads.confirmed) {
        raft->reads.confirmed = confirmed;
        read_index_answer(raft, false, 0);
        answer_members(raft);
    }
}

void read_index_start_round(struct raft *raft)
{
    if (raft->reads.wanted <= raft->reads.round) {
        return;
    }
    raft->reads.round++;
    ASSERT(raft->reads.wanted == raft->reads.round);
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

/* The round that a read of now waits for: the next. Before an entry of its own term is committed, a
 * leader may not know of all that is, and the read waits for that first: 0. */
static uint64_t next_round(struct raft *raft)
{
    if (!commit_own_term(raft) && !MUTATION(raft_read_before_own_commit)) {
        SITUATION(raft_read_waited_for_own_commit);
        return 0;
    }
    raft->reads.wanted = raft->reads.round + 1;
    return raft->reads.wanted;
}

enum status read_index_ask(struct raft *raft, uint64_t read_id)
{
    ASSERT(raft->role == RAFT_LEADER);
    if (raft->reads.count == RAFT_READS_MAX) {
        return STATUS_BUSY;
    }
    uint64_t round = next_round(raft);
    read_index_push(raft, read_id, round == 0 ? 0 : raft->commit_index, round);
    start_round_if_idle(raft);
    return STATUS_OK;
}

void read_index_asked(struct raft *raft, const struct raft_message *message)
{
    struct progress *member = raft_member(raft, message->from);
    if (raft->role != RAFT_LEADER || member == NULL) {
        answer_member(raft, message->from, message->read_round, 0);
        return;
    }
    struct member_read *read = &member->read;
    if (read->open && read->follower_round - message->read_round < ROUNDS_LATE) {
        return; /* the question came twice, or after a newer one */
    }
    read->open = true;
    read->follower_round = message->read_round;
    read->round = next_round(raft);
    read->index = read->round == 0 ? 0 : raft->commit_index;
    start_round_if_idle(raft);
}

void read_index_ready(struct raft *raft)
{
    uint64_t round = raft->reads.round + 1;
    for (uint32_t i = 0; i < raft->reads.count; i++) {
        struct pending_read *read = read_at(raft, i);
        ASSERT(read->round == 0);
        read->index = raft->commit_index;
        read->round = round;
        raft->reads.wanted = round;
    }
    for (uint32_t i = 0; i < raft->config.count; i++) {
        struct member_read *read = &raft->members[i].read;
        if (read->open) {
            read->index = raft->commit_index;
            read->round = round;
            raft->reads.wanted = round;
        }
    }
    start_round_if_idle(raft);
}

void read_index_refuse_all(struct raft *raft)
{
    while (raft->reads.count > 0) {
        SITUATION(raft_read_refused);
        answer_first(raft, 0);
    }
    for (uint32_t i = 0; i < raft->config.count; i++) {
        raft->members[i].read.open = false; /* it knows itself when a leader is gone */
    }
    raft->reads.wanted = raft->reads.round;
    raft->reads.confirmed = raft->reads.round;
}
