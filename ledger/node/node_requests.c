/* node_requests.c — requests of API nodes: checked, bounded, gathered into batches, proposed. */
#include "base/assert.h"
#include "ledger/node/node_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Batches smaller than this are copied to an entry of their own size before they are proposed, so
 * that the cache does not hold empty room. */
enum { COPY_BELOW = RAFT_ENTRY_BODY_MAX / 2 };

/* --- answers --- */

void node_send_reply(struct node *node, uint64_t client, const struct reply *reply,
                     struct bytes payload)
{
    uint8_t head[REPLY_HEAD_SIZE];
    reply_encode(head, reply);
    struct bus_payload bus_payload = { .bytes = payload };
    enum status status = node->bus->ops->send_client(
        node->bus, client, FRAME_REPLY, (struct bytes){ head, sizeof head }, &bus_payload);
    if (status != STATUS_OK) {
        /* The client is gone or does not read: it finds the outcome by asking again. */
        metric_add(&node_metric_dropped_messages, 1);
    }
}

static void reply_status(struct node *node, uint64_t client, uint64_t request, enum status status,
                         const char *text)
{
    struct reply reply = { .id = request,
                           .status = status,
                           .leader = node->raft_now.leader,
                           .term = node->raft_now.term,
                           .log_index = node->view.applied_index,
                           .timestamp = node->view.timestamp };
    node_send_reply(node, client, &reply, (struct bytes){ (const uint8_t *)text, strlen(text) });
    metric_add(&node_metric_refused, 1);
}

void node_reply_error(struct node *node, const struct waiter *waiter, enum status status,
                      const char *text)
{
    reply_status(node, waiter->client, waiter->request, status, text);
    node_settle(node, waiter);
}

static void fail_batch(struct node *node, struct batch *batch, enum status status, const char *text)
{
    for (uint32_t i = 0; i < batch->command_count; i++) {
        node_reply_error(node, &batch->waiters[i], status, text);
    }
    batch_free(batch);
}

/* What was proposed may still be committed by the next leader; what was not is surely not. */
void node_leadership_lost(struct node *node)
{
    struct batch *batch;
    while ((batch = batch_pop(&node->flying)) != NULL) {
        fail_batch(node, batch, STATUS_LEADER_LOST, "this node ceased to lead");
    }
    while ((batch = batch_pop(&node->ready)) != NULL) {
        fail_batch(node, batch, STATUS_NOT_LEADER, "");
    }
    if (node->making != NULL) {
        fail_batch(node, node->making, STATUS_NOT_LEADER, "");
        node->making = NULL;
    }
}

static void answer_status(struct node *node, uint64_t client, uint64_t request)
{
    struct node_status status;
    node_status(node, &status);
    uint8_t payload[NODE_STATUS_SIZE];
    node_status_encode(payload, &status);
    struct reply reply = { .id = request,
                           .status = STATUS_OK,
                           .leader = node_serving(node) ? node->raft_now.leader : 0,
                           .term = node->raft_now.term,
                           .log_index = status.applied_index,
                           .timestamp = status.timestamp,
                           .count = 1 };
    node_send_reply(node, client, &reply, (struct bytes){ payload, sizeof payload });
}

/* --- admission --- */

static bool disk_low(const struct node *node)
{
    return node_disk_full(node) || node->disk_free_bytes < node->options.disk_reserve_bytes;
}

/* STATUS_OK, or why a request is not taken; the text names value, limit and remedy. */
static enum status admit(const struct node *node, const struct request *request,
                         const struct command *command, uint32_t bytes, char text[ERROR_TEXT_MAX])
{
    bool stale = (request->flags & REQUEST_STALE_READ) != 0;
    bool write = operation_is_write(command->header.operation);
    text[0] = '\0';
    if (node->draining) {
        return STATUS_SHUTTING_DOWN;
    }
    if (node->raft_now.role != RAFT_LEADER && (write || !stale)) {
        return STATUS_NOT_LEADER;
    }
    if (write && disk_low(node)) {
        (void)snprintf(text, ERROR_TEXT_MAX,
                       "node %u has %llu MiB of disk left, its reserve is %llu MiB "
                       "(--disk-reserve-mib)%s: free space or grow the disk",
                       node->identity.node, (unsigned long long)(node->disk_free_bytes >> 20),
                       (unsigned long long)(node->options.disk_reserve_bytes >> 20),
                       node_disk_full(node) ? ", and a write has met a full disk" : "");
        return STATUS_NO_SPACE;
    }
    if (node->queued_count >= REQUESTS_QUEUED_MAX ||
        node->queued_bytes + bytes > REQUESTS_QUEUED_BYTES_MAX) {
        (void)snprintf(text, ERROR_TEXT_MAX,
                       "%llu requests of %llu bytes are queued, the limits are %d and %d: send "
                       "fewer at once, or again later",
                       (unsigned long long)node->queued_count,
                       (unsigned long long)node->queued_bytes, REQUESTS_QUEUED_MAX,
                       REQUESTS_QUEUED_BYTES_MAX);
        return STATUS_BUSY;
    }
    return STATUS_OK;
}

