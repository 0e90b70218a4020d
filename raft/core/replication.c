/* The leader's side of replication (dissertation §3.5, §10.2): proposals, what each follower has,
 * and what is sent to it next.
 *
 * A follower whose next entry's predecessor is no longer known (compacted, or of a forgotten term)
 * is stuck: it gets heartbeats, and now and then the question whether it has what is missing after
 * all, until it is brought forward by other means. */
#include "base/assert.h"
#include "raft/core/state.h"

static void append_own(struct raft *raft, const struct raft_entry_info *entries, uint32_t count)
{
    ASSERT(count > 0);
    raft_write(raft);
    raft->update.append_first = raft->log.last_index + 1;
    raft->update.append_count = count;
    for (uint32_t i = 0; i < count; i++) {
        term_log_append(&raft->log, raft->term, entries[i].size);
    }
    write_queue_grow(&raft->writes, raft->log.last_index);
}

static void probe(struct raft *raft, struct progress *progress, uint64_t next_index)
{
    ASSERT(next_index > progress->match_index);
    progress->mode = PROGRESS_PROBE;
    progress->probe_sent = false;
    progress->next_index = next_index;
    progress->first_sequence = raft->append_sequence + 1;
    progress->moved_ns = raft->now_ns;
}

void replication_start(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        struct progress *progress = &raft->members[i];
        progress->match_index = 0;
        progress->last_index = 0;
        progress->read_round = 0;
        probe(raft, progress, raft->log.last_index + 1);
    }
    /* Entries of earlier terms commit only behind one of this term, so there is one at once. */
    const struct raft_entry_info noop = { .size = RAFT_ENTRY_HEADER_SIZE };
    append_own(raft, &noop, 1);
    raft->update.append_noop = true;
}

enum status replication_propose(struct raft *raft, const struct raft_event *event)
{
    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    ASSERT(event->entry_count >= 1 && event->entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    if (raft->transfer_to != 0 || write_queue_full(&raft->writes)) {
        return STATUS_BUSY;
    }
    uint64_t entries = raft->log.last_index - raft->commit_index;
    if (entries + event->entry_count > RAFT_UNCOMMITTED_ENTRIES_MAX) {
        return STATUS_BUSY;
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < event->entry_count; i++) {
        bytes += event->entries[i].size;
    }
    /* One proposal is taken whatever its size, or a small limit would refuse it for ever. */
    if (entries > 0 && commit_pending_bytes(raft) + bytes > raft->options.uncommitted_bytes_max) {
        return STATUS_BUSY;
    }
    append_own(raft, event->entries, event->entry_count);
    return STATUS_OK;
}

uint64_t replication_in_flight_bytes(const struct raft *raft, const struct progress *progress)
{
    if (progress->mode == PROGRESS_PROBE) {
        return 0;
    }
    return term_log_bytes(&raft->log, progress->match_index + 1, progress->next_index - 1);
}

/* How many entries from next_index on fit in one message and, together with what is in flight, in
 * the window. At least one when nothing is in flight. */
static uint32_t entries_to_send(const struct raft *raft, const struct progress *progress)
{
    uint64_t in_flight = replication_in_flight_bytes(raft, progress);
    uint64_t room =
        raft->options.window_bytes > in_flight ? raft->options.window_bytes - in_flight : 0;
    uint64_t bytes_max = room < RAFT_MESSAGE_BYTES_MAX ? room : RAFT_MESSAGE_BYTES_MAX;
    uint64_t first = progress->next_index;
    uint32_t count = 0;
    while (count < RAFT_MESSAGE_ENTRIES_MAX && first + count <= raft->log.last_index &&
           term_log_bytes(&raft->log, first, first + count) <= bytes_max) {
        count++;
    }
    bool waiting = first <= raft->log.last_index;
    return count == 0 && in_flight == 0 && waiting ? 1 : count;
}

static void send_append(struct raft *raft, const struct progress *progress, uint32_t count)
{
    struct raft_message *message = raft_send(raft, RAFT_APPEND, progress->id);
    raft->append_sequence++;
    message->sequence = raft->append_sequence;
    message->prev_index = progress->next_index - 1;
    message->prev_term = term_log_term(&raft->log, message->prev_index);
    message->entry_count = count;
    message->commit_index = raft->commit_index;
}

static void send_probe(struct raft *raft, struct progress *progress)
{
    uint32_t count = entries_to_send(raft, progress);
    bool asks = progress->match_index + 1 < progress->next_index; /* worth sending empty */
    if (progress->probe_sent || (count == 0 && !asks)) {
        return;
    }
    send_append(raft, progress, count);
    progress->probe_sent = true;
    progress->first_sequence = raft->append_sequence;
    progress->moved_ns = raft->now_ns;
}

static void send_pipelined(struct raft *raft, struct progress *progress)
{
    for (uint32_t sent = 0; sent < RAFT_APPENDS_PER_STEP; sent++) {
        uint32_t count = entries_to_send(raft, progress);
        if (count == 0) {
            return;
        }
        if (progress->next_index == progress->match_index + 1) {
            progress->moved_ns = raft->now_ns;
        }
        send_append(raft, progress, count);
        progress->next_index += count;
    }
    if (entries_to_send(raft, progress) > 0) {
        raft->more_to_send = true;
    }
}

void replication_send(struct raft *raft)
{
    raft->more_to_send = false;
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        struct progress *progress = &raft->members[i];
        if (raft_is_self(raft, i) || !term_log_reaches(&raft->log, progress->next_index - 1)) {
            continue;
        }
        if (progress->mode == PROGRESS_PROBE) {
            send_probe(raft, progress);
        } else {
            send_pipelined(raft, progress);
        }
    }
}

