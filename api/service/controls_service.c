/* fenlu.v1.Controls: a call is one command to the cluster. */
#include "api/service/convert_controls.h"
#include "api/service/service_internal.h"

#include <stdlib.h>

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct service_call *call = context;
    const enum operation operation = call->method->operation;
    if (answer->status != STATUS_OK) {
        service_call_fail(call, answer->status, answer->text, NULL);
    } else if (operation_is_write(operation)) {
        service_call_reply(
            call, convert_reply(operation, answer->payload, answer->count, answer->log_index));
    } else {
        service_call_reply(call, convert_controls_reply(operation, answer->payload, answer->count));
    }
}

void controls_call(struct service_call *call, struct bytes message)
{
    struct converted converted;
    struct refusal refusal;
    struct cluster_request request = {
        .operation = call->method->operation,
        .deadline_ns = grpc_call_deadline_ns(call->call),
        .callback = on_answer,
        .context = call,
    };
    if (!service_read_mode(call, &request) || !service_not_after(call, &request)) {
        return;
    }
    enum status status =
        convert_controls_request(&request.operation, message, &converted, &refusal);
    if (status == STATUS_INVALID) {
        service_call_fail(call, status, refusal.text, refusal.field);
        return;
    }
    if (status == STATUS_OK && converted.count == 0) { /* nothing to ask for */
        service_call_reply(call, convert_reply(request.operation, (struct bytes){ NULL, 0 }, 0, 0));
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
