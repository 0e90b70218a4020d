/* transfer.c — one transfer of a call: from its checks to what it moves. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/control.h"

static enum transfer_status find_parties(struct ledger *ledger, const struct transfer *event,
                                         struct parties *parties)
{
    parties->debit = delta_account(ledger->delta, event->debit_account_id);
    if (parties->debit == NULL) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND;
    }
    parties->credit = delta_account(ledger->delta, event->credit_account_id);
    if (parties->credit == NULL) {
        return TRANSFER_STATUS_CREDIT_ACCOUNT_NOT_FOUND;
    }
    if (parties->debit->ledger != parties->credit->ledger) {
        return TRANSFER_STATUS_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    }
    if (event->ledger != parties->debit->ledger) {
        return TRANSFER_STATUS_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    }
    return TRANSFER_STATUS_CREATED;
}

static enum transfer_status check_imported(struct ledger *ledger, const struct transfer *event,
                                           const struct parties *parties)
{
    if (imported_transfer_regresses(ledger, event->timestamp)) {
        return TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    if (event->timestamp <= parties->debit->timestamp) {
        return TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT;
    }
    if (event->timestamp <= parties->credit->timestamp) {
        return TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT;
    }
    if (event->timeout != 0) {
        return TRANSFER_STATUS_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO;
    }
    return TRANSFER_STATUS_CREATED;
}

static enum transfer_status check_open(struct ledger *ledger, const struct parties *parties)
{
    if ((parties->debit->flags & ACCOUNT_CLOSED) != 0) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_ALREADY_CLOSED;
    }
    if ((parties->credit->flags & ACCOUNT_CLOSED) != 0) {
        return TRANSFER_STATUS_CREDIT_ACCOUNT_ALREADY_CLOSED;
    }
    return any_controlled(parties) ? control_check_open(ledger, parties) : TRANSFER_STATUS_CREATED;
}

static void move(struct ledger *ledger, const struct parties *parties,
                 const struct transfer *transfer)
{
    const bool pending = (transfer->flags & TRANSFER_PENDING) != 0;
    delta_transfer_insert(ledger->delta, transfer);
    struct ledger_sums *sums = sums_change(&ledger->sums, transfer->ledger);
    sums_count_transfer(&ledger->sums, sums);
    if (pending) {
        const struct hold hold = { .timestamp = transfer->timestamp,
                                   .expires_at =
                                       amount_expires_at(transfer->timestamp, transfer->timeout),
                                   .state = HOLD_PENDING };
        delta_hold_insert(ledger->delta, &hold);
        movement_reserve(ledger, sums, parties, transfer->amount);
        movement_close(ledger, parties, transfer->flags);
    } else {
        movement_post(ledger, sums, parties, transfer->amount);
    }
    movement_record(ledger, parties, pending ? CHANGE_PENDING : CHANGE_SINGLE_PHASE,
                    transfer->amount, transfer->timestamp, 0);
}

/* After amount_check: no sum overflows. */
static bool beyond_width(struct registry *registry, const struct transfer *transfer,
                         const struct parties *parties)
{
    const struct account *debit = parties->debit;
    const struct account *credit = parties->credit;
    if ((registry_bits(registry, transfer->ledger) & LEDGER_64_BITS) == 0 ||
        MUTATION(ledger_width_ignored)) {
        return false;
    }
    return debit->debits_posted + debit->debits_pending + transfer->amount > NARROW_MAX ||
           credit->credits_posted + credit->credits_pending + transfer->amount > NARROW_MAX;
}

/* Of a leg, most is looked at after the last one (journal_net.c). */
static enum transfer_status check_limits(struct ledger *ledger, const struct parties *parties,
                                         const struct transfer *transfer,
                                         const struct moment *moment)
{
    if (!moment->in_journal || MUTATION(ledger_journal_legs_one_by_one)) {
        return amount_check_limits(ledger, transfer, parties, moment->timestamp);
    }
    return any_controlled(parties) ? control_net_check_leg(ledger, parties, transfer)
                                   : TRANSFER_STATUS_CREATED;
}