/* --- batches --- */

static struct batch *batch_new(void)
{
    struct batch *batch = malloc(sizeof *batch);
    ASSERT(batch != NULL);
    batch->next = NULL;
    batch->events = 0;
    batch->command_count = 0;
    batch->bytes = 0;
    batch->entry = entry_new(RAFT_ENTRY_BODY_MAX);
    memset(&batch->entry->header, 0, sizeof batch->entry->header);
    batch->entry->header.kind = ENTRY_COMMANDS;
    return batch;
}

static bool batch_has_room(const struct batch *batch, uint32_t size)
{
    return batch->command_count < ENTRY_COMMANDS_MAX &&
           batch->entry->header.body_size + size <= RAFT_ENTRY_BODY_MAX;
}

static void make_ready(struct node *node)
{
    batch_push(&node->ready, node->making);
    node->making = NULL;
}

/* The one copy of a command on its way into the log. */
static void add_write(struct node *node, const struct waiter *waiter, const struct command *command,
                      struct bytes payload)
{
    if (node->making != NULL && !batch_has_room(node->making, (uint32_t)payload.size)) {
        make_ready(node);
    }
    if (node->making == NULL) {
        node->making = batch_new();
    }
    struct batch *batch = node->making;
    struct entry *entry = batch->entry;
    memcpy(entry->body + entry->header.body_size, payload.data, payload.size);
    entry->header.body_size += (uint32_t)payload.size;
    batch->events += command->header.count;
    batch->bytes += waiter->bytes;
    batch->waiters[batch->command_count++] = *waiter;
}

static void add_read(struct node *node, const struct waiter *waiter, const struct command *command,
                     bool stale)
{
    size_t size = (size_t)command->header.count * sizeof(u128);
    struct job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    job->kind = JOB_READ;
    job->waiter = *waiter;
    job->command = *command;
    job->events = malloc(size);
    job->records = malloc((size_t)command->header.count * EVENT_SIZE);
    ASSERT(job->events != NULL && job->records != NULL);
    memcpy(job->events, command->events, size);
    job->command.events = job->events;
    if (stale) { /* what is applied here is good enough */
        node_feed_read(node, job);
        return;
    }
    if (node->new_reads_tail != NULL) {
        node->new_reads_tail->next = job;
    } else {
        node->new_reads = job;
    }
    node->new_reads_tail = job;
}

void node_on_request(struct node *node, uint64_t client, struct bytes head, struct bytes payload)
{
    struct request request;
    struct command command;
    if (request_decode(head, &request) != STATUS_OK) {
        metric_add(&node_metric_refused, 1);
        return; /* without an id there is nobody to answer */
    }
    if (request.operation == OPERATION_STATUS) {
        answer_status(node, client, request.id);
        return;
    }
    const uint8_t *data = payload.data;
    size_t size = payload.size;
    if (command_next(&data, &size, true, &command) != STATUS_OK || size != 0 ||
        command.header.operation != request.operation) {
        reply_status(node, client, request.id, STATUS_INVALID, "malformed command");
        return;
    }
    char text[ERROR_TEXT_MAX];
    bool write = operation_is_write(command.header.operation);
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    struct waiter waiter = {
        .client = client,
        .request = request.id,
        .expires_ns =
            request.timeout_ns < UINT64_MAX - now_ns ? now_ns + request.timeout_ns : UINT64_MAX,
        .bytes = write ? (uint32_t)payload.size : command.header.count * EVENT_SIZE,
    };
    enum status status = admit(node, &request, &command, waiter.bytes, text);
    if (status != STATUS_OK) {
        reply_status(node, client, request.id, status, text);
        return;
    }
    node->queued_count++;
    node->queued_bytes += waiter.bytes;
    metric_set(&node_metric_queue, node->queued_count);
    if (write) {
        add_write(node, &waiter, &command, payload);
    } else {
        add_read(node, &waiter, &command, (request.flags & REQUEST_STALE_READ) != 0);
    }
}

/* --- proposing --- */

/* The entry at its final size, stamped: cluster time is this leader's wall clock, but never less
 * than the last timestamp plus one for each event. */
