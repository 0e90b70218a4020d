#include "tools/script_query.h"

#include "base/assert.h"
#include "ledger/core/ledger.h"
#include "ledger/store/delta_internal.h"

/* --- filters ---------------------------------------------------------------------------------- */

static bool timestamp_is_sound(uint64_t timestamp)
{
    return timestamp <= TIMESTAMP_MAX;
}

static bool filter_is_possible(const struct script_filter *filter, uint32_t known_flags)
{
    return filter->limit > 0 && (filter->flags & ~known_flags) == 0 &&
           timestamp_is_sound(filter->timestamp_min) && timestamp_is_sound(filter->timestamp_max) &&
           (filter->timestamp_max == 0 || filter->timestamp_min <= filter->timestamp_max);
}

static bool account_filter_is_possible(const struct script_filter *filter)
{
    const uint32_t sides = SCRIPT_FILTER_DEBITS | SCRIPT_FILTER_CREDITS;
    return filter_is_possible(filter, sides | SCRIPT_FILTER_REVERSED) &&
           (filter->flags & sides) != 0 && filter->id != 0 && filter->id != U128_MAX;
}

static uint32_t rows_wanted(const struct script_filter *filter)
{
    return filter->limit < SCRIPT_ROWS_MAX ? filter->limit : SCRIPT_ROWS_MAX;
}

static bool in_time(const struct script_filter *filter, uint64_t timestamp)
{
    return timestamp >= filter->timestamp_min &&
           (filter->timestamp_max == 0 || timestamp <= filter->timestamp_max);
}

static bool fits_128(u128 wanted, u128 value)
{
    return wanted == 0 || wanted == value;
}

static bool fits_64(uint64_t wanted, uint64_t value)
{
    return wanted == 0 || wanted == value;
}

static bool transfer_fits(const struct script_filter *filter, const struct transfer *transfer)
{
    return in_time(filter, transfer->timestamp) &&
           fits_128(filter->user_data_128, transfer->user_data_128) &&
           fits_64(filter->user_data_64, transfer->user_data_64) &&
           fits_64(filter->user_data_32, transfer->user_data_32) &&
           fits_64(filter->ledger, transfer->ledger) && fits_64(filter->code, transfer->code);
}

static bool account_fits(const struct script_filter *filter, const struct account *account)
{
    return in_time(filter, account->timestamp) &&
           fits_128(filter->user_data_128, account->user_data_128) &&
           fits_64(filter->user_data_64, account->user_data_64) &&
           fits_64(filter->user_data_32, account->user_data_32) &&
           fits_64(filter->ledger, account->ledger) && fits_64(filter->code, account->code);
}

static bool side_fits(const struct script_filter *filter, const struct transfer *transfer)
{
    return ((filter->flags & SCRIPT_FILTER_DEBITS) != 0 &&
            transfer->debit_account_id == filter->id) ||
           ((filter->flags & SCRIPT_FILTER_CREDITS) != 0 &&
            transfer->credit_account_id == filter->id);
}

/* --- records, in order of time ---------------------------------------------------------------- */

/* The i-th in the direction of the query. */
static uint32_t place_of(uint32_t i, uint32_t count, bool reversed)
{
    return reversed ? count - 1 - i : i;
}

uint32_t script_find_account_transfers(struct delta *delta, const struct script_filter *filter,
                                       const struct transfer **rows)
{
    if (!account_filter_is_possible(filter)) {
        return 0;
    }
    const struct delta_generation *all = &delta->live;
    const bool reversed = (filter->flags & SCRIPT_FILTER_REVERSED) != 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < all->transfer_count && found < rows_wanted(filter); i++) {
        const struct transfer *transfer =
            &all->transfers[place_of(i, all->transfer_count, reversed)];
        if (transfer_fits(filter, transfer) && side_fits(filter, transfer)) {
            rows[found++] = transfer;
        }
    }
    return found;
}

static const struct change *change_at(struct delta *delta, uint64_t timestamp)
{
    const struct delta_generation *all = &delta->live;
    const uint32_t place = delta_changes_from(all, timestamp);
    ASSERT(place < all->change_count && all->changes[place].timestamp == timestamp);
    return &all->changes[place];
}

uint32_t script_find_account_balances(struct delta *delta, const struct script_filter *filter,
                                      struct script_balance_row *rows)
{
    static const struct transfer *transfers[SCRIPT_ROWS_MAX];
    const struct account *account = delta_account(delta, filter->id);
    if (account == NULL || (account->flags & ACCOUNT_HISTORY) == 0) {
        return 0;
    }
    const uint32_t found = script_find_account_transfers(delta, filter, transfers);
    for (uint32_t i = 0; i < found; i++) {
        const struct change *change = change_at(delta, transfers[i]->timestamp);
        const bool debit = transfers[i]->debit_account_id == filter->id;
        rows[i] = (struct script_balance_row){ .transfer = transfers[i]->id,
                                               .balances = debit ? change->debit : change->credit,
                                               .timestamp = change->timestamp };
    }
    return found;
}

