/* imported.c — events that bring their own timestamps: history from another system. All events of a
 * call are imported, or none; their timestamps are in the past and ascend, each kind by itself, and
 * no account has the timestamp of a transfer or of an expiry. */
#include "ledger/core/ledger_parts.h"

unsigned imported_check_head(const struct moment *moment, bool imported, uint64_t timestamp)
{
    if (imported != moment->imported) {
        return imported ? EVENT_IMPORTED_NOT_EXPECTED : EVENT_IMPORTED_EXPECTED;
    }
    if (!imported) {
        return timestamp != 0 ? EVENT_TIMESTAMP_MUST_BE_ZERO : EVENT_CREATED;
    }
    if (timestamp == 0 || timestamp > TIMESTAMP_MAX) {
        return EVENT_IMPORTED_OUT_OF_RANGE;
    }
    return timestamp >= moment->commit ? EVENT_IMPORTED_MUST_NOT_ADVANCE : EVENT_CREATED;
}

bool imported_account_regresses(struct ledger *ledger, uint64_t timestamp)
{
    return timestamp <= ledger->last.account ||
           delta_transfer_timestamp_taken(ledger->delta, timestamp);
}

bool imported_transfer_regresses(struct ledger *ledger, uint64_t timestamp)
{
    return timestamp <= ledger->last.change ||
           delta_account_timestamp_taken(ledger->delta, timestamp);
}
