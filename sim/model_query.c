/* What can be asked of the books: every answer is found by looking at every record. */
#include "base/assert.h"
#include "sim/model_books.h"

/* --- records -----------------------------------------------------------------------------------
 */

const struct account *model_account(const struct model *model, u128 id)
{
    const uint32_t place = books_find_account(model, id);
    return place == NOWHERE ? NULL : books_state(model, place);
}

const struct transfer *model_transfer(const struct model *model, u128 id)
{
    const uint32_t place = books_find_transfer(model, id);
    return place == NOWHERE ? NULL : &model->transfers[place].record;
}

bool model_failed(const struct model *model, u128 id)
{
    return map_find(&model->failed_ids.map, id) != NULL;
}

uint32_t model_account_count(const struct model *model)
{
    return model->account_count;
}

uint32_t model_transfer_count(const struct model *model)
{
    return model->transfer_count;
}

const struct account *model_account_number(const struct model *model, uint32_t i)
{
    ASSERT(i < model->account_count);
    return books_state(model, i);
}

const struct transfer *model_transfer_number(const struct model *model, uint32_t i)
{
    ASSERT(i < model->transfer_count);
    return &model->transfers[i].record;
}

struct hold model_hold(const struct model *model, u128 id)
{
    const uint32_t place = books_find_transfer(model, id);
    return place == NOWHERE ? (struct hold){ 0 } : model->transfers[place].hold;
}

uint32_t model_change_count(const struct model *model)
{
    return model->change_count;
}

static const struct transfer *transfer_or_null(const struct model *model, uint32_t place)
{
    return place == NOWHERE ? NULL : &model->transfers[place].record;
}

struct model_change model_change_number(const struct model *model, uint32_t i)
{
    ASSERT(i < model->change_count);
    const struct kept_change *kept = &model->changes[i];
    return (struct model_change){ .kind = kept->kind,
                                  .timestamp = kept->timestamp,
                                  .amount = kept->amount,
                                  .transfer = transfer_or_null(model, kept->transfer),
                                  .pending = transfer_or_null(model, kept->pending),
                                  .debit = &model->versions[kept->debit_version].state,
                                  .credit = &model->versions[kept->credit_version].state,
                                  .log_index = model->versions[kept->debit_version].log_index,
                                  .record = books_change(model, kept) };
}

/* --- the past ----------------------------------------------------------------------------------
 */

bool model_account_at(const struct model *model, u128 id, uint64_t log_index,
                      struct account *account)
{
    const uint32_t place = books_find_account(model, id);
    uint32_t at = place == NOWHERE ? NOWHERE : model->accounts[place].version;
    while (at != NOWHERE && model->versions[at].log_index > log_index) {
        at = model->versions[at].before;
    }
    if (at == NOWHERE) {
        return false;
    }
    *account = model->versions[at].state;
    account->reserved = 0; /* the mark of what is restrained is shown to nobody */
    return true;
}

bool model_transfer_at(const struct model *model, u128 id, uint64_t log_index,
                       struct transfer *transfer)
{
    const uint32_t place = books_find_transfer(model, id);
    if (place == NOWHERE || model->transfers[place].log_index > log_index) {
        return false;
    }
    *transfer = model->transfers[place].record;
    return true;
}

/* --- sums --------------------------------------------------------------------------------------
 */

u128 model_digest(const struct model *model)
{
    return model->digest;
}

static void add_wide(u128 *low, uint64_t *high, u128 amount)
{
    *high += amount > U128_MAX - *low ? 1 : 0;
    *low += amount;
}

struct ledger_sums model_sums(const struct model *model, uint32_t ledger)
{
    struct ledger_sums sums = { .ledger = ledger };
    for (uint32_t i = 0; i < model->account_count; i++) {
        const struct account *account = books_state(model, i);
        if (account->ledger == ledger) {
            sums.accounts++;
            add_wide(&sums.debits_posted, &sums.debits_posted_high, account->debits_posted);
            add_wide(&sums.credits_posted, &sums.credits_posted_high, account->credits_posted);
            add_wide(&sums.debits_pending, &sums.debits_pending_high, account->debits_pending);
            add_wide(&sums.credits_pending, &sums.credits_pending_high, account->credits_pending);
        }
    }
    for (uint32_t i = 0; i < model->transfer_count; i++) {
        sums.transfers += model->transfers[i].record.ledger == ledger ? 1 : 0;
    }
    return sums;
}

/* --- filters -----------------------------------------------------------------------------------
 */

static bool bound_is_sound(uint64_t timestamp)
{
    return timestamp <= INT64_MAX; /* 0: none */
}

static bool filter_is_sound(const struct model_filter *filter)
{
    const bool ordered =
        filter->timestamp_max == 0 || filter->timestamp_min <= filter->timestamp_max;
    return filter->limit != 0 && ordered && bound_is_sound(filter->timestamp_min) &&
           bound_is_sound(filter->timestamp_max);
}

