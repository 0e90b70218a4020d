/* service_internal.h — the objects behind service.h. Internal to api/service.
 *
 * A service_call is a gRPC call that is open, from its first message to its end. Each method has a
 * `start`, which may end the call at once, and a `cancel` for when the client is gone or its
 * deadline has passed; whatever they do, the call is ended exactly once, by one of the
 * service_call_* functions, and is dead then.
 */
#pragma once

#include "api/service/convert.h"
#include "api/service/page_state.h"
#include "api/service/service.h"
#include "ledger/core/command.h"
#include "ledger/node/wire_admin.h"

#include <sys/queue.h>

struct service_call;

TAILQ_HEAD(service_call_list, service_call);

struct service_method {
    const char *path;
    struct grpc_method grpc;  /* what api/grpc hands back is inside its row */
    enum operation operation; /* of fenlu.v1.Ledger; 0 for the others, which write nothing there */
    enum admin_action action; /* of the calls of fenlu.v1.Cluster that are about members */
    int metrics;              /* row of service_metrics.c, or METRICS_NONE */
    /* A message: the only one, or for GRPC_BIDI any. */
    void (*message)(struct service_call *call, struct bytes message);
    /* The client is gone or its deadline has passed: stops what is under way. True when the call
     * can end now; else it ends when what is under way has. NULL: there is nothing to stop. */
    bool (*cancel)(struct service_call *call);
};

struct service_call {
    TAILQ_ENTRY(service_call) link; /* in service->streams, or in service->free_calls */
    struct service *service;
    struct grpc_call *call;
    const struct service_method *method;
    uint64_t started_ns;
    uint64_t handle; /* of the cluster client */
    bool listed;     /* in service->streams */
    /* Status: OK, or what it ends with when its answer comes, which nobody waits for. */
    enum grpc_code cancelled;
    struct page page;    /* of a query */
    struct watch *watch; /* Ledger/Watch: the feed; else NULL */
    int health;          /* Health/Watch: index of the name; -1 for one that nobody knows */
};

struct service {
    struct service_options options;
    struct cluster_client *client;
    bool serving; /* a leader is reachable */
    bool draining;
    uint32_t calls_open;
    uint32_t watches_open;            /* change feeds */
    struct service_call_list streams; /* Watch and reflection: calls without an end of their own */
    struct service_call_list free_calls;
    uint32_t free_calls_count;
};

/* --- service.c -------------------------------------------------------------------------------- */

extern const struct service_method SERVICE_METHODS[];
extern const uint32_t SERVICE_METHODS_COUNT;

/* Ends the call with one message; `message` is moved. A client that leaves so much unread that the
 * message has no room gets an error, which says what became of the request. */
void service_call_reply(struct service_call *call, struct grpc_buffer *message);
/* Ends it with an error (errors.h). */
void service_call_fail(struct service_call *call, enum status status, const char *text,
                       const char *field);
/* Ends it without a message: a stream that is complete, or one that nobody waits for. */
void service_call_end(struct service_call *call, enum grpc_code code);
/* Keeps a stream where service_drain finds it. */
void service_call_list_stream(struct service_call *call);

/* --- command_call.c: a call that is one command to the cluster -------------------------------- */

/* Makes the command of the message; *operation is the method's and may become another one. INVALID
 * with *refusal, MEMORY. */
typedef enum status(service_convert)(struct service_call *call, enum operation *operation,
                                     struct bytes message, struct converted *converted,
                                     struct refusal *refusal);
/* Sends the command with the call's deadline, what its metadata "fenlu-read" and "fenlu-not-after"
 * say, and the field not_after of its message; `on_answer` (its context is the call) ends the call, or a refusal has. */
void service_command(struct service_call *call, struct bytes message, service_convert *convert,
                     void (*on_answer)(void *context, const struct cluster_answer *answer));
/* The metadata "fenlu-read" of a read; false: the call has ended with a refusal. */
bool service_read_mode(struct service_call *call, struct cluster_request *request);

/* --- one file a service ----------------------------------------------------------------------- */

