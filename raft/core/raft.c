#include "raft/core/raft.h"

#include "base/assert.h"
#include "base/mutation.h"
#include "raft/core/state.h"

#include <string.h>

enum { ROUND_BITS_SPARED = 20 }; /* numbers of rounds begin below 2^44: they never end */

size_t raft_footprint(void)
{
    return sizeof(struct raft);
}

static void check_options(const struct raft_options *options)
{
    ASSERT(options->self != 0);
    ASSERT(options->heartbeat_interval_ns > 0);
    ASSERT(options->election_timeout_ns > options->heartbeat_interval_ns);
    ASSERT(options->transfer_timeout_ns > 0);
    ASSERT(options->window_bytes > 0 && options->uncommitted_bytes_max > 0);
}

struct raft *raft_init(void *memory, const struct raft_options *options,
                       const struct raft_start *start)
{
    check_options(options);
    ASSERT((uintptr_t)memory % 64 == 0);
    struct raft *raft = memory;
    raft->options = *options;
    random_init(&raft->random, options->seed);

    ASSERT(start->commit_index >= start->base_index && start->commit_index <= start->last_index);
    raft->now_ns = start->now_ns;
    raft->term = start->term;
    raft->voted_for = start->voted_for;
    raft->commit_index = start->commit_index;
    term_log_init(&raft->log, start);
    ASSERT(term_log_last_term(&raft->log) <= start->term);
    write_queue_init(&raft->writes, start->last_index);
    raft->joining = start->joining;
    membership_init(raft, start);
    damage_repaired(raft, start->first_damaged);
    raft->lost_index = start->lost_index > start->last_index ? start->lost_index : 0;
    raft->lost_term = start->term;
    raft->reads.round = 1 + (random_u64(&raft->random) >> ROUND_BITS_SPARED);
    raft->reads.wanted = raft->reads.round;
    raft->reads.confirmed = raft->reads.round;
    election_reset_timer(raft);
    if (quorum_alone(&raft->config, raft->self_at)) {
        raft->election_deadline_ns = start->now_ns; /* nobody to wait for */
    }
    return raft;
}

void raft_write(struct raft *raft)
{
    if (raft->update.write_sequence == 0) {
        raft->update.write_sequence = write_queue_issue(&raft->writes, raft->log.last_index);
    }
}

void raft_set_hard_state(struct raft *raft, uint64_t term, uint32_t voted_for)
{
    ASSERT(term >= raft->term);
    ASSERT_IMPLIES(term == raft->term, raft->voted_for == 0 && voted_for != 0);
    raft_write(raft);
    raft->term = term;
    raft->voted_for = voted_for;
    raft->update.hard_state = !MUTATION(raft_hard_state_not_written);
    raft->writes.hard_state = raft->update.write_sequence;
}

struct progress *raft_member(struct raft *raft, uint32_t id)
{
    uint32_t at = config_position(&raft->config, id);
    return at == RAFT_MEMBERS_MAX ? NULL : &raft->members[at];
}

static bool kind_waits(enum raft_message_kind kind)
{
    bool vote_early = kind == RAFT_VOTE_RESULT && MUTATION(raft_vote_sent_before_written);
    return !vote_early && kind != RAFT_HEARTBEAT && kind != RAFT_HEARTBEAT_RESULT &&
           kind != RAFT_PRE_VOTE && kind != RAFT_PRE_VOTE_RESULT && kind != RAFT_READ &&
           kind != RAFT_READ_RESULT;
}

struct raft_message *raft_send(struct raft *raft, enum raft_message_kind kind, uint32_t to)
{
    ASSERT(raft->update.message_count < UPDATE_MESSAGES_MAX);
    ASSERT(to != raft->options.self);
    struct raft_message *message = &raft->messages[raft->update.message_count];
    raft->update.message_count++;
    memset(message, 0, sizeof *message);
    message->kind = kind;
    message->from = raft->options.self;
    message->to = to;
    message->term = raft->term;
    message->after_write = kind_waits(kind) ? write_queue_after_hard_state(&raft->writes) : 0;
    return message;
}

static void written(struct raft *raft, uint64_t sequence)
{
    write_queue_written(&raft->writes, sequence);
    damage_found(raft);
    if (raft->role == RAFT_LEADER) {
        commit_advance(raft);
    }
}

static enum status campaign(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return STATUS_OK;
    }
    if (!election_may_stand(raft)) {
        return STATUS_INVALID;
    }
    if (write_queue_full(&raft->writes)) {
        return STATUS_BUSY;
    }
    election_start(raft);
    return STATUS_OK;
}

static enum status dispatch(struct raft *raft, const struct raft_event *event)
{
    switch (event->kind) {
    case RAFT_EVENT_TICK:
        return STATUS_OK;
    case RAFT_EVENT_RECEIVE:
        raft_receive(raft, event->message);
        return STATUS_OK;
    case RAFT_EVENT_PROPOSE:
        return replication_propose(raft, event);
    case RAFT_EVENT_WRITTEN:
        written(raft, event->written_sequence);
        return STATUS_OK;
    case RAFT_EVENT_READ:
        return raft->role == RAFT_LEADER ? read_index_ask(raft, event->read_id)
                                         : read_remote_ask(raft, event->read_id);
    case RAFT_EVENT_TRANSFER:
        return transfer_begin(raft, event->transfer_to);
    case RAFT_EVENT_CAMPAIGN:
        return campaign(raft);
    case RAFT_EVENT_REPAIRED:
        damage_repaired(raft, event->first_damaged);
        return STATUS_OK;
    }
    UNREACHABLE();
}