static bool account_filter_is_sound(const struct model_filter *filter)
{
    return filter_is_sound(filter) && filter->account_id != 0 && filter->account_id != U128_MAX &&
           (filter->debits || filter->credits);
}

static bool in_time(const struct model_filter *filter, uint64_t timestamp)
{
    return timestamp >= filter->timestamp_min &&
           (filter->timestamp_max == 0 || timestamp <= filter->timestamp_max);
}

#define ANY_OR_SAME(filter, record, field)                                                         \
    ((filter)->field == 0 || (filter)->field == (record)->field)
#define MATCHES(filter, record)                                                                    \
    (in_time(filter, (record)->timestamp) && ANY_OR_SAME(filter, record, user_data_128) &&         \
     ANY_OR_SAME(filter, record, user_data_64) && ANY_OR_SAME(filter, record, user_data_32) &&     \
     ANY_OR_SAME(filter, record, ledger) && ANY_OR_SAME(filter, record, code))

static bool is_party(const struct model_filter *filter, const struct transfer *transfer)
{
    return (filter->debits && transfer->debit_account_id == filter->account_id) ||
           (filter->credits && transfer->credit_account_id == filter->account_id);
}

static bool transfer_matches(const struct model *model, const struct model_filter *filter,
                             uint32_t place)
{
    const struct transfer *transfer = &model->transfers[place].record;
    return MATCHES(filter, transfer);
}

static bool party_matches(const struct model *model, const struct model_filter *filter,
                          uint32_t place)
{
    return is_party(filter, &model->transfers[place].record) &&
           transfer_matches(model, filter, place);
}

static bool account_matches(const struct model *model, const struct model_filter *filter,
                            uint32_t place)
{
    const struct account *account = books_state(model, place);
    return MATCHES(filter, account);
}

static bool change_matches(const struct model *model, const struct model_filter *filter,
                           uint32_t place)
{
    return in_time(filter, model->changes[place].timestamp);
}

typedef bool matches_fn(const struct model *, const struct model_filter *, uint32_t place);

/* Of `count` records in the order of time. */
static uint32_t select(const struct model *model, const struct model_filter *filter,
                       matches_fn *matches, uint32_t count, uint32_t *places)
{
    const uint32_t limit = filter->limit > LOOKUP_IDS_MAX ? LOOKUP_IDS_MAX : filter->limit;
    uint32_t found = 0;
    for (uint32_t i = 0; i < count && found < limit; i++) {
        const uint32_t place = filter->reversed ? count - 1 - i : i;
        if (matches(model, filter, place)) {
            places[found++] = place;
        }
    }
    return found;
}

/* How many there were as of the filter's entry. */
static uint32_t transfers_of(const struct model *model, const struct model_filter *filter)
{
    uint32_t count = model->transfer_count;
    while (filter->log_index != 0 && count > 0 &&
           model->transfers[count - 1].log_index > filter->log_index) {
        count--;
    }
    return count;
}

static uint32_t accounts_of(const struct model *model, const struct model_filter *filter)
{
    uint32_t count = model->account_count;
    while (filter->log_index != 0 && count > 0 &&
           model->accounts[count - 1].log_index > filter->log_index) {
        count--;
    }
    return count;
}

uint32_t model_account_transfers(const struct model *model, const struct model_filter *filter,
                                 uint32_t *places)
{
    const bool sound = account_filter_is_sound(filter);
    return sound ? select(model, filter, party_matches, transfers_of(model, filter), places) : 0;
}

uint32_t model_query_transfers(const struct model *model, const struct model_filter *filter,
                               uint32_t *places)
{
    const bool sound = filter_is_sound(filter);
    return sound ? select(model, filter, transfer_matches, transfers_of(model, filter), places) : 0;
}

uint32_t model_query_accounts(const struct model *model, const struct model_filter *filter,
                              uint32_t *places)
{
    const bool sound = filter_is_sound(filter);
    return sound ? select(model, filter, account_matches, accounts_of(model, filter), places) : 0;
}

uint32_t model_account_balances(const struct model *model, const struct model_filter *filter,
                                uint32_t *places)
{
    const struct account *account = model_account(model, filter->account_id);
    if (account == NULL || (account->flags & ACCOUNT_HISTORY) == 0) {
        return 0;
    }
    return model_account_transfers(model, filter, places);
}

const struct account *model_account_after(const struct model *model, u128 id, uint32_t place)
{
    const struct kept_transfer *transfer = &model->transfers[place];
    const struct kept_change *change = &model->changes[transfer->change];
    ASSERT(id == transfer->record.debit_account_id || id == transfer->record.credit_account_id);
    const bool debit = id == transfer->record.debit_account_id;
    return &model->versions[debit ? change->debit_version : change->credit_version].state;
}

uint32_t model_changes(const struct model *model, const struct model_filter *filter,
                       uint32_t *places)
{
    const bool sound = filter_is_sound(filter);
    return sound ? select(model, filter, change_matches, model->change_count, places) : 0;
}