void ledger_call(struct service_call *call, struct bytes message);
bool ledger_cancel(struct service_call *call);
/* controls_service.c */
void controls_call(struct service_call *call, struct bytes message);
/* objects_service.c */
void objects_call(struct service_call *call, struct bytes message);
/* watch_service.c */
void watch_call(struct service_call *call, struct bytes message);
/* What was sent has left: there is room for more. */
void watch_writable(struct service_call *call);
void watch_tick(struct service_call *call);
/* Ends the feed, and says where to go on. */
void watch_drain(struct service_call *call);
/* The call ends: stops and frees the feed. */
void watch_ended(struct service_call *call);
void cluster_status_call(struct service_call *call, struct bytes message);
bool cluster_status_cancel(struct service_call *call);
void cluster_admin_call(struct service_call *call, struct bytes message);
bool cluster_admin_cancel(struct service_call *call);
void health_check_call(struct service_call *call, struct bytes message);
void health_list_call(struct service_call *call, struct bytes message);
void health_watch_call(struct service_call *call, struct bytes message);
/* Tells those that watch. */
void health_changed(struct service *service);
void reflection_call(struct service_call *call, struct bytes message);

/* --- service_metrics.c ------------------------------------------------------------------------ */

/* Rows; METRICS_NONE for methods that are only counted by api/grpc. */
enum {
    METRICS_NONE = -1,
    METRICS_ACCOUNTS,
    METRICS_TRANSFERS,
    METRICS_LOOK_UP_ACCOUNTS,
    METRICS_LOOK_UP_TRANSFERS,
    METRICS_ACCOUNT_TRANSFERS,
    METRICS_ACCOUNT_BALANCES,
    METRICS_QUERY_ACCOUNTS,
    METRICS_QUERY_TRANSFERS,
    METRICS_TRIAL_BALANCE,
    METRICS_BALANCES_AS_OF,
    METRICS_LOOK_UP_HOLDS,
    METRICS_RESOLVE,
    METRICS_WATCH,
    METRICS_POST_JOURNAL,
    METRICS_REVERSE_JOURNAL,
    METRICS_GET_JOURNAL,
    METRICS_QUERY_JOURNALS,
    METRICS_PLACE_FREEZES,
    METRICS_RELEASE_FREEZES,
    METRICS_LIST_FREEZES,
    METRICS_GET_FREEZE,
    METRICS_SET_LIMITS,
    METRICS_GET_LIMITS,
    METRICS_SET_GROUP_MEMBERS,
    METRICS_GET_GROUP,
    METRICS_LIST_ALL_FREEZES,
    METRICS_LIST_GROUP_MEMBERS,
    METRICS_LIST_ACCOUNT_GROUPS,
    METRICS_CREATE_LEDGERS,
    METRICS_LIST_LEDGERS,
    METRICS_CREATE_ACCOUNT_CODES,
    METRICS_LIST_ACCOUNT_CODES,
    METRICS_SET_MODE,
    METRICS_GET_MODE,
    METRICS_SET_METADATA,
    METRICS_GET_METADATA,
    METRICS_LIST_METADATA_VERSIONS,
    METRICS_STATUS,
    METRICS_ADMIN,
    METRICS_METHODS
};
void service_metrics_register(void);
void service_metrics_open(uint32_t calls_open);
void service_metrics_watches(uint32_t watches_open);
void service_metrics_watched(uint32_t events);
void service_metrics_watch_retried(void);
void service_metrics_ended(int method, enum grpc_code code, uint64_t elapsed_ns);
void service_metrics_grpc(const struct grpc_server_counters *counters);

/* --- nanopb helpers, service_messages.c ------------------------------------------------------- */

struct pb_msgdesc_s;
/* A reply message of nanopb's, exactly as large as it is. */
struct grpc_buffer *message_encode(const struct pb_msgdesc_s *fields, const void *source);
/* Decodes a small request; when it is malformed the call has ended and the answer is false. */
bool message_decode(struct service_call *call, struct bytes message,
                    const struct pb_msgdesc_s *fields, void *target);
