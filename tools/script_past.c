/* script_past.c — the trial balance and balances as of a time: what all changes up to then did. */
#include "ledger/store/delta_internal.h"
#include "tools/script_machine.h"

static bool fits(const struct script_filter *filter, const struct trial_row *row)
{
    return (filter->ledger == 0 || filter->ledger == row->ledger) &&
           (filter->code == 0 || filter->code == row->code);
}

static const struct transfer *transfer_of(struct machine *machine, const struct change *change)
{
    const struct delta_generation *all = &machine->delta->live;
    bool expired = change->kind == CHANGE_EXPIRED;
    uint64_t timestamp = expired ? change->pending_timestamp : change->timestamp;
    return &all->transfers[delta_transfers_from(all, timestamp)];
}

static bool is_of(const struct trial_row *row, const struct account *account)
{
    return row->ledger == account->ledger && row->code == account->code;
}

/* Scripts have small amounts, or sums that wrap as these do. */
static void add_change(struct machine *machine, const struct change *change, struct trial_row *row)
{
    const struct transfer *transfer = transfer_of(machine, change);
    const struct change_effect effect = change_effect(change);
    if (is_of(row, delta_account(machine->delta, transfer->debit_account_id))) {
        row->debits_pending += effect.reserved - effect.released;
        row->debits_posted += effect.posted;
    }
    if (is_of(row, delta_account(machine->delta, transfer->credit_account_id))) {
        row->credits_pending += effect.reserved - effect.released;
        row->credits_posted += effect.posted;
    }
}

/* The row as it was after all that has this timestamp or an earlier one. */
static struct trial_row row_as_of(struct machine *machine, const struct trial_row *now,
                                  uint64_t as_of)
{
    const struct delta_generation *all = &machine->delta->live;
    struct trial_row row = { .ledger = now->ledger, .code = now->code };
    for (uint32_t i = 0; i < all->account_count && all->accounts[i].timestamp <= as_of; i++) {
        row.accounts += is_of(now, delta_account(machine->delta, all->accounts[i].id));
    }
    for (uint32_t i = 0; i < all->change_count && all->changes[i].timestamp <= as_of; i++) {
        add_change(machine, &all->changes[i], &row);
    }
    return row;
}

void script_find_trial(struct machine *machine, const struct script_step *step,
                       const struct script_filter *filter)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger_trial_count(machine->ledger) && count < SCRIPT_ROWS_MAX; i++) {
        struct trial_row row;
        ledger_trial_at(machine->ledger, i, &row);
        if (filter->timestamp_max != 0) {
            row = row_as_of(machine, &row, filter->timestamp_max);
        }
        if (fits(filter, &row) && row.accounts > 0) {
            machine->trial_rows[count++] = row;
        }
    }
    script_compare_rows(machine, step, machine->trial_rows, count, sizeof machine->trial_rows[0]);
}

/* The account's last change at `as_of` or before. */
static void find_last(struct machine *machine, struct script_balance_row *row, u128 id,
                      uint64_t as_of)
{
    const struct delta_generation *all = &machine->delta->live;
    for (uint32_t i = 0; i < all->change_count && all->changes[i].timestamp <= as_of; i++) {
        const struct change *change = &all->changes[i];
        const struct transfer *transfer = transfer_of(machine, change);
        bool debit = transfer->debit_account_id == id;
        if (debit || transfer->credit_account_id == id) {
            row->balances = debit ? change->debit : change->credit;
            row->timestamp = change->timestamp;
        }
    }
}

void script_find_balances_as_of(struct machine *machine, const struct script_step *step,
                                const struct script_filter *filter)
{
    const uint64_t as_of = filter->timestamp_max == 0 ? UINT64_MAX : filter->timestamp_max;
    const struct account *account = delta_account(machine->delta, filter->id);
    uint32_t count = 0;
    if (account != NULL && account->timestamp <= as_of && (account->flags & ACCOUNT_HISTORY) != 0) {
        machine->balance_rows[0] = (struct script_balance_row){ .timestamp = account->timestamp };
        find_last(machine, &machine->balance_rows[0], filter->id, as_of);
        count = 1;
    }
    script_compare_rows(machine, step, machine->balance_rows, count,
                        sizeof machine->balance_rows[0]);
}
