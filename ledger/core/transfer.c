#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/ledger_parts.h"

/* The two accounts of a transfer. */
struct parties {
    struct account *debit;
    struct account *credit;
};

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

/* Each side changes its account and its sum by itself: sums_check compares the two. */
static void post(struct ledger *ledger, struct ledger_sums *sums, const struct parties *parties,
                 u128 amount)
{
    struct account *debit = parties->debit;
    delta_account_change(ledger->delta, debit);
    const bool debit_fits = u128_add(debit->debits_posted, amount, &debit->debits_posted);
    ASSERT(debit_fits);
    sum_add(&sums->debits_posted, &sums->debits_posted_high, amount);

    struct account *credit = parties->credit;
    delta_account_change(ledger->delta, credit);
    const bool credit_fits = u128_add(credit->credits_posted, amount, &credit->credits_posted);
    ASSERT(credit_fits);
    sum_add(&sums->credits_posted, &sums->credits_posted_high, amount);
}

static enum transfer_status create_single_phase(struct ledger *ledger, const struct transfer *event,
                                                uint64_t timestamp)
{
    struct parties parties;
    enum transfer_status status = find_parties(ledger, event, &parties);
    if (status == TRANSFER_STATUS_CREATED) {
        status = limits_check(event, parties.debit, parties.credit);
    }
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    struct transfer transfer = *event;
    transfer.timestamp = timestamp;
    delta_transfer_insert(ledger->delta, &transfer);
    struct ledger_sums *sums = sums_change(&ledger->sums, transfer.ledger);
    sums_count_transfer(&ledger->sums, sums);
    post(ledger, sums, &parties, transfer.amount);
    return TRANSFER_STATUS_CREATED;
}

enum transfer_status transfer_create(struct ledger *ledger, const struct transfer *event,
                                     uint64_t timestamp, uint64_t *result_timestamp)
{
    enum transfer_status status = transfer_check_head(event);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    const struct transfer *existing = delta_transfer(ledger->delta, event->id);
    if (existing != NULL) {
        status = transfer_compare(event, existing);
        if (status == TRANSFER_STATUS_EXISTS) {
            *result_timestamp = existing->timestamp;
        }
        return status;
    }
    if (delta_id_failed(ledger->delta, event->id)) {
        SITUATION(ledger_id_failed_for_ever);
        return TRANSFER_STATUS_ID_ALREADY_FAILED;
    }
    status = transfer_check_fields(event);
    if (status == TRANSFER_STATUS_CREATED) {
        status = create_single_phase(ledger, event, timestamp);
    }
    if (transfer_status_transient(status) && !MUTATION(ledger_failed_id_forgotten)) {
        delta_id_fail(ledger->delta, event->id);
    }
    return status;
}
