/* fenlu.v1.Registry and fenlu.v1.Metadata: a call is one command to the cluster. */
#include "api/service/convert_metadata.h"
#include "api/service/convert_registry.h"
#include "api/service/service_internal.h"

#include <stdlib.h>

static bool is_metadata(enum operation operation)
{
    return operation == OPERATION_SET_METADATA || operation == OPERATION_GET_METADATA;
}

/* What a method of LIST_OBJECTS lists. */
static enum object_kind kind_of(const struct service_method *method)
{
    return method->metrics == METRICS_LIST_LEDGERS         ? OBJECT_LEDGER
           : method->metrics == METRICS_LIST_ACCOUNT_CODES ? OBJECT_ACCOUNT_CODE
                                                           : OBJECT_SETTINGS;
}

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct service_call *call = context;
    const enum operation operation = call->method->operation;
    if (answer->status != STATUS_OK) {
        service_call_fail(call, answer->status, answer->text, NULL);
    } else if (is_metadata(operation)) {
        service_call_reply(call,
                           convert_metadata_reply(operation, answer->payload, answer->log_index));
    } else if (operation_is_write(operation)) {
        service_call_reply(
            call, convert_reply(operation, answer->payload, answer->count, answer->log_index));
    } else {
        service_call_reply(call, convert_registry_reply(kind_of(call->method), answer->payload));
    }
}

void objects_call(struct service_call *call, struct bytes message)
{
    const enum operation operation = call->method->operation;
    struct converted converted;
    struct refusal refusal;
    struct cluster_request request = {
        .operation = operation,
        .deadline_ns = grpc_call_deadline_ns(call->call),
        .callback = on_answer,
        .context = call,
    };
    if (!service_read_mode(call, &request) || !service_not_after(call, &request)) {
        return;
    }
    enum status status = is_metadata(operation)
                             ? convert_metadata_request(operation, message, &converted, &refusal)
                             : convert_registry_request(operation, kind_of(call->method), message,
                                                        &converted, &refusal);
    if (status == STATUS_INVALID) {
        service_call_fail(call, status, refusal.text, refusal.field);
        return;
    }
    if (status == STATUS_OK && converted.count == 0) { /* nothing to ask for */
        service_call_reply(call, convert_reply(operation, (struct bytes){ NULL, 0 }, 0, 0));
        return;
    }
    if (status == STATUS_OK) {
        request.bytes = converted.command;
        request.count = converted.count;
        status = cluster_client_submit(call->service->client, &request, &call->handle);
        if (status != STATUS_OK) {
            free(converted.command);
        }
    }
    if (status != STATUS_OK) {
        service_call_fail(call, status, NULL, NULL);
    }
}
