/* fenlu.v1.Registry and fenlu.v1.Metadata: a call is one command to the cluster. */
#include "api/service/convert_metadata.h"
#include "api/service/convert_registry.h"
#include "api/service/service_internal.h"

static bool is_metadata(enum operation operation)
{
    return operation == OPERATION_SET_METADATA || operation == OPERATION_GET_METADATA ||
           operation == OPERATION_LIST_METADATA_VERSIONS;
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
    } else if (operation == OPERATION_LIST_METADATA_VERSIONS) {
        service_call_reply(call, convert_versions_reply(answer->payload, call->page.limit));
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

static enum status convert(struct service_call *call, enum operation *operation,
                           struct bytes message, struct converted *converted,
                           struct refusal *refusal)
{
    if (!is_metadata(*operation)) {
        return convert_registry_request(*operation, kind_of(call->method), message, converted,
                                        refusal);
    }
    const enum status status = convert_metadata_request(*operation, message, converted, refusal);
    if (status == STATUS_OK) {
        call->page = converted->page;
    }
    return status;
}

void objects_call(struct service_call *call, struct bytes message)
{
    service_command(call, message, convert, on_answer);
}
