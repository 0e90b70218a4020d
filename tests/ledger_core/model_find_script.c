/* Asks the queries of a script, which look at every record of a delta in memory. */
#include "tests/ledger_core/model_find.h"
#include "tools/script_query.h"

_Static_assert((int)SCRIPT_ROWS_MAX == (int)LOOKUP_IDS_MAX, "one limit of answers");

static struct script_filter filter_of(const struct question *question)
{
    const struct model_filter *filter = &question->filter;
    struct script_filter same = { .user_data_128 = filter->user_data_128,
                                  .user_data_64 = filter->user_data_64,
                                  .user_data_32 = filter->user_data_32,
                                  .ledger = filter->ledger,
                                  .code = filter->code,
                                  .timestamp_min = filter->timestamp_min,
                                  .timestamp_max = filter->timestamp_max,
                                  .limit = filter->limit };
    if (question->kind == ASK_ACCOUNT_TRANSFERS || question->kind == ASK_ACCOUNT_BALANCES) {
        same.id = filter->account_id;
        same.flags = filter->debits ? SCRIPT_FILTER_DEBITS : 0;
        same.flags |= filter->credits ? SCRIPT_FILTER_CREDITS : 0;
        same.flags |= filter->reversed ? SCRIPT_FILTER_REVERSED : 0;
    } else {
        same.flags = filter->reversed ? SCRIPT_QUERY_REVERSED : 0;
    }
    return same;
}

static void find_balances(struct delta *delta, const struct script_filter *filter,
                          struct found *found)
{
    static struct script_balance_row rows[SCRIPT_ROWS_MAX];
    found->count = script_find_account_balances(delta, filter, rows);
    for (uint32_t i = 0; i < found->count; i++) {
        found->balances[i] = (struct found_balance){ .transfer = rows[i].transfer,
                                                     .balances = rows[i].balances,
                                                     .timestamp = rows[i].timestamp };
    }
}

static struct found_side side_of(const struct script_side *side)
{
    return (struct found_side){ .account = side->id,
                                .balances = { side->balances[0], side->balances[1],
                                              side->balances[2], side->balances[3] },
                                .closed = side->closed };
}

static void find_changes(struct delta *delta, const struct script_filter *filter,
                         struct found *found)
{
    static struct script_change_row rows[SCRIPT_ROWS_MAX];
    found->count = script_find_changes(delta, filter, rows);
    for (uint32_t i = 0; i < found->count; i++) {
        found->changes[i] = (struct found_change){ .kind = rows[i].kind,
                                                   .timestamp = rows[i].timestamp,
                                                   .transfer = rows[i].transfer,
                                                   .pending = rows[i].pending_id,
                                                   .amount = rows[i].amount,
                                                   .debit = side_of(&rows[i].debit),
                                                   .credit = side_of(&rows[i].credit) };
    }
}

void find_by_script(struct delta *delta, const struct question *question, struct found *found)
{
    const struct script_filter filter = filter_of(question);
    switch (question->kind) {
    case ASK_ACCOUNT_TRANSFERS:
        found->count = script_find_account_transfers(delta, &filter, found->transfers);
        break;
    case ASK_ACCOUNT_BALANCES:
        find_balances(delta, &filter, found);
        break;
    case ASK_TRANSFERS:
        found->count = script_find_transfers(delta, &filter, found->transfers);
        break;
    case ASK_ACCOUNTS:
        found->count = script_find_accounts(delta, &filter, found->accounts);
        break;
    case ASK_CHANGES:
    case QUESTION_KINDS:
        find_changes(delta, &filter, found);
        break;
    }
}
