/* The leader's side of replication (dissertation §3.5, §10.2): proposals, and what is sent to each
 * member next. What each has: progress.c. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
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

void replication_start(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->config.count; i++) {
        progress_start(raft, &raft->members[i]);
    }
    /* Entries of earlier terms commit only behind one of this term, so there is one at once. */
    const struct raft_entry_info noop = { .size = RAFT_ENTRY_HEADER_SIZE };
    append_own(raft, &noop, 1);
    raft->update.append_noop = true;
}

static enum status propose_config(struct raft *raft, const struct raft_entry_info *entry)
{
    TRY(membership_check(raft, entry->config));
    append_own(raft, entry, 1);
    membership_append(raft, entry->config, raft->log.last_index);
    return STATUS_OK;
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
    if (event->entries[0].config != NULL) {
        ASSERT(event->entry_count == 1);
        return propose_config(raft, &event->entries[0]);
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < event->entry_count; i++) {
        ASSERT(event->entries[i].config == NULL);
        bytes += event->entries[i].size;
    }
    /* One proposal is taken whatever its size, or a small limit would refuse it for ever. */
    if (entries > 0 && commit_pending_bytes(raft) + bytes > raft->options.uncommitted_bytes_max) {
        return STATUS_BUSY;
    }
    append_own(raft, event->entries, event->entry_count);
    return STATUS_OK;
}

/* How many entries from next_index on fit in one message and, together with what is in flight, in
 * the window. At least one when nothing is in flight. */
static uint32_t entries_to_send(const struct raft *raft, const struct progress *progress)
{
    uint64_t in_flight = progress_in_flight_bytes(raft, progress);
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
    if (count == 0 && in_flight > 0 && waiting) {
        SITUATION(raft_window_full);
    }
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
    for (uint32_t i = 0; i < raft->config.count; i++) {
        struct progress *progress = &raft->members[i];
        if (raft_is_self(raft, i) || progress_is_stuck(raft, progress)) {
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
    raft->offers_wanted = true;
    raft->transfer_asked = false;
    read_index_start_round(raft);
    transfer_by_priority(raft);
}

/* The entry from which on this log can be sent is what a snapshot must have. */
static void offer_snapshot(struct raft *raft, const struct progress *progress)
{
    SITUATION(raft_snapshot_offered);
    struct raft_message *message = raft_send(raft, RAFT_SNAPSHOT, progress->id);
    raft->append_sequence++;
    message->sequence = raft->append_sequence;
    message->last_index = term_log_first_known(&raft->log);
    message->last_term = term_log_term(&raft->log, message->last_index);
    ASSERT(message->last_term != 0);
}

void replication_heartbeats(struct raft *raft)
{
    raft->heartbeat_wanted = false;
    for (uint32_t i = 0; i < raft->config.count; i++) {
        const struct progress *progress = &raft->members[i];
        if (raft_is_self(raft, i)) {
            continue;
        }
        struct raft_message *message = raft_send(raft, RAFT_HEARTBEAT, progress->id);
        bool behind = progress->match_index < raft->commit_index;
        message->commit_index = behind && !MUTATION(raft_heartbeat_tells_all)
                                    ? progress->match_index
                                    : raft->commit_index;
        message->read_round = raft->reads.round;
        if (raft->offers_wanted && progress_is_stuck(raft, progress)) {
            offer_snapshot(raft, progress);
        }
    }
    raft->offers_wanted = false;
}
