/* query.c — filters, rows, and which part of the ledger comes next. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
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
    case QUERY_ACCOUNT_LAST:
        return account_is_possible(filter);
    case QUERY_TRANSFERS:
    case QUERY_ACCOUNTS:
        return (filter->flags & ~(uint32_t)QUERY_REVERSED) == 0;
    case QUERY_JOURNALS:
        return (filter->flags & ~(uint32_t)QUERY_REVERSED) == 0 &&
               (filter->business_date_max == 0 ||
                filter->business_date_min <= filter->business_date_max);
    case QUERY_CHANGES:
        return (filter->flags & ~(uint32_t)QUERY_CHANGE_KINDS) == 0;
    case QUERY_TRIAL:
    case QUERY_BALANCES_AS_OF:
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

bool query_fits_change(const struct query *query, const struct transfer *transfer,
                       const struct change *change)
{
    const struct query_filter *filter = &query->filter;
    bool kind = filter->flags == 0 || (filter->flags >> (change->kind - 1) & 1) != 0;
    bool account = filter->account_id == 0 || transfer->debit_account_id == filter->account_id ||
                   transfer->credit_account_id == filter->account_id;
    return kind && account && fits(filter->ledger, transfer->ledger) &&
           fits(filter->code, transfer->code);
}

bool query_fits_account(const struct query *query, const struct account *account)
{
    const struct query_filter *filter = &query->filter;
    return fits(filter->user_data_128, account->user_data_128) &&
           fits(filter->user_data_64, account->user_data_64) &&
           fits(filter->user_data_32, account->user_data_32) &&
           fits(filter->ledger, account->ledger) && fits(filter->code, account->code);
}

bool query_fits_journal(const struct query *query, const struct journal_row *row)
{
    const struct query_filter *filter = &query->filter;
    return fits(filter->kind, row->kind) && fits(filter->reference, row->reference) &&
           row->business_date >= filter->business_date_min &&
           (filter->business_date_max == 0 || row->business_date <= filter->business_date_max);
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
    if (query->row_size != sizeof(struct query_balance)) {
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
    query->looked++;
    /* Whose an expiry is, its pending transfer says, which is read afterwards. */
    if (change->kind != CHANGE_EXPIRED && !query_fits_change(query, transfer, change)) {
        return;
    }
    *(struct query_change *)take_row(query) =
        (struct query_change){ .transfer = *transfer, .change = *change };
}

void query_keep_fitting(struct query *query, uint32_t first)
{
    struct query_change *rows = (struct query_change *)(void *)query->rows;
    uint32_t kept = first;
    for (uint32_t i = first; i < query->count; i++) {
        if (!query_fits_change(query, &rows[i].transfer, &rows[i].change)) {
            continue;
        }
        if (kept != i) {
            rows[kept] = rows[i];
        }
        kept++;
    }
    query->count = kept;
}

void query_take_account(struct query *query, u128 id)
{
    ASSERT(query->count < query->limit);
    query->ids[query->count] = id;
    query->count++;
}

/* All of it but the link to what reversed it is as it was posted. */
enum status query_take_journal(struct query *query, const struct journal_row *row,
                               struct error *error)
{
    bool found;
    TRY(store_object(query->store, OBJECT_JOURNAL, row->id, take_row(query), &found, error));
    return found ? STATUS_OK
                 : error_set(error, STATUS_CORRUPT,
                             "the store's list of journals names one that is not there: restore "
                             "this node from another");
}

const void *query_rows(const struct query *query, uint32_t *count)
{
    ASSERT(query->done);
    if (query->past != NULL) {
        return past_rows(query->past, count);
    }
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
    case QUERY_ACCOUNT_LAST:
        return sizeof(struct query_balance);
    case QUERY_ACCOUNTS:
        return sizeof(struct account);
    case QUERY_CHANGES:
        return sizeof(struct query_change);
    case QUERY_JOURNALS:
        return sizeof(struct journal);
    case QUERY_TRIAL:
    case QUERY_BALANCES_AS_OF:
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
        if (query->kind == QUERY_JOURNALS) {
            if (generation->journal_count > 0) {
                return generation->journals[generation->journal_count - 1].timestamp;
            }
            continue;
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
    query->high = newest(query) - (MUTATION(query_shows_one_less) ? 1 : 0);
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
    } else if (query->kind != QUERY_CHANGES) { /* whose flags are kinds */
        query->backwards = (flags & QUERY_REVERSED) != 0;
    }
}

static const struct query_pieces usual_pieces = {
    .rows = QUERY_PIECE_ROWS,
    .seeks = 8 * 1024,
    .passes = INDEX_LIST_PASSES,
    .scan = 16 * 1024,
    .chain = QUERY_PIECE_CHAIN,
    .looked = CHANGES_LOOKED_MAX,
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
    if (query->past != NULL) {
        past_close(query->past);
    }
    free(query->rows);
    free(query->ids);
    free(query);
}

bool query_done(const struct query *query)
{
    return query->done;
}

uint64_t query_position(const struct query *query)
{
    ASSERT(query->done && query->kind == QUERY_CHANGES);
    return query->low > 0 ? query->low - 1 : 0;
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
    if (query->low < memory && query->high >= memory) {
        SITUATION(store_query_over_a_seal);
    }
    bool in_memory = (query->backwards ? query->high : query->low) >= memory;
    if (in_memory) {
        uint64_t low = query->low > memory ? query->low : memory;
        return query_memory_step(query, low, query->high, error);
    }
    uint64_t high = query->high < memory ? query->high : memory - 1;
    return query_sealed_step(query, query->low, high, error);
}

/* All accounts at one point of the log: their balances belong together. Those that a posting list
 * names for a value of the same hash drop out, and their rows are there for others. */
static enum status read_accounts(struct query *query, struct error *error)
{
    struct account *accounts = (struct account *)(void *)query->rows;
    size_t found;
    TRY(store_look_up_accounts(query->store, query->ids, query->count, accounts, &found, error));
    if (found != query->count) {
        return error_set(error, STATUS_CORRUPT,
                         "a posting list names an account that is not there: restore this node "
                         "from another");
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < query->count; i++) {
        if (query_fits_account(query, &accounts[i])) {
            query->ids[kept] = query->ids[i];
            accounts[kept] = accounts[i];
            kept++;
        }
    }
    query->count = kept;
    return STATUS_OK;
}

static bool wants_more(const struct query *query)
{
    return query->low <= query->high && query->count < query->limit &&
           (query->kind != QUERY_CHANGES || query->looked < query->pieces.looked);
}

enum status query_step(struct query *query, struct error *error)
{
    ASSERT(!query->done && !query->store->delta->in_batch);
    if (query->past != NULL) {
        return past_step(query->past, &query->done, error);
    }
    if (!query->account_checked) {
        return check_account(query, error);
    }
    TRY(take_piece(query, error));
    if (wants_more(query)) {
        return STATUS_OK;
    }
    if (query->kind == QUERY_ACCOUNTS) {
        TRY(read_accounts(query, error));
    }
    query->done = !wants_more(query);
    return STATUS_OK;
}