void replication_tick(struct raft *raft)
{
    if (raft->role != RAFT_LEADER || raft->now_ns < raft->heartbeat_due_ns) {
        return;
    }
    raft->heartbeat_due_ns = raft->now_ns + raft->options.heartbeat_interval_ns;
    raft->heartbeat_wanted = true;
    raft->transfer_asked = false;
    read_index_start_round(raft);
}

void replication_heartbeats(struct raft *raft)
{
    raft->heartbeat_wanted = false;
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        const struct progress *progress = &raft->members[i];
        if (raft_is_self(raft, i)) {
            continue;
        }
        struct raft_message *message = raft_send(raft, RAFT_HEARTBEAT, progress->id);
        message->commit_index =
            progress->match_index < raft->commit_index ? progress->match_index : raft->commit_index;
        message->read_round = raft->reads.round;
    }
}

/* Where to try next after a refusal: one round trip for each term that differs, not for each entry
 * (dissertation §3.5). Behind the last entry of the conflicting term if this log has it, else where
 * the follower's entries of that term begin. */
static uint64_t next_after_conflict(const struct raft *raft, const struct progress *progress,
                                    const struct raft_message *message)
{
    uint64_t next = message->conflict_index;
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

void replication_result(struct raft *raft, const struct raft_message *message)
{
    if (raft->role != RAFT_LEADER) {
        return;
    }
    struct progress *progress = raft_member(raft, message->from);
    ASSERT(progress != NULL);
    if (message->match_index > raft->log.last_index) {
        raft_drop(raft);
        return;
    }
    progress->last_index = message->last_index;
    if (message->rejected) {
        rejected(raft, progress, message);
        return;
    }
    uint64_t match_index = message->match_index;
    if (match_index > progress->match_index) {
        progress->match_index = match_index;
        progress->moved_ns = raft->now_ns;
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

/* A follower that looks stuck may have all that was compacted: its acknowledgement was lost, or it
 * gave it to an earlier leader. Its last index tells whether that can be. */
static void ask_from_first_known(struct raft *raft, struct progress *progress)
{
    uint64_t first_known = term_log_first_known(&raft->log);
    if (progress->last_index >= first_known && term_log_reaches(&raft->log, first_known)) {
        probe(raft, progress, first_known + 1);
    }
}

/* The answer shows that the follower is alive. When what is in flight has got nowhere for long
 * enough, it was lost (or its answer was): start again behind what is known to have arrived. */
void replication_heartbeat_result(struct raft *raft, const struct raft_message *message)
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
    bool probing = progress->mode == PROGRESS_PROBE;
    bool waiting =
        probing ? progress->probe_sent : progress->next_index > progress->match_index + 1;
    bool patient = raft->now_ns - progress->moved_ns < raft->options.election_timeout_ns / 2;
    if (!patient && !term_log_reaches(&raft->log, progress->next_index - 1)) {
        ask_from_first_known(raft, progress);
    } else if (!patient && waiting) {
        probe(raft, progress, probing ? progress->next_index : progress->match_index + 1);
    }
    if (message->read_round > progress->read_round) {
        progress->read_round = message->read_round;
        read_index_confirm(raft);
    }
}
