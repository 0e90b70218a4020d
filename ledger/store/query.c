/* query.c — filters, rows, and which part of the ledger comes next. */
#include "base/assert.h"
#include "ledger/store/query_internal.h"

#include <stdlib.h>

_Static_assert((int)QUERY_ROWS_MAX <= (int)LOOKUP_IDS_MAX, "the accounts found are one look-up");

/* --- filters ---------------------------------------------------------------------------------- */

static bool range_is_possible(const struct query_filter *filter)
{
    return filter->timestamp_min <= TIMESTAMP_LARGEST &&
           filter->timestamp_max <= TIMESTAMP_LARGEST &&
           (filter->timestamp_max == 0 || filter->timestamp_min <= filter->timestamp_max);
}

static bool account_is_possible(const struct query_filter *filter)
{
    const uint32_t sides = QUERY_ACCOUNT_DEBITS | QUERY_ACCOUNT_CREDITS;
    return (filter->flags & ~(sides | QUERY_ACCOUNT_REVERSED)) == 0 &&
           (filter->flags & sides) != 0 && filter->account_id != 0 &&
           filter->account_id != U128_MAX;
}

static bool filter_is_possible(enum query_kind kind, const struct query_filter *filter)
{
    if (filter->limit == 0 || !range_is_possible(filter)) {
        return false;
    }
    switch (kind) {
    case QUERY_ACCOUNT_TRANSFERS:
    case QUERY_ACCOUNT_BALANCES:
        return account_is_possible(filter);
    case QUERY_TRANSFERS:
    case QUERY_ACCOUNTS:
        return (filter->flags & ~(uint32_t)QUERY_REVERSED) == 0;
    case QUERY_CHANGES:
        return filter->flags == 0;
    default:
        UNREACHABLE();
    }
}

static bool fits(u128 wanted, u128 value)
{
    return wanted == 0 || wanted == value;
}

static bool side_fits(const struct query *query, const struct transfer *transfer)
{
    u128 id = query->filter.account_id;
    return (query->debits && transfer->debit_account_id == id) ||
           (query->credits && transfer->credit_account_id == id);
}

bool query_fits_transfer(const struct query *query, const struct transfer *transfer)
{
    const struct query_filter *filter = &query->filter;
    return fits(filter->user_data_128, transfer->user_data_128) &&
           fits(filter->user_data_64, transfer->user_data_64) &&
           fits(filter->user_data_32, transfer->user_data_32) &&
           fits(filter->ledger, transfer->ledger) && fits(filter->code, transfer->code) &&
           (!query_names_account(query) || side_fits(query, transfer));
}

