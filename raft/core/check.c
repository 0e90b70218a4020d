/* Every invariant that one node can see (../raft.h, and the headers of the parts). */
#include "base/assert.h"
#include "raft/core/state.h"

static void check_indexes(const struct raft *raft)
{
    ASSERT(raft->log.base_index <= raft->commit_index);
    ASSERT(raft->commit_index <= raft->log.last_index);
    ASSERT(raft->writes.durable_index <= raft->log.last_index);
    ASSERT(term_log_last_term(&raft->log) <= raft->term);
}

static void check_config(const struct raft *raft)
{
    ASSERT(raft->config.count == 0 || config_well_formed(&raft->config));
    ASSERT(raft->config_index <= raft->log.last_index);
    ASSERT(raft->previous_config_index <= raft->config_index);
    ASSERT(raft->self_at == config_position(&raft->config, raft->options.self));
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        uint32_t id = i < raft->config.count ? raft->config.members[i].id : 0;
        ASSERT(raft->members[i].id == id);
    }
    /* Of the two only the last may be uncommitted; a leader knows that. */
    ASSERT_IMPLIES(commit_own_term(raft), raft->previous_config_index <= raft->commit_index);
}

static void check_damage(const struct raft *raft)
{
    uint64_t first_damaged = raft->first_damaged;
    ASSERT_IMPLIES(first_damaged != 0, first_damaged > raft->log.base_index);
    ASSERT(first_damaged <= raft->log.last_index);
    ASSERT(raft->confirmed_index <= raft->log.last_index);
    bool stands = raft->role == RAFT_PRE_CANDIDATE || raft->role == RAFT_CANDIDATE;
    ASSERT_IMPLIES(stands, first_damaged == 0);
    ASSERT_IMPLIES(stands || raft->role == RAFT_LEADER, raft->lost_index == 0 && !raft->joining);
}

static void check_role(const struct raft *raft)
{
    bool leads = raft->role == RAFT_LEADER;
    bool stands = raft->role == RAFT_CANDIDATE || leads;
    ASSERT_IMPLIES(stands, raft->voted_for == raft->options.self);
    ASSERT_IMPLIES(stands, raft->term > 0);
    ASSERT(leads == (raft->leader == raft->options.self));
    ASSERT_IMPLIES(raft->role == RAFT_CANDIDATE || raft->role == RAFT_PRE_CANDIDATE,
                   raft->leader == 0);
    ASSERT_IMPLIES(!leads, raft->transfer_to == 0);
    ASSERT_IMPLIES(raft->leader == 0, raft->reads.count == 0);
    ASSERT_IMPLIES(!leads, !raft->heartbeat_wanted && !raft->more_to_send && !raft->offers_wanted);
    ASSERT_IMPLIES(raft->transfer_to != 0, raft->transfer_to != raft->options.self);
    ASSERT(!membership_leader_is_done(raft));
}

static void check_progress(const struct raft *raft, const struct progress *progress)
{
    ASSERT(progress->match_index < progress->next_index);
    ASSERT(progress->counted_index <= progress->match_index);
    ASSERT(progress->counted_index <= progress->acked_index);
    ASSERT(progress->next_index <= raft->log.last_index + 1);
    ASSERT(progress->first_sequence <= raft->append_sequence + 1);
    ASSERT(progress->read_round <= raft->reads.round);
    /* Over the window there is at most one entry that is greater than it. Sizes that are only
     * bounded may have grown since they were sent. */
    if (progress->match_index >= raft->log.size_anchor) {
        ASSERT(progress_in_flight_bytes(raft, progress) <= raft->options.window_bytes ||
               progress->next_index == progress->match_index + 2);
    }
}

/* What a quorum ever acknowledged as durable: damage and losses found later do not undo a commit.
 */
static uint64_t acknowledged_index(const struct raft *raft)
{
    uint64_t held[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->config.count; i++) {
        held[i] = raft_is_self(raft, i) ? raft->writes.durable_index : raft->members[i].acked_index;
    }
    return quorum_value(&raft->config, held);
}

static void check_leader(const struct raft *raft)
{
    ASSERT(term_log_last_term(&raft->log) == raft->term); /* its no-op, at least */
    for (uint32_t i = 0; i < raft->config.count; i++) {
        if (!raft_is_self(raft, i)) {
            check_progress(raft, &raft->members[i]);
        }
    }
    /* A configuration that is not committed had no part in what was. */
    if (commit_own_term(raft) && membership_committed(raft)) {
        ASSERT(raft->commit_index <= acknowledged_index(raft));
    }
}

static void check_reads(const struct raft *raft)
{
    const struct read_queue *reads = &raft->reads;
    ASSERT(reads->count <= RAFT_READS_MAX && reads->head < RAFT_READS_MAX);
    ASSERT(reads->confirmed <= reads->round);
    ASSERT(reads->wanted >= reads->round && reads->wanted <= reads->round + 1);
    uint64_t before = 0;
    for (uint32_t i = 0; i < reads->count; i++) {
        const struct pending_read *read = &reads->items[(reads->head + i) % RAFT_READS_MAX];
        ASSERT(read->round >= before && read->round <= reads->wanted);
        ASSERT(read->round == 0 || read->round > reads->confirmed);
        ASSERT_IMPLIES(raft->role == RAFT_LEADER, (read->round == 0) == (read->index == 0));
        ASSERT(read->index <= raft->commit_index);
        before = read->round;
    }
}

void raft_check(const struct raft *raft)
{
    term_log_check(&raft->log);
    write_queue_check(&raft->writes, raft->log.last_index);
    check_indexes(raft);
    check_config(raft);
    check_damage(raft);
    check_role(raft);
    check_reads(raft);
    if (raft->role == RAFT_LEADER) {
        check_leader(raft);
    }
    for (uint32_t i = 0; i < raft->update.message_count; i++) {
        ASSERT(raft->messages[i].after_write <= raft->writes.issued);
    }
}