static struct entry *stamp(struct node *node, struct batch *batch)
{
    struct entry *entry = batch->entry;
    uint32_t size = entry->header.body_size;
    if (size < COPY_BELOW && entry->body_capacity > size) { /* not yet: it may have been busy */
        struct entry *small = entry_new(size);
        small->header = entry->header;
        memcpy(small->body, entry->body, size);
        entry_release(entry);
        entry = small;
        batch->entry = entry;
    }
    uint64_t wall = clock_wall_ns(&node->options.clock);
    uint64_t least = node->last_timestamp + batch->events;
    entry->header.timestamp = wall > least ? wall : least;
    return entry;
}

/* True when it was taken. It flies before the step: should the step find that this node leads no
 * more, the batch is answered with the others that do. */
static bool propose(struct node *node, struct batch *batch)
{
    struct entry *entry = stamp(node, batch);
    struct raft_entry_info info = { .size = entry_size(&entry->header) };
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .entries = &info,
                                .entry_count = 1 };
    struct batch *before = node->flying.tail;
    batch_push(&node->flying, batch);
    enum status status;
    node_step(node, &event, &entry, &status);
    if (status == STATUS_OK) {
        return true;
    }
    /* Refused, and nothing changed: it is the first of the ready ones again. */
    ASSERT(node->flying.tail == batch);
    node->flying.tail = before;
    if (before != NULL) {
        before->next = NULL;
    } else {
        node->flying.head = NULL;
    }
    batch->next = node->ready.head;
    node->ready.head = batch;
    node->ready.tail = node->ready.tail != NULL ? node->ready.tail : batch;
    return false;
}

/* Self-clocking: while this node's own flush is under way, small batches wait for it and grow. */
static bool may_propose(const struct node *node, bool full)
{
    if (entry_cache_bytes_after(&node->cache, node->view.applied_index) > UNAPPLIED_BYTES_MAX) {
        return false;
    }
    return full ||
           __atomic_load_n(&node->written_sequence, __ATOMIC_ACQUIRE) == node->write_submitted;
}

static bool propose_ready(struct node *node)
{
    if (node->ready.head == NULL || !may_propose(node, true)) {
        return false;
    }
    return propose(node, batch_pop(&node->ready));
}

static void refuse_group(struct node *node, struct read_group *group)
{
    struct job *job;
    while ((job = group->jobs) != NULL) {
        group->jobs = job->next;
        node_reply_error(node, &job->waiter, STATUS_NOT_LEADER, "");
        job_free(job);
    }
    free(group);
}

static void remove_group(struct node *node, struct read_group *group, struct read_group *previous)
{
    if (previous != NULL) {
        previous->next = group->next;
    } else {
        node->groups_head = group->next;
    }
    if (node->groups_tail == group) {
        node->groups_tail = previous;
    }
}

/* The reads that queued since the last flush become one group; it stands in the list before the
 * step, which may confirm or refuse it at once. */
static void flush_reads(struct node *node)
{
    if (node->new_reads == NULL) {
        return;
    }
    struct read_group *group = calloc(1, sizeof *group);
    ASSERT(group != NULL);
    group->read_id = node->next_read_id + 1;
    group->jobs = node->new_reads;
    struct read_group *before = node->groups_tail;
    if (before != NULL) {
        before->next = group;
    } else {
        node->groups_head = group;
    }
    node->groups_tail = group;
    struct job *jobs = node->new_reads;
    struct job *jobs_tail = node->new_reads_tail;
    node->new_reads = NULL;
    node->new_reads_tail = NULL;
    struct raft_event event = { .kind = RAFT_EVENT_READ,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .read_id = group->read_id };
    enum status status;
    node_step(node, &event, NULL, &status);
    if (status == STATUS_OK) {
        node->next_read_id++;
        return;
    }
    remove_group(node, group, before);
    if (status == STATUS_BUSY) { /* they wait for the next flush */
        node->new_reads = jobs;
        node->new_reads_tail = jobs_tail;
        group->jobs = NULL;
    }
    refuse_group(node, group);
}

void node_flush(struct node *node)
{
    flush_reads(node);
    while (propose_ready(node)) {
    }
    if (node->making != NULL && node->ready.head == NULL && may_propose(node, false)) {
        make_ready(node);
        (void)propose_ready(node);
    }
    node_feed(node);
}

void node_reads_confirmed(struct node *node, const struct raft_read *reads, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct read_group *previous = NULL;
        struct read_group *group = node->groups_head;
        while (group != NULL && group->read_id != reads[i].read_id) {
            previous = group;
            group = group->next;
        }
        ASSERT(group != NULL);
        if (reads[i].index != 0) {
            group->index = reads[i].index;
            continue;
        }
        remove_group(node, group, previous);
        refuse_group(node, group);
    }
}
