/* grpc.health.v1.Health: SERVING only while a leader is known and reachable. */
#include "api/service/service_internal.h"

#include <grpc/health/v1/health.pb.h>
#include <stdio.h>
#include <string.h>

typedef grpc_health_v1_HealthCheckResponse_ServingStatus serving_status;
#define SERVING         grpc_health_v1_HealthCheckResponse_ServingStatus_SERVING
#define NOT_SERVING     grpc_health_v1_HealthCheckResponse_ServingStatus_NOT_SERVING
#define SERVICE_UNKNOWN grpc_health_v1_HealthCheckResponse_ServingStatus_SERVICE_UNKNOWN

static const char *const NAMES[] = { "", "fenlu.v1.Ledger", "fenlu.v1.Cluster" };
enum { NAMES_COUNT = sizeof NAMES / sizeof NAMES[0], NAME_UNKNOWN = -1 };

static int name_find(const char *name)
{
    for (int i = 0; i < NAMES_COUNT; i++) {
        if (strcmp(NAMES[i], name) == 0) {
            return i;
        }
    }
    return NAME_UNKNOWN;
}

/* All names stand and fall together: without a leader this process can do nothing for anybody. */
static serving_status status_now(const struct service *service)
{
    return service->serving && !service->draining ? SERVING : NOT_SERVING;
}

static struct grpc_buffer *encode(serving_status status)
{
    grpc_health_v1_HealthCheckResponse response = { .status = status };
    return message_encode(grpc_health_v1_HealthCheckResponse_fields, &response);
}

void health_check_call(struct service_call *call, struct bytes message)
{
    grpc_health_v1_HealthCheckRequest request = grpc_health_v1_HealthCheckRequest_init_zero;
    if (!message_decode(call, message, grpc_health_v1_HealthCheckRequest_fields, &request)) {
        return;
    }
    if (name_find(request.service) == NAME_UNKNOWN) {
        service_call_fail(call, STATUS_NOT_FOUND,
                          "unknown service; known are \"\", fenlu.v1.Ledger, fenlu.v1.Cluster",
                          "service");
        return;
    }
    service_call_reply(call, encode(status_now(call->service)));
}

void health_list_call(struct service_call *call, struct bytes message)
{
    grpc_health_v1_HealthListRequest request = grpc_health_v1_HealthListRequest_init_zero;
    if (!message_decode(call, message, grpc_health_v1_HealthListRequest_fields, &request)) {
        return;
    }
    grpc_health_v1_HealthListResponse response = grpc_health_v1_HealthListResponse_init_zero;
    response.statuses_count = NAMES_COUNT;
    for (int i = 0; i < NAMES_COUNT; i++) {
        grpc_health_v1_HealthListResponse_StatusesEntry *entry = &response.statuses[i];
        (void)snprintf(entry->key, sizeof entry->key, "%s", NAMES[i]);
        entry->has_value = true;
        entry->value.status = status_now(call->service);
    }
    service_call_reply(call, message_encode(grpc_health_v1_HealthListResponse_fields, &response));
}

/* False when the watcher reads so little that its call has been ended. */
static bool tell(struct service_call *call)
{
    serving_status status =
        call->health == NAME_UNKNOWN ? SERVICE_UNKNOWN : status_now(call->service);
    if (grpc_call_send(call->call, encode(status)) == STATUS_OK) {
        return true;
    }
    service_call_fail(call, STATUS_BUSY, "the client does not read what it watches", NULL);
    return false;
}

void health_watch_call(struct service_call *call, struct bytes message)
{
    grpc_health_v1_HealthCheckRequest request = grpc_health_v1_HealthCheckRequest_init_zero;
    if (!message_decode(call, message, grpc_health_v1_HealthCheckRequest_fields, &request)) {
        return;
    }
    call->health = name_find(request.service);
    if (tell(call) && call->service->draining) {
        service_call_fail(call, STATUS_SHUTTING_DOWN, NULL, NULL);
    }
}

void health_changed(struct service *service)
{
    struct service_call *next = NULL;
    for (struct service_call *call = TAILQ_FIRST(&service->streams); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->method->message == health_watch_call && call->health != NAME_UNKNOWN) {
            (void)tell(call);
        }
    }
}