uint32_t script_find_transfers(struct delta *delta, const struct script_filter *filter,
                               const struct transfer **rows)
{
    if (!filter_is_possible(filter, SCRIPT_QUERY_REVERSED)) {
        return 0;
    }
    const struct delta_generation *all = &delta->live;
    const bool reversed = (filter->flags & SCRIPT_QUERY_REVERSED) != 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < all->transfer_count && found < rows_wanted(filter); i++) {
        const struct transfer *transfer =
            &all->transfers[place_of(i, all->transfer_count, reversed)];
        if (transfer_fits(filter, transfer)) {
            rows[found++] = transfer;
        }
    }
    return found;
}

uint32_t script_find_accounts(struct delta *delta, const struct script_filter *filter,
                              const struct account **rows)
{
    if (!filter_is_possible(filter, SCRIPT_QUERY_REVERSED)) {
        return 0;
    }
    const struct delta_generation *all = &delta->live;
    const bool reversed = (filter->flags & SCRIPT_QUERY_REVERSED) != 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < all->account_count && found < rows_wanted(filter); i++) {
        const uint32_t place = place_of(i, all->account_count, reversed);
        const struct account *account = delta_account(delta, all->accounts[place].id);
        ASSERT(account != NULL);
        if (account_fits(filter, account)) {
            rows[found++] = account;
        }
    }
    return found;
}

static bool journal_fits(const struct script_filter *filter, const struct journal *journal)
{
    return in_time(filter, journal->timestamp) && fits_64(filter->kind, journal->kind) &&
           fits_128(filter->reference, journal->reference) &&
           journal->business_date >= filter->date_min &&
           (filter->date_max == 0 || journal->business_date <= filter->date_max);
}

uint32_t script_find_journals(struct delta *delta, const struct script_filter *filter,
                              const struct journal **rows)
{
    if (!filter_is_possible(filter, SCRIPT_QUERY_REVERSED)) {
        return 0;
    }
    const struct delta_generation *all = &delta->live;
    const bool reversed = (filter->flags & SCRIPT_QUERY_REVERSED) != 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < all->journal_count && found < rows_wanted(filter); i++) {
        const uint32_t place = place_of(i, all->journal_count, reversed);
        const struct journal *journal =
            delta_object(delta, OBJECT_JOURNAL, all->journals[place].id);
        ASSERT(journal != NULL);
        if (journal_fits(filter, journal)) {
            rows[found++] = journal;
        }
    }
    return found;
}

/* --- changes ---------------------------------------------------------------------------------- */

static struct script_side side_of(u128 id, const struct balances *balances, unsigned flags)
{
    return (struct script_side){ .id = id,
                                 .balances = { balances->debits_pending, balances->debits_posted,
                                               balances->credits_pending,
                                               balances->credits_posted },
                                 .closed = (flags & ACCOUNT_CLOSED) != 0 };
}

static struct script_change_row row_of(struct delta *delta, const struct change *change)
{
    const bool expired = change->kind == CHANGE_EXPIRED;
    const struct transfer *transfer =
        delta_transfer_at(delta, expired ? change->pending_timestamp : change->timestamp);
    ASSERT(transfer != NULL);
    return (struct script_change_row){
        .transfer = expired ? 0 : transfer->id,
        .amount = change->amount,
        .pending_id = expired ? transfer->id : transfer->pending_id,
        .timestamp = change->timestamp,
        .debit = side_of(transfer->debit_account_id, &change->debit, change->debit_flags),
        .credit = side_of(transfer->credit_account_id, &change->credit, change->credit_flags),
        .ledger = transfer->ledger,
        .code = transfer->code,
        .kind = change->kind,
    };
}

uint32_t script_find_changes(struct delta *delta, const struct script_filter *filter,
                             struct script_change_row *rows)
{
    if (!filter_is_possible(filter, 0)) {
        return 0;
    }
    const struct delta_generation *all = &delta->live;
    uint32_t found = 0;
    for (uint32_t i = 0; i < all->change_count && found < rows_wanted(filter); i++) {
        if (in_time(filter, all->changes[i].timestamp)) {
            rows[found++] = row_of(delta, &all->changes[i]);
        }
    }
    return found;
}
