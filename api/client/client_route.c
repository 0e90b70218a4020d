#include "api/client/client_internal.h"
#include "base/assert.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/wire_admin.h"
#include "ledger/store/records.h"
#include "raft/net/bus.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t client_open_count(const struct cluster_client *client)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        count += client->members[i].open ? 1 : 0;
    }
    return count;
}

/* The member that leads, when it is known and its connection is open; else NULL. */
static struct client_member *leader_member(struct cluster_client *client)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct client_member *member = &client->members[i];
        if (client->view.leader != 0 && member->member.id == client->view.leader) {
            return member->open ? member : NULL;
        }
    }
    return NULL;
}

static bool is_admin(const struct client_request *request)
{
    return request->submitted.operation == (enum operation)OPERATION_ADMIN;
}

/* Changes something, so that its outcome can be unknown. */
static bool is_write(const struct client_request *request)
{
    return operation_is_write(request->submitted.operation) ||
           (is_admin(request) && request->submitted.bytes[0] != ADMIN_LIST);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void release_bytes(void *context, void *data)
{
    struct client_request *request = context;
    ASSERT(request->submitted.bytes == data);
    requests_unref(request);
}

static uint16_t read_flags(const struct cluster_request *submitted)
{
    return submitted->stale ? REQUEST_STALE_READ : submitted->follower ? REQUEST_FOLLOWER_READ : 0;
}

static bool attempt(struct client_request *request, struct client_member *member, uint64_t now_ns)
{
    struct requests *requests = request->table;
    uint64_t wire_id = requests_next_wire_id(requests, request);
    struct request wire = {
        .id = wire_id,
        .timeout_ns = request->deadline_ns > now_ns ? request->deadline_ns - now_ns : 1,
        .operation = (uint16_t)request->submitted.operation,
        .flags = read_flags(&request->submitted),
    };
    uint8_t head[REQUEST_HEAD_SIZE];
    request_encode(head, &wire);
    struct bus_payload payload = {
        .bytes = { request->submitted.bytes, request->size },
        .release = release_bytes,
        .release_context = request,
    };
    requests_ref(request);
    enum status status =
        client_send(member, FRAME_REQUEST, (struct bytes){ head, sizeof head }, &payload);
    if (status != STATUS_OK) { /* the queue is full, or the connection is just closing */
        requests_unref(request);
        return false;
    }
    request->wire_id = wire_id;
    request->member = (uint32_t)(member - member->client->members);
    requests_move(request, &requests->sent[request->member]);
    return true;
}

/* One of those that do not lead, in turns; the leader when it is alone. */
static struct client_member *follower_for(struct cluster_client *client,
                                          const struct client_request *request)
{
    struct client_member *leader = leader_member(client);
    struct client_member *followers[RAFT_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        if (client->members[i].open && &client->members[i] != leader) {
            followers[count++] = &client->members[i];
        }
    }
    return count > 0 ? followers[request->handle % count] : leader;
}

/* A stale read may go to any server when no leader is reachable. */
static struct client_member *target_of(struct cluster_client *client,
                                       const struct client_request *request)
{
    if (client->serving) {
        bool follower = request->submitted.follower && !request->to_leader;
        return follower ? follower_for(client, request) : leader_member(client);
    }
    for (uint32_t i = 0; request->submitted.stale && i < RAFT_MEMBERS_MAX; i++) {
        if (client->members[i].open) {
            return &client->members[i];
        }
    }
    return NULL;
}

static bool send_list(struct cluster_client *client, struct request_list *list, uint64_t now_ns)
{
    struct client_request *next = NULL;
    for (struct client_request *request = TAILQ_FIRST(list); request != NULL; request = next) {
        next = TAILQ_NEXT(request, link);
        struct client_member *member = target_of(client, request);
        if (member != NULL && !attempt(request, member, now_ns)) {
            return false;
        }
    }
    return true;
}

static void retry(struct client_request *request, bool uncertain)
{
    bool unknown = uncertain && is_write(request) && !MUTATION(client_forgets_that_it_sent);
    request->uncertain = request->uncertain || unknown;
    if (MUTATION(client_retries_under_new_sequence)) {
        request->submitted.bytes[offsetof(struct command_header, sequence) + 6] ^= 1;
    }
    request->wire_id = 0;
    request->to_leader = true;
    requests_move(request, &request->table->retrying);
}

void client_recall(struct client_member *member)
{
    struct cluster_client *client = member->client;
    struct request_list *sent = &client->requests->sent[member - client->members];
    struct client_request *request = NULL;
    while ((request = TAILQ_FIRST(sent)) != NULL) {
        retry(request, true);
    }
}

/* Another member leads now: what others have not answered goes there. A read that was asked of a
 * follower is answered by whoever has it. */
static void recall_others(struct cluster_client *client, const struct client_member *leader)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct request_list *sent = &client->requests->sent[i];
        struct client_request *next = NULL;
        if (&client->members[i] == leader) {
            continue;
        }
        for (struct client_request *at = TAILQ_FIRST(sent); at != NULL; at = next) {
            next = TAILQ_NEXT(at, link);
            if (!at->submitted.stale && !at->submitted.follower) {
                retry(at, true);
            }
        }
    }
}

