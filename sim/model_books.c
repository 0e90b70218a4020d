#include "sim/model_books.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

/* --- tables ------------------------------------------------------------------------------------
 */

static void *grow(void *items, uint32_t count, uint32_t *room, size_t size)
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
    table->memory = malloc(map_footprint(capacity));
    ASSERT(table->memory != NULL);
    map_init(&table->map, table->memory, capacity);
}

static u128 id_of(const struct model *model, const struct id_table *table, uint32_t place)
{
    if (table == &model->account_ids) {
        return model->accounts[place].now.id;
    }
    return table == &model->transfer_ids ? model->transfers[place].transfer.id
                                         : model->failed[place];
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
    free(model->failed);
    free(model->versions);
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

/* --- changes -----------------------------------------------------------------------------------
 */

struct kept_account *books_account(const struct model *model, u128 id)
{
    const uint32_t *place = map_find(&model->account_ids.map, id);
    return place == NULL ? NULL : &model->accounts[*place];
}

static void keep_version(struct model *model, struct kept_account *account)
{
    struct version *newest =
        account->version == NO_VERSION ? NULL : &model->versions[account->version];
    if (newest == NULL || newest->log_index != model->log_index) {
        model->versions = grow(model->versions, model->version_count, &model->version_room,
                               sizeof model->versions[0]);
        newest = &model->versions[model->version_count];
        *newest = (struct version){ .log_index = model->log_index, .before = account->version };
        account->version = model->version_count++;
    }
    newest->debits_posted = account->now.debits_posted;
    newest->credits_posted = account->now.credits_posted;
}

void books_add_account(struct model *model, const struct account *account)
{
    model->accounts =
        grow(model->accounts, model->account_count, &model->account_room, sizeof *model->accounts);
    struct kept_account *kept = &model->accounts[model->account_count];
    *kept = (struct kept_account){ .now = *account, .version = NO_VERSION };
    keep_version(model, kept);
    table_add(model, &model->account_ids, account->id, model->account_count++);
    model->digest += delta_hash_account(account);
}

void books_add_transfer(struct model *model, const struct transfer *transfer)
{
    model->transfers = grow(model->transfers, model->transfer_count, &model->transfer_room,
                            sizeof *model->transfers);
    model->transfers[model->transfer_count] =
        (struct kept_transfer){ .transfer = *transfer, .log_index = model->log_index };
    table_add(model, &model->transfer_ids, transfer->id, model->transfer_count++);
    model->digest += delta_hash_transfer(transfer);
}

void books_add_failed(struct model *model, u128 id)
{
    model->failed =
        grow(model->failed, model->failed_count, &model->failed_room, sizeof *model->failed);
    model->failed[model->failed_count] = id;
    table_add(model, &model->failed_ids, id, model->failed_count++);
    model->digest += delta_hash_failed_id(id);
}

void books_set_balances(struct model *model, struct kept_account *account, u128 debits_posted,
                        u128 credits_posted)
{
    model->digest -= delta_hash_account(&account->now);
    account->now.debits_posted = debits_posted;
    account->now.credits_posted = credits_posted;
    model->digest += delta_hash_account(&account->now);
    keep_version(model, account);
}

void books_drop_account(struct model *model)
{
    const struct account *account = &model->accounts[--model->account_count].now;
    model->digest -= delta_hash_account(account);
    const bool removed = map_remove(&model->account_ids.map, account->id);
    ASSERT(removed);
}

void books_drop_transfer(struct model *model)
{
    const struct transfer *transfer = &model->transfers[--model->transfer_count].transfer;
    model->digest -= delta_hash_transfer(transfer);
    const bool removed = map_remove(&model->transfer_ids.map, transfer->id);
    ASSERT(removed);
}

/* --- questions ---------------------------------------------------------------------------------
 */

const struct account *model_account(const struct model *model, u128 id)
{
    const struct kept_account *kept = books_account(model, id);
    return kept == NULL ? NULL : &kept->now;
}

const struct transfer *model_transfer(const struct model *model, u128 id)
{
    const uint32_t *place = map_find(&model->transfer_ids.map, id);
    return place == NULL ? NULL : &model->transfers[*place].transfer;
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
    return &model->accounts[i].now;
}

const struct transfer *model_transfer_number(const struct model *model, uint32_t i)
{
    ASSERT(i < model->transfer_count);
    return &model->transfers[i].transfer;
}

bool model_account_at(const struct model *model, u128 id, uint64_t log_index,
                      struct account *account)
{
    const struct kept_account *kept = books_account(model, id);
    uint32_t at = kept == NULL ? NO_VERSION : kept->version;
    while (at != NO_VERSION && model->versions[at].log_index > log_index) {
        at = model->versions[at].before;
    }
    if (at == NO_VERSION) {
        return false;
    }
    *account = kept->now;
    account->debits_posted = model->versions[at].debits_posted;
    account->credits_posted = model->versions[at].credits_posted;
    return true;
}

bool model_transfer_at(const struct model *model, u128 id, uint64_t log_index,
                       struct transfer *transfer)
{
    const uint32_t *place = map_find(&model->transfer_ids.map, id);
    if (place == NULL || model->transfers[*place].log_index > log_index) {
        return false;
    }
    *transfer = model->transfers[*place].transfer;
    return true;
}

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
        const struct account *account = &model->accounts[i].now;
        if (account->ledger == ledger) {
            sums.accounts++;
            add_wide(&sums.debits_posted, &sums.debits_posted_high, account->debits_posted);
            add_wide(&sums.credits_posted, &sums.credits_posted_high, account->credits_posted);
        }
    }
    for (uint32_t i = 0; i < model->transfer_count; i++) {
        sums.transfers += model->transfers[i].transfer.ledger == ledger ? 1 : 0;
    }
    return sums;
}
