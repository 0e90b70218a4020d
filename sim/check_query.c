/* What questions with a filter are answered: rows of what there was at the entry that the answer
 * names. Accounts and journals change, and are shown as they were at that entry or later. */
#include "base/assert.h"
#include "ledger/core/changes_filter.h"
#include "ledger/core/filter.h"
#include "sim/check_internal.h"

#include <string.h>

/* The rows of an answer, of which so many were compared. */
struct rows {
    const struct check *check;
    struct bytes payload;
    uint32_t size; /* of a row */
    uint32_t count;
    uint64_t index;
};

static unsigned long long number(uint64_t value)
{
    return value;
}

static _Noreturn void differ(const struct rows *rows, const char *what)
{
    check_fail(rows->check, CHECK_QUERY, "a query at entry %llu: row %u %s", number(rows->index),
               rows->count, what);
}

static const void *next_row(struct rows *rows)
{
    const size_t at = (size_t)rows->count * rows->size;
    if (at + rows->size > rows->payload.size) {
        differ(rows, "is missing");
    }
    return rows->payload.data + at;
}

void query_expect(struct rows *rows, const void *expected)
{
    if (memcmp(next_row(rows), expected, rows->size) != 0) {
        differ(rows, "is not the model's");
    }
    rows->count++;
}

static void expect_no_more(const struct rows *rows)
{
    if ((size_t)rows->count * rows->size != rows->payload.size) {
        differ(rows, "is one too many");
    }
}

/* --- transfers, accounts, balances ------------------------------------------------------------ */

static struct model_filter filter_of(const struct command *command, uint64_t index)
{
    struct filter filter;
    memcpy(&filter, command->events, sizeof filter);
    const bool of_account = command->header.operation == OPERATION_GET_ACCOUNT_TRANSFERS ||
                            command->header.operation == OPERATION_GET_ACCOUNT_BALANCES;
    const unsigned reversed = of_account ? QUERY_ACCOUNT_REVERSED : QUERY_REVERSED;
    return (struct model_filter){
        .account_id = filter.account_id,
        .user_data_128 = filter.user_data_128,
        .user_data_64 = filter.user_data_64,
        .user_data_32 = filter.user_data_32,
        .ledger = filter.ledger,
        .code = filter.code,
        .timestamp_min = filter.timestamp_min,
        .timestamp_max = filter.timestamp_max,
        .limit = filter.limit,
        .debits = (filter.flags & QUERY_ACCOUNT_DEBITS) != 0,
        .credits = (filter.flags & QUERY_ACCOUNT_CREDITS) != 0,
        .reversed = (filter.flags & reversed) != 0,
        .log_index = index,
    };
}

static void expect_balance(struct rows *rows, const struct model *model, u128 id, uint32_t place)
{
    const struct account *after = model_account_after(model, id, place);
    const struct transfer *transfer = model_transfer_number(model, place);
    const struct query_balance row = { .balances = { .debits_pending = after->debits_pending,
                                                     .debits_posted = after->debits_posted,
                                                     .credits_pending = after->credits_pending,
                                                     .credits_posted = after->credits_posted },
                                       .transfer_id = transfer->id,
                                       .timestamp = transfer->timestamp };
    query_expect(rows, &row);
}

static void expect_account(struct rows *rows, const struct model *model, uint32_t place)
{
    struct account row;
    memcpy(&row, next_row(rows), sizeof row);
    if (row.id != model_account_number(model, place)->id) {
        differ(rows, "is another account than the model's");
    }
    if (!model_account_was(model, &row, rows->index)) {
        differ(rows, "is an account as it never was from that entry on");
    }
    rows->count++;
}

static void check_filter(struct rows *rows, const struct model *model,
                         const struct command *command)
{
    static uint32_t places[LOOKUP_IDS_MAX];
    const unsigned operation = command->header.operation;
    const struct model_filter filter = filter_of(command, rows->index);
    uint32_t count = 0;
    if (rows->index == 0) { /* of a node that has applied nothing yet */
        return;
    }
    if (operation == OPERATION_GET_ACCOUNT_TRANSFERS) {
        count = model_account_transfers(model, &filter, places);
    } else if (operation == OPERATION_GET_ACCOUNT_BALANCES) {
        count = model_account_balances(model, &filter, places);
    } else if (operation == OPERATION_QUERY_TRANSFERS) {
        count = model_query_transfers(model, &filter, places);
    } else {
        count = model_query_accounts(model, &filter, places);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (operation == OPERATION_GET_ACCOUNT_BALANCES) {
            expect_balance(rows, model, filter.account_id, places[i]);
        } else if (operation == OPERATION_QUERY_ACCOUNTS) {
            expect_account(rows, model, places[i]);
        } else {
            query_expect(rows, model_transfer_number(model, places[i]));
        }
    }
}

