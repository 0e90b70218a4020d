#include "api/service/service.h"

#include "api/service/errors.h"
#include "api/service/service_internal.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

enum {
    SMALL_REQUEST_MAX = 16 * 1024, /* bytes of a request that has no batch */
    FREE_CALLS_MAX = 4096,         /* kept for reuse */
};

/* --- the methods ------------------------------------------------------------------------------ */

#define LEDGER(name, what, metrics_row) LEDGER_OF(name, what, metrics_row, GRPC_MESSAGE_MAX)
#define QUERY(name, what, metrics_row)  LEDGER_OF(name, what, metrics_row, SMALL_REQUEST_MAX)
#define LEDGER_OF(name, what, metrics_row, size_max)                                               \
    {                                                                                              \
        .path = "/fenlu.v1.Ledger/" name, .grpc = { GRPC_UNARY, (size_max), NULL },                \
        .operation = (what), .metrics = (metrics_row), .message = ledger_call,                     \
        .cancel = ledger_cancel                                                                    \
    }
#define OTHER(full_path, method_kind, metrics_row, on_message, on_cancel)                          \
    {                                                                                              \
        .path = (full_path), .grpc = { (method_kind), SMALL_REQUEST_MAX, NULL },                   \
        .metrics = (metrics_row), .message = (on_message), .cancel = (on_cancel)                   \
    }

#define CONTROLS(name, what, metrics_row, size_max)                                                \
    {                                                                                              \
        .path = "/fenlu.v1.Controls/" name, .grpc = { GRPC_UNARY, (size_max), NULL },              \
        .operation = (what), .metrics = (metrics_row), .message = controls_call,                   \
        .cancel = ledger_cancel                                                                    \
    }

#define OBJECTS(name, what, metrics_row, size_max)                                                 \
    {                                                                                              \
        .path = "/fenlu.v1." name, .grpc = { GRPC_UNARY, (size_max), NULL }, .operation = (what),  \
        .metrics = (metrics_row), .message = objects_call, .cancel = ledger_cancel                 \
    }

#define ADMIN(name, what)                                                                          \
    {                                                                                              \
        .path = "/fenlu.v1.Cluster/" name, .grpc = { GRPC_UNARY, SMALL_REQUEST_MAX, NULL },        \
        .action = (what), .metrics = METRICS_ADMIN, .message = cluster_admin_call,                 \
        .cancel = cluster_admin_cancel                                                             \
    }

