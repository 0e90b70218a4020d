/* Asks the queries of the store: sealed, frozen and live records. */
#include "ledger/store/query_internal.h"
#include "tests/ledger_core/model_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum query_kind kind_of(const struct question *question)
{
    static const enum query_kind kinds[] = {
        [ASK_ACCOUNT_TRANSFERS] = QUERY_ACCOUNT_TRANSFERS,
        [ASK_ACCOUNT_BALANCES] = QUERY_ACCOUNT_BALANCES,
        [ASK_TRANSFERS] = QUERY_TRANSFERS,
        [ASK_ACCOUNTS] = QUERY_ACCOUNTS,
        [ASK_CHANGES] = QUERY_CHANGES,
    };
    return kinds[question->kind];
}

static struct query_filter filter_of(const struct question *question)
{
    const struct model_filter *filter = &question->filter;
    struct query_filter same = { .timestamp_min = filter->timestamp_min,
                                 .timestamp_max = filter->timestamp_max,
                                 .limit = filter->limit };
    if (question->kind == ASK_CHANGES) {
        return same;
    }
    same.user_data_128 = filter->user_data_128;
    same.user_data_64 = filter->user_data_64;
    same.user_data_32 = filter->user_data_32;
    same.ledger = filter->ledger;
    same.code = filter->code;
    if (question->kind == ASK_ACCOUNT_TRANSFERS || question->kind == ASK_ACCOUNT_BALANCES) {
        same.account_id = filter->account_id;
        same.flags = filter->debits ? QUERY_ACCOUNT_DEBITS : 0;
        same.flags |= filter->credits ? QUERY_ACCOUNT_CREDITS : 0;
        same.flags |= filter->reversed ? QUERY_ACCOUNT_REVERSED : 0;
    } else {
        same.flags = filter->reversed ? QUERY_REVERSED : 0;
    }
    return same;
}

struct query *find_begin(struct store *store, const struct question *question)
{
    const struct query_filter filter = filter_of(question);
    struct error error = { 0 };
    struct query *query = NULL;
    if (query_open(store, kind_of(question), &filter, &query, &error) != STATUS_OK) {
        fail_msg("query_open: %s", error.text);
    }
    return query;
}

void find_in_small_pieces(struct query *query, struct random *random)
{
    query->pieces = (struct query_pieces){
        .rows = (uint32_t)random_between(random, 1, 40),
        .seeks = (uint32_t)random_between(random, QUERY_STREAMS_MAX + 1, 60),
        .passes = (uint32_t)random_between(random, 1, 20),
        .scan = (uint32_t)random_between(random, 1, 200),
        .chain = (uint32_t)random_between(random, 1, 40),
        .looked = CHANGES_LOOKED_MAX,
    };
}

bool find_step(struct query *query)
{
    struct error error = { 0 };
    if (!query_done(query) && query_step(query, &error) != STATUS_OK) {
        fail_msg("query_step: %s", error.text);
    }
    return query_done(query);
}

static struct found_side side_of(u128 account, const struct balances *balances, uint16_t flags)
{
    return (struct found_side){ .account = account,
                                .balances = *balances,
                                .closed = (flags & ACCOUNT_CLOSED) != 0 };
}

static struct found_change change_of(const struct query_change *row)
{
    const struct transfer *transfer = &row->transfer;
    const struct change *change = &row->change;
    const bool expiry = change->kind == CHANGE_EXPIRED;
    return (struct found_change){
        .kind = change->kind,
        .timestamp = change->timestamp,
        .transfer = expiry ? 0 : transfer->id,
        .pending = expiry ? transfer->id : transfer->pending_id,
        .amount = change->amount,
        .debit = side_of(transfer->debit_account_id, &change->debit, change->debit_flags),
        .credit = side_of(transfer->credit_account_id, &change->credit, change->credit_flags),
    };
}

static struct found_balance balance_of(const struct query_balance *row)
{
    return (struct found_balance){ .transfer = row->transfer_id,
                                   .balances = row->balances,
                                   .timestamp = row->timestamp };
}

void find_rows(const struct query *query, const struct question *question, struct found *found)
{
    const void *rows = query_rows(query, &found->count);
    assert_true(found->count <= LOOKUP_IDS_MAX);
    for (uint32_t i = 0; i < found->count; i++) {
        switch (question->kind) {
        case ASK_ACCOUNT_BALANCES:
            found->balances[i] = balance_of((const struct query_balance *)rows + i);
            break;
        case ASK_ACCOUNTS:
            found->accounts[i] = (const struct account *)rows + i;
            break;
        case ASK_CHANGES:
            found->changes[i] = change_of((const struct query_change *)rows + i);
            break;
        case ASK_ACCOUNT_TRANSFERS:
        case ASK_TRANSFERS:
        case QUESTION_KINDS:
            found->transfers[i] = (const struct transfer *)rows + i;
            break;
        }
    }
}

void find_end(struct query *query)
{
    query_close(query);
}
