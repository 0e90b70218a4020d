/* transfer_exists.c — an event whose id names a transfer already: the same request again answers
 * exists, and may say what it said the first time: an upper limit, "all", or nothing where the
 * record inherited. */
#include "ledger/core/ledger_parts.h"

/* "All" was a different amount each time that a part had been captured before. What the record
 * says was all of it when it left nothing. */
static u128 all_of(const struct transfer *event, const struct transfer *existing,
                   const struct transfer *pending, const struct hold *hold)
{
    const bool voids = (event->flags & TRANSFER_VOID_PENDING) != 0;
    const bool took_all =
        hold->resolved_at == existing->timestamp && hold->captured == pending->amount;
    return voids || took_all ? existing->amount : event->amount;
}

/* What the event asked for, in the terms of the record; `pending` is the transfer that it resolves,
 * with its hold; NULL when it resolves none. */
static struct transfer as_recorded(const struct transfer *event, const struct transfer *existing,
                                   const struct transfer *pending, const struct hold *hold)
{
    struct transfer asked = *event;
    if (pending == NULL) {
        /* Balancing recorded what there was to move, up to the amount of the request. */
        const unsigned balancing = TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT;
        if ((event->flags & balancing) != 0 && event->amount > existing->amount) {
            asked.amount = existing->amount;
        }
        return asked;
    }
    const bool voids = (event->flags & TRANSFER_VOID_PENDING) != 0;
    if (event->amount == (voids ? 0 : U128_MAX)) {
        asked.amount = all_of(event, existing, pending, hold);
    }
    if (event->debit_account_id == 0) {
        asked.debit_account_id = pending->debit_account_id;
    }
    if (event->credit_account_id == 0) {
        asked.credit_account_id = pending->credit_account_id;
    }
    if (event->user_data_128 == 0) {
        asked.user_data_128 = pending->user_data_128;
    }
    if (event->user_data_64 == 0) {
        asked.user_data_64 = pending->user_data_64;
    }
    if (event->user_data_32 == 0) {
        asked.user_data_32 = pending->user_data_32;
    }
    if (event->ledger == 0) {
        asked.ledger = pending->ledger;
    }
    if (event->code == 0) {
        asked.code = pending->code;
    }
    return asked;
}

static enum transfer_status compare_accounts(const struct transfer *asked,
                                             const struct transfer *existing)
{
    if (asked->debit_account_id != existing->debit_account_id) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (asked->credit_account_id != existing->credit_account_id) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (asked->amount != existing->amount) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT;
    }
    return TRANSFER_STATUS_EXISTS;
}

static enum transfer_status compare_data(const struct transfer *asked,
                                         const struct transfer *existing)
{
    if (asked->user_data_128 != existing->user_data_128) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (asked->user_data_64 != existing->user_data_64) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (asked->user_data_32 != existing->user_data_32) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (asked->ledger != existing->ledger) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_LEDGER;
    }
    if (asked->code != existing->code) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CODE;
    }
    return TRANSFER_STATUS_EXISTS;
}

enum transfer_status transfer_compare(struct delta *delta, const struct transfer *event,
                                      const struct transfer *existing)
{
    if (event->flags != existing->flags) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_FLAGS;
    }
    if (event->pending_id != existing->pending_id) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_PENDING_ID;
    }
    if (event->timeout != existing->timeout) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_TIMEOUT;
    }
    const bool resolves = transfer_resolves(existing);
    const struct transfer *pending = resolves ? delta_transfer(delta, existing->pending_id) : NULL;
    ASSERT(!resolves || pending != NULL); /* the event names it too */
    const struct hold *hold = resolves ? delta_hold(delta, pending->timestamp) : NULL;
    ASSERT(!resolves || hold != NULL);
    const struct transfer asked = as_recorded(event, existing, pending, hold);
    const enum transfer_status status = compare_accounts(&asked, existing);
    return status == TRANSFER_STATUS_EXISTS ? compare_data(&asked, existing) : status;
}