/* The most called first: a look-up compares one after the other. */
const struct service_method SERVICE_METHODS[] = {
    LEDGER("CreateTransfers", OPERATION_CREATE_TRANSFERS, METRICS_TRANSFERS),
    LEDGER("LookupAccounts", OPERATION_LOOK_UP_ACCOUNTS, METRICS_LOOK_UP_ACCOUNTS),
    LEDGER("LookupTransfers", OPERATION_LOOK_UP_TRANSFERS, METRICS_LOOK_UP_TRANSFERS),
    QUERY("GetAccountTransfers", OPERATION_GET_ACCOUNT_TRANSFERS, METRICS_ACCOUNT_TRANSFERS),
    QUERY("GetAccountBalances", OPERATION_GET_ACCOUNT_BALANCES, METRICS_ACCOUNT_BALANCES),
    QUERY("QueryTransfers", OPERATION_QUERY_TRANSFERS, METRICS_QUERY_TRANSFERS),
    QUERY("QueryAccounts", OPERATION_QUERY_ACCOUNTS, METRICS_QUERY_ACCOUNTS),
    QUERY("GetTrialBalance", OPERATION_TRIAL_BALANCE, METRICS_TRIAL_BALANCE),
    LEDGER("GetAccountBalancesAsOf", OPERATION_BALANCES_AS_OF, METRICS_BALANCES_AS_OF),
    LEDGER("CreateAccounts", OPERATION_CREATE_ACCOUNTS, METRICS_ACCOUNTS),
    LEDGER("PostJournal", OPERATION_POST_JOURNAL, METRICS_POST_JOURNAL),
    LEDGER("ReverseJournal", OPERATION_REVERSE_JOURNAL, METRICS_REVERSE_JOURNAL),
    LEDGER("GetJournal", OPERATION_GET_JOURNAL, METRICS_GET_JOURNAL),
    QUERY("QueryJournals", OPERATION_QUERY_JOURNALS, METRICS_QUERY_JOURNALS),
    LEDGER("LookupHolds", OPERATION_LOOK_UP_HOLDS, METRICS_LOOK_UP_HOLDS),
    LEDGER("Resolve", OPERATION_RESOLVE, METRICS_RESOLVE),
    { .path = "/fenlu.v1.Ledger/Watch",
      .grpc = { GRPC_SERVER_STREAM, SMALL_REQUEST_MAX, NULL },
      .operation = OPERATION_GET_CHANGES,
      .metrics = METRICS_WATCH,
      .message = watch_call },
    CONTROLS("PlaceFreezes", OPERATION_PLACE_FREEZES, METRICS_PLACE_FREEZES, GRPC_MESSAGE_MAX),
    CONTROLS("ReleaseFreezes", OPERATION_RELEASE_FREEZES, METRICS_RELEASE_FREEZES,
             GRPC_MESSAGE_MAX),
    CONTROLS("ListFreezes", OPERATION_LIST_FREEZES, METRICS_LIST_FREEZES, SMALL_REQUEST_MAX),
    CONTROLS("GetFreeze", OPERATION_GET_FREEZE, METRICS_GET_FREEZE, SMALL_REQUEST_MAX),
    CONTROLS("ListAllFreezes", OPERATION_LIST_ALL_FREEZES, METRICS_LIST_ALL_FREEZES,
             SMALL_REQUEST_MAX),
    CONTROLS("SetLimits", OPERATION_SET_LIMITS, METRICS_SET_LIMITS, GRPC_MESSAGE_MAX),
    CONTROLS("GetLimits", OPERATION_GET_LIMITS, METRICS_GET_LIMITS, SMALL_REQUEST_MAX),
    CONTROLS("SetGroupMembers", OPERATION_SET_GROUP_MEMBERS, METRICS_SET_GROUP_MEMBERS,
             GRPC_MESSAGE_MAX),
    CONTROLS("GetGroup", OPERATION_GET_GROUP, METRICS_GET_GROUP, SMALL_REQUEST_MAX),
    CONTROLS("ListGroupMembers", OPERATION_LIST_GROUP_MEMBERS, METRICS_LIST_GROUP_MEMBERS,
             SMALL_REQUEST_MAX),
    CONTROLS("ListAccountGroups", OPERATION_LIST_ACCOUNT_GROUPS, METRICS_LIST_ACCOUNT_GROUPS,
             SMALL_REQUEST_MAX),
    OBJECTS("Registry/CreateLedgers", OPERATION_CREATE_LEDGERS, METRICS_CREATE_LEDGERS,
            GRPC_MESSAGE_MAX),
    OBJECTS("Registry/ListLedgers", OPERATION_LIST_OBJECTS, METRICS_LIST_LEDGERS,
            SMALL_REQUEST_MAX),
    OBJECTS("Registry/CreateAccountCodes", OPERATION_CREATE_ACCOUNT_CODES,
            METRICS_CREATE_ACCOUNT_CODES, GRPC_MESSAGE_MAX),
    OBJECTS("Registry/ListAccountCodes", OPERATION_LIST_OBJECTS, METRICS_LIST_ACCOUNT_CODES,
            SMALL_REQUEST_MAX),
    OBJECTS("Registry/SetMode", OPERATION_SET_REGISTRY_MODE, METRICS_SET_MODE, SMALL_REQUEST_MAX),
    OBJECTS("Registry/GetMode", OPERATION_LIST_OBJECTS, METRICS_GET_MODE, SMALL_REQUEST_MAX),
    OBJECTS("Metadata/SetMetadata", OPERATION_SET_METADATA, METRICS_SET_METADATA,
            SMALL_REQUEST_MAX),
    OBJECTS("Metadata/GetMetadata", OPERATION_GET_METADATA, METRICS_GET_METADATA,
            SMALL_REQUEST_MAX),
    OBJECTS("Metadata/ListMetadataVersions", OPERATION_LIST_METADATA_VERSIONS,
            METRICS_LIST_METADATA_VERSIONS, SMALL_REQUEST_MAX),
    OTHER("/fenlu.v1.Cluster/Status", GRPC_UNARY, METRICS_STATUS, cluster_status_call,
          cluster_status_cancel),
    ADMIN("MemberList", ADMIN_LIST),
    ADMIN("MemberAdd", ADMIN_ADD),
    ADMIN("MemberPromote", ADMIN_PROMOTE),
    ADMIN("MemberRemove", ADMIN_REMOVE),
    ADMIN("TransferLeader", ADMIN_TRANSFER),
    ADMIN("Snapshot", ADMIN_SNAPSHOT),
    OTHER("/grpc.health.v1.Health/Check", GRPC_UNARY, METRICS_NONE, health_check_call, NULL),
    OTHER("/grpc.health.v1.Health/List", GRPC_UNARY, METRICS_NONE, health_list_call, NULL),
    OTHER("/grpc.health.v1.Health/Watch", GRPC_SERVER_STREAM, METRICS_NONE, health_watch_call,
          NULL),
    OTHER("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", GRPC_BIDI, METRICS_NONE,
          reflection_call, NULL),
    OTHER("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", GRPC_BIDI, METRICS_NONE,
          reflection_call, NULL),
};
const uint32_t SERVICE_METHODS_COUNT = sizeof SERVICE_METHODS / sizeof SERVICE_METHODS[0];

