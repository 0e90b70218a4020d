/* command_call.c — the way of a call that is one command to the cluster: its metadata, its request,
 * its answer. */
#include "api/service/service_internal.h"
#include "ledger/store/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum given { GIVEN_NONE, GIVEN_ONE, GIVEN_REFUSED };

/* The one value of a name of the call's metadata; REFUSED when it has several: the call has ended. */
static enum given find_value(struct service_call *call, const char *name, struct bytes *value)
{
    const struct grpc_metadata *metadata = grpc_call_metadata(call->call);
    uint32_t times = 0;
    for (uint32_t i = 0; i < metadata->count; i++) {
        const struct grpc_header header = grpc_metadata_at(metadata, i);
        if (grpc_text_equal(header.name, name)) {
            *value = header.value;
            times++;
        }
    }
    if (times <= 1) {
        return times == 0 ? GIVEN_NONE : GIVEN_ONE;
    }
    char text[96];
    (void)snprintf(text, sizeof text, "metadata %s: given %" PRIu32 " times, limit 1", name, times);
    service_call_fail(call, STATUS_INVALID, text, name);
    return GIVEN_REFUSED;
}

/* Metadata "fenlu-read": "stale", "follower" or nothing; a value that is not known is refused, so
 * that nobody takes a read for fresher or staler than it is. */
bool service_read_mode(struct service_call *call, struct cluster_request *request)
{
    struct bytes value;
    bool read = !operation_is_write(call->method->operation);
    const enum given given = find_value(call, "fenlu-read", &value);
    if (given != GIVEN_ONE) {
        return given == GIVEN_NONE;
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
static bool not_after_of_metadata(struct service_call *call, struct cluster_request *request)
{
    struct bytes value;
    u128 time = 0;
    const enum given given = find_value(call, "fenlu-not-after", &value);
    if (given != GIVEN_ONE) {
        return given == GIVEN_NONE;
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

/* The field not_after of the message; together with the metadata only when both say the same. */
static enum status not_after_of_message(struct cluster_request *request, struct bytes message,
                                        struct refusal *refusal)
{
    uint64_t time;
    if (!operation_is_write(request->operation)) {
        return STATUS_OK;
    }
    TRY(convert_not_after(message, &time, refusal));
    if (time == 0) {
        return STATUS_OK;
    }
    if (request->not_after != 0 && request->not_after != time) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "not_after: %" PRIu64 ", but the metadata fenlu-not-after is %" PRIu64
                       "; give one of them, or both the same",
                       time, request->not_after);
        return STATUS_INVALID;
    }
    request->not_after = time;
    return STATUS_OK;
}

static enum status make_request(struct service_call *call, struct bytes message,
                                service_convert *convert, struct cluster_request *request,
                                struct converted *converted, struct refusal *refusal)
{
    TRY(convert(call, &request->operation, message, converted, refusal));
    const enum status status = not_after_of_message(request, message, refusal);
    if (status != STATUS_OK) {
        free(converted->command);
    }
    return status;
}

void service_command(struct service_call *call, struct bytes message, service_convert *convert,
                     void (*on_answer)(void *context, const struct cluster_answer *answer))
{
    struct converted converted;
    struct refusal refusal;
    struct cluster_request request = {
        .operation = call->method->operation,
        .deadline_ns = grpc_call_deadline_ns(call->call),
        .callback = on_answer,
        .context = call,
    };
    if (!service_read_mode(call, &request) || !not_after_of_metadata(call, &request)) {
        return;
    }
    enum status status = make_request(call, message, convert, &request, &converted, &refusal);
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
