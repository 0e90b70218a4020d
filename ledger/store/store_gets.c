/* store_gets.c — batches of look-ups in the sealed past: sorted, each key asked for once. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>

bool gets_open(struct store_gets *gets)
{
    gets->items = malloc(STORE_GETS_MAX * sizeof *gets->items);
    gets->other = malloc(STORE_GETS_MAX * sizeof *gets->other);
    gets->gets = malloc(STORE_GETS_MAX * sizeof *gets->gets);
    gets->keys = malloc((size_t)STORE_GETS_MAX * KEY_SIZE_MAX);
    gets->values = malloc(STORE_VALUES_BYTES);
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
    if (kind == KEY_ID) {
        return 0; /* it has one in each era: store_ids.c */
    }
    return kind == KEY_ACCOUNT ? key_of_id(key, kind, number)
                               : key_of_timestamp(key, kind, (uint64_t)number);
}

void gets_prepare(struct store_gets *gets, enum key_kind kind)
{
    const uint32_t value_max = kind == KEY_EVENT ? VALUE_EVENT_MAX : VALUE_ACCOUNT_MAX;
    gets->sorted = id_sort_all(gets->items, gets->other, gets->count);
    for (uint32_t i = 0; i < gets->count; i++) {
        struct id_item *item = &gets->sorted[i];
        if (i == 0 || item->key != item[-1].key) {
            uint8_t *key = gets->keys + (size_t)gets->unique * KEY_SIZE_MAX;
            ASSERT((size_t)(gets->unique + 1) * value_max <= STORE_VALUES_BYTES);
            gets->gets[gets->unique] = (struct kv_get){
                .key = { key, write_key(key, kind, item->key) },
                .value = gets->values + (size_t)gets->unique * value_max,
                .value_max = value_max,
            };
            gets->unique++;
        }
        item->tag = gets->unique - 1;
    }
}

enum status gets_run(struct store *store, struct store_gets *gets, enum key_kind kind,
                     struct error *error)
{
    ASSERT(kind != KEY_ID);
    if (gets->count == 0) {
        return STATUS_OK;
    }
    gets_prepare(gets, kind);
    return store->kv->ops->multi_get(store->kv, gets->gets, gets->unique, error);
}

bool gets_found(const struct store_gets *gets, uint32_t i, struct bytes *value)
{
    const struct kv_get *get = &gets->gets[gets->sorted[i].tag];
    *value = (struct bytes){ get->value, get->value_size };
    return get->found;
}
