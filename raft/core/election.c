/* Who leads (dissertation §3.4, §4.2.3, §9.6; CheckQuorum and stickiness as in etcd/raft). */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/quorum.h"
#include "raft/core/state.h"

enum { RANKS_MAX = 4 };

/* How many voters would rather lead, as far as that matters. */
static uint32_t priority_rank(const struct raft *raft)
{
    if (raft->self_at == RAFT_MEMBERS_MAX) {
        return 0;
    }
    uint32_t rank = 0;
    for (uint32_t i = 0; i < raft->config.count && rank < RANKS_MAX; i++) {
        const struct raft_config_member *member = &raft->config.members[i];
        bool votes = (member->roles & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0;
        bool higher = member->priority > raft->config.members[raft->self_at].priority;
        rank += votes && higher ? 1 : 0;
    }
    return rank;
}

void election_reset_timer(struct raft *raft)
{
    uint64_t base_ns = raft->options.election_timeout_ns;
    uint64_t behind_ns = priority_rank(raft) * (base_ns / 2);
    raft->election_deadline_ns =
        raft->now_ns + base_ns + behind_ns + random_below(&raft->random, base_ns);
}

bool election_may_stand(const struct raft *raft)
{
    return raft->first_damaged == 0 && raft->lost_index == 0 && !raft->joining &&
           membership_may_stand(raft);
}

void election_follow(struct raft *raft, uint64_t term, uint32_t leader)
{
    ASSERT(term >= raft->term);
    ASSERT(leader != raft->options.self);
    if (term > raft->term || leader != raft->leader || raft->role == RAFT_LEADER) {
        read_index_refuse_all(raft);
    }
    if (term > raft->term) {
        raft_set_hard_state(raft, term, 0);
    }
    /* In the same term the vote stays: clearing it would allow a second one. */
    if (raft->role == RAFT_LEADER) {
        raft->transfer_to = 0;
        raft->heartbeat_wanted = false;
        raft->offers_wanted = false;
        raft->more_to_send = false;
        election_reset_timer(raft);
    }
    if (MUTATION(raft_vote_cleared_in_term)) {
        raft->voted_for = 0;
    }
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft->leader_was_heard = leader != 0;
    if (leader != 0) {
        raft->leader_heard_ns = raft->now_ns;
        election_reset_timer(raft);
    }
}

bool election_sticky(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return true; /* a quorum hears it, or CheckQuorum ends it soon */
    }
    return raft->leader_was_heard &&
           raft->now_ns - raft->leader_heard_ns < raft->options.election_timeout_ns;
}

/* Lexicographic: the later last term wins, and in the same term the longer log. */
static bool is_up_to_date(const struct raft *raft, const struct raft_message *message)
{
    uint64_t last_term = term_log_last_term(&raft->log);
    if (MUTATION(raft_vote_stale_log)) {
        return true;
    }
    if (message->last_term != last_term && !MUTATION(raft_vote_by_length)) {
        return message->last_term > last_term;
    }
    return message->last_index >= raft->log.last_index;
}

static void open_ballot(struct raft *raft, enum raft_role role)
{
    read_index_refuse_all(raft);
    raft->role = role;
    raft->leader = 0;
    raft->leader_was_heard = false;
    election_reset_timer(raft);
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        raft->ballots[i] = raft_is_self(raft, i) ? BALLOT_GRANTED : BALLOT_NONE;
    }
}

static void ask_for_votes(struct raft *raft, enum raft_message_kind kind, bool transfer)
{
    for (uint32_t i = 0; i < raft->config.count; i++) {
        const struct raft_config_member *member = &raft->config.members[i];
        if (raft_is_self(raft, i) || (member->roles & (RAFT_VOTER | RAFT_VOTER_OLD)) == 0) {
            continue;
        }
        struct raft_message *message = raft_send(raft, kind, member->id);
        message->term = kind == RAFT_PRE_VOTE ? raft->term + 1 : raft->term;
        message->last_index = raft->log.last_index;
        message->last_term = term_log_last_term(&raft->log);
        message->transfer = transfer;
    }
}

/* When a leader has to step down unless a quorum is heard before. */
static uint64_t quorum_deadline_ns(const struct raft *raft)
{
    uint64_t heard_ns[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->config.count; i++) {
        const struct progress *progress = &raft->members[i];
        uint64_t at_ns = raft_is_self(raft, i) ? raft->now_ns
                         : progress->joining   ? 0
                                               : progress->heard_ns;
        heard_ns[i] = at_ns > raft->quorum_since_ns ? at_ns : raft->quorum_since_ns;
    }
    return quorum_value(&raft->config, heard_ns) + raft->options.election_timeout_ns;
}

void election_await_quorum(struct raft *raft)
{
    raft->quorum_since_ns = raft->now_ns;
    raft->quorum_due_ns = raft->now_ns + raft->options.election_timeout_ns;
}

/* Looked at when it may be so, not at each step. */
static bool quorum_is_silent(struct raft *raft)
{
    if (raft->now_ns >= raft->quorum_due_ns) {
        raft->quorum_due_ns = quorum_deadline_ns(raft);
    }
    return raft->now_ns >= raft->quorum_due_ns;
}

