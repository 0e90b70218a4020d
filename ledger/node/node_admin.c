/* node_admin.c — OPERATION_ADMIN: the members shown and changed (wire_admin.h).
 *
 * A change is answered once it is proposed, with the list as it is then; who asked looks again to
 * see it committed. Each refusal names what stands in the way and what to do. */
#include "ledger/node/node_admin.h"

#include "base/address.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"
#include "ledger/node/wire_admin.h"

#include <stdio.h>
#include <string.h>

/* --- answers --- */

static void fill_member(struct node *node, const struct member *member, struct member_view *view)
{
    const struct raft_status *now = &node->raft_now;
    const struct peer *peer = node_peer(node, member->id);
    uint32_t at = node_member_at(node, member->id);
    bool self = member->id == node->identity.node;
    bool leads = now->role == RAFT_LEADER && at < now->member_count;
    *view = (struct member_view){ .id = member->id,
                                  .roles = member->roles,
                                  .priority = member->priority,
                                  .heard = leads && node_hears(node, at),
                                  .incarnation = member->incarnation };
    if (self) {
        view->features = node->options.features;
        view->match_index = now->durable_index;
    } else {
        view->features = peer != NULL ? peer->features : 0;
        view->match_index = leads ? now->members[at].match_index : 0;
    }
    memcpy(view->address, member->address, sizeof view->address);
}

static void answer_view(struct node *node, uint64_t client, uint64_t request, uint64_t log_index)
{
    const struct node_members *last = &node->config.last;
    const struct raft_status *now = &node->raft_now;
    struct members_view view = { .config_index = last->index,
                                 .committed = now->config_committed,
                                 .leader = now->leader,
                                 .term = now->term,
                                 .commit_index = now->commit_index,
                                 .features_on = last->members.features,
                                 .count = last->members.count };
    for (uint32_t i = 0; i < last->members.count; i++) {
        fill_member(node, &last->members.members[i], &view.members[i]);
    }
    uint8_t payload[MEMBERS_VIEW_SIZE_MAX];
    size_t size = members_view_encode(payload, &view);
    struct reply reply = { .id = request,
                           .status = STATUS_OK,
                           .leader = now->leader,
                           .term = now->term,
                           .log_index = log_index,
                           .timestamp = node->view.timestamp,
                           .count = view.count };
    node_send_reply(node, client, &reply, (struct bytes){ payload, size });
}

/* The ledger was frozen at `index`; a snapshot is taken when that is sealed. */
void node_admin_sealed(struct node *node, const struct waiter *waiter, uint64_t index)
{
    node->snapshot_wanted = index;
    answer_view(node, waiter->client, waiter->request, index);
}

/* --- actions: `next` is the list as it is, to be changed --- */

static struct member *find_member(struct members *members, uint32_t id)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->members[i].id == id) {
            return &members->members[i];
        }
    }
    return NULL;
}

/* It is so, or about to be: the same request came before. */
static bool is_so(const struct node *node, const struct admin_request *request)
{
    const struct member *member = members_find(&node->config.last.members, request->id);
    if (member == NULL) {
        return false;
    }
    switch (request->action) {
    case ADMIN_ADD:
        return strcmp(member->address, request->address) == 0 && member->roles != RAFT_VOTER_OLD;
    case ADMIN_PROMOTE:
        return request->has_priority ? member->priority == request->priority
                                     : (member->roles & RAFT_VOTER) != 0;
    case ADMIN_REMOVE:
        return member->roles == RAFT_VOTER_OLD;
    case ADMIN_LIST:
    case ADMIN_TRANSFER:
    case ADMIN_SNAPSHOT:
    case ADMIN_ACTION_END:
        break;
    }
    return false;
}

static enum status add(struct members *next, const struct admin_request *request,
                       struct error *error)
{
    const struct member *there = find_member(next, request->id);
    struct address address;
    TRY(address_parse(request->address, &address, error));
    if (address.port == 0) {
        return error_set(error, STATUS_INVALID,
                         "%.200s has port 0, which nobody can dial: give the new member a port",
                         request->address);
    }
    if (there != NULL) {
        return error_set(error, STATUS_EXISTS,
                         "member %u is there already, at %.200s: to replace it or to move it to "
                         "%.200s remove it first; for one more member give an id that is free",
                         request->id, there->address, request->address);
    }
    for (uint32_t i = 0; i < next->count; i++) {
        if (strcmp(next->members[i].address, request->address) == 0) {
            return error_set(error, STATUS_EXISTS,
                             "%.200s is the address of member %u: give the new member its own, or "
                             "remove member %u first",
                             request->address, next->members[i].id, next->members[i].id);
        }
    }
    if (next->count == RAFT_MEMBERS_MAX) {
        return error_set(error, STATUS_TOO_LARGE,
                         "there are %d members already, which is the limit: remove one first",
                         RAFT_MEMBERS_MAX);
    }
    uint32_t at = 0;
    while (at < next->count && next->members[at].id < request->id) {
        at++;
    }
    memmove(&next->members[at + 1], &next->members[at],
            (next->count - at) * sizeof next->members[0]);
    next->count++;
    struct member *member = &next->members[at];
    *member = (struct member){ .id = request->id, .roles = RAFT_LEARNER };
    member->priority = request->has_priority ? request->priority : RAFT_PRIORITY_DEFAULT;
    memcpy(member->address, request->address, sizeof member->address);
    return STATUS_OK;
}