static const struct grpc_method *on_route(void *context, struct bytes path)
{
    (void)context;
    for (uint32_t i = 0; i < SERVICE_METHODS_COUNT; i++) {
        if (grpc_text_equal(path, SERVICE_METHODS[i].path)) {
            return &SERVICE_METHODS[i].grpc;
        }
    }
    return NULL;
}

static const struct service_method *method_of_grpc(const struct grpc_method *grpc)
{
    const void *row = (const char *)grpc - offsetof(struct service_method, grpc);
    return row;
}

static bool method_changes(const struct service_method *method)
{
    return operation_is_write(method->operation) ||
           (method->action != 0 && method->action != ADMIN_LIST);
}

/* --- calls ------------------------------------------------------------------------------------ */

static struct service_call *call_new(struct service *service, struct grpc_call *grpc)
{
    struct service_call *call = TAILQ_FIRST(&service->free_calls);
    if (call != NULL) {
        TAILQ_REMOVE(&service->free_calls, call, link);
        service->free_calls_count--;
    } else {
        call = malloc(sizeof *call);
        ASSERT(call != NULL); /* bounded by the calls that api/grpc lets in */
    }
    *call = (struct service_call){
        .service = service,
        .call = grpc,
        .method = method_of_grpc(grpc_call_method(grpc)),
        .started_ns = clock_mono_ns(&service->options.clock),
    };
    grpc_call_set_context(grpc, call);
    service_metrics_open(++service->calls_open);
    return call;
}

/* The call's end is told; what is left is ours. */
static void call_ended(struct service_call *call, enum grpc_code code)
{
    struct service *service = call->service;
    if (call->method->metrics != METRICS_NONE) {
        service_metrics_ended(call->method->metrics, code,
                              clock_mono_ns(&service->options.clock) - call->started_ns);
    }
    if (call->watch != NULL) {
        watch_ended(call);
    }
    if (call->listed) {
        TAILQ_REMOVE(&service->streams, call, link);
    }
    ASSERT(service->calls_open > 0);
    service_metrics_open(--service->calls_open);
    if (service->free_calls_count >= FREE_CALLS_MAX) {
        free(call);
        return;
    }
    TAILQ_INSERT_HEAD(&service->free_calls, call, link);
    service->free_calls_count++;
}

/* A write has very likely been applied when its reply turns out to have no room; a read changed
 * nothing. */
static void reply_lost(struct service_call *call)
{
    if (method_changes(call->method)) {
        service_call_fail(call, STATUS_REPLY_LOST,
                          "too many bytes of replies are unread on this connection, so this reply "
                          "is lost; the request may have been applied: read the replies, then send "
                          "the same again, or look it up",
                          NULL);
    } else {
        service_call_fail(call, STATUS_BUSY,
                          "too many bytes of replies are unread on this connection: read them, "
                          "then ask again",
                          NULL);
    }
}

void service_call_reply(struct service_call *call, struct grpc_buffer *message)
{
    if (grpc_call_reply(call->call, message) == STATUS_OK) {
        call_ended(call, GRPC_OK);
    } else {
        reply_lost(call);
    }
}

void service_call_fail(struct service_call *call, enum status status, const char *text,
                       const char *field)
{
    struct grpc_call *grpc = call->call;
    call_ended(call, status_grpc(status));
    service_fail(grpc, status, text, field);
}

