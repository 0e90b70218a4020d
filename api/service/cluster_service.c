/* fenlu.v1.Cluster: the state of the members. */
#include "api/service/service_internal.h"
#include "base/assert.h"
#include "raft/core/raft.h"

#include <fenlu/v1/cluster.pb.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_WAIT_MS = 1000 }; /* for the slowest member */

_Static_assert((int)RAFT_FOLLOWER + 1 == (int)fenlu_v1_NodeRole_NODE_ROLE_FOLLOWER &&
                   (int)RAFT_PRE_CANDIDATE + 1 == (int)fenlu_v1_NodeRole_NODE_ROLE_PRE_CANDIDATE &&
                   (int)RAFT_CANDIDATE + 1 == (int)fenlu_v1_NodeRole_NODE_ROLE_CANDIDATE &&
                   (int)RAFT_LEADER + 1 == (int)fenlu_v1_NodeRole_NODE_ROLE_LEADER,
               "the roles of the API follow those of the core");

static fenlu_v1_NodeRole role_of(const struct node_status *status)
{
    return status->role <= RAFT_LEADER ? (fenlu_v1_NodeRole)(status->role + 1)
                                       : fenlu_v1_NodeRole_NODE_ROLE_UNSPECIFIED;
}

static void fill_node(fenlu_v1_NodeStatus *node, const struct cluster_member_status *row)
{
    node->id = row->member.id;
    (void)snprintf(node->address, sizeof node->address, "%s", row->member.address);
    node->reachable = row->reachable;
    if (!row->reachable) {
        return;
    }
    const struct node_status *status = &row->status;
    node->role = role_of(status);
    node->term = status->term;
    node->leader = status->leader;
    node->last_index = status->last_index;
    node->commit_index = status->commit_index;
    node->applied_index = status->applied_index;
    node->checkpoint_index = status->checkpoint_index;
    node->digest.size = 16;
    u128_to_bytes(status->digest, node->digest.bytes);
    node->timestamp = status->timestamp;
    node->accounts = status->accounts;
    node->transfers = status->transfers;
    node->disk_free_bytes = status->disk_free_bytes;
    (void)snprintf(node->version, sizeof node->version, "%s", status->version);
    node->incarnation = status->incarnation;
    node->voter = (status->member_roles & RAFT_VOTER) != 0;
    node->voter_old = (status->member_roles & RAFT_VOTER_OLD) != 0;
    node->learner = (status->member_roles & RAFT_LEARNER) != 0;
    node->priority = status->priority;
    node->features = status->features;
    node->features_on = status->features_on;
    node->config_index = status->config_index;
    node->first_index = status->first_index;
    node->damaged_entries = status->damaged_entries;
    node->disk_full = status->disk_full;
    node->snapshot_sending_bytes = status->sending_bytes;
    node->snapshot_sending_total_bytes = status->sending_total_bytes;
    node->snapshot_receiving_bytes = status->receiving_bytes;
    node->snapshot_receiving_total_bytes = status->receiving_total_bytes;
    node->books_differ = status->books_differ;
    node->agreed_index = status->agreed_index;
}

static void on_rows(void *context, const struct cluster_member_status *rows, uint32_t count)
{
    struct service_call *call = context;
    struct service *service = call->service;
    if (call->cancelled != GRPC_OK) {
        service_call_end(call, call->cancelled);
        return;
    }
    fenlu_v1_StatusResponse response = fenlu_v1_StatusResponse_init_zero;
    response.cluster.size = 16;
    u128_to_bytes(cluster_client_cluster(service->client), response.cluster.bytes);
    response.leader = cluster_client_leader(service->client);
    (void)snprintf(response.version, sizeof response.version, "%s", service->options.version);
    ASSERT(count <= sizeof response.nodes / sizeof response.nodes[0]);
    response.nodes_count = (pb_size_t)count;
    for (uint32_t i = 0; i < count; i++) {
        fill_node(&response.nodes[i], &rows[i]);
    }
    service_call_reply(call, message_encode(fenlu_v1_StatusResponse_fields, &response));
}

/* So that the answer comes before the caller's deadline. */
static uint64_t wait_ns(const struct service_call *call)
{
    uint64_t now_ns = clock_mono_ns(&call->service->options.clock);
    uint64_t deadline_ns = grpc_call_deadline_ns(call->call);
    uint64_t left_ns = deadline_ns > now_ns ? (deadline_ns - now_ns) / 2 : 0;
    return left_ns < STATUS_WAIT_MS * NS_PER_MS ? left_ns : STATUS_WAIT_MS * NS_PER_MS;
}

void cluster_status_call(struct service_call *call, struct bytes message)
{
    fenlu_v1_StatusRequest request = fenlu_v1_StatusRequest_init_zero;
    if (!message_decode(call, message, fenlu_v1_StatusRequest_fields, &request)) {
        return;
    }
    enum status status = cluster_client_status(call->service->client, wait_ns(call), on_rows, call);
    if (status != STATUS_OK) {
        service_call_fail(call, status, NULL, NULL);
    }
}

bool cluster_status_cancel(struct service_call *call)
{
    (void)call;
    return false; /* the rows come within wait_ns */
}
