/* What the leader knows of each member's log (dissertation §3.5): acknowledgements, refusals, and
 * silence.
 *
 * A member whose next entry's predecessor is no longer known (compacted, or of a forgotten term) is
 * stuck: it gets heartbeats and offers of a snapshot. One that has what is offered after all says
 * so; another is brought forward by its host. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/state.h"

static void probe(struct raft *raft, struct progress *progress, uint64_t next_index)
{
    ASSERT(next_index > progress->match_index);
    progress->mode = PROGRESS_PROBE;
    progress->probe_sent = false;
    progress->next_index = next_index;
    progress->first_sequence = raft->append_sequence + 1;
    progress->moved_ns = raft->now_ns;
}

void progress_start(struct raft *raft, struct progress *progress)
{
    if (!MUTATION(raft_match_of_earlier_term)) {
        progress->match_index = 0;
        progress->counted_index = 0;
        progress->acked_index = 0;
    }
    progress->joining = false;
    progress->joined_sequence = 0;
    progress->last_index = 0;
    progress->read_round = 0;
    progress->read.open = false;
    probe(raft, progress, raft->log.last_index + 1);
}

uint64_t progress_in_flight_bytes(const struct raft *raft, const struct progress *progress)
{
    if (progress->mode == PROGRESS_PROBE) {
        return 0;
    }
    return term_log_bytes(&raft->log, progress->match_index + 1, progress->next_index - 1);
}

bool progress_is_stuck(const struct raft *raft, const struct progress *progress)
{
    return !term_log_reaches(&raft->log, progress->next_index - 1);
}

/* Where to try next after a refusal: one round trip for each term that differs, not for each entry
 * (dissertation §3.5). Behind the last entry of the conflicting term if this log has it, else where
 * the follower's entries of that term begin. */
static uint64_t next_after_conflict(const struct raft *raft, const struct progress *progress,
                                    const struct raft_message *message)
{
    uint64_t next = message->conflict_index;
    if (MUTATION(raft_conflict_hint_loops)) {
        return message->prev_index + 1;
    }
    if (message->conflict_term != 0) {
        uint64_t last =
            term_log_last_at_most(&raft->log, message->prev_index - 1, message->conflict_term);
        bool same_term = term_log_term(&raft->log, last) == message->conflict_term;
        if (same_term || last + 1 < next) {
            next = last + 1;
        }
    }
    if (next > message->prev_index) {
        next = message->prev_index;
    }
    if (next + 1 < message->prev_index) {
        SITUATION(raft_conflict_skipped_a_term);
    }
    return next > progress->match_index ? next : progress->match_index + 1;
}

static void rejected(struct raft *raft, struct progress *progress,
                     const struct raft_message *message)
{
    bool stale = message->conflict_index == 0 || message->prev_index <= progress->match_index ||
                 message->sequence < progress->first_sequence ||
                 message->sequence > raft->append_sequence;
    if (!stale) {
        probe(raft, progress, next_after_conflict(raft, progress, message));
    }
}

/* Its tail is gone, or an earlier member of its id acknowledged: that is not what it has. And no
 * way back for what is committed: until it has it all again, it helps nobody else to lead. */
static void begin_again(struct raft *raft, struct progress *progress,
                        const struct raft_message *message)
{
    SITUATION(raft_follower_lost_entries);
    progress->match_index = 0;
    progress->counted_index = 0;
    uint64_t behind = message->last_index + 1;
    uint64_t last = raft->log.last_index + 1;
    probe(raft, progress, behind < last ? behind : last);
}

static bool lost_more(const struct progress *progress, const struct raft_message *message)
{
    return (message->lost || message->joining) && message->last_index < progress->match_index &&
           !MUTATION(raft_lost_follower_keeps_match);
}

static void accepted(struct raft *raft, struct progress *progress, uint64_t match_index,
                     bool counts)
{
    if (match_index > progress->match_index) {
        progress->match_index = match_index;
        progress->moved_ns = raft->now_ns;
    }
    if (counts && match_index > progress->counted_index) {
        progress->counted_index = match_index;
    }
    if (progress->counted_index > progress->acked_index) {
        progress->acked_index = progress->counted_index;
    }
    if (progress->mode == PROGRESS_PROBE && match_index + 1 >= progress->next_index) {
        progress->mode = PROGRESS_REPLICATE;
        progress->probe_sent = false;
        progress->next_index = progress->match_index + 1;
    }
    if (progress->next_index <= progress->match_index) {
        progress->next_index = progress->match_index + 1;
    }
    commit_advance(raft);
}

void progress_result(struct raft *raft, const struct raft_message *message)
{
    if (raft->role != RAFT_LEADER) {
        return;
    }
    struct progress *progress = raft_member(raft, message->from);
    ASSERT(progress != NULL);
    if (message->sequence < progress->joined_sequence) {
        return;
    }
    if (message->match_index > raft->log.last_index) {
        raft_drop(raft);
        return;
    }
    progress->last_index = message->last_index;
    progress->joining = message->joining;
    if (lost_more(progress, message)) {
        begin_again(raft, progress, message);
    } else if (message->rejected && MUTATION(raft_refusal_counts)) {
        accepted(raft, progress, message->prev_index, true);
    } else if (message->rejected) {
        rejected(raft, progress, message);
    } else {
        accepted(raft, progress, message->match_index, !message->joining);
    }
}

/* The answer shows that the follower is alive. When what is in flight has got nowhere for long
 * enough, it was lost (or its answer was): start again behind what is known to have arrived. */
void progress_heartbeat_result(struct raft *raft, const struct raft_message *message)
{
    if (raft->role != RAFT_LEADER) {
        return;
    }
    struct progress *progress = raft_member(raft, message->from);
    ASSERT(progress != NULL);
    if (message->read_round > raft->reads.round) {
        raft_drop(raft);
        return;
    }
    if (message->last_index != progress->last_index) {
        progress->last_index = message->last_index;
        progress->moved_ns = raft->now_ns;
    }
    progress->joining = message->joining;
    bool probing = progress->mode == PROGRESS_PROBE;
    bool waiting =
        probing ? progress->probe_sent : progress->next_index > progress->match_index + 1;
    bool patient = raft->now_ns - progress->moved_ns < raft->options.election_timeout_ns / 2;
    if (lost_more(progress, message)) {
        begin_again(raft, progress, message);
    } else if (!patient && waiting && !MUTATION(raft_lost_append_not_repeated)) {
        SITUATION(raft_append_sent_again);
        probe(raft, progress, probing ? progress->next_index : progress->match_index + 1);
    }
    bool any_round = MUTATION(raft_read_old_round_confirms);
    if (!message->joining && (message->read_round > progress->read_round || any_round)) {
        progress->read_round = any_round ? raft->reads.round : message->read_round;
        read_index_confirm(raft);
    }
}
