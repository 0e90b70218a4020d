#include "sim/model_books.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

/* --- tables ------------------------------------------------------------------------------------
 */

void *books_grow(void *items, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    *room = *room == 0 ? 256 : 2 * *room;
    items = realloc(items, *room * size);
    ASSERT(items != NULL);
    return items;
}

static void table_init(struct id_table *table, uint32_t capacity)
{
    table->memory = calloc(1, map_footprint(capacity));
    ASSERT(table->memory != NULL);
    map_init(&table->map, table->memory, capacity);
}

static u128 id_of(const struct model *model, const struct id_table *table, uint32_t place)
{
    if (table == &model->account_ids) {
        return model->accounts[place].id;
    }
    return table == &model->transfer_ids ? model->transfers[place].record.id
                                         : model->failed[place].id;
}

/* Records 0..place have their ids in the arrays already. */
static void table_add(const struct model *model, struct id_table *table, u128 id, uint32_t place)
{
    if (table->map.count == table->map.capacity) {
        free(table->memory);
        table_init(table, 2 * table->map.capacity);
        for (uint32_t i = 0; i < place; i++) {
            map_insert(&table->map, id_of(model, table, i), i);
        }
    }
    map_insert(&table->map, id, place);
}

static uint32_t table_find(const struct id_table *table, u128 id)
{
    const uint32_t *place = map_find(&table->map, id);
    return place == NULL ? NOWHERE : *place;
}

static void table_remove(struct id_table *table, u128 id)
{
    const bool removed = map_remove(&table->map, id);
    ASSERT(removed);
}

struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof *model);
    ASSERT(model != NULL);
    table_init(&model->account_ids, 256);
    table_init(&model->transfer_ids, 1024);
    table_init(&model->failed_ids, 256);
    return model;
}

void model_free(struct model *model)
{
    free(model->accounts);
    free(model->transfers);
    free(model->changes);
    free(model->versions);
    free(model->failed);
    free(model->timed);
    free(model->ledgers);
    free(model->journals);
    free(model->maps);
    free(model->registered);
    free(model->codes);
    controls_free(&model->controls);
    free(model->account_ids.memory);
    free(model->transfer_ids.memory);
    free(model->failed_ids.memory);
    free(model);
}

void model_set_index(struct model *model, uint64_t log_index)
{
    ASSERT(log_index >= model->log_index);
    model->log_index = log_index;
}

/* --- finding -----------------------------------------------------------------------------------
 */

uint32_t books_find_account(const struct model *model, u128 id)
{
    return table_find(&model->account_ids, id);
}

uint32_t books_find_transfer(const struct model *model, u128 id)
{
    return table_find(&model->transfer_ids, id);
}

const struct account *books_state(const struct model *model, uint32_t account)
{
    return &model->versions[model->accounts[account].version].state;
}

uint32_t books_ledgers_without(const struct model *model, uint32_t ledger)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < model->ledger_count; i++) {
        const struct kept_ledger *kept = &model->ledgers[i];
        if (kept->accounts > 0 && kept->ledger == ledger) {
            return 0;
        }
        others += kept->accounts > 0 ? 1 : 0;
    }
    return others;
}

/* --- adding ------------------------------------------------------------------------------------
 */

static uint32_t add_version(struct model *model, uint32_t place, const struct account *state)
{
    struct kept_account *account = &model->accounts[place];
    model->versions = books_grow(model->versions, model->version_count, &model->version_room,
                                 sizeof model->versions[0]);
    model->versions[model->version_count] = (struct version){ .state = *state,
                                                              .log_index = model->log_index,
                                                              .before = account->version };
    if (account->version != NOWHERE) {
        model->digest -= delta_hash_account(&model->versions[account->version].state);
    }
    model->digest += delta_hash_account(state);
    account->version = model->version_count;
    return model->version_count++;
}

/* Where the accounts of a ledger are counted. */
static uint32_t *accounts_of(struct model *model, uint32_t ledger)
{
    uint32_t i = 0;
    while (i < model->ledger_count && model->ledgers[i].ledger != ledger) {
        i++;
    }
    if (i == model->ledger_count) {
        model->ledgers = books_grow(model->ledgers, model->ledger_count, &model->ledger_room,
                                    sizeof model->ledgers[0]);
        model->ledgers[model->ledger_count++] = (struct kept_ledger){ .ledger = ledger };
    }
    return &model->ledgers[i].accounts;
}

void books_add_account(struct model *model, const struct account *account)
{
    *accounts_of(model, account->ledger) += 1;
    model->accounts = books_grow(model->accounts, model->account_count, &model->account_room,
                                 sizeof model->accounts[0]);
    model->accounts[model->account_count] = (struct kept_account){ .id = account->id,
                                                                   .log_index = model->log_index,
                                                                   .version = NOWHERE };
    add_version(model, model->account_count, account);
    table_add(model, &model->account_ids, account->id, model->account_count++);
}

void books_set_account(struct model *model, const struct account *account)
{
    add_version(model, books_find_account(model, account->id), account);
}

void books_add_failed(struct model *model, u128 id, unsigned why)
{
    model->failed =
        books_grow(model->failed, model->failed_count, &model->failed_room, sizeof *model->failed);
    model->failed[model->failed_count] = (struct failed_id){ id, why };
    table_add(model, &model->failed_ids, id, model->failed_count++);
    model->digest += delta_hash_failed_id(id, (uint16_t)why);
}

