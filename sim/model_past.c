/* What there was as of an entry of the log, and as of a time. */
#include "base/assert.h"
#include "sim/model_books.h"

#include <string.h>

/* --- accounts --------------------------------------------------------------------------------- */

static bool is_side(const struct kept_change *change, const struct model *model, u128 id,
                    uint32_t *version)
{
    const bool debit = model->versions[change->debit_version].state.id == id;
    *version = debit ? change->debit_version : change->credit_version;
    return model->versions[*version].state.id == id;
}

bool model_account_as_of(const struct model *model, u128 id, uint64_t log_index, uint64_t as_of,
                         struct account *account, uint64_t *timestamp)
{
    const uint32_t place = books_find_account(model, id);
    if (place == NOWHERE || model->accounts[place].log_index > log_index) {
        return false;
    }
    uint32_t first = model->accounts[place].version;
    while (model->versions[first].before != NOWHERE) {
        first = model->versions[first].before;
    }
    *account = model->versions[first].state;
    *timestamp = account->timestamp;
    if (as_of != 0 && account->timestamp > as_of) {
        return false;
    }
    for (uint32_t i = books_changes_at(model, log_index); i > 0; i--) {
        const struct kept_change *change = &model->changes[i - 1];
        uint32_t version;
        if ((as_of == 0 || change->timestamp <= as_of) && is_side(change, model, id, &version)) {
            *account = model->versions[version].state;
            *timestamp = change->timestamp;
            break;
        }
    }
    account->reserved = 0;
    return true;
}

bool model_account_was(const struct model *model, const struct account *account, uint64_t log_index)
{
    const uint32_t place = books_find_account(model, account->id);
    uint32_t at = place == NOWHERE ? NOWHERE : model->accounts[place].version;
    uint64_t until = UINT64_MAX; /* entries before this one had the version */
    while (at != NOWHERE && until > log_index) {
        struct account state = model->versions[at].state;
        state.reserved = 0;
        if (memcmp(&state, account, sizeof state) == 0) {
            return true;
        }
        until = model->versions[at].log_index;
        at = model->versions[at].before;
    }
    return false;
}

/* --- the trial balance ------------------------------------------------------------------------ */

static bool is_before(const struct trial_row *a, const struct account *b)
{
    return a->ledger < b->ledger || (a->ledger == b->ledger && a->code < b->code);
}

/* The row of the pair, made in its place when there is none. */
static struct trial_row *row_of(struct trial_row *rows, uint32_t *count, uint32_t room,
                                const struct account *account)
{
    uint32_t at = 0;
    while (at < *count && is_before(&rows[at], account)) {
        at++;
    }
    if (at == *count || rows[at].ledger != account->ledger || rows[at].code != account->code) {
        ASSERT(*count < room);
        memmove(&rows[at + 1], &rows[at], (*count - at) * sizeof rows[0]);
        rows[at] = (struct trial_row){ .ledger = account->ledger, .code = account->code };
        ++*count;
    }
    return &rows[at];
}

static void add_wide(u128 *low, uint64_t *high, u128 amount)
{
    *high += amount > U128_MAX - *low ? 1 : 0;
    *low += amount;
}

uint32_t model_trial_balance(const struct model *model, uint64_t log_index, uint64_t as_of,
                             struct trial_row *rows, uint32_t room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->account_count; i++) {
        struct account account;
        uint64_t timestamp;
        if (!model_account_as_of(model, model->accounts[i].id, log_index, as_of, &account,
                                 &timestamp)) {
            continue;
        }
        struct trial_row *row = row_of(rows, &count, room, &account);
        row->accounts++;
        add_wide(&row->debits_pending, &row->debits_pending_high, account.debits_pending);
        add_wide(&row->debits_posted, &row->debits_posted_high, account.debits_posted);
        add_wide(&row->credits_pending, &row->credits_pending_high, account.credits_pending);
        add_wide(&row->credits_posted, &row->credits_posted_high, account.credits_posted);
    }
    return count;
}

