/* journal_net.c — limits of accounts after all legs of a journal. An account that some legs debit
 * and others credit may be beyond a limit on the way, not at the end. */
#include "ledger/core/control.h"
#include "ledger/core/journal.h"

static enum transfer_status check_leg(struct ledger *ledger, const struct journal_legs *legs,
                                      const struct transfer *leg, uint64_t timestamp)
{
    const struct parties parties = {
        .debit = delta_account(ledger->delta, leg->debit_account_id),
        .credit = delta_account(ledger->delta, leg->credit_account_id),
    };
    if (any_controlled(&parties)) {
        /* When windows counted the original: with its last leg, too. */
        const bool reversal = legs->requested == NULL;
        const uint64_t reversed_at = reversal ? legs->mirrored_from + legs->count - 1 : 0;
        return control_net_check(ledger, &parties, reversed_at, timestamp);
    }
    struct transfer made = *leg;
    made.amount = 0; /* the balances have it */
    return amount_check_limits(ledger, &made, &parties, timestamp);
}

enum transfer_status journal_check_net(struct ledger *ledger, const struct journal_legs *legs,
                                       uint64_t timestamp, uint32_t *leg)
{
    for (uint32_t i = 0; i < legs->count; i++) {
        const struct transfer made = journal_leg(ledger, legs, i);
        const enum transfer_status status = check_leg(ledger, legs, &made, timestamp);
        if (status != TRANSFER_STATUS_CREATED) {
            *leg = i;
            return status;
        }
    }
    return TRANSFER_STATUS_CREATED;
}