static enum status promote(struct node *node, struct members *next,
                           const struct admin_request *request, struct error *error)
{
    struct member *member = find_member(next, request->id);
    if (member == NULL) {
        return node_admin_unknown_member(node, request, error);
    }
    if (request->has_priority) {
        member->priority = request->priority;
        return STATUS_OK;
    }
    uint32_t at = node_member_at(node, member->id);
    const struct raft_status *now = &node->raft_now;
    if (member->incarnation == 0 || at == now->member_count || !node_hears(node, at)) {
        return error_set(error, STATUS_PRECONDITION,
                         "member %u at %.200s is not heard: start it first; it becomes a voter by "
                         "itself when it has caught up",
                         member->id, member->address);
    }
    if (now->members[at].match_index + LEARNER_LAG_MAX < now->commit_index) {
        return error_set(error, STATUS_PRECONDITION,
                         "member %u has the log up to %llu of %llu: it becomes a voter by itself "
                         "when it has caught up",
                         member->id, (unsigned long long)now->members[at].match_index,
                         (unsigned long long)now->commit_index);
    }
    members_enter_joint(next);
    member->roles = RAFT_VOTER;
    return node_admin_check_quorum(node, next, error);
}

static enum status remove_member(struct node *node, struct members *next,
                                 const struct admin_request *request, struct error *error)
{
    struct member *member = find_member(next, request->id);
    if (member == NULL) {
        return node_admin_unknown_member(node, request, error);
    }
    if (member->roles == RAFT_LEARNER) {
        members_drop(next, (uint32_t)(member - next->members));
        return STATUS_OK;
    }
    members_enter_joint(next);
    member->roles = RAFT_VOTER_OLD;
    return node_admin_check_quorum(node, next, error);
}

static enum status transfer(struct node *node, const struct admin_request *request,
                            struct error *error)
{
    const struct raft_status *now = &node->raft_now;
    if (request->id == now->leader) {
        return STATUS_OK;
    }
    if (request->id != 0) {
        TRY(node_admin_check_heir(node, request, error));
    }
    struct raft_event event = { .kind = RAFT_EVENT_TRANSFER,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .transfer_to = request->id };
    enum status status;
    node_step(node, &event, NULL, &status);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, status,
                                           "nobody can take over now: another transfer is under "
                                           "way, or no voter has caught up");
}

static enum status change(struct node *node, const struct admin_request *request,
                          struct error *error)
{
    uint32_t except = request->action == ADMIN_REMOVE ? request->id : 0;
    struct members next = node->config.last.members;
    enum status status = STATUS_OK;
    if (node->draining) {
        return error_set(error, STATUS_SHUTTING_DOWN, "this node is about to stop");
    }
    if (is_so(node, request)) {
        return STATUS_OK;
    }
    TRY(node_admin_check_time(node, except, error));
    if (request->action == ADMIN_ADD) {
        status = add(&next, request, error);
    } else if (request->action == ADMIN_PROMOTE) {
        status = promote(node, &next, request, error);
    } else {
        status = remove_member(node, &next, request, error);
    }
    TRY(status);
    status = node_propose_members(node, &next);
    if (status == STATUS_NO_SPACE) {
        return error_set(error, status,
                         "the leader's disk is full and its log has no room for one more list of "
                         "members: free space or grow the disk");
    }
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "the leader's queues are full: ask again in a moment");
}

/* --- the request --- */

static enum status carry_out(struct node *node, const struct admin_request *request,
                             struct error *error)
{
    if (request->action != ADMIN_LIST && node->raft_now.role != RAFT_LEADER) {
        return error_set(error, STATUS_NOT_LEADER, "%s", "");
    }
    switch (request->action) {
    case ADMIN_TRANSFER:
        return transfer(node, request, error);
    case ADMIN_ADD:
    case ADMIN_PROMOTE:
    case ADMIN_REMOVE:
        return change(node, request, error);
    case ADMIN_LIST:
    case ADMIN_SNAPSHOT:
    case ADMIN_ACTION_END:
        break;
    }
    return STATUS_OK;
}

/* Of the leader, or of the node that is named: it must be this one. */
static void seal(struct node *node, uint64_t client, uint64_t request, uint32_t id)
{
    bool here = id == node->identity.node || (id == 0 && node->raft_now.role == RAFT_LEADER);
    struct waiter waiter = { .client = client, .request = request };
    if (!here) {
        node_refuse(node, client, request, STATUS_NOT_LEADER, "");
    } else if (node->sealing) {
        node_refuse(node, client, request, STATUS_BUSY,
                    "a seal that an operator asked for is under way: ask again in a moment");
    } else if (node_disk_full(node)) {
        node_refuse(node, client, request, STATUS_NO_SPACE,
                    "this node's disk is full, and a seal takes room: free space or grow the disk");
    } else {
        node_feed_seal(node, &waiter);
    }
}

void node_on_admin(struct node *node, uint64_t client, uint64_t id, struct bytes payload)
{
    struct admin_request request;
    struct error error;
    if (admin_request_decode(payload, &request) != STATUS_OK) {
        node_refuse(node, client, id, STATUS_INVALID, "malformed admin request");
        return;
    }
    if (request.action == ADMIN_SNAPSHOT) {
        seal(node, client, id, request.id);
        return;
    }
    enum status status = carry_out(node, &request, &error);
    if (request.action != ADMIN_LIST) {
        log_line(LOG_INFO, "admin_request", LOG_UINT("node", node->identity.node),
                 LOG_UINT("action", request.action), LOG_UINT("member", request.id),
                 LOG_TEXT("status", status_name(status)), LOG_END);
    }
    if (status != STATUS_OK) {
        node_refuse(node, client, id, status, error.text);
        return;
    }
    answer_view(node, client, id, node->raft_now.commit_index);
}
