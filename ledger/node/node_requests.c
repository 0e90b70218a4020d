/* node_requests.c — requests of API nodes: checked, bounded, answered. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <stdio.h>
#include <string.h>

enum status node_try_reply(struct node *node, uint64_t client, const struct reply *reply,
                           struct bytes payload)
{
    uint8_t head[REPLY_HEAD_SIZE];
    reply_encode(head, reply);
    struct bus_payload bus_payload = { .bytes = payload };
    return node->bus->ops->send_client(node->bus, client, FRAME_REPLY,
                                       (struct bytes){ head, sizeof head }, &bus_payload);
}

void node_send_reply(struct node *node, uint64_t client, const struct reply *reply,
                     struct bytes payload)
{
    if (node_try_reply(node, client, reply, payload) != STATUS_OK) {
        /* The client is gone or does not read: it finds the outcome by asking again. */
        metric_add(&node_metric_dropped_messages, 1);
    }
}

void node_refuse(struct node *node, uint64_t client, uint64_t request, enum status status,
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
    if (waiter->client != 0) {
        node_refuse(node, waiter->client, waiter->request, status, text);
    }
    node_settle(node, waiter);
}

static void fail_batch(struct node *node, struct batch *batch, enum status status, const char *text)
{
    for (uint32_t i = 0; i < batch->command_count; i++) {
        node_reply_error(node, &batch->waiters[i], status, text);
    }
    batch_free(batch);
}

/* What was not proposed is surely not committed. */
void node_refuse_writes(struct node *node, enum status status, const char *text)
{
    struct batch *batch;
    while ((batch = batch_pop(&node->ready)) != NULL) {
        fail_batch(node, batch, status, text);
    }
    if (node->making != NULL) {
        fail_batch(node, node->making, status, text);
        node->making = NULL;
    }
}

/* What was proposed may still be committed by the next leader. */
void node_leadership_lost(struct node *node)
{
    struct batch *batch;
    while ((batch = batch_pop(&node->flying)) != NULL) {
        bool wrong = MUTATION(node_lost_leader_says_not_applied);
        SITUATION(node_lost_leader_had_proposals);
        fail_batch(node, batch, wrong ? STATUS_NOT_LEADER : STATUS_LEADER_LOST,
                   "this node ceased to lead");
    }
    node_refuse_writes(node, STATUS_NOT_LEADER, "");
}

static void expire_batch(struct node *node, struct batch *batch, uint64_t now_ns)
{
    for (uint32_t i = 0; i < batch->command_count; i++) {
        struct waiter *waiter = &batch->waiters[i];
        if (waiter->client == 0 || waiter->expires_ns > now_ns) {
            continue;
        }
        SITUATION(node_write_waited_too_long);
        bool wrong = MUTATION(node_late_write_says_not_applied);
        node_refuse(node, waiter->client, waiter->request,
                    wrong ? STATUS_TIMEOUT : STATUS_TIMEOUT_UNKNOWN,
                    "the write was not committed before its deadline and may still be: send the "
                    "same ids again, or look them up, to learn the outcome");
        waiter->client = 0;
    }
}

/* A disk that hangs, or followers that are away, hold writes up for longer than anybody waits. They
 * are under way all the same, so nobody knows their outcome, and their share of the bounds stays
 * taken. */