static void hold(struct cluster_client *client)
{
    client->hold_until_ns = clock_mono_ns(&client->clock) + CLIENT_HOLD_MS * NS_PER_MS;
}

void client_route_new(struct cluster_client *client, struct client_request *request,
                      uint64_t now_ns)
{
    if (client->serving) {
        client_route(client, now_ns);
        return;
    }
    struct client_member *member = target_of(client, request);
    if (member != NULL && !attempt(request, member, now_ns)) {
        hold(client);
    }
}

void client_route(struct cluster_client *client, uint64_t now_ns)
{
    if (client->closing || now_ns < client->hold_until_ns || client_open_count(client) == 0) {
        return;
    }
    if (client->serving) {
        recall_others(client, leader_member(client));
    }
    if (!send_list(client, &client->requests->retrying, now_ns) ||
        !send_list(client, &client->requests->waiting, now_ns)) {
        hold(client);
    }
}

/* --- completing ------------------------------------------------------------------------------- */

static void complete(struct client_request *request, const struct cluster_answer *answer)
{
    cluster_callback callback = request->submitted.callback;
    void *context = request->submitted.context;
    requests_remove(request);
    callback(context, answer);
}

static void fail(struct client_request *request, enum status status, const char *text)
{
    struct cluster_answer answer = { .status = status, .text = text };
    complete(request, &answer);
}

static void expire(struct cluster_client *client, struct client_request *request)
{
    bool sent = request->wire_id != 0;
    bool unknown = is_write(request) && (sent || request->uncertain);
    if (unknown) {
        SITUATION(client_gave_up_unknown);
    }
    if (client->serving) {
        if (unknown) {
            fail(request, STATUS_TIMEOUT_UNKNOWN,
                 "the leader did not answer before the deadline; send the same ids again, or look "
                 "them up, to learn the outcome");
            return;
        }
        fail(request, STATUS_TIMEOUT,
             sent ? "the leader did not answer the read before the deadline"
                  : "the deadline passed before the request could be sent to the leader; nothing "
                    "was applied");
        return;
    }
    char text[CLIENT_TEXT_MAX];
    int size =
        snprintf(text, sizeof text, "no leader was reachable (%u of %u servers connected); %s",
                 client_open_count(client), client->member_count,
                 unknown ? "the last one may have taken the request: send the same ids "
                           "again, or look them up, to learn the outcome"
                         : "nothing was applied, try again later");
    ASSERT(size > 0 && (size_t)size < sizeof text);
    fail(request, unknown ? STATUS_LEADER_LOST : STATUS_NO_LEADER, text);
}

void client_expire(struct cluster_client *client, uint64_t now_ns)
{
    struct client_request *request = NULL;
    while ((request = requests_earliest(client->requests)) != NULL &&
           request->deadline_ns <= now_ns) {
        expire(client, request);
    }
}

