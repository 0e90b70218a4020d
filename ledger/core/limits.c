#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/ledger_parts.h"

/* The balance of an account that a limit or an overflow is about, after the transfer. */
struct side {
    u128 posted;
    u128 total; /* pending and posted */
    bool posted_overflows;
    bool total_overflows;
};

static struct side side_after(u128 posted, u128 pending, u128 amount)
{
    struct side side = { 0 };
    side.posted_overflows = !u128_add(posted, amount, &side.posted);
    side.total_overflows = side.posted_overflows || !u128_add(side.posted, pending, &side.total);
    return side;
}

enum transfer_status limits_check(const struct transfer *event, const struct account *debit,
                                  const struct account *credit)
{
    struct side debits = side_after(debit->debits_posted, debit->debits_pending, event->amount);
    struct side credits =
        side_after(credit->credits_posted, credit->credits_pending, event->amount);
    if (debits.posted_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_DEBITS_POSTED;
    }
    if (credits.posted_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_CREDITS_POSTED;
    }
    if (debits.total_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_DEBITS;
    }
    if (credits.total_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_CREDITS;
    }
    if ((debit->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
        debits.total > debit->credits_posted && !MUTATION(ledger_limit_ignored)) {
        SITUATION(ledger_limit_reached);
        return TRANSFER_STATUS_EXCEEDS_CREDITS;
    }
    if ((credit->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
        credits.total > credit->debits_posted) {
        return TRANSFER_STATUS_EXCEEDS_DEBITS;
    }
    return TRANSFER_STATUS_CREATED;
}