void service_call_end(struct service_call *call, enum grpc_code code)
{
    struct grpc_call *grpc = call->call;
    call_ended(call, code);
    grpc_call_fail(grpc, code, NULL);
}

void service_call_list_stream(struct service_call *call)
{
    ASSERT(!call->listed);
    call->listed = true;
    TAILQ_INSERT_TAIL(&call->service->streams, call, link);
}

/* --- what api/grpc tells us ------------------------------------------------------------------- */

static void on_message(void *context, struct grpc_call *grpc, struct bytes message)
{
    struct service_call *call = grpc_call_context(grpc);
    if (call == NULL) {
        call = call_new(context, grpc);
        if (call->method->grpc.kind != GRPC_UNARY) {
            service_call_list_stream(call);
        }
    }
    call->method->message(call, message);
}

static void on_half_close(void *context, struct grpc_call *grpc)
{
    struct service_call *call = grpc_call_context(grpc);
    if (call == NULL) { /* not one message came */
        call = call_new(context, grpc);
    }
    service_call_end(call, GRPC_OK);
}

static void on_cancelled(void *context, struct grpc_call *grpc, enum grpc_cancel reason)
{
    (void)context;
    struct service_call *call = grpc_call_context(grpc);
    ASSERT(call != NULL); /* a call is given together with its first message or its end */
    call->cancelled = reason == GRPC_CANCEL_CLIENT ? GRPC_CANCELLED : GRPC_DEADLINE_EXCEEDED;
    if (call->method->cancel == NULL || call->method->cancel(call)) {
        service_call_end(call, call->cancelled);
    }
}

static void on_writable(void *context, struct grpc_call *grpc)
{
    (void)context;
    struct service_call *call = grpc_call_context(grpc);
    if (call != NULL && call->watch != NULL) {
        watch_writable(call);
    }
}

/* Only a write leaves a doubt when its deadline passes under way. */
static size_t details(void *context, const struct grpc_method *grpc, enum status why,
                      const char *text, uint8_t out[GRPC_STATUS_DETAILS_MAX])
{
    (void)context;
    bool write = grpc != NULL && method_changes(method_of_grpc(grpc));
    if (why == STATUS_TIMEOUT_UNKNOWN && !write) {
        why = STATUS_TIMEOUT;
    }
    return error_details_encode(why, text, "", out);
}

const struct grpc_server_ops *service_ops(void)
{
    static const struct grpc_server_ops OPS = {
        .route = on_route,
        .on_message = on_message,
        .on_half_close = on_half_close,
        .on_cancelled = on_cancelled,
        .on_writable = on_writable,
        .details = details,
    };
    return &OPS;
}

/* --- the service ------------------------------------------------------------------------------ */

struct service *service_new(const struct service_options *options)
{
    struct service *service = calloc(1, sizeof *service);
    ASSERT(service != NULL);
    service->options = *options;
    TAILQ_INIT(&service->streams);
    TAILQ_INIT(&service->free_calls);
    service_metrics_register();
    return service;
}

void service_set_client(struct service *service, struct cluster_client *client)
{
    ASSERT(service->client == NULL);
    service->client = client;
}

void service_on_serving(void *context, bool serving)
{
    struct service *service = context;
    service->serving = serving;
    health_changed(service);
}

void service_drain(struct service *service)
{
    struct service_call *next = NULL;
    service->draining = true;
    health_changed(service);
    for (struct service_call *call = TAILQ_FIRST(&service->streams); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->watch != NULL) {
            watch_drain(call);
        } else {
            service_call_fail(call, STATUS_SHUTTING_DOWN, NULL, NULL);
        }
    }
}

void service_tick(struct service *service)
{
    struct service_call *next = NULL;
    for (struct service_call *call = TAILQ_FIRST(&service->streams); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->watch != NULL) {
            watch_tick(call);
        }
    }
}

void service_show_counters(const struct grpc_server_counters *counters)
{
    service_metrics_grpc(counters);
}

uint32_t service_calls_open(const struct service *service)
{
    return service->calls_open;
}

void service_free(struct service *service)
{
    struct service_call *call = NULL;
    ASSERT(service->calls_open == 0);
    while ((call = TAILQ_FIRST(&service->free_calls)) != NULL) {
        TAILQ_REMOVE(&service->free_calls, call, link);
        free(call);
    }
    free(service);
}
