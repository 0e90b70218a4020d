/* store_due.c — holds that expire: the sealed ones in order of time, together with those in memory.
 *
 * The store says which holds were pending at the checkpoint; those that memory knows better,
 * because they were resolved since, are passed over. A resolved hold never is pending again, so the
 * walk need not begin before the first one that was pending when it was last looked at, except for
 * what a later seal adds. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>

static const struct delta_due NONE = { UINT64_MAX, UINT64_MAX };

bool dues_open(struct sealed_dues *dues)
{
    dues->picked = malloc(BATCH_EVENTS_MAX * sizeof *dues->picked);
    return dues->picked != NULL;
}

void dues_close(struct sealed_dues *dues)
{
    free(dues->picked);
}

void dues_sealed(struct store *store)
{
    struct sealed_dues *dues = &store->dues;
    if (delta_due_before(store->seal.first_due, dues->from)) {
        dues->from = store->seal.first_due;
    }
    dues->first_known = false;
}

static bool is_resolved(const struct store *store, uint64_t timestamp)
{
    const struct hold *hold = table_find(&store->delta->holds, timestamp);
    return hold != NULL && hold->state != HOLD_PENDING;
}

static enum status read_due(struct kv *kv, struct kv_iterator *iterator, struct delta_due *due,
                            struct error *error)
{
    struct bytes key, value;
    TRY(kv->ops->next(iterator, &key, &value, error));
    if (key.data == NULL) {
        *due = NONE;
        return STATUS_OK;
    }
    return key_read_due(key, &due->expires_at, &due->timestamp)
               ? STATUS_OK
               : error_set(error, STATUS_CORRUPT, "a record of a hold that is due is damaged");
}

/* The first `max` sealed holds that are pending and expire at `until_ns` or before. */
static enum status walk(struct store *store, struct kv_iterator *iterator, uint64_t until_ns,
                        struct delta_due *found, uint32_t max, uint32_t *count, struct error *error)
{
    struct delta_due due = { 0 };
    while (*count < max) {
        TRY(read_due(store->kv, iterator, &due, error));
        bool resolved = due.timestamp != NONE.timestamp && is_resolved(store, due.timestamp);
        if (!resolved && *count == 0) {
            store->dues.from = due;
        }
        if (due.timestamp == NONE.timestamp || due.expires_at > until_ns) {
            return STATUS_OK;
        }
        if (!resolved) {
            found[*count] = due;
            *count += 1;
        }
    }
    return STATUS_OK;
}

static enum status find_dues(struct store *store, uint64_t until_ns, struct delta_due *found,
                             uint32_t max, uint32_t *count, struct error *error)
{
    uint8_t key[KEY_SIZE_MAX];
    struct kv_iterator *iterator;
    struct kv *kv = store->kv;
    *count = 0;
    if (max == 0 || store->dues.from.expires_at > until_ns) {
        return STATUS_OK;
    }
    size_t size = key_of_due(key, store->dues.from.expires_at, store->dues.from.timestamp);
    TRY(kv->ops->iterate(kv, (struct bytes){ key, size }, false, &iterator, error));
    enum status status = walk(store, iterator, until_ns, found, max, count, error);
    kv->ops->iterate_end(iterator);
    return status;
}

enum status store_next_due(struct store *store, uint64_t *expires_at, struct error *error)
{
    struct sealed_dues *dues = &store->dues;
    if (!dues->first_known || is_resolved(store, dues->first.timestamp)) {
        uint32_t count;
        TRY(find_dues(store, UINT64_MAX - 1, &dues->first, 1, &count, error));
        dues->first = count == 0 ? NONE : dues->first;
        dues->first_known = true;
    }
    uint64_t in_memory = delta_next_due(store->delta);
    *expires_at = in_memory < dues->first.expires_at ? in_memory : dues->first.expires_at;
    return STATUS_OK;
}

/* --- a pulse ---------------------------------------------------------------------------------- */

static enum status bring_holds(struct store *store, uint32_t count, struct error *error)
{
    gets_begin(&store->records);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t timestamp = store->dues.picked[i].timestamp;
        if (!delta_prefetch_pin_hold(store->delta, timestamp)) {
            gets_add(&store->records, timestamp, 0, 0);
        }
    }
    return store_read_holds(store, store_bring_hold, store->delta, error);
}

static enum status bring_transfers(struct store *store, struct error *error)
{
    struct delta *delta = store->delta;
    gets_begin(&store->records);
    for (uint32_t i = 0; i < delta_due_count(delta); i++) {
        uint64_t timestamp = delta_due_at(delta, i);
        const struct transfer *transfer;
        enum delta_place place = delta_find_transfer_at(delta, timestamp, &transfer);
        if (place == DELTA_FROZEN) {
            store_bring_transfer(delta, transfer->id, 0, transfer, 0);
        } else if (place == DELTA_NOWHERE) {
            gets_add(&store->records, timestamp, 0, UINT64_MAX);
        }
    }
    return store_read_events(store, store_bring_transfer, delta, error);
}

enum status store_prefetch_due(struct store *store, uint64_t now_ns, uint32_t max,
                               struct error *error)
{
    struct delta *delta = store->delta;
    uint32_t count;
    ASSERT(max <= BATCH_EVENTS_MAX);
    delta_prefetch_begin(delta);
    controls_begin(store);
    TRY(find_dues(store, now_ns, store->dues.picked, max, &count, error));
    TRY(bring_holds(store, count, error));
    delta_pick_due(delta, now_ns, max, store->dues.picked, count);
    TRY(bring_transfers(store, error));
    gets_begin(&store->ids);
    for (uint32_t i = 0; i < delta_due_count(delta); i++) {
        const struct transfer *transfer;
        enum delta_place place = delta_find_transfer_at(delta, delta_due_at(delta, i), &transfer);
        ASSERT(place == DELTA_LIVE || place == DELTA_OLD);
        store_want_account(store, transfer->debit_account_id);
        store_want_account(store, transfer->credit_account_id);
    }
    TRY(store_bring_accounts(store, error));
    return store_bring_due_controls(store, error);
}
