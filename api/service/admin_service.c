/* fenlu.v1.Cluster: the members, shown and changed. A call is one request to the leader. */
#include "api/service/service_internal.h"
#include "base/address.h"
#include "base/assert.h"
#include "raft/core/config.h"

#include <fenlu/v1/cluster.pb.h>
#include <stdio.h>
#include <string.h>

/* --- requests --------------------------------------------------------------------------------- */

/* Why a request is refused before anybody is asked. */
struct flaw {
    const char *field;
    char text[ERROR_TEXT_MAX];
};

static bool check_id(uint32_t id, struct flaw *flaw)
{
    if (id != 0) {
        return true;
    }
    flaw->field = "id";
    (void)snprintf(flaw->text, sizeof flaw->text, "id 0: expected the id of a member, from 1");
    return false;
}

static bool take_priority(bool given, uint32_t priority, struct admin_request *request,
                          struct flaw *flaw)
{
    if (given && priority > UINT8_MAX) {
        flaw->field = "priority";
        (void)snprintf(flaw->text, sizeof flaw->text,
                       "priority %u: expected 1 (lowest that may lead) to 255, or 0 for a member "
                       "that never leads",
                       (unsigned)priority);
        return false;
    }
    request->has_priority = given;
    request->priority = (uint8_t)priority;
    return true;
}

static bool take_address(const char *text, struct admin_request *request, struct flaw *flaw)
{
    struct address address;
    struct error error;
    flaw->field = "address";
    if (address_parse(text, &address, &error) != STATUS_OK) {
        (void)snprintf(flaw->text, sizeof flaw->text, "%s", error.text);
        return false;
    }
    if (address.port == 0) {
        (void)snprintf(flaw->text, sizeof flaw->text,
                       "address \"%s\": port 0 cannot be reached; expected HOST:PORT of the node's "
                       "cluster address",
                       text);
        return false;
    }
    memcpy(request->address, text, strlen(text) + 1);
    return true;
}

_Static_assert(sizeof((fenlu_v1_MemberAddRequest *)0)->address == MEMBER_ADDRESS_MAX,
               "an address of the API is one of the wire");

/* --- one function a message; false: the call has ended --- */

static bool refuse(struct service_call *call, const struct flaw *flaw)
{
    service_call_fail(call, STATUS_INVALID, flaw->text, flaw->field);
    return false;
}

static bool decode_add(struct service_call *call, struct bytes message,
                       struct admin_request *request)
{
    fenlu_v1_MemberAddRequest in = fenlu_v1_MemberAddRequest_init_zero;
    struct flaw flaw;
    if (!message_decode(call, message, fenlu_v1_MemberAddRequest_fields, &in)) {
        return false;
    }
    request->id = in.id;
    bool sound = check_id(in.id, &flaw) && take_address(in.address, request, &flaw) &&
                 take_priority(in.has_priority, in.priority, request, &flaw);
    return sound || refuse(call, &flaw);
}

static bool decode_promote(struct service_call *call, struct bytes message,
                           struct admin_request *request)
{
    fenlu_v1_MemberPromoteRequest in = fenlu_v1_MemberPromoteRequest_init_zero;
    struct flaw flaw;
    if (!message_decode(call, message, fenlu_v1_MemberPromoteRequest_fields, &in)) {
        return false;
    }
    request->id = in.id;
    bool sound =
        check_id(in.id, &flaw) && take_priority(in.has_priority, in.priority, request, &flaw);
    return sound || refuse(call, &flaw);
}

static bool decode_remove(struct service_call *call, struct bytes message,
                          struct admin_request *request)
{
    fenlu_v1_MemberRemoveRequest in = fenlu_v1_MemberRemoveRequest_init_zero;
    struct flaw flaw;
    if (!message_decode(call, message, fenlu_v1_MemberRemoveRequest_fields, &in)) {
        return false;
    }
    request->id = in.id;
    return check_id(in.id, &flaw) || refuse(call, &flaw);
}

static bool decode_transfer(struct service_call *call, struct bytes message,
                            struct admin_request *request)
{
    fenlu_v1_TransferLeaderRequest in = fenlu_v1_TransferLeaderRequest_init_zero;
    bool sound = message_decode(call, message, fenlu_v1_TransferLeaderRequest_fields, &in);
    request->id = in.id;
    return sound;
}

static bool decode_snapshot(struct service_call *call, struct bytes message,
                            struct admin_request *request)
{
    fenlu_v1_SnapshotRequest in = fenlu_v1_SnapshotRequest_init_zero;
    (void)request;
    return message_decode(call, message, fenlu_v1_SnapshotRequest_fields, &in);
}

static bool decode_list(struct service_call *call, struct bytes message,
                        struct admin_request *request)
{
    fenlu_v1_MemberListRequest in = fenlu_v1_MemberListRequest_init_zero;
    (void)request;
    return message_decode(call, message, fenlu_v1_MemberListRequest_fields, &in);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void fill_member(fenlu_v1_Member *out, const struct member_view *member)
{
    out->id = member->id;
    memcpy(out->address, member->address, sizeof out->address);
    out->voter = (member->roles & RAFT_VOTER) != 0;
    out->voter_old = (member->roles & RAFT_VOTER_OLD) != 0;
    out->learner = (member->roles & RAFT_LEARNER) != 0;
    out->priority = member->priority;
    out->incarnation = member->incarnation;
    out->heard = member->heard;
    out->match_index = member->match_index;
    out->features = member->features;
}

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct service_call *call = context;
    struct members_view view;
    if (answer->status != STATUS_OK) {
        service_call_fail(call, answer->status, answer->text, NULL);
        return;
    }
    if (members_view_decode(answer->payload, &view) != STATUS_OK) {
        service_call_fail(call, STATUS_PROTOCOL,
                          "the leader's answer is not a list of members: its release is another",
                          NULL);
        return;
    }
    fenlu_v1_MembersResponse response = fenlu_v1_MembersResponse_init_zero;
    response.config_index = view.config_index;
    response.committed = view.committed;
    response.leader = view.leader;
    response.term = view.term;
    response.commit_index = view.commit_index;
    response.features_on = view.features_on;
    response.log_index = answer->log_index;
    response.members_count = (pb_size_t)view.count;
    for (uint32_t i = 0; i < view.count; i++) {
        fill_member(&response.members[i], &view.members[i]);
    }
    service_call_reply(call, message_encode(fenlu_v1_MembersResponse_fields, &response));
}

void cluster_admin_call(struct service_call *call, struct bytes message)
{
    static bool (*const DECODERS[ADMIN_ACTION_END])(struct service_call *, struct bytes,
                                                    struct admin_request *) = {
        [ADMIN_LIST] = decode_list,         [ADMIN_ADD] = decode_add,
        [ADMIN_PROMOTE] = decode_promote,   [ADMIN_REMOVE] = decode_remove,
        [ADMIN_TRANSFER] = decode_transfer, [ADMIN_SNAPSHOT] = decode_snapshot,
    };
    struct admin_request request;
    memset(&request, 0, sizeof request);
    request.action = call->method->action;
    ASSERT(request.action > 0 && request.action < ADMIN_ACTION_END);
    if (!DECODERS[request.action](call, message, &request)) {
        return;
    }
    enum status status =
        cluster_client_admin(call->service->client, &request, grpc_call_deadline_ns(call->call),
                             on_answer, call, &call->handle);
    if (status != STATUS_OK) {
        service_call_fail(call, status, NULL, NULL);
    }
}

bool cluster_admin_cancel(struct service_call *call)
{
    cluster_client_cancel(call->service->client, call->handle);
    return true;
}