static void send_pending(struct raft *raft)
{
    if (raft->role != RAFT_LEADER) {
        return;
    }
    bool done = membership_leader_is_done(raft);
    if (raft->heartbeat_wanted || done) {
        replication_heartbeats(raft); /* the last ones tell what is committed */
    }
    replication_send(raft);
    transfer_send(raft);
    if (done) {
        membership_step_down(raft);
    }
}

enum status raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update)
{
    ASSERT(event->now_ns >= raft->now_ns);
    enum raft_role role = raft->role;
    uint64_t term = raft->term;
    uint32_t leader = raft->leader;
    uint64_t now_before_ns = raft->now_ns;

    raft->now_ns = event->now_ns;
    memset(&raft->update, 0, sizeof raft->update);
    enum status status = dispatch(raft, event);
    if (status == STATUS_OK) {
        election_tick(raft);
        read_remote_tick(raft);
        transfer_tick(raft);
        replication_tick(raft);
        send_pending(raft);
    } else {
        ASSERT(raft->update.write_sequence == 0 && raft->update.message_count == 0);
        raft->now_ns = now_before_ns;
    }
    raft->update.term = raft->term;
    raft->update.voted_for = raft->voted_for;
    raft->update.commit_index = raft->commit_index;
    raft->update.messages = raft->messages;
    raft->update.reads = raft->reads_out;
    raft->update.role_changed = role != raft->role || term != raft->term || leader != raft->leader;
    *update = raft->update;
    return status;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t raft_deadline_ns(const struct raft *raft)
{
    if (raft->role != RAFT_LEADER) {
        return earlier(raft->election_deadline_ns, read_remote_deadline_ns(raft));
    }
    if (raft->more_to_send) {
        return raft->now_ns;
    }
    uint64_t deadline_ns = earlier(raft->heartbeat_due_ns, raft->quorum_due_ns);
    if (raft->transfer_to != 0) {
        deadline_ns = earlier(deadline_ns, raft->transfer_deadline_ns);
    }
    return deadline_ns;
}

static void member_status(const struct raft *raft, uint32_t at, struct raft_status *status)
{
    const struct raft_config_member *member = &raft->config.members[at];
    const struct progress *progress = &raft->members[at];
    status->members[at].id = member->id;
    status->members[at].roles = member->roles;
    status->members[at].priority = member->priority;
    if (raft_is_self(raft, at)) {
        status->members[at].match_index = damage_limit(raft, raft->writes.durable_index);
        status->members[at].last_heard_ns = raft->now_ns;
        return;
    }
    status->members[at].last_heard_ns = progress->heard_ns;
    if (raft->role == RAFT_LEADER) {
        status->members[at].match_index = progress->match_index;
        status->members[at].in_flight_bytes = progress_in_flight_bytes(raft, progress);
        status->members[at].needs_snapshot = progress_is_stuck(raft, progress);
        status->members[at].joining = progress->joining;
    }
}

void raft_status(const struct raft *raft, struct raft_status *status)
{
    memset(status, 0, sizeof *status);
    status->role = raft->role;
    status->term = raft->term;
    status->voted_for = raft->voted_for;
    status->leader = raft->leader;
    status->last_index = raft->log.last_index;
    status->last_term = term_log_last_term(&raft->log);
    status->durable_index = raft->writes.durable_index;
    status->commit_index = raft->commit_index;
    status->uncommitted_bytes = commit_pending_bytes(raft);
    status->transferring = raft->transfer_to != 0;
    status->reads_ready = commit_own_term(raft);
    status->config_index = raft->config_index;
    status->config_committed = membership_committed(raft);
    status->joint = config_is_joint(&raft->config);
    status->first_damaged = raft->first_damaged;
    status->lost_index = raft->lost_index;
    status->joining = raft->joining;
    status->dropped_messages = raft->dropped_messages;
    status->member_count = raft->config.count;
    for (uint32_t i = 0; i < raft->config.count; i++) {
        member_status(raft, i, status);
    }
}

const struct raft_config *raft_config(const struct raft *raft)
{
    return &raft->config;
}

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
    return term_log_term(&raft->log, index);
}

void raft_compacted(struct raft *raft, uint64_t index)
{
    ASSERT(index <= raft->commit_index);
    if (index > raft->log.base_index) {
        term_log_compact(&raft->log, index);
        damage_compact(raft, index);
    }
}

const char *raft_role_name(enum raft_role role)
{
    switch (role) {
    case RAFT_FOLLOWER:
        return "follower";
    case RAFT_PRE_CANDIDATE:
        return "pre-candidate";
    case RAFT_CANDIDATE:
        return "candidate";
    case RAFT_LEADER:
        return "leader";
    }
    UNREACHABLE();
}
