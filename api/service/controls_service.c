/* fenlu.v1.Controls: a call is one command to the cluster. */
#include "api/service/convert_controls.h"
#include "api/service/service_internal.h"

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

static enum status convert(struct service_call *call, enum operation *operation,
                           struct bytes message, struct converted *converted,
                           struct refusal *refusal)
{
    (void)call;
    return convert_controls_request(operation, message, converted, refusal);
}

void controls_call(struct service_call *call, struct bytes message)
{
    service_command(call, message, convert, on_answer);
}