void client_abandon(struct cluster_client *client)
{
    struct client_request *request = NULL;
    while ((request = requests_earliest(client->requests)) != NULL) {
        bool unknown = is_write(request) && (request->wire_id != 0 || request->uncertain);
        fail(request, unknown ? STATUS_LEADER_LOST : STATUS_SHUTTING_DOWN,
             unknown ? "shutting down; the request may have been applied: send the same ids again, "
                       "or look them up, to learn the outcome"
                     : "shutting down; nothing was applied, use another node");
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

/* A leader that answers with something else than it was asked for has a bug, or is none of ours. */
static bool answer_sound(const struct client_request *request, const struct reply *reply,
                         size_t payload_size)
{
    if (is_admin(request)) {
        return true; /* whoever asked decodes it */
    }
    enum operation operation = request->submitted.operation;
    if (is_write(request)) {
        const struct command command = {
            .header = { .operation = (uint16_t)operation, .count = request->submitted.count },
            .events = request->submitted.bytes + COMMAND_HEADER_SIZE,
        };
        return reply->count == command_result_count(&command) &&
               payload_size == (size_t)reply->count * RESULT_SIZE;
    }
    return reply->count <= operation_answer_max(operation, request->submitted.count) &&
           payload_size == (size_t)reply->count * operation_answer_size(operation);
}

static void answered(struct client_request *request, const struct reply *reply,
                     struct bytes payload)
{
    if (!answer_sound(request, reply, payload.size)) {
        log_line(LOG_ERROR, "client_answer_unsound",
                 LOG_UINT("operation", request->submitted.operation),
                 LOG_UINT("count", reply->count), LOG_UINT("bytes", payload.size), LOG_END);
        fail(request, STATUS_PROTOCOL,
             "the server's answer does not fit the request; send the same ids again, or look them "
             "up, to learn the outcome");
        return;
    }
    struct cluster_answer answer = {
        .status = STATUS_OK,
        .text = "",
        .log_index = reply->log_index,
        .timestamp = reply->timestamp,
        .count = reply->count,
        .payload = payload,
    };
    complete(request, &answer);
}

static void refused(struct client_request *request, enum status status, struct bytes payload)
{
    char text[CLIENT_TEXT_MAX];
    size_t size = payload.size < sizeof text ? payload.size : sizeof text - 1;
    if (size > 0) {
        memcpy(text, payload.data, size);
    }
    text[size] = '\0';
    fail(request, status, size > 0 ? text : status_text(status));
}

/* What the server says about this attempt. An earlier attempt may still have taken effect, so "not
 * applied" ends a request only when there was none that got no answer. */
static void judge(struct client_member *member, struct client_request *request,
                  const struct reply *reply, struct bytes payload)
{
    struct cluster_client *client = member->client;
    enum status status = reply->status;
    bool may_have_moved = status == STATUS_NOT_LEADER || status == STATUS_SHUTTING_DOWN;
    bool refusal = status_outcome(status) == OUTCOME_NOT_APPLIED;
    if (status == STATUS_OK) {
        answered(request, reply, payload);
    } else if (status == STATUS_LEADER_LOST) {
        SITUATION(client_leader_lost_retried);
        retry(request, true);
    } else if (status == STATUS_TIMEOUT && !client->serving) {
        expire(client, request); /* the server's clock was first; we know why it took so long */
    } else if (may_have_moved || (refusal && request->uncertain)) {
        retry(request, false);
        if (!may_have_moved || request->submitted.stale ||
            client->view.leader == member->member.id) {
            hold(client);
        }
    } else {
        refused(request, status, payload);
    }
}

/* Every reply names who leads, as Raft has it; only one about status says whether that leader can
 * serve. So a leader's other replies do not undo what it said there about the same term. */
static void learn(struct client_member *member, const struct reply *reply)
{
    struct leader_view *view = &member->client->view;
    bool claims = reply->leader == member->member.id && !client_is_status_id(reply->id);
    if (!claims || view->denied_term != reply->term) {
        leader_view_learn(view, member->member.id, reply->leader, reply->term);
    }
    if (reply->status == STATUS_SHUTTING_DOWN) {
        leader_view_deny(view, member->member.id);
    }
}

void client_on_answer(struct client_member *member, const struct reply *reply, struct bytes payload)
{
    struct cluster_client *client = member->client;
    client_member_heard(member);
    learn(member, reply);
    if (client_is_status_id(reply->id)) {
        client_on_status(member, reply, payload); /* may end the member's place */
    } else {
        struct client_request *request = requests_by_wire_id(client->requests, reply->id);
        /* An answer to an attempt that was given up is not waited for any more. */
        if (request != NULL && &client->members[request->member] == member) {
            judge(member, request, reply, payload);
        }
    }
    client_refresh(client);
}

void client_refresh(struct cluster_client *client)
{
    if (client->closing) {
        return;
    }
    uint64_t now_ns = clock_mono_ns(&client->clock);
    struct client_member *leader = leader_member(client);
    bool serving = leader != NULL && !client_member_silent(leader, now_ns);
    if (serving != client->serving) {
        client->serving = serving;
        client->poll_due_ns = serving ? client->poll_due_ns : now_ns;
        log_line(serving ? LOG_INFO : LOG_WARN, serving ? "leader_found" : "leader_missing",
                 LOG_UINT("leader", client->view.leader), LOG_UINT("term", client->view.term),
                 LOG_UINT("connected", client_open_count(client)), LOG_END);
        if (client->on_serving != NULL) {
            client->on_serving(client->on_serving_context, serving);
        }
    }
    client_poll(client, now_ns);
    client_route(client, now_ns);
    client_arm(client);
}
