/* Who leads (dissertation §3.4, §4.2.3, §9.6; CheckQuorum and stickiness as in etcd/raft). */
#include "base/assert.h"
#include "raft/core/quorum.h"
#include "raft/core/state.h"

void election_reset_timer(struct raft *raft)
{
    uint64_t base_ns = raft->options.election_timeout_ns;
    raft->election_deadline_ns = raft->now_ns + base_ns + random_below(&raft->random, base_ns);
}

void election_follow(struct raft *raft, uint64_t term, uint32_t leader)
{
    ASSERT(term >= raft->term);
    ASSERT(leader != raft->options.self);
    if (term > raft->term) {
        raft_set_hard_state(raft, term, 0);
    }
    /* In the same term the vote stays: clearing it would allow a second one. */
    if (raft->role == RAFT_LEADER) {
        read_index_refuse_all(raft);
        raft->transfer_to = 0;
        raft->heartbeat_wanted = false;
        raft->more_to_send = false;
        election_reset_timer(raft);
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
    if (message->last_term != last_term) {
        return message->last_term > last_term;
    }
    return message->last_index >= raft->log.last_index;
}

static void open_ballot(struct raft *raft, enum raft_role role)
{
    raft->role = role;
    raft->leader = 0;
    raft->leader_was_heard = false;
    election_reset_timer(raft);
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        raft->members[i].ballot = raft_is_self(raft, i) ? BALLOT_GRANTED : BALLOT_NONE;
    }
}

static uint32_t count_ballots(const struct raft *raft, enum ballot ballot)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        count += raft->members[i].ballot == ballot ? 1 : 0;
    }
    return count;
}

static void ask_for_votes(struct raft *raft, enum raft_message_kind kind, bool transfer)
{
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        if (raft_is_self(raft, i)) {
            continue;
        }
        struct raft_message *message = raft_send(raft, kind, raft->members[i].id);
        message->term = kind == RAFT_PRE_VOTE ? raft->term + 1 : raft->term;
        message->last_index = raft->log.last_index;
        message->last_term = term_log_last_term(&raft->log);
        message->transfer = transfer;
    }
}

static void lead(struct raft *raft)
{
    ASSERT(raft->role == RAFT_CANDIDATE && raft->voted_for == raft->options.self);
    raft->role = RAFT_LEADER;
    raft->leader = raft->options.self;
    raft->leader_since_ns = raft->now_ns;
    raft->heartbeat_due_ns = raft->now_ns;
    raft->transfer_to = 0;
    ASSERT(raft->reads.count == 0);
    replication_start(raft);
}

void election_campaign(struct raft *raft, bool transfer)
{
    ASSERT(raft->role != RAFT_LEADER);
    raft_set_hard_state(raft, raft->term + 1, raft->options.self);
    open_ballot(raft, RAFT_CANDIDATE);
    if (quorum_size(raft->options.member_count) == 1) {
        lead(raft);
        return;
    }
    ask_for_votes(raft, RAFT_VOTE, transfer);
}

void election_start(struct raft *raft)
{
    ASSERT(raft->role != RAFT_LEADER);
    if (quorum_size(raft->options.member_count) == 1) {
        election_campaign(raft, false);
        return;
    }
    open_ballot(raft, RAFT_PRE_CANDIDATE);
    ask_for_votes(raft, RAFT_PRE_VOTE, false);
}

uint64_t election_quorum_deadline_ns(const struct raft *raft)
{
    uint64_t heard_ns[RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        uint64_t at_ns = raft_is_self(raft, i) ? raft->now_ns : raft->members[i].heard_ns;
        heard_ns[i] = at_ns > raft->leader_since_ns ? at_ns : raft->leader_since_ns;
    }
    return quorum_value(heard_ns, raft->options.member_count) + raft->options.election_timeout_ns;
}

void election_tick(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        if (raft->now_ns >= election_quorum_deadline_ns(raft)) {
            election_follow(raft, raft->term, 0);
        }
        return;
    }
    if (raft->now_ns < raft->election_deadline_ns) {
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
    bool granted =
        message->term > raft->term && !election_sticky(raft) && is_up_to_date(raft, message);
    struct raft_message *answer = raft_send(raft, RAFT_PRE_VOTE_RESULT, message->from);
    answer->granted = granted;
    answer->last_index = raft->log.last_index;
    if (granted) {
        /* The term asked for: the candidate would take ours for an answer to something older. A
         * refusal carries ours, so that a candidate behind in terms catches up. */
        answer->term = message->term;
    }
}

void election_vote(struct raft *raft, const struct raft_message *message)
{
    ASSERT(message->term == raft->term);
    bool can_vote = raft->voted_for == 0 && raft->leader == 0;
    bool granted = (can_vote || raft->voted_for == message->from) && is_up_to_date(raft, message);
    if (granted) {
        if (raft->voted_for == 0) {
            raft_set_hard_state(raft, raft->term, message->from);
        }
        election_reset_timer(raft);
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
    struct progress *voter = raft_member(raft, message->from);
    ASSERT(voter != NULL);
    voter->ballot = message->granted ? BALLOT_GRANTED : BALLOT_REFUSED;
    uint32_t needed = quorum_size(raft->options.member_count);
    if (count_ballots(raft, BALLOT_GRANTED) >= needed) {
        if (pre) {
            election_campaign(raft, false);
        } else {
            lead(raft);
        }
    } else if (count_ballots(raft, BALLOT_REFUSED) > raft->options.member_count - needed) {
        election_follow(raft, raft->term, 0);
    }
}