uint32_t books_add_transfer(struct model *model, const struct transfer *transfer,
                            const struct hold *hold)
{
    model->transfers = books_grow(model->transfers, model->transfer_count, &model->transfer_room,
                                  sizeof model->transfers[0]);
    const uint32_t place = model->transfer_count;
    model->transfers[place] = (struct kept_transfer){ .record = *transfer,
                                                      .log_index = model->log_index,
                                                      .change = model->change_count,
                                                      .hold = *hold };
    table_add(model, &model->transfer_ids, transfer->id, model->transfer_count++);
    model->digest += delta_hash_transfer(transfer);
    model->digest += hold->state != 0 ? delta_hash_hold(hold) : 0;
    if (hold->expires_at != 0) {
        model->timed =
            books_grow(model->timed, model->timed_count, &model->timed_room, sizeof *model->timed);
        model->timed[model->timed_count++] = place;
    }
    return place;
}

static struct balances balances_of(const struct account *account)
{
    return (struct balances){ .debits_pending = account->debits_pending,
                              .debits_posted = account->debits_posted,
                              .credits_pending = account->credits_pending,
                              .credits_posted = account->credits_posted };
}

struct change books_change(const struct model *model, const struct kept_change *kept)
{
    const struct account *debit = &model->versions[kept->debit_version].state;
    const struct account *credit = &model->versions[kept->credit_version].state;
    struct change change = { .debit = balances_of(debit),
                             .credit = balances_of(credit),
                             .amount = kept->amount,
                             .released = kept->released,
                             .timestamp = kept->timestamp,
                             .kind = (uint16_t)kept->kind,
                             .debit_flags = debit->flags,
                             .credit_flags = credit->flags,
                             .debit_code = debit->code,
                             .credit_code = credit->code };
    if (kept->pending != NOWHERE) {
        change.pending_timestamp = model->transfers[kept->pending].record.timestamp;
    }
    return change;
}

static u128 hash_change(const struct model *model, const struct kept_change *kept)
{
    const struct change change = books_change(model, kept);
    return delta_hash_change(&change);
}

uint32_t books_changes_at(const struct model *model, uint64_t log_index)
{
    uint32_t count = model->change_count;
    while (count > 0 &&
           model->versions[model->changes[count - 1].debit_version].log_index > log_index) {
        count--;
    }
    return count;
}

void books_add_change(struct model *model, const struct kept_change *change,
                      const struct account *debit, const struct account *credit)
{
    ASSERT(model->change_count == 0 ||
           change->timestamp > model->changes[model->change_count - 1].timestamp);
    model->changes = books_grow(model->changes, model->change_count, &model->change_room,
                                sizeof model->changes[0]);
    struct kept_change *kept = &model->changes[model->change_count++];
    *kept = *change;
    kept->debit_version = add_version(model, books_find_account(model, debit->id), debit);
    kept->credit_version = add_version(model, books_find_account(model, credit->id), credit);
    model->digest += hash_change(model, kept);
}

void books_set_hold(struct model *model, uint32_t transfer, const struct hold *hold)
{
    model->digest -= delta_hash_hold(&model->transfers[transfer].hold);
    model->digest += delta_hash_hold(hold);
    model->transfers[transfer].hold = *hold;
}

/* --- taking back -------------------------------------------------------------------------------
 */

/* The youngest version of all, which is the account's. */
static void undo_version(struct model *model, u128 id)
{
    struct kept_account *account = &model->accounts[books_find_account(model, id)];
    ASSERT(account->version == model->version_count - 1);
    const struct version *version = &model->versions[--model->version_count];
    model->digest -= delta_hash_account(&version->state);
    account->version = version->before;
    if (account->version != NOWHERE) {
        model->digest += delta_hash_account(&model->versions[account->version].state);
    }
}

void books_undo_account(struct model *model)
{
    const u128 id = model->accounts[model->account_count - 1].id;
    *accounts_of(model, books_state(model, model->account_count - 1)->ledger) -= 1;
    undo_version(model, id);
    table_remove(&model->account_ids, id);
    model->account_count--;
}

void books_undo_change(struct model *model)
{
    const struct kept_change *change = &model->changes[--model->change_count];
    model->digest -= hash_change(model, change);
    ASSERT(change->transfer == model->transfer_count - 1); /* expiries are never in a chain */
    const struct kept_transfer *transfer = &model->transfers[--model->transfer_count];
    undo_version(model, transfer->record.credit_account_id);
    undo_version(model, transfer->record.debit_account_id);
    if (change->pending != NOWHERE) {
        struct hold hold = model->transfers[change->pending].hold;
        hold.state = HOLD_PENDING;
        if (change->kind == CHANGE_POSTED || change->kind == CHANGE_CAPTURED) {
            hold.captured -= change->amount;
        }
        hold.resolved_at = 0;
        books_set_hold(model, change->pending, &hold);
    }
    if (transfer->hold.expires_at != 0) {
        ASSERT(model->timed[model->timed_count - 1] == model->transfer_count);
        model->timed_count--;
    }
    model->digest -= delta_hash_transfer(&transfer->record);
    model->digest -= transfer->hold.state != 0 ? delta_hash_hold(&transfer->hold) : 0;
    table_remove(&model->transfer_ids, transfer->record.id);
}