/* --- holds ------------------------------------------------------------------------------------ */

bool model_hold_at(const struct model *model, u128 id, uint64_t log_index, struct hold_view *view)
{
    const uint32_t place = books_find_transfer(model, id);
    if (place == NOWHERE || model->transfers[place].log_index > log_index ||
        model->transfers[place].hold.state == 0) {
        return false;
    }
    const struct kept_transfer *kept = &model->transfers[place];
    const u128 amount = kept->record.amount;
    struct hold hold = { .timestamp = kept->hold.timestamp,
                         .expires_at = kept->hold.expires_at,
                         .state = HOLD_PENDING };
    const uint32_t count = books_changes_at(model, log_index);
    for (uint32_t i = kept->change + 1; i < count && hold.state == HOLD_PENDING; i++) {
        const struct kept_change *change = &model->changes[i];
        const bool takes = change->kind == CHANGE_POSTED || change->kind == CHANGE_CAPTURED;
        if (change->pending != place) {
            continue;
        }
        hold.captured += takes ? change->amount : 0;
        if (change->kind != CHANGE_CAPTURED || hold.captured == amount) {
            hold.state = change->kind == CHANGE_VOIDED    ? HOLD_VOIDED
                         : change->kind == CHANGE_EXPIRED ? HOLD_EXPIRED
                                                          : HOLD_POSTED;
            hold.resolved_at = change->timestamp;
        }
    }
    *view = (struct hold_view){ .id = id,
                                .captured = hold.captured,
                                .timestamp = hold.timestamp,
                                .expires_at = hold.expires_at,
                                .resolved_at = hold.resolved_at,
                                .state = hold.state };
    view->remaining = hold.state == HOLD_PENDING ? amount - hold.captured : 0;
    return true;
}

/* --- journals, metadata, orders --------------------------------------------------------------- */

uint32_t model_journal_count(const struct model *model)
{
    return model->journal_count;
}

bool model_journal_at(const struct model *model, uint32_t number, uint64_t log_index,
                      struct journal *journal)
{
    const struct kept_journal *kept = &model->journals[number];
    *journal = kept->record;
    if (kept->reversed_index > log_index) {
        journal->reversed_by = 0;
    }
    return kept->log_index <= log_index && kept->record.state == JOURNAL_POSTED;
}

uint64_t model_journal_reversed(const struct model *model, uint32_t number)
{
    return model->journals[number].reversed_index;
}

const struct transfer *model_transfer_timed(const struct model *model, uint64_t timestamp)
{
    for (uint32_t i = model->transfer_count; i > 0; i--) {
        if (model->transfers[i - 1].record.timestamp == timestamp) {
            return &model->transfers[i - 1].record;
        }
    }
    return NULL;
}

const struct metadata_record *model_metadata_at(const struct model *model, enum object_kind kind,
                                                u128 id, uint64_t log_index, uint64_t as_of)
{
    for (uint32_t i = model->map_count; i > 0; i--) {
        const struct kept_map *map = &model->maps[i - 1];
        if (map->kind == kind && map->record.id == id && map->log_index <= log_index &&
            (as_of == 0 || map->record.timestamp <= as_of)) {
            return &map->record;
        }
    }
    return NULL;
}

bool model_freeze_at(const struct model *model, u128 id, uint64_t log_index, struct freeze *freeze)
{
    for (uint32_t i = 0; i < model->controls.order_count; i++) {
        const struct kept_order *order = &model->controls.orders[i];
        if (order->record.id != id || order->log_index > log_index) {
            continue;
        }
        *freeze = order->record;
        if (order->release_index > log_index) {
            freeze->released_at = 0;
            freeze->release_reason = 0;
            freeze->release_priority = 0;
            memset(freeze->release_authority, 0, sizeof freeze->release_authority);
        }
        return true;
    }
    return false;
}