static void lead(struct raft *raft)
{
    ASSERT(raft->role == RAFT_CANDIDATE && raft->voted_for == raft->options.self);
    ASSERT(raft->reads.count == 0);
    raft->role = RAFT_LEADER;
    raft->leader = raft->options.self;
    raft->leader_since_ns = raft->now_ns;
    election_await_quorum(raft);
    raft->heartbeat_due_ns = raft->now_ns;
    raft->transfer_to = 0;
    raft->priority_tries = raft->handed ? raft->priority_tries : 0;
    raft->priority_due_ns = 0;
    replication_start(raft);
}

void election_campaign(struct raft *raft, bool transfer)
{
    ASSERT(raft->role != RAFT_LEADER && election_may_stand(raft));
    raft_set_hard_state(raft, raft->term + 1, raft->options.self);
    open_ballot(raft, RAFT_CANDIDATE);
    raft->handed = transfer;
    if (quorum_alone(&raft->config, raft->self_at)) {
        lead(raft);
        return;
    }
    ask_for_votes(raft, RAFT_VOTE, transfer);
}

void election_start(struct raft *raft)
{
    ASSERT(raft->role != RAFT_LEADER && election_may_stand(raft));
    if (quorum_alone(&raft->config, raft->self_at)) {
        election_campaign(raft, false);
        return;
    }
    open_ballot(raft, RAFT_PRE_CANDIDATE);
    ask_for_votes(raft, RAFT_PRE_VOTE, false);
}

void election_tick(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        if (quorum_is_silent(raft) && !MUTATION(raft_leader_without_quorum_stays)) {
            SITUATION(raft_leader_lost_its_quorum);
            election_follow(raft, raft->term, 0);
        }
        return;
    }
    if (raft->now_ns < raft->election_deadline_ns) {
        return;
    }
    if (!election_may_stand(raft)) {
        election_follow(raft, raft->term, 0); /* the leader that it had is silent */
        election_reset_timer(raft);
        return;
    }
    if (write_queue_full(&raft->writes)) {
        election_reset_timer(raft); /* a disk that far behind would not help as a leader */
        return;
    }
    election_start(raft);
}

void election_pre_vote(struct raft *raft, const struct raft_message *message)
{
    bool granted = message->term > raft->term && !election_sticky(raft) &&
                   is_up_to_date(raft, message) && !raft->joining;
    if (!granted && election_sticky(raft)) {
        SITUATION(raft_pre_vote_refused_sticky);
    }
    struct raft_message *answer = raft_send(raft, RAFT_PRE_VOTE_RESULT, message->from);
    answer->granted = granted;
    answer->last_index = raft->log.last_index;
    if (granted && !MUTATION(raft_pre_vote_answers_own_term)) {
        /* The term asked for: the candidate would take ours for an answer to something older. A
         * refusal carries ours, so that a candidate behind in terms catches up. */
        answer->term = message->term;
    }
}

void election_vote(struct raft *raft, const struct raft_message *message)
{
    ASSERT(message->term == raft->term);
    bool can_vote = (raft->voted_for == 0 || MUTATION(raft_vote_twice)) && raft->leader == 0;
    bool whole = raft->lost_index == 0 || MUTATION(raft_lost_tail_votes);
    bool inside = !raft->joining || MUTATION(raft_joining_votes);
    bool granted = (can_vote || raft->voted_for == message->from) && is_up_to_date(raft, message) &&
                   whole && inside;
    if (granted) {
        if (raft->voted_for == 0) {
            raft_set_hard_state(raft, raft->term, message->from);
        }
        election_reset_timer(raft);
    }
    if (!granted && raft->voted_for != 0 && raft->voted_for != message->from) {
        SITUATION(raft_vote_refused_second);
    } else if (!granted && raft->lost_index != 0) {
        SITUATION(raft_vote_refused_lost_tail);
    } else if (!granted) {
        SITUATION(raft_vote_refused_stale_log);
    }
    struct raft_message *answer = raft_send(raft, RAFT_VOTE_RESULT, message->from);
    answer->granted = granted;
    answer->last_index = raft->log.last_index;
}

void election_result(struct raft *raft, const struct raft_message *message)
{
    bool pre = message->kind == RAFT_PRE_VOTE_RESULT;
    enum raft_role role = pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
    uint64_t term = pre && message->granted ? raft->term + 1 : raft->term;
    if (raft->role != role || message->term != term) {
        return; /* late: of an election that is over */
    }
    uint32_t voter = config_position(&raft->config, message->from);
    ASSERT(voter != RAFT_MEMBERS_MAX);
    raft->ballots[voter] = message->granted ? BALLOT_GRANTED : BALLOT_REFUSED;
    switch (quorum_vote(&raft->config, raft->ballots)) {
    case QUORUM_OPEN:
        return;
    case QUORUM_LOST:
        SITUATION(raft_election_lost);
        election_follow(raft, raft->term, 0);
        return;
    case QUORUM_WON:
        if (pre) {
            election_campaign(raft, false);
        } else {
            lead(raft);
        }
        return;
    }
    UNREACHABLE();
}
