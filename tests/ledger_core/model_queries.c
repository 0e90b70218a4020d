#include "tests/ledger_core/model_queries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t rows_compared[QUESTION_KINDS];

static const char *const NAMES[] = { "account_transfers", "account_balances", "query_transfers",
                                     "query_accounts", "changes" };

/* --- filters ---------------------------------------------------------------------------------- */

/* Of something that is there, or beside it, or that is no timestamp. */
static uint64_t random_bound(struct world *world)
{
    const uint32_t changes = model_change_count(world->model);
    const uint32_t accounts = model_account_count(world->model);
    if (one_in(world, 60)) {
        return (uint64_t)INT64_MAX + below(world, 3);
    }
    if (one_in(world, 60)) {
        return UINT64_MAX - below(world, 2);
    }
    uint64_t timestamp = 1;
    if (changes > 0 && !one_in(world, 4)) {
        timestamp = model_change_number(world->model, (uint32_t)below(world, changes)).timestamp;
    } else if (accounts > 0) {
        timestamp = model_account_number(world->model, (uint32_t)below(world, accounts))->timestamp;
    }
    return timestamp - 1 + below(world, 3);
}

static uint32_t random_limit(struct world *world)
{
    switch (below(world, 8)) {
    case 0:
        return one_in(world, 4) ? 0 : 1;
    case 1:
        return LOOKUP_IDS_MAX + (uint32_t)below(world, 2);
    case 2:
        return UINT32_MAX;
    default:
        return 1 + (uint32_t)below(world, 40);
    }
}

static struct model_filter random_filter(struct world *world)
{
    struct model_filter filter = { .account_id = world_account_id(world),
                                   .limit = random_limit(world),
                                   .debits = !one_in(world, 4),
                                   .credits = !one_in(world, 4),
                                   .reversed = one_in(world, 2) };
    filter.account_id = one_in(world, 40) ? world_odd_id(world) : filter.account_id;
    filter.user_data_128 = one_in(world, 4) ? 1 + below(world, 2) : 0;
    filter.user_data_64 = one_in(world, 4) ? 1 + below(world, 2) : 0;
    filter.user_data_32 = one_in(world, 4) ? 1 + (uint32_t)below(world, 2) : 0;
    filter.ledger = one_in(world, 4) ? 1 + (uint32_t)below(world, WORLD_LEDGERS) : 0;
    filter.code = one_in(world, 4) ? (uint16_t)(1 + below(world, 2)) : 0;
    filter.timestamp_min = one_in(world, 3) ? random_bound(world) : 0;
    filter.timestamp_max = one_in(world, 3) ? random_bound(world) : 0;
    return filter;
}

void question_ask(struct world *world, struct question *question)
{
    struct model_filter *filter = &question->filter;
    const struct model *model = world->model;
    question->kind = (enum question_kind)below(world, QUESTION_KINDS);
    *filter = random_filter(world);
    switch (question->kind) {
    case ASK_ACCOUNT_TRANSFERS:
        filter->ledger = 0; /* the account has one */
        question->expected = model_account_transfers(model, filter, question->places);
        break;
    case ASK_ACCOUNT_BALANCES:
        filter->ledger = 0;
        question->expected = model_account_balances(model, filter, question->places);
        break;
    case ASK_TRANSFERS:
        question->expected = model_query_transfers(model, filter, question->places);
        break;
    case ASK_ACCOUNTS:
        question->expected = model_query_accounts(model, filter, question->places);
        break;
    case ASK_CHANGES:
    case QUESTION_KINDS:
        filter->reversed = false;
        question->expected = model_changes(model, filter, question->places);
        break;
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool same_balances(const struct balances *balances, const struct account *account)
{
    return balances->debits_pending == account->debits_pending &&
           balances->debits_posted == account->debits_posted &&
           balances->credits_pending == account->credits_pending &&
           balances->credits_posted == account->credits_posted;
}

static bool same_balance(const struct world *world, const struct found_balance *row, u128 id,
                         uint32_t place)
{
    const struct transfer *transfer = model_transfer_number(world->model, place);
    return row->transfer == transfer->id && row->timestamp == transfer->timestamp &&
           same_balances(&row->balances, model_account_after(world->model, id, place));
}

static bool same_side(const struct found_side *side, const struct account *account)
{
    return side->account == account->id && same_balances(&side->balances, account) &&
           side->closed == ((account->flags & ACCOUNT_CLOSED) != 0);
}

static bool same_change(const struct found_change *row, const struct model_change *change)
{
    return row->kind == change->kind && row->timestamp == change->timestamp &&
           row->transfer == (change->transfer != NULL ? change->transfer->id : 0) &&
           row->pending == (change->pending != NULL ? change->pending->id : 0) &&
           row->amount == change->amount && same_side(&row->debit, change->debit) &&
           same_side(&row->credit, change->credit);
}

static bool same_row(const struct world *world, const struct question *question,
                     const struct found *found, uint32_t i)
{
    const uint32_t place = question->places[i];
    switch (question->kind) {
    case ASK_ACCOUNT_BALANCES:
        return same_balance(world, &found->balances[i], question->filter.account_id, place);
    case ASK_ACCOUNTS:
        return memcmp(found->accounts[i], model_account_number(world->model, place),
                      sizeof(struct account)) == 0;
    case ASK_CHANGES: {
        const struct model_change change = model_change_number(world->model, place);
        return same_change(&found->changes[i], &change);
    }
    case ASK_ACCOUNT_TRANSFERS:
    case ASK_TRANSFERS:
    case QUESTION_KINDS:
    default:
        return memcmp(found->transfers[i], model_transfer_number(world->model, place),
                      sizeof(struct transfer)) == 0;
    }
}

void question_compare(const struct world *world, const struct question *question,
                      const struct found *found)
{
    const struct model_filter *f = &question->filter;
    uint32_t same = 0;
    while (same < question->expected && same < found->count &&
           same_row(world, question, found, same)) {
        same++;
    }
    if (same < question->expected || same < found->count) {
        fail_msg(
            "seed %llu, clock %llu: %s: row %u differs; %u expected, %u found\n"
            "  id=%llu user_data=%llu/%llu/%u ledger=%u code=%u time=%llu..%llu limit=%u%s%s%s",
            (unsigned long long)world->seed, (unsigned long long)world->clock,
            NAMES[question->kind], same, question->expected, found->count,
            (unsigned long long)f->account_id, (unsigned long long)f->user_data_128,
            (unsigned long long)f->user_data_64, f->user_data_32, f->ledger, f->code,
            (unsigned long long)f->timestamp_min, (unsigned long long)f->timestamp_max, f->limit,
            f->debits ? " debits" : "", f->credits ? " credits" : "",
            f->reversed ? " reversed" : "");
    }
    rows_compared[question->kind] += same;
}

uint64_t question_rows(enum question_kind kind)
{
    return rows_compared[kind];
}
