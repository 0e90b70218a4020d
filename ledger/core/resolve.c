#include "ledger/core/resolve.h"

#include "base/situation.h"
#include "ledger/core/ledger_parts.h"
#include "ledger/core/status_text.h"

#include <string.h>

/* Why an id failed that nobody had used: it was fenced. No status of a transfer has this number. */
enum { FENCED = UINT16_MAX };
_Static_assert(RESOLVE_STATUS_NOT_AFTER_PASSED <= 0xFF, "resolve_result");
_Static_assert((int)RESOLVE_STATUS_NOT_AFTER_PASSED == (int)EVENT_NOT_AFTER_PASSED,
               "the same number");

DEFINE_STATUS_TEXT(resolve_status_text, RESOLVE_STATUS_MAP)

bool resolve_command_is_sound(const struct command *command)
{
    uint8_t unknown = 0;
    for (uint32_t i = 0; i < command->header.count; i++) {
        struct resolve_request request;
        memcpy(&request, command->events + (size_t)i * sizeof request, sizeof request);
        unknown |= (request.flags & ~(uint32_t)RESOLVE_FENCE) != 0 ? 1 : 0;
        for (size_t k = 0; k < sizeof request.reserved; k++) {
            unknown |= request.reserved[k];
        }
    }
    return unknown == 0;
}

static uint32_t resolve_failed(unsigned why)
{
    return why == FENCED ? resolve_result(RESOLVE_STATUS_NEVER_APPLIED, 0)
                         : resolve_result(RESOLVE_STATUS_FAILED, why);
}

static uint32_t resolve(struct ledger *ledger, const struct resolve_request *event,
                        uint64_t *result_timestamp)
{
    if (event->id == 0) {
        return RESOLVE_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    if (event->id == U128_MAX) {
        return RESOLVE_STATUS_ID_MUST_NOT_BE_INT_MAX;
    }
    const struct transfer *transfer = delta_transfer(ledger->delta, event->id);
    if (transfer != NULL) {
        *result_timestamp = transfer->timestamp;
        return RESOLVE_STATUS_CREATED;
    }
    const unsigned why = delta_id_failure(ledger->delta, event->id);
    if (why != 0) {
        return resolve_failed(why);
    }
    if ((event->flags & RESOLVE_FENCE) == 0) {
        return RESOLVE_STATUS_UNKNOWN;
    }
    SITUATION(ledger_id_fenced);
    delta_id_fail(ledger->delta, event->id, FENCED);
    return RESOLVE_STATUS_NEVER_APPLIED;
}

void ledger_resolve(struct ledger *ledger, const struct resolve_request *events, uint32_t count,
                    uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = resolve(ledger, &events[i], &results[i].timestamp);
    }
}
