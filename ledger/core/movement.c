/* movement.c — money moves: each side changes its account and its sum by itself, so that sums_check
 * compares the two. Checks have been made: nothing overflows here. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/control.h"

static void add(u128 *balance, u128 amount)
{
    const bool fits = u128_add(*balance, amount, balance);
    ASSERT(fits);
}

static void subtract(u128 *balance, u128 amount)
{
    const bool enough = u128_subtract(*balance, amount, balance);
    ASSERT(enough);
}

/* The row of the trial balance that the account is in. */
static struct ledger_sums *row_of(struct ledger *ledger, const struct account *account)
{
    struct ledger_sums *row = sums_change_code(&ledger->codes, account->ledger, account->code);
    sums_mark(&ledger->codes, row, SUMS_UNSEALED_SUMS);
    return row;
}

/* Groups know what their members have. */
static void follow(struct ledger *ledger, const struct parties *parties, bool pending, u128 from,
                   u128 to)
{
    if (is_controlled(parties->debit)) {
        group_follow(ledger, parties->debit, pending ? DEBITS_PENDING : DEBITS_POSTED, from, to);
    }
    if (is_controlled(parties->credit)) {
        group_follow(ledger, parties->credit, pending ? CREDITS_PENDING : CREDITS_POSTED, from, to);
    }
}

void movement_post(struct ledger *ledger, struct ledger_sums *sums, const struct parties *parties,
                   u128 amount)
{
    struct ledger_sums *row;
    delta_account_change(ledger->delta, parties->debit);
    add(&parties->debit->debits_posted, amount);
    sum_add(&sums->debits_posted, &sums->debits_posted_high, amount);
    row = row_of(ledger, parties->debit);
    sum_add(&row->debits_posted, &row->debits_posted_high, amount);

    delta_account_change(ledger->delta, parties->credit);
    add(&parties->credit->credits_posted, amount);
    sum_add(&sums->credits_posted, &sums->credits_posted_high, amount);
    row = row_of(ledger, parties->credit);
    sum_add(&row->credits_posted, &row->credits_posted_high, amount);
    if (any_controlled(parties)) {
        follow(ledger, parties, false, 0, amount);
    }
}

void movement_reserve(struct ledger *ledger, struct ledger_sums *sums,
                      const struct parties *parties, u128 amount)
{
    struct ledger_sums *row;
    delta_account_change(ledger->delta, parties->debit);
    add(&parties->debit->debits_pending, amount);
    sum_add(&sums->debits_pending, &sums->debits_pending_high, amount);
    row = row_of(ledger, parties->debit);
    sum_add(&row->debits_pending, &row->debits_pending_high, amount);

    delta_account_change(ledger->delta, parties->credit);
    add(&parties->credit->credits_pending, amount);
    sum_add(&sums->credits_pending, &sums->credits_pending_high, amount);
    row = row_of(ledger, parties->credit);
    sum_add(&row->credits_pending, &row->credits_pending_high, amount);
    if (any_controlled(parties)) {
        follow(ledger, parties, true, 0, amount);
    }
}

void movement_release(struct ledger *ledger, struct ledger_sums *sums,
                      const struct parties *parties, u128 amount)
{
    struct ledger_sums *row;
    delta_account_change(ledger->delta, parties->debit);
    ledger->released = amount;
    subtract(&parties->debit->debits_pending, amount);
    sum_subtract(&sums->debits_pending, &sums->debits_pending_high, amount);
    row = row_of(ledger, parties->debit);
    sum_subtract(&row->debits_pending, &row->debits_pending_high, amount);

    delta_account_change(ledger->delta, parties->credit);
    subtract(&parties->credit->credits_pending, amount);
    sum_subtract(&sums->credits_pending, &sums->credits_pending_high, amount);
    row = row_of(ledger, parties->credit);
    sum_subtract(&row->credits_pending, &row->credits_pending_high, amount);
    if (any_controlled(parties) && !MUTATION(ledger_group_forgets_releases)) {
        follow(ledger, parties, true, amount, 0);
    }
}

void movement_close(struct ledger *ledger, const struct parties *parties, unsigned flags)
{
    if ((flags & TRANSFER_CLOSING_DEBIT) != 0) {
        delta_account_change(ledger->delta, parties->debit);
        parties->debit->flags |= ACCOUNT_CLOSED;
    }
    if ((flags & TRANSFER_CLOSING_CREDIT) != 0) {
        delta_account_change(ledger->delta, parties->credit);
        parties->credit->flags |= ACCOUNT_CLOSED;
    }
}

static void reopen(struct ledger *ledger, struct account *account)
{
    ASSERT((account->flags & ACCOUNT_CLOSED) != 0); /* nobody else could close or reopen it */
    SITUATION(ledger_account_reopened);
    delta_account_change(ledger->delta, account);
    account->flags &= (uint16_t)~ACCOUNT_CLOSED;
}

void movement_reopen(struct ledger *ledger, const struct parties *parties, unsigned flags)
{
    if ((flags & TRANSFER_CLOSING_DEBIT) != 0) {
        reopen(ledger, parties->debit);
    }
    if ((flags & TRANSFER_CLOSING_CREDIT) != 0) {
        reopen(ledger, parties->credit);
    }
}

static struct balances balances_of(const struct account *account)
{
    return (struct balances){ .debits_pending = account->debits_pending,
                              .debits_posted = account->debits_posted,
                              .credits_pending = account->credits_pending,
                              .credits_posted = account->credits_posted };
}

void movement_record(struct ledger *ledger, const struct parties *parties, enum change_kind kind,
                     u128 amount, uint64_t timestamp, uint64_t pending_timestamp)
{
    const struct change change = { .debit = balances_of(parties->debit),
                                   .credit = balances_of(parties->credit),
                                   .amount = amount,
                                   .released = ledger->released,
                                   .timestamp = timestamp,
                                   .pending_timestamp = pending_timestamp,
                                   .kind = (uint16_t)kind,
                                   .debit_flags = parties->debit->flags,
                                   .credit_flags = parties->credit->flags,
                                   .debit_code = parties->debit->code,
                                   .credit_code = parties->credit->code };
    delta_change_append(ledger->delta, &change);
    ledger->last.change = timestamp;
    ledger->released = 0;
}
