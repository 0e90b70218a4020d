/* script_find.c — the queries of a script. */
#include "base/assert.h"
#include "tools/script_machine.h"

static u128 account_row_id(const struct machine *machine, uint32_t i)
{
    return machine->account_rows[i]->id;
}

static u128 transfer_row_id(const struct machine *machine, uint32_t i)
{
    return machine->transfer_rows[i]->id;
}

static u128 journal_row_id(const struct machine *machine, uint32_t i)
{
    return machine->journal_rows[i]->id;
}

/* The timestamp of the record that a filter names; what it says itself when it names none. */
static enum status resolve(struct machine *machine, u128 transfer_id, u128 account_id,
                           uint32_t line, uint64_t *timestamp, struct error *error)
{
    if (transfer_id != 0) {
        const struct transfer *transfer = delta_transfer(machine->delta, transfer_id);
        if (transfer == NULL) {
            return error_set(error, STATUS_INVALID, "%u: a time of a transfer that does not exist",
                             line);
        }
        *timestamp = transfer->timestamp;
    }
    if (account_id != 0) {
        const struct account *account = delta_account(machine->delta, account_id);
        if (account == NULL) {
            return error_set(error, STATUS_INVALID, "%u: a time of an account that does not exist",
                             line);
        }
        *timestamp = account->timestamp;
    }
    return STATUS_OK;
}

enum status script_find(struct machine *machine, const struct script_step *step,
                        struct error *error)
{
    const struct script_item *item = &machine->script->items[step->first_item];
    struct script_filter filter = item->filter;
    TRY(resolve(machine, filter.timestamp_min_transfer, filter.timestamp_min_account, item->line,
                &filter.timestamp_min, error));
    TRY(resolve(machine, filter.timestamp_max_transfer, filter.timestamp_max_account, item->line,
                &filter.timestamp_max, error));
    struct delta *delta = machine->delta;
    uint32_t count = 0;
    if (step->kind == SCRIPT_ACCOUNT_TRANSFERS) {
        count = script_find_account_transfers(delta, &filter, machine->transfer_rows);
        script_compare_ids(machine, item, count, transfer_row_id);
    } else if (step->kind == SCRIPT_QUERY_TRANSFERS) {
        count = script_find_transfers(delta, &filter, machine->transfer_rows);
        script_compare_ids(machine, item, count, transfer_row_id);
    } else if (step->kind == SCRIPT_QUERY_ACCOUNTS) {
        count = script_find_accounts(delta, &filter, machine->account_rows);
        script_compare_ids(machine, item, count, account_row_id);
    } else if (step->kind == SCRIPT_QUERY_JOURNALS) {
        count = script_find_journals(delta, &filter, machine->journal_rows);
        script_compare_ids(machine, item, count, journal_row_id);
    } else if (step->kind == SCRIPT_TRIAL_BALANCE) {
        script_find_trial(machine, step, &filter);
    } else if (step->kind == SCRIPT_BALANCES_AS_OF) {
        script_find_balances_as_of(machine, step, &filter);
    } else if (step->kind == SCRIPT_ACCOUNT_BALANCES) {
        count = script_find_account_balances(delta, &filter, machine->balance_rows);
        script_compare_rows(machine, step, machine->balance_rows, count,
                            sizeof machine->balance_rows[0]);
    } else {
        ASSERT(step->kind == SCRIPT_CHANGES);
        count = script_find_changes(delta, &filter, machine->change_rows);
        script_compare_rows(machine, step, machine->change_rows, count,
                            sizeof machine->change_rows[0]);
    }
    return STATUS_OK;
}
