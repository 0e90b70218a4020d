/* expiry.c — holds whose time is over: what prefetch picked is released, in its order, and the
 * accounts that they closed are open again. */
#include "base/situation.h"
#include "ledger/core/control.h"

static void expire(struct ledger *ledger, uint64_t pending_timestamp, uint64_t timestamp)
{
    struct delta *delta = ledger->delta;
    struct hold *hold = delta_hold(delta, pending_timestamp);
    const struct transfer *pending = delta_transfer_at(delta, pending_timestamp);
    ASSERT(hold != NULL && pending != NULL);
    ASSERT(hold->state == HOLD_PENDING);
    ASSERT(hold->expires_at != 0 && hold->expires_at < timestamp);
    const struct parties parties = { .debit = delta_account(delta, pending->debit_account_id),
                                     .credit = delta_account(delta, pending->credit_account_id) };
    ASSERT(parties.debit != NULL && parties.credit != NULL);
    SITUATION(ledger_hold_expired);
    delta_hold_change(delta, hold);
    hold->state = HOLD_EXPIRED;
    hold->resolved_at = timestamp;
    const u128 amount = hold_remaining(hold, pending);
    movement_release(ledger, sums_change(&ledger->sums, pending->ledger), &parties, amount);
    movement_reopen(ledger, &parties, pending->flags);
    delta_expiry_append(delta, timestamp, pending);
    movement_record(ledger, &parties, CHANGE_EXPIRED, amount, timestamp, pending_timestamp);
    if (any_controlled(&parties)) {
        control_resolved(ledger, &parties, pending, hold);
    }
}

uint32_t ledger_pulse(struct ledger *ledger, uint64_t first_timestamp)
{
    const uint32_t count = delta_due_count(ledger->delta);
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        expire(ledger, delta_due_at(ledger->delta, i), first_timestamp + i);
    }
    sums_check(&ledger->sums);
    return count;
}
