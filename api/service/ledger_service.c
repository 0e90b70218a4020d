/* fenlu.v1.Ledger: a call is one command to the cluster. */
#include "api/service/convert_past.h"
#include "api/service/page.h"
#include "api/service/service_internal.h"
#include "base/assert.h"
#include "ledger/store/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct service_call *call = context;
    if (answer->status != STATUS_OK) {
        service_call_fail(call, answer->status, answer->text, NULL);
        return;
    }
    const enum operation operation = call->method->operation;
    if (page_is_of(operation)) {
        uint8_t token[PAGE_TOKEN_SIZE];
        const size_t size =
            page_next(&call->page, answer->payload, answer->count, answer->timestamp, token);
        service_call_reply(call, convert_rows(operation, answer->payload, answer->count,
                                              (struct bytes){ token, size }));
        return;
    }
    struct refusal refusal;
    if (operation == OPERATION_BALANCES_AS_OF &&
        past_check_balances(answer->payload, answer->count, &refusal) != STATUS_OK) {
        service_call_fail(call, STATUS_INVALID, refusal.text, refusal.field);
        return;
    }
    service_call_reply(call,
                       convert_reply(operation, answer->payload, answer->count, answer->log_index));
}

/* Metadata "fenlu-read": "stale", "follower" or nothing; a value that is not known is refused, so
 * that nobody takes a read for fresher or staler than it is. */
bool service_read_mode(struct service_call *call, struct cluster_request *request)
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

enum { VALUE_SHOWN = 40 };

/* A value of metadata may have bytes that no text may have: a message of an error is UTF-8. */
static const char *show_value(struct bytes value, char text[VALUE_SHOWN + 1])
{
    size_t size = 0;
    for (; size < value.size && size < VALUE_SHOWN; size++) {
        const uint8_t byte = value.data[size];
        text[size] = byte >= ' ' && byte <= '~' ? (char)byte : '?';
    }
    text[size] = '\0';
    return text;
}

/* Metadata "fenlu-not-after": cluster time in ns, decimal. */
bool service_not_after(struct service_call *call, struct cluster_request *request)
{
    struct bytes value;
    u128 time = 0;
    if (!grpc_metadata_find(grpc_call_metadata(call->call), "fenlu-not-after", &value)) {
        return true;
    }
    const bool number = u128_parse((const char *)value.data, value.size, &time);
    if (operation_is_write(request->operation) && number && time != 0 &&
        time <= TIMESTAMP_LARGEST) {
        request->not_after = (uint64_t)time;
        return true;
    }
    char text[160];
    char shown[VALUE_SHOWN + 1];
    (void)snprintf(text, sizeof text,
                   "metadata fenlu-not-after: %s, expected of a call that writes, and 1 to %" PRIu64
                   " ns of cluster time",
                   show_value(value, shown), TIMESTAMP_LARGEST);
    service_call_fail(call, STATUS_INVALID, text, "fenlu-not-after");
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
    if (!service_read_mode(call, &request) || !service_not_after(call, &request)) {
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
        call->page = converted.page;
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
