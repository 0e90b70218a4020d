/* fenlu.v1.Ledger: a call is one command to the cluster. */
#include "api/service/convert.h"
#include "api/service/service_internal.h"
#include "base/assert.h"

#include <stdlib.h>

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct service_call *call = context;
    if (answer->status != STATUS_OK) {
        service_call_fail(call, answer->status, answer->text, NULL);
        return;
    }
    service_call_reply(call, convert_reply(call->method->operation, answer->payload, answer->count,
                                           answer->log_index));
}

/* Metadata "fenlu-read": "stale", "follower" or nothing; a value that is not known is refused, so
 * that nobody takes a read for fresher or staler than it is. */
static bool read_mode(struct service_call *call, struct cluster_request *request)
{
    struct bytes value;
    bool read = !operation_is_write(call->method->operation);
    if (!grpc_metadata_find(grpc_call_metadata(call->call), "fenlu-read", &value)) {
        return true;
    }
    if (grpc_text_equal(value, "stale") || grpc_text_equal(value, "follower")) {
        request->stale = read && grpc_text_equal(value, "stale");
        request->follower = read && !request->stale;
        return true;
    }
    service_call_fail(call, STATUS_INVALID,
                      "metadata fenlu-read: the values are \"stale\" and \"follower\"; leave it "
                      "out for a linearizable read at the leader",
                      "fenlu-read");
    return false;
}

void ledger_call(struct service_call *call, struct bytes message)
{
    struct service *service = call->service;
    enum operation operation = call->method->operation;
    struct converted converted;
    struct refusal refusal;
    struct cluster_request request = {
        .operation = operation,
        .deadline_ns = grpc_call_deadline_ns(call->call),
        .callback = on_answer,
        .context = call,
    };
    if (!read_mode(call, &request)) {
        return;
    }
    enum status status = convert_request(operation, message, &converted, &refusal);
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
        status = cluster_client_submit(service->client, &request, &call->handle);
        if (status != STATUS_OK) {
            free(converted.command);
        }
    }
    if (status != STATUS_OK) {
        service_call_fail(call, status, NULL, NULL);
    }
}

bool ledger_cancel(struct service_call *call)
{
    cluster_client_cancel(call->service->client, call->handle);
    return true;
}
