/* store_read.c — batches of look-ups in the sealed past. What is later than the checkpoint is left
 * out: it is a crash's remnant, or a running seal's, which memory still has. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>

bool gets_open(struct store_gets *gets)
{
    gets->items = malloc(STORE_GETS_MAX * sizeof *gets->items);
    gets->other = malloc(STORE_GETS_MAX * sizeof *gets->other);
    gets->gets = malloc(STORE_GETS_MAX * sizeof *gets->gets);
    gets->keys = malloc((size_t)STORE_GETS_MAX * KEY_SIZE_MAX);
    gets->values = malloc((size_t)STORE_GETS_MAX * VALUE_ROW_MAX);
    return gets->items != NULL && gets->other != NULL && gets->gets != NULL && gets->keys != NULL &&
           gets->values != NULL;
}

void gets_close(struct store_gets *gets)
{
    free(gets->items);
    free(gets->other);
    free(gets->gets);
    free(gets->keys);
    free(gets->values);
}

void gets_begin(struct store_gets *gets)
{
    gets->count = 0;
    gets->unique = 0;
}

void gets_add(struct store_gets *gets, u128 key, uint32_t position, uint64_t payload)
{
    ASSERT(gets->count < STORE_GETS_MAX);
    gets->items[gets->count] =
        (struct id_item){ .key = key, .position = position, .payload = payload };
    gets->count++;
}

static size_t write_key(uint8_t *key, enum key_kind kind, u128 number)
{
    if (kind == KEY_TRANSFER) {
        return key_of_transfer(key, (uint64_t)number);
    }
    return kind == KEY_ID ? key_of_id(key, number) : key_of_account(key, number);
}

static enum status gets_run(struct store *store, struct store_gets *gets, enum key_kind kind,
                            struct error *error)
{
    if (gets->count == 0) {
        return STATUS_OK;
    }
    gets->sorted = id_sort_all(gets->items, gets->other, gets->count);
    for (uint32_t i = 0; i < gets->count; i++) {
        struct id_item *item = &gets->sorted[i];
        if (i == 0 || item->key != item[-1].key) {
            uint8_t *key = gets->keys + (size_t)gets->unique * KEY_SIZE_MAX;
            gets->gets[gets->unique] = (struct kv_get){
                .key = { key, write_key(key, kind, item->key) },
                .value = gets->values + (size_t)gets->unique * VALUE_ROW_MAX,
                .value_max = VALUE_ROW_MAX,
            };
            gets->unique++;
        }
        item->tag = gets->unique - 1;
    }
    return store->kv->ops->multi_get(store->kv, gets->gets, gets->unique, error);
}

static struct bytes value_of(const struct kv_get *get)
{
    return (struct bytes){ get->value, get->value_size };
}

static enum status damaged(struct error *error, const char *kind, u128 number)
{
    char text[U128_DECIMAL_MAX];
    (void)u128_print(number, text);
    return error_set(error, STATUS_CORRUPT,
                     "the store's record of %s %s is damaged: restore this node from another", kind,
                     text);
}

enum status store_read_accounts(struct store *store, take_account take, void *context,
                                struct error *error)
{
    struct store_gets *gets = &store->ids;
    TRY(gets_run(store, gets, KEY_ACCOUNT, error));
    for (uint32_t i = 0; i < gets->count; i++) {
        const struct id_item *item = &gets->sorted[i];
        const struct kv_get *get = &gets->gets[item->tag];
        if (!get->found) {
            continue;
        }
        struct account account;
        if (!value_read_account(value_of(get), item->key, &account)) {
            return damaged(error, "account", item->key);
        }
        take(context, item->position, &account);
    }
    return STATUS_OK;
}

/* Second round: the transfers that ids led to. The payload is the place of the id's item. */
static enum status read_led_to(struct store *store, take_transfer take, void *context,
                               struct error *error)
{
    struct store_gets *gets = &store->records;
    TRY(gets_run(store, gets, KEY_TRANSFER, error));
    for (uint32_t i = 0; i < gets->count; i++) {
        const struct id_item *item = &gets->sorted[i];
        const struct kv_get *get = &gets->gets[item->tag];
        const struct id_item *id = &store->ids.sorted[item->payload];
        struct transfer transfer;
        uint64_t log_index;
        if (!get->found ||
            !value_read_transfer(value_of(get), (uint64_t)item->key, &transfer, &log_index) ||
            transfer.id != id->key || log_index > store->past.log_index) {
            return damaged(error, "transfer", id->key);
        }
        take(context, transfer.id, item->position, &transfer);
    }
    return STATUS_OK;
}

enum status store_read_transfers(struct store *store, take_transfer take, void *context,
                                 struct error *error)
{
    struct store_gets *gets = &store->ids;
    TRY(gets_run(store, gets, KEY_ID, error));
    gets_begin(&store->records);
    for (uint32_t i = 0; i < gets->count; i++) {
        const struct id_item *item = &gets->sorted[i];
        const struct kv_get *get = &gets->gets[item->tag];
        if (!get->found) {
            continue;
        }
        struct id_record record;
        if (!value_read_id(value_of(get), &record)) {
            return damaged(error, "transfer id", item->key);
        }
        if (record.log_index > store->past.log_index && !MUTATION(store_later_records_count)) {
            SITUATION(store_later_record_ignored);
            continue;
        }
        if (record.timestamp == 0) {
            take(context, item->key, item->position, NULL);
        } else {
            gets_add(&store->records, record.timestamp, item->position, i);
        }
    }
    return read_led_to(store, take, context, error);
}
