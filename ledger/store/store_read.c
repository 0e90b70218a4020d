/* store_read.c — records of the sealed past by the batch. A seal whose end was not taken note of
 * yet may have added to it: nobody asks for those records, because memory still has them. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

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
    const struct store_gets *gets = &store->ids;
    TRY(gets_run(store, &store->ids, KEY_ACCOUNT, error));
    for (uint32_t i = 0; i < gets->count; i++) {
        struct bytes value;
        struct account account;
        if (!gets_found(gets, i, &value)) {
            continue;
        }
        if (!value_read_account(value, gets->sorted[i].key, &account)) {
            return damaged(error, "account", gets->sorted[i].key);
        }
        take(context, gets->sorted[i].position, &account);
    }
    return STATUS_OK;
}

enum status store_read_holds(struct store *store, take_hold take, void *context,
                             struct error *error)
{
    const struct store_gets *gets = &store->records;
    TRY(gets_run(store, &store->records, KEY_HOLD, error));
    for (uint32_t i = 0; i < gets->count; i++) {
        struct bytes value;
        struct hold hold;
        uint64_t timestamp = (uint64_t)gets->sorted[i].key;
        if (!gets_found(gets, i, &value) || !value_read_hold(value, timestamp, &hold)) {
            return damaged(error, "the hold of the transfer at", timestamp);
        }
        take(context, gets->sorted[i].position, &hold);
    }
    return STATUS_OK;
}

enum status store_read_taken(struct store *store, enum key_kind kind, take_taken take,
                             void *context, struct error *error)
{
    const struct store_gets *gets = &store->records;
    TRY(gets_run(store, &store->records, kind, error));
    for (uint32_t i = 0; i < gets->count; i++) {
        struct bytes value;
        if (gets_found(gets, i, &value)) {
            take(context, (uint64_t)gets->sorted[i].key);
        }
    }
    return STATUS_OK;
}

/* --- transfers -------------------------------------------------------------------------------- */

enum status store_read_events(struct store *store, take_transfer take, void *context,
                              struct error *error)
{
    const struct store_gets *gets = &store->records;
    TRY(gets_run(store, &store->records, KEY_EVENT, error));
    for (uint32_t i = 0; i < gets->count; i++) {
        const struct id_item *item = &gets->sorted[i];
        /* The payload is the place of the id that led here, if one did. */
        const struct id_item *id =
            item->payload == UINT64_MAX ? NULL : &store->ids.sorted[item->payload];
        struct bytes value;
        struct transfer transfer;
        struct change change;
        if (!gets_found(gets, i, &value) ||
            !value_read_event(value, (uint64_t)item->key, &transfer, &change) || transfer.id == 0 ||
            (id != NULL && transfer.id != id->key)) {
            return damaged(error, "the transfer at", item->key);
        }
        take(context, transfer.id, item->position, &transfer, 0);
    }
    return STATUS_OK;
}

enum status store_read_transfers(struct store *store, take_transfer take, void *context,
                                 struct error *error)
{
    const struct store_gets *gets = &store->ids;
    TRY(ids_run(store, error));
    gets_begin(&store->records);
    uint32_t missed = 0;
    for (uint32_t i = 0; i < gets->count; i++) {
        const struct id_item *item = &gets->sorted[i];
        struct bytes value;
        uint64_t fate;
        if (!gets_found(gets, i, &value)) {
            missed++;
            continue;
        }
        if (!value_read_id(value, &fate)) {
            return damaged(error, "transfer id", item->key);
        }
        const uint16_t why = fate_failure(fate);
        if (why != 0) {
            take(context, item->key, item->position, NULL, why);
        } else {
            gets_add(&store->records, fate, item->position, i);
        }
    }
    filter_missed(store, missed);
    return store_read_events(store, take, context, error);
}
