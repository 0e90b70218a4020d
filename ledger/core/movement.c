/* movement.c — money moves: each side changes its account and its sum by itself, so that sums_check
 * compares the two. Checks have been made: nothing overflows here. */
#include "base/situation.h"
#include "ledger/core/ledger_parts.h"

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

void movement_post(struct ledger *ledger, struct ledger_sums *sums, const struct parties *parties,
                   u128 amount)
{
    delta_account_change(ledger->delta, parties->debit);
    add(&parties->debit->debits_posted, amount);
    sum_add(&sums->debits_posted, &sums->debits_posted_high, amount);

    delta_account_change(ledger->delta, parties->credit);
    add(&parties->credit->credits_posted, amount);
    sum_add(&sums->credits_posted, &sums->credits_posted_high, amount);
}

void movement_reserve(struct ledger *ledger, struct ledger_sums *sums,
                      const struct parties *parties, u128 amount)
{
    delta_account_change(ledger->delta, parties->debit);
    add(&parties->debit->debits_pending, amount);
    sum_add(&sums->debits_pending, &sums->debits_pending_high, amount);

    delta_account_change(ledger->delta, parties->credit);
    add(&parties->credit->credits_pending, amount);
    sum_add(&sums->credits_pending, &sums->credits_pending_high, amount);
}

void movement_release(struct ledger *ledger, struct ledger_sums *sums,
                      const struct parties *parties, u128 amount)
{
    delta_account_change(ledger->delta, parties->debit);
    subtract(&parties->debit->debits_pending, amount);
    sum_subtract(&sums->debits_pending, &sums->debits_pending_high, amount);

    delta_account_change(ledger->delta, parties->credit);
    subtract(&parties->credit->credits_pending, amount);
    sum_subtract(&sums->credits_pending, &sums->credits_pending_high, amount);
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
                                   .timestamp = timestamp,
                                   .pending_timestamp = pending_timestamp,
                                   .kind = (uint16_t)kind,
                                   .debit_flags = parties->debit->flags,
                                   .credit_flags = parties->credit->flags };
    delta_change_append(ledger->delta, &change);
    ledger->last.change = timestamp;
}
