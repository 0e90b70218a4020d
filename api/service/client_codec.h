/* client_codec.h — the other end of convert.h: what our own tools say to a gRPC target, and what it
 * answers. A create request has the shape of a look-up's reply, and the other way round, so both
 * directions share one codec.
 */
#pragma once

#include "api/grpc/grpc_message.h"
#include "base/status.h"
#include "ledger/core/filter.h"
#include "ledger/node/wire.h"
#include "ledger/node/wire_admin.h"
#include "ledger/store/past.h"
#include "ledger/store/records.h"
#include "raft/log/superblock.h"

/* "/fenlu.v1.Ledger/CreateTransfers" */
const char *client_path(enum operation operation);
#define CLIENT_STATUS_PATH "/fenlu.v1.Cluster/Status"
/* "/fenlu.v1.Cluster/MemberAdd" */
const char *client_admin_path(enum admin_action action);

/* `records`: accounts or transfers of 128 bytes. */
struct grpc_buffer *client_encode_create(enum operation operation, const void *records,
                                         uint32_t count);
struct grpc_buffer *client_encode_look_up(const u128 *ids, uint32_t count);
struct grpc_buffer *client_encode_account_filter(const struct filter *filter);

/* PROTOCOL when the message is not a create reply, or holds more than `max` results. */
STATUS_MUST_USE enum status client_decode_results(struct bytes message, struct result *results,
                                                  uint32_t max, uint32_t *count,
                                                  uint64_t *log_index);
/* The records of the reply to a look-up or query (not of balances), `*count` of EVENT_SIZE bytes,
 * malloc'd (NULL for none). */
STATUS_MUST_USE enum status client_decode_records(enum operation operation, struct bytes message,
                                                  void **records, uint32_t *count);

/* GetTrialBalance. PROTOCOL when the message is not its answer, or has more than `max` rows. */
struct grpc_buffer *client_encode_trial(const struct trial_question *question);
STATUS_MUST_USE enum status client_decode_trial(struct bytes message, struct trial_row *rows,
                                                uint32_t max, uint32_t *count);

/* The message of a call of client_admin_path. */
struct grpc_buffer *client_encode_admin(const struct admin_request *request);
/* Its answer. PROTOCOL when it is none. */
STATUS_MUST_USE enum status client_decode_members(struct bytes message, struct members_view *view,
                                                  uint64_t *log_index);

struct client_node_status {
    bool reachable;
    char address[MEMBER_ADDRESS_MAX];
    struct node_status status;
};

struct client_cluster_status {
    u128 cluster;
    uint32_t leader;
    char version[32];
    uint32_t node_count;
    struct client_node_status nodes[RAFT_MEMBERS_MAX];
};

STATUS_MUST_USE enum status client_decode_status(struct bytes message,
                                                 struct client_cluster_status *status);
