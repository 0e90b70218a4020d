/* transfer_pending.c — the second phase: captures of a pending transfer, any number of them; then
 * it is posted, in full or in part, or voided, once, and what is not posted is released. A capture
 * that takes all that remains resolves it, too: it is posted. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/control.h"

/* The records that the event leads to. */
struct target {
    const struct transfer *pending;
    struct hold *hold;
    struct parties parties;
};

/* What the event names of the pending transfer's own fields must be the same; zero names nothing.
 * User data may differ. */
static enum transfer_status compare(const struct transfer *event, const struct transfer *pending)
{
    if (event->debit_account_id != 0 && event->debit_account_id != pending->debit_account_id) {
        return TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (event->credit_account_id != 0 && event->credit_account_id != pending->credit_account_id) {
        return TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (event->ledger != 0 && event->ledger != pending->ledger) {
        return TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER;
    }
    if (event->code != 0 && event->code != pending->code) {
        return TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_CODE;
    }
    return TRANSFER_STATUS_CREATED;
}

/* Expiry is exact: the cluster's time decides, whether a pulse has released the hold yet or not.
 * That goes for an imported event too, or its answer would depend on the pulse. */
static enum transfer_status check_hold(const struct hold *hold, const struct moment *moment)
{
    switch ((enum hold_state)hold->state) {
    case HOLD_POSTED:
        return TRANSFER_STATUS_PENDING_TRANSFER_ALREADY_POSTED;
    case HOLD_VOIDED:
        return TRANSFER_STATUS_PENDING_TRANSFER_ALREADY_VOIDED;
    case HOLD_EXPIRED:
        return TRANSFER_STATUS_PENDING_TRANSFER_EXPIRED;
    case HOLD_PENDING:
        break;
    }
    if (hold->expires_at != 0 && hold->expires_at <= moment->timestamp) {
        SITUATION(ledger_hold_late);
        return TRANSFER_STATUS_PENDING_TRANSFER_EXPIRED;
    }
    return TRANSFER_STATUS_CREATED;
}

/* Zero voids all that remains, the largest amount posts or captures it. The amount is looked at
 * before the hold: of one that is resolved or late it is compared with the whole, and so with what
 * does not depend on a pulse. */
static enum transfer_status choose_amount(const struct transfer *event, const struct target *target,
                                          const struct moment *moment, u128 *amount)
{
    const struct transfer *pending = target->pending;
    const bool held = check_hold(target->hold, moment) == TRANSFER_STATUS_CREATED;
    const u128 remaining = held ? hold_remaining(target->hold, pending) : pending->amount;
    const bool voids = (event->flags & TRANSFER_VOID_PENDING) != 0;
    const u128 all = voids ? 0 : U128_MAX;
    *amount = event->amount == all ? remaining : event->amount;
    if (*amount > remaining) {
        return TRANSFER_STATUS_EXCEEDS_PENDING_TRANSFER_AMOUNT;
    }
    if (voids && *amount < remaining) {
        return TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT;
    }
    return TRANSFER_STATUS_CREATED;
}

/* A closed account, and a frozen one, lets go of what is pending, and takes nothing. The sums of
 * groups follow either. */
static enum transfer_status check_open(struct ledger *ledger, const struct transfer *event,
                                       const struct parties *parties)
{
    if ((event->flags & TRANSFER_VOID_PENDING) != 0) {
        return any_controlled(parties) ? control_check_groups(ledger, parties)
                                       : TRANSFER_STATUS_CREATED;
    }
    if ((parties->debit->flags & ACCOUNT_CLOSED) != 0) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_ALREADY_CLOSED;
    }
    if ((parties->credit->flags & ACCOUNT_CLOSED) != 0) {
        return TRANSFER_STATUS_CREDIT_ACCOUNT_ALREADY_CLOSED;
    }
    if (!any_controlled(parties) || MUTATION(ledger_freeze_lets_post)) {
        return TRANSFER_STATUS_CREATED;
    }
    const enum transfer_status status = control_check_open(ledger, parties);
    if (status != TRANSFER_STATUS_CREATED) {
        SITUATION(ledger_freeze_refused_posting);
    }
    return status;
}

/* The record: what the event leaves zero, it inherits. */
static struct transfer inherit(const struct transfer *event, const struct transfer *pending,
                               u128 amount)
{
    struct transfer transfer = *event;
    transfer.debit_account_id = pending->debit_account_id;
    transfer.credit_account_id = pending->credit_account_id;
    transfer.ledger = pending->ledger;
    transfer.code = pending->code;
    transfer.amount = amount;
    if (transfer.user_data_128 == 0) {
        transfer.user_data_128 = pending->user_data_128;
    }
    if (transfer.user_data_64 == 0) {
        transfer.user_data_64 = pending->user_data_64;
    }
    if (transfer.user_data_32 == 0) {
        transfer.user_data_32 = pending->user_data_32;
    }
    return transfer;
}

/* What the event does to the hold; returns what it takes out of it, and releases when it does not
 * post it. */
static u128 take(struct ledger *ledger, struct hold *hold, const struct transfer *transfer,
                 const struct transfer *pending)
{
    const bool captures = (transfer->flags & TRANSFER_CAPTURE_PENDING) != 0;
    const bool voids = (transfer->flags & TRANSFER_VOID_PENDING) != 0;
    const u128 remaining = hold_remaining(hold, pending);
    delta_hold_change(ledger->delta, hold);
    hold->captured += voids ? 0 : transfer->amount;
    if (captures && transfer->amount < remaining) {
        SITUATION(ledger_hold_captured);
        return transfer->amount;
    }
    hold->state = voids ? HOLD_VOIDED : HOLD_POSTED;
    hold->resolved_at = transfer->timestamp;
    return remaining;
}

static enum change_kind kind_of(const struct transfer *transfer)
{
    if ((transfer->flags & TRANSFER_CAPTURE_PENDING) != 0) {
        return CHANGE_CAPTURED;
    }
    return (transfer->flags & TRANSFER_VOID_PENDING) != 0 ? CHANGE_VOIDED : CHANGE_POSTED;
}

static void move(struct ledger *ledger, const struct transfer *transfer,
                 const struct target *target)
{
    const struct parties *parties = &target->parties;
    const enum change_kind kind = kind_of(transfer);
    delta_transfer_insert(ledger->delta, transfer);
    struct ledger_sums *sums = sums_change(&ledger->sums, transfer->ledger);
    sums_count_transfer(&ledger->sums, sums);
    const u128 taken = take(ledger, target->hold, transfer, target->pending);
    movement_release(ledger, sums, parties, taken);
    if (kind == CHANGE_VOIDED) {
        movement_reopen(ledger, parties, target->pending->flags);
    } else {
        movement_post(ledger, sums, parties, transfer->amount);
    }
    movement_record(ledger, parties, kind, transfer->amount, transfer->timestamp,
                    target->pending->timestamp);
    if (any_controlled(parties) && target->hold->state != HOLD_PENDING) {
        control_resolved(ledger, parties, target->pending, target->hold);
    }
}

static enum transfer_status find_target(struct ledger *ledger, const struct transfer *event,
                                        struct target *target)
{
    const struct transfer *pending = delta_transfer(ledger->delta, event->pending_id);
    if (pending == NULL) {
        return TRANSFER_STATUS_PENDING_TRANSFER_NOT_FOUND;
    }
    if ((pending->flags & TRANSFER_PENDING) == 0) {
        return TRANSFER_STATUS_PENDING_TRANSFER_NOT_PENDING;
    }
    target->pending = pending;
    target->hold = delta_hold(ledger->delta, pending->timestamp);
    target->parties.debit = delta_account(ledger->delta, pending->debit_account_id);
    target->parties.credit = delta_account(ledger->delta, pending->credit_account_id);
    ASSERT(target->hold != NULL);
    ASSERT(target->parties.debit != NULL && target->parties.credit != NULL);
    return TRANSFER_STATUS_CREATED;
}

static enum transfer_status check(struct ledger *ledger, const struct transfer *event,
                                  const struct moment *moment, const struct target *target,
                                  u128 *amount)
{
    enum transfer_status status = compare(event, target->pending);
    if (status == TRANSFER_STATUS_CREATED) {
        status = choose_amount(event, target, moment, amount);
    }
    if (status == TRANSFER_STATUS_CREATED) {
        status = check_hold(target->hold, moment);
    }
    if (status == TRANSFER_STATUS_CREATED && (event->flags & TRANSFER_IMPORTED) != 0 &&
        imported_transfer_regresses(ledger, event->timestamp)) {
        return TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    return status == TRANSFER_STATUS_CREATED ? check_open(ledger, event, &target->parties) : status;
}

enum transfer_status pending_resolve(struct ledger *ledger, const struct transfer *event,
                                     const struct moment *moment, uint64_t *result_timestamp)
{
    struct target target;
    enum transfer_status status = find_target(ledger, event, &target);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    u128 amount;
    status = check(ledger, event, moment, &target, &amount);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    struct transfer transfer = inherit(event, target.pending, amount);
    transfer.timestamp =
        record_timestamp(moment, (event->flags & TRANSFER_IMPORTED) != 0, event->timestamp);
    move(ledger, &transfer, &target);
    *result_timestamp = transfer.timestamp;
    return TRANSFER_STATUS_CREATED;
}