/* --- journals --------------------------------------------------------------------------------- */

static bool journal_fits(const struct journal_filter *filter, const struct journal *journal)
{
    return journal->timestamp >= filter->timestamp_min &&
           (filter->timestamp_max == 0 || journal->timestamp <= filter->timestamp_max) &&
           journal->business_date >= filter->business_date_min &&
           (filter->business_date_max == 0 ||
            journal->business_date <= filter->business_date_max) &&
           (filter->kind == 0 || journal->kind == filter->kind) &&
           (filter->reference == 0 || journal->reference == filter->reference);
}

static void check_journals(struct rows *rows, const struct model *model,
                           const struct command *command)
{
    struct journal_filter filter;
    memcpy(&filter, command->events, sizeof filter);
    const uint32_t all = model_journal_count(model);
    for (uint32_t i = 0; i < all && rows->count < filter.limit; i++) {
        const bool reversed = (filter.flags & QUERY_REVERSED) != 0;
        const uint32_t at = reversed ? all - 1 - i : i;
        struct journal journal;
        if (!model_journal_at(model, at, rows->index, &journal) ||
            !journal_fits(&filter, &journal)) {
            continue;
        }
        struct journal row;
        memcpy(&row, next_row(rows), sizeof row);
        if (row.reversed_by != 0 && model_journal_reversed(model, at) != UINT64_MAX) {
            (void)model_journal_at(model, at, model_journal_reversed(model, at), &journal);
        }
        query_expect(rows, &journal);
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

static bool change_fits(const struct changes_filter *filter, const struct model_change *change)
{
    const struct transfer *transfer = change->transfer != NULL ? change->transfer : change->pending;
    const unsigned kind = CHANGE_KIND_BIT(change->kind);
    return change->timestamp > filter->after &&
           (filter->account_id == 0 || filter->account_id == change->debit->id ||
            filter->account_id == change->credit->id) &&
           (filter->ledger == 0 || filter->ledger == transfer->ledger) &&
           (filter->code == 0 || filter->code == transfer->code) &&
           (filter->kinds == 0 || (filter->kinds & kind) != 0);
}

/* All that fit up to the mark, which is as far as the page went. */
static void check_changes(struct rows *rows, const struct model *model,
                          const struct command *command)
{
    struct changes_filter filter;
    struct query_change mark;
    memcpy(&filter, command->events, sizeof filter);
    if (rows->payload.size < sizeof mark) {
        differ(rows, "is missing: no mark");
    }
    memcpy(&mark, rows->payload.data + rows->payload.size - sizeof mark, sizeof mark);
    const uint64_t position = mark.change.timestamp;
    uint64_t last = 0;
    for (uint32_t i = 0; i < model_change_count(model); i++) {
        const struct model_change change = model_change_number(model, i);
        if (change.log_index > rows->index) {
            break;
        }
        last = change.timestamp;
        if (change.timestamp <= position && change_fits(&filter, &change)) {
            struct query_change row = { .change = change.record };
            row.transfer = change.transfer != NULL ? *change.transfer : *change.pending;
            query_expect(rows, &row);
        }
    }
    const uint32_t limit =
        filter.limit == 0 || filter.limit > CHANGES_ROWS_MAX ? CHANGES_ROWS_MAX : filter.limit;
    const uint64_t end = last > filter.after ? last : filter.after;
    if (rows->count > limit || (rows->count < limit && position != end)) {
        differ(rows, "ends a page too late, or too early");
    }
    const struct query_change expected = changes_mark(position, last);
    query_expect(rows, &expected);
}

/* --- all -------------------------------------------------------------------------------------- */

void check_query(const struct check *check, const struct command *command,
                 const struct reply *reply, struct bytes payload)
{
    const struct model *model = model_log_model(check->model);
    struct rows rows = { .check = check,
                         .payload = payload,
                         .size = operation_answer_size(command->header.operation),
                         .index = reply->log_index };
    switch (command->header.operation) {
    case OPERATION_QUERY_JOURNALS:
        check_journals(&rows, model, command);
        break;
    case OPERATION_GET_CHANGES:
        check_changes(&rows, model, command);
        break;
    case OPERATION_GET_ACCOUNT_TRANSFERS:
    case OPERATION_GET_ACCOUNT_BALANCES:
    case OPERATION_QUERY_TRANSFERS:
    case OPERATION_QUERY_ACCOUNTS:
        check_filter(&rows, model, command);
        break;
    default:
        check_past(&rows, model, command);
        break;
    }
    expect_no_more(&rows);
}

uint64_t rows_index(const struct rows *rows)
{
    return rows->index;
}