bool query_fits_account(const struct query *query, const struct account *account)
{
    const struct query_filter *filter = &query->filter;
    return fits(filter->user_data_128, account->user_data_128) &&
           fits(filter->user_data_64, account->user_data_64) &&
           fits(filter->user_data_32, account->user_data_32) &&
           fits(filter->ledger, account->ledger) && fits(filter->code, account->code);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void *take_row(struct query *query)
{
    ASSERT(query->count < query->limit);
    void *row = query->rows + query->count * query->row_size;
    query->count++;
    return row;
}

void query_take_transfer(struct query *query, const struct transfer *transfer,
                         const struct change *change)
{
    if (query->kind != QUERY_ACCOUNT_BALANCES) {
        *(struct transfer *)take_row(query) = *transfer;
        return;
    }
    bool debit = transfer->debit_account_id == query->filter.account_id;
    *(struct query_balance *)take_row(query) =
        (struct query_balance){ .balances = debit ? change->debit : change->credit,
                                .transfer_id = transfer->id,
                                .timestamp = transfer->timestamp };
}

void query_take_change(struct query *query, const struct transfer *transfer,
                       const struct change *change)
{
    *(struct query_change *)take_row(query) =
        (struct query_change){ .transfer = *transfer, .change = *change };
}

void query_take_account(struct query *query, u128 id)
{
    ASSERT(query->count < query->limit);
    query->ids[query->count] = id;
    query->count++;
}

const void *query_rows(const struct query *query, uint32_t *count)
{
    ASSERT(query->done);
    *count = query->count;
    return query->rows;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static size_t row_size_of(enum query_kind kind)
{
    switch (kind) {
    case QUERY_ACCOUNT_TRANSFERS:
    case QUERY_TRANSFERS:
        return sizeof(struct transfer);
    case QUERY_ACCOUNT_BALANCES:
        return sizeof(struct query_balance);
    case QUERY_ACCOUNTS:
        return sizeof(struct account);
    case QUERY_CHANGES:
        return sizeof(struct query_change);
    default:
        UNREACHABLE();
    }
}

/* Nothing that is there has a later timestamp. */
static uint64_t newest(const struct query *query)
{
    const struct delta *delta = query->store->delta;
    const struct delta_generation *generations[] = { &delta->live, &delta->frozen };
    for (size_t i = 0; i < (delta->has_frozen ? 2 : 1); i++) {
        const struct delta_generation *generation = generations[i];
        if (query->kind == QUERY_ACCOUNTS && generation->account_count > 0) {
            return generation->accounts[generation->account_count - 1].timestamp;
        }
        if (query->kind != QUERY_ACCOUNTS && generation->change_count > 0) {
            return generation->changes[generation->change_count - 1].timestamp;
        }
    }
    return query->store->past.timestamp;
}

static void set_range(struct query *query)
{
    const struct query_filter *filter = &query->filter;
    query->low = filter->timestamp_min > 0 ? filter->timestamp_min : 1;
    query->high = newest(query);
    if (filter->timestamp_max != 0 && filter->timestamp_max < query->high) {
        query->high = filter->timestamp_max;
    }
    query->done = query->low > query->high;
}

static void set_flags(struct query *query)
{
    uint32_t flags = query->filter.flags;
    if (query_names_account(query)) {
        query->debits = (flags & QUERY_ACCOUNT_DEBITS) != 0;
        query->credits = (flags & QUERY_ACCOUNT_CREDITS) != 0;
        query->backwards = (flags & QUERY_ACCOUNT_REVERSED) != 0;
    } else {
        query->backwards = (flags & QUERY_REVERSED) != 0;
    }
}

static const struct query_pieces usual_pieces = {
    .rows = QUERY_PIECE_ROWS,
    .seeks = 8 * 1024,
    .scan = 16 * 1024,
    .chain = QUERY_PIECE_CHAIN,
};

enum status query_open(struct store *store, enum query_kind kind, const struct query_filter *filter,
                       struct query **query, struct error *error)
{
    struct query *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a query");
    }
    opened->store = store;
    opened->kind = kind;
    opened->filter = *filter;
    opened->pieces = usual_pieces;
    opened->row_size = row_size_of(kind);
    opened->account_checked = kind != QUERY_ACCOUNT_BALANCES;
    *query = opened;
    if (!filter_is_possible(kind, filter)) {
        opened->done = true;
        return STATUS_OK;
    }
    set_flags(opened);
    set_range(opened);
    opened->limit = filter->limit < QUERY_ROWS_MAX ? filter->limit : QUERY_ROWS_MAX;
    opened->rows = malloc(opened->limit * opened->row_size);
    opened->ids = kind == QUERY_ACCOUNTS ? malloc(opened->limit * sizeof(u128)) : NULL;
    if (opened->rows == NULL || (kind == QUERY_ACCOUNTS && opened->ids == NULL)) {
        query_close(opened);
        return error_set(error, STATUS_MEMORY, "no memory for %u rows of a query", filter->limit);
    }
    return STATUS_OK;
}

void query_close(struct query *query)
{
    free(query->rows);
    free(query->ids);
    free(query);
}

bool query_done(const struct query *query)
{
    return query->done;
}

/* --- steps ------------------------------------------------------------------------------------ */

void query_passed(struct query *query, uint64_t timestamp)
{
    if (query->backwards) {
        query->high = timestamp - 1;
    } else {
        query->low = timestamp + 1;
    }
}

/* Balances are kept for accounts with history only. */
static enum status check_account(struct query *query, struct error *error)
{
    struct account account;
    size_t found;
    TRY(store_look_up_accounts(query->store, &query->filter.account_id, 1, &account, &found,
                               error));
    query->account_checked = true;
    query->done = found == 0 || (account.flags & ACCOUNT_HISTORY) == 0;
    return STATUS_OK;
}

static enum status take_piece(struct query *query, struct error *error)
{
    uint64_t memory = query_memory_first(query);
    bool in_memory = (query->backwards ? query->high : query->low) >= memory;
    if (in_memory) {
        uint64_t low = query->low > memory ? query->low : memory;
        return query_memory_step(query, low, query->high, error);
    }
    uint64_t high = query->high < memory ? query->high : memory - 1;
    return query_sealed_step(query, query->low, high, error);
}

/* All accounts at one point of the log: their balances belong together. */
static enum status read_accounts(struct query *query, struct error *error)
{
    struct account *accounts = (struct account *)(void *)query->rows;
    size_t found;
    TRY(store_look_up_accounts(query->store, query->ids, query->count, accounts, &found, error));
    bool sound = found == query->count;
    for (size_t i = 0; i < found && sound; i++) {
        sound = query_fits_account(query, &accounts[i]);
    }
    return sound ? STATUS_OK
                 : error_set(error, STATUS_CORRUPT,
                             "a posting list of accounts is not true: restore this node from "
                             "another");
}

enum status query_step(struct query *query, struct error *error)
{
    ASSERT(!query->done && !query->store->delta->in_batch);
    if (!query->account_checked) {
        return check_account(query, error);
    }
    TRY(take_piece(query, error));
    if (query->low <= query->high && query->count < query->limit) {
        return STATUS_OK;
    }
    if (query->kind == QUERY_ACCOUNTS) {
        TRY(read_accounts(query, error));
    }
    query->done = true;
    return STATUS_OK;
}