void node_expire_writes(struct node *node, uint64_t now_ns)
{
    if (now_ns - node->writes_looked_ns < node->options.heartbeat_interval_ns) {
        return;
    }
    node->writes_looked_ns = now_ns;
    for (struct batch *batch = node->flying.head; batch != NULL; batch = batch->next) {
        expire_batch(node, batch, now_ns);
    }
    for (struct batch *batch = node->ready.head; batch != NULL; batch = batch->next) {
        expire_batch(node, batch, now_ns);
    }
    if (node->making != NULL) {
        expire_batch(node, node->making, now_ns);
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

/* Why a leader takes no writes for want of room. */
static enum status check_room(const struct node *node, char text[ERROR_TEXT_MAX])
{
    if (node_disk_short(node)) {
        (void)snprintf(text, ERROR_TEXT_MAX,
                       "node %u has %llu MiB of disk left, its reserve is %llu MiB "
                       "(--disk-reserve-mib)%s: free space or grow the disk",
                       node->identity.node, (unsigned long long)(node->disk_free_bytes >> 20),
                       (unsigned long long)(node->options.disk_reserve_bytes >> 20),
                       node_disk_full(node) ? ", and a write has met a full disk" : "");
        return STATUS_NO_SPACE;
    }
    if (!node_majority_has_room(node)) {
        (void)snprintf(text, ERROR_TEXT_MAX,
                       "fewer than a majority of the members have room on their disks: free space "
                       "there (`fenlu status` shows where)");
        return STATUS_NO_SPACE;
    }
    return STATUS_OK;
}

/* A node that is no member knows nothing of the others' books but what was once. */
static bool may_answer(const struct node *node, const struct request *request, bool write)
{
    if (node_self(node) == NULL) {
        return false;
    }
    bool anywhere = (request->flags & (REQUEST_STALE_READ | REQUEST_FOLLOWER_READ)) != 0;
    return node->raft_now.role == RAFT_LEADER || (!write && anywhere);
}

/* STATUS_OK, or why a request is not taken; the text names value, limit and remedy. */
static enum status admit(const struct node *node, const struct request *request,
                         const struct command *command, uint32_t bytes, char text[ERROR_TEXT_MAX])
{
    bool write = operation_is_write(command->header.operation);
    text[0] = '\0';
    if (node->draining) {
        return STATUS_SHUTTING_DOWN;
    }
    if (!may_answer(node, request, write)) {
        return STATUS_NOT_LEADER;
    }
    if (write && node->votes.stopped) {
        (void)snprintf(text, ERROR_TEXT_MAX,
                       "writing has stopped: after log entry %llu the books of the members differ "
                       "and no majority agrees (they last agreed after entry %llu): `fenlu status` "
                       "shows their digests; find the member that is wrong and replace it",
                       (unsigned long long)node->votes.open_index,
                       (unsigned long long)node->votes.agreed_index);
        return STATUS_PRECONDITION;
    }
    if (write) {
        TRY(check_room(node, text));
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
    if (request.operation == OPERATION_ADMIN) {
        node_on_admin(node, client, request.id, payload);
        return;
    }
    const uint8_t *data = payload.data;
    size_t size = payload.size;
    if (command_next(&data, &size, true, &command) != STATUS_OK || size != 0 ||
        command.header.operation != request.operation) {
        node_refuse(node, client, request.id, STATUS_INVALID, "malformed command");
        return;
    }
    char text[ERROR_TEXT_MAX];
    const unsigned operation = command.header.operation;
    bool write = operation_is_write(operation);
    const uint32_t records =
        operation_is_query(operation) ? 1 : operation_answer_max(operation, command.header.count);
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    struct waiter waiter = {
        .client = client,
        .request = request.id,
        .expires_ns =
            request.timeout_ns < UINT64_MAX - now_ns ? now_ns + request.timeout_ns : UINT64_MAX,
        .bytes = write || operation == OPERATION_BALANCES_AS_OF ? (uint32_t)payload.size
                                                                : records * EVENT_SIZE,
    };
    enum status status = admit(node, &request, &command, waiter.bytes, text);
    if (status != STATUS_OK) {
        node_refuse(node, client, request.id, status, text);
        return;
    }
    node->queued_count++;
    node->queued_bytes += waiter.bytes;
    metric_set(&node_metric_queue, node->queued_count);
    if (write) {
        node_add_write(node, &waiter, &command, payload);
    } else {
        node_add_read(node, &waiter, &command, (request.flags & REQUEST_STALE_READ) != 0);
    }
}