/* Windows count what was moved; of a journal they will count the net. */
static void count(struct ledger *ledger, const struct parties *parties,
                  const struct transfer *transfer, const struct moment *moment)
{
    if (moment->in_journal) {
        control_net_leg(ledger, parties, transfer);
    } else if ((transfer->flags & TRANSFER_IMPORTED) == 0) {
        control_take(ledger, parties, transfer->amount, moment->timestamp);
    }
}

/* One that moves money by itself, now or as pending. */
static enum transfer_status create_new(struct ledger *ledger, const struct transfer *event,
                                       const struct moment *moment, uint64_t *result_timestamp)
{
    const bool imported = (event->flags & TRANSFER_IMPORTED) != 0;
    struct parties parties;
    enum transfer_status status = find_parties(ledger, event, &parties);
    if (status == TRANSFER_STATUS_CREATED && ledger->registry->strict &&
        registry_bits(ledger->registry, event->ledger) == 0) {
        status = TRANSFER_STATUS_LEDGER_NOT_REGISTERED;
    }
    if (status == TRANSFER_STATUS_CREATED && imported) {
        status = check_imported(ledger, event, &parties);
    }
    if (status == TRANSFER_STATUS_CREATED) {
        status = check_open(ledger, &parties);
    }
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    struct transfer transfer = *event;
    transfer.timestamp = record_timestamp(moment, imported, event->timestamp);
    transfer.amount = amount_of(ledger, event, &parties);
    status = amount_check(event, &parties, transfer.amount, transfer.timestamp);
    if (status == TRANSFER_STATUS_CREATED && ledger->registry->asked &&
        beyond_width(ledger->registry, &transfer, &parties)) {
        SITUATION(ledger_width_reached);
        status = TRANSFER_STATUS_OVERFLOWS_LEDGER_WIDTH;
    }
    if (status == TRANSFER_STATUS_CREATED) {
        status = check_limits(ledger, &parties, &transfer, moment);
    }
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    move(ledger, &parties, &transfer);
    *result_timestamp = transfer.timestamp;
    if (any_controlled(&parties)) {
        count(ledger, &parties, &transfer, moment);
    }
    return TRANSFER_STATUS_CREATED;
}

static enum transfer_status create(struct ledger *ledger, const struct transfer *event,
                                   const struct moment *moment, uint64_t *result_timestamp)
{
    if (transfer_resolves(event)) {
        const enum transfer_status status = transfer_check_resolving(event);
        return status != TRANSFER_STATUS_CREATED
                   ? status
                   : pending_resolve(ledger, event, moment, result_timestamp);
    }
    const enum transfer_status status = transfer_check_fields(event);
    return status != TRANSFER_STATUS_CREATED ? status
                                             : create_new(ledger, event, moment, result_timestamp);
}

enum transfer_status transfer_create(struct ledger *ledger, const struct transfer *event,
                                     const struct moment *moment, uint64_t *result_timestamp)
{
    const bool imported = (event->flags & TRANSFER_IMPORTED) != 0;
    enum transfer_status status = imported_check_head(moment, imported, event->timestamp);
    if (status == TRANSFER_STATUS_CREATED) {
        status = transfer_check_head(event);
    }
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    const struct transfer *existing = delta_transfer(ledger->delta, event->id);
    if (existing != NULL) {
        status = transfer_compare(ledger->delta, event, existing);
        if (status == TRANSFER_STATUS_EXISTS) {
            *result_timestamp = existing->timestamp;
        }
        return status;
    }
    if (delta_id_failed(ledger->delta, event->id)) {
        SITUATION(ledger_id_failed_for_ever);
        return TRANSFER_STATUS_ID_ALREADY_FAILED;
    }
    status = create(ledger, event, moment, result_timestamp);
    if (transfer_status_transient(status) && !MUTATION(ledger_failed_id_forgotten)) {
        delta_id_fail(ledger->delta, event->id, (uint16_t)status);
    }
    return status;
}
