/* The receiver of APPEND and HEARTBEAT (dissertation §3.5, figure 3.1). */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/state.h"

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct raft_message *answer_append(struct raft *raft, const struct raft_message *message,
                                          uint64_t prev_index)
{
    struct raft_message *answer = raft_send(raft, RAFT_APPEND_RESULT, message->from);
    answer->prev_index = prev_index;
    answer->sequence = message->sequence;
    answer->last_index = raft->log.last_index;
    answer->lost = raft->lost_index != 0;
    answer->joining = raft->joining;
    return answer;
}

static void refuse(struct raft *raft, const struct raft_message *message, uint64_t conflict_index,
                   uint64_t conflict_term)
{
    ASSERT(conflict_index > 0);
    struct raft_message *answer = answer_append(raft, message, message->prev_index);
    answer->rejected = true;
    answer->conflict_index = conflict_index;
    answer->conflict_term = conflict_term;
}

/* What is durable and what is being written both count, but the answer leaves only when the last
 * of it is durable. The match is that of this message: what else is in the log may conflict. */
static void agree(struct raft *raft, const struct raft_message *message, uint64_t prev_index)
{
    uint64_t match_index = prev_index + message->entry_count;
    struct raft_message *answer = answer_append(raft, message, prev_index);
    answer->match_index = damage_limit(raft, match_index);
    answer->after_write =
        later(answer->after_write, write_queue_after(&raft->writes, answer->match_index));
    if (MUTATION(raft_ack_before_written)) {
        answer->after_write = 0;
    }
    damage_confirmed(raft, match_index);
}

/* How many of the message's entries the log has already. False: they differ from committed ones, or
 * from ones whose term is forgotten, so nothing can be said. */
static bool count_known(const struct raft *raft, const struct raft_message *message,
                        uint32_t *count)
{
    uint32_t known = 0;
    for (; known < message->entry_count; known++) {
        uint64_t index = message->prev_index + 1 + known;
        if (index > raft->log.last_index) {
            break;
        }
        uint64_t term = term_log_term(&raft->log, index);
        if (term == message->entries[known].term && !MUTATION(raft_append_cuts_what_matches)) {
            continue;
        }
        if (term == 0 ? index > raft->commit_index : index <= raft->commit_index) {
            return false;
        }
        if (term != 0) {
            break; /* a proven conflict */
        }
    }
    *count = known;
    return true;
}

/* The tail is cut only where terms are proved to differ: a late duplicate of an older APPEND must
 * not remove what came after it. */
static void take_entries(struct raft *raft, const struct raft_message *message, uint32_t skip)
{
    uint64_t first = message->prev_index + 1 + skip;
    raft_write(raft);
    if (first <= raft->log.last_index) {
        SITUATION(raft_conflict_cut);
        ASSERT(first > raft->commit_index);
        membership_cut(raft, first);
        damage_cut(raft, first);
        term_log_truncate(&raft->log, first);
        write_queue_truncate(&raft->writes, first);
        raft->update.truncate_from = first;
    }
    for (uint32_t i = skip; i < message->entry_count; i++) {
        const struct raft_entry_info *entry = &message->entries[i];
        term_log_append(&raft->log, entry->term, entry->size);
        if (entry->config != NULL) {
            membership_append(raft, entry->config, raft->log.last_index);
        }
    }
    write_queue_grow(&raft->writes, raft->log.last_index);
    raft->update.append_first = first;
    raft->update.append_count = message->entry_count - skip;
    raft->update.append_skip = skip;
}

void follower_append(struct raft *raft, const struct raft_message *message)
{
    ASSERT(message->term == raft->term);
    election_follow(raft, raft->term, message->from);

    uint64_t prev_index = message->prev_index;
    if (prev_index > raft->log.last_index) {
        refuse(raft, message, raft->log.last_index + 1, 0);
        return;
    }
    uint64_t prev_term = MUTATION(raft_append_trusts_prev) ? message->prev_term
                                                           : term_log_term(&raft->log, prev_index);
    if (prev_term != message->prev_term && prev_index > raft->commit_index) {
        if (prev_term == 0) {
            refuse(raft, message, raft->commit_index + 1, 0);
            return;
        }
        uint64_t run_start = term_log_run_start(&raft->log, prev_index);
        refuse(raft, message, later(run_start, raft->commit_index + 1), prev_term);
        return;
    }
    uint32_t known = 0;
    bool differs = prev_term != 0 && prev_term != message->prev_term;
    if (differs || !count_known(raft, message, &known)) {
        raft_drop(raft);
        return;
    }
    uint64_t first = prev_index + 1 + known;
    if (known < message->entry_count && first <= raft->log.last_index &&
        !membership_may_cut(raft, first)) {
        raft_drop(raft);
        return;
    }
    if (known == message->entry_count && known > 0) {
        SITUATION(raft_append_repeated);
    }
    if (known < message->entry_count) {
        take_entries(raft, message, known);
    }
    uint64_t last_new = prev_index + message->entry_count;
    commit_follow(raft, message->commit_index < last_new ? message->commit_index : last_new);
    agree(raft, message, prev_index);
}

/* Heartbeats wait for no disk: neither the question nor the answer promises anything durable, and
 * the commit index in it is one that this node is known to have, unless it lost that, or an earlier
 * member of its id had it. */
void follower_heartbeat(struct raft *raft, const struct raft_message *message)
{
    ASSERT(message->term == raft->term);
    bool lost = raft->lost_index != 0;
    uint64_t commit_index = message->commit_index;
    if ((lost || raft->joining) && commit_index > raft->confirmed_index) {
        commit_index = raft->confirmed_index;
    }
    if (commit_index > raft->log.last_index) {
        raft->update.gone_index = commit_index;
        raft_drop(raft);
        return;
    }
    election_follow(raft, raft->term, message->from);
    commit_follow(raft, commit_index);
    struct raft_message *answer = raft_send(raft, RAFT_HEARTBEAT_RESULT, message->from);
    answer->read_round = message->read_round;
    answer->last_index = raft->log.last_index;
    answer->lost = lost;
    answer->joining = raft->joining;
}

/* An offer that it does not need, it acknowledges: the leader goes on behind it. An entry that is
 * damaged here and gone there can only come in a snapshot. */
void follower_snapshot(struct raft *raft, const struct raft_message *message)
{
    ASSERT(message->term == raft->term);
    election_follow(raft, raft->term, message->from);
    uint64_t index = message->last_index;
    bool same = term_log_term(&raft->log, index) == message->last_term;
    bool held = index <= raft->commit_index || same;
    if (held && damage_limit(raft, index) == index) {
        SITUATION(raft_snapshot_not_needed);
        agree(raft, message, index);
    } else {
        raft->update.snapshot_from = message->from;
    }
}
