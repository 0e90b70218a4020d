#include "raft/core/raft.h"

#include "base/assert.h"
#include "raft/core/state.h"

#include <string.h>

size_t raft_footprint(void)
{
    return sizeof(struct raft);
}

static void check_options(const struct raft_options *options)
{
    ASSERT(options->member_count >= 1 && options->member_count <= RAFT_MEMBERS_MAX);
    for (uint32_t i = 0; i < options->member_count; i++) {
        ASSERT(options->members[i] != 0);
        ASSERT_IMPLIES(i > 0, options->members[i] > options->members[i - 1]);
    }
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
    memset(raft, 0, sizeof *raft);
    raft->options = *options;
    random_init(&raft->random, options->seed);
    raft->self_at = RAFT_MEMBERS_MAX;
    for (uint32_t i = 0; i < options->member_count; i++) {
        raft->members[i].id = options->members[i];
        raft->members[i].next_index = 1;
        if (options->members[i] == options->self) {
            raft->self_at = i;
        }
    }
    ASSERT(raft->self_at < options->member_count);

    ASSERT(start->commit_index >= start->base_index && start->commit_index <= start->last_index);
    raft->now_ns = start->now_ns;
    raft->term = start->term;
    raft->voted_for = start->voted_for;
    raft->commit_index = start->commit_index;
    term_log_init(&raft->log, start);
    ASSERT(term_log_last_term(&raft->log) <= start->term);
    write_queue_init(&raft->writes, start->last_index);
    election_reset_timer(raft);
    if (options->member_count == 1) {
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
    raft->update.hard_state = true;
    raft->writes.hard_state = raft->update.write_sequence;
}

struct progress *raft_member(struct raft *raft, uint32_t id)
{
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        if (raft->members[i].id == id) {
            return &raft->members[i];
        }
    }
    return NULL;
}

static bool kind_waits(enum raft_message_kind kind)
{
    return kind != RAFT_HEARTBEAT && kind != RAFT_HEARTBEAT_RESULT && kind != RAFT_PRE_VOTE &&
           kind != RAFT_PRE_VOTE_RESULT;
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
    if (raft->role == RAFT_LEADER) {
        commit_advance(raft);
    }
}

static enum status campaign(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return STATUS_OK;
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
        return read_index_ask(raft, event->read_id);
    case RAFT_EVENT_TRANSFER:
        return transfer_begin(raft, event->transfer_to);
    case RAFT_EVENT_CAMPAIGN:
        return campaign(raft);
    }
    UNREACHABLE();
}

static void send_pending(struct raft *raft)
{
    if (raft->role != RAFT_LEADER) {
        return;
    }
    if (raft->heartbeat_wanted) {
        replication_heartbeats(raft);
    }
    replication_send(raft);
    transfer_send(raft);
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
        return raft->election_deadline_ns;
    }
    if (raft->more_to_send) {
        return raft->now_ns;
    }
    uint64_t deadline_ns = earlier(raft->heartbeat_due_ns, election_quorum_deadline_ns(raft));
    if (raft->transfer_to != 0) {
        deadline_ns = earlier(deadline_ns, raft->transfer_deadline_ns);
    }
    return deadline_ns;
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
    status->member_count = raft->options.member_count;
    status->dropped_messages = raft->dropped_messages;
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        const struct progress *progress = &raft->members[i];
        status->members[i].id = progress->id;
        if (raft_is_self(raft, i)) {
            status->members[i].match_index = raft->writes.durable_index;
            status->members[i].last_heard_ns = raft->now_ns;
            continue;
        }
        status->members[i].last_heard_ns = progress->heard_ns;
        if (raft->role == RAFT_LEADER) {
            status->members[i].match_index = progress->match_index;
            status->members[i].in_flight_bytes = replication_in_flight_bytes(raft, progress);
        }
    }
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
