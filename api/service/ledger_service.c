/* fenlu.v1.Ledger: a call is one command to the cluster. */
#include "api/service/convert_past.h"
#include "api/service/page.h"
#include "api/service/service_internal.h"

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

static enum status convert(struct service_call *call, enum operation *operation,
                           struct bytes message, struct converted *converted,
                           struct refusal *refusal)
{
    enum status status = convert_request(*operation, message, converted, refusal);
    if (status == STATUS_OK) {
        call->page = converted->page;
    }
    return status;
}

void ledger_call(struct service_call *call, struct bytes message)
{
    service_command(call, message, convert, on_answer);
}

bool ledger_cancel(struct service_call *call)
{
    cluster_client_cancel(call->service->client, call->handle);
    return true;
}
