/* store_prefetch.c — brings into the delta what a batch names: ids in one round of look-ups, the
 * transfers that they lead to in the next, then the holds of those to be resolved, then accounts.
 * What memory has is not asked for. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

enum { AHEAD = 12 }; /* look-ups ahead of which the map's line is asked for */

/* --- accounts --------------------------------------------------------------------------------- */

static void bring_account(void *context, uint32_t position, const struct account *account)
{
    struct store *store = context;
    ASSERT(position == 0);
    if (!delta_prefetch_pin_account(store->delta, account->id)) { /* named twice: it is there now */
        delta_prefetch_account(store->delta, account);
        controls_note(store, account);
    }
}

void store_want_account(struct store *store, u128 id)
{
    if (!delta_prefetch_pin_account(store->delta, id)) {
        if (store->past.accounts > 0) {
            gets_add(&store->ids, id, 0, 0);
        }
    } else if (store->controls.any) {
        controls_note(store, delta_account(store->delta, id));
    }
}

enum status store_bring_accounts(struct store *store, struct error *error)
{
    return store_read_accounts(store, bring_account, store, error);
}

/* --- transfers -------------------------------------------------------------------------------- */

void store_bring_transfer(void *context, u128 id, uint32_t position,
                          const struct transfer *transfer, uint16_t why)
{
    struct delta *delta = context;
    ASSERT(position == 0);
    if (map_find(&delta->old_ids, id) != NULL) {
        return; /* named twice */
    }
    if (transfer == NULL) {
        delta_prefetch_failed(delta, id, why);
    } else {
        delta_prefetch_transfer(delta, transfer);
    }
}

void store_want_transfer(struct store *store, u128 id)
{
    struct delta *delta = store->delta;
    const struct transfer *transfer;
    enum delta_place place = delta_find_id(delta, id, &transfer);
    if (place == DELTA_FROZEN) {
        const uint16_t why = transfer == NULL ? delta_frozen_failure(delta, id) : 0;
        store_bring_transfer(delta, id, 0, transfer, why);
    } else if (place == DELTA_NOWHERE && store_may_have_id(store, id)) {
        gets_add(&store->ids, id, 0, 0);
    }
}

static void want_ids(struct store *store, const u128 *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            store_hint_id(store, ids[i + AHEAD]);
        }
        store_want_transfer(store, ids[i]);
    }
}

static enum status bring_transfers(struct store *store, const struct store_names *names,
                                   struct error *error)
{
    gets_begin(&store->ids);
    want_ids(store, names->transfer_ids, names->transfer_count);
    want_ids(store, names->pending_ids, names->pending_count);
    store_want_mirrors(store, names);
    return store_read_transfers(store, store_bring_transfer, store->delta, error);
}

/* --- holds ------------------------------------------------------------------------------------ */

void store_bring_hold(void *context, uint32_t position, const struct hold *hold)
{
    struct delta *delta = context;
    ASSERT(position == 0);
    if (!delta_prefetch_pin_hold(delta, hold->timestamp)) {
        delta_prefetch_hold(delta, hold);
    }
}

/* With their accounts, which are added to store->ids. */
static enum status bring_holds(struct store *store, const struct store_names *names,
                               struct error *error)
{
    gets_begin(&store->records);
    for (size_t i = 0; i < names->pending_count; i++) {
        const struct transfer *transfer;
        enum delta_place place = delta_find_id(store->delta, names->pending_ids[i], &transfer);
        if (place == DELTA_NOWHERE || transfer == NULL ||
            (transfer->flags & TRANSFER_PENDING) == 0) {
            continue;
        }
        if (!delta_prefetch_pin_hold(store->delta, transfer->timestamp)) {
            gets_add(&store->records, transfer->timestamp, 0, 0);
        }
        store_want_account(store, transfer->debit_account_id);
        store_want_account(store, transfer->credit_account_id);
    }
    return store_read_holds(store, store_bring_hold, store->delta, error);
}

/* --- timestamps of imported events ------------------------------------------------------------ */

static void taken_by_account(void *context, uint64_t timestamp)
{
    delta_prefetch_taken(context, DELTA_TAKEN_ACCOUNT, timestamp);
}

static void taken_by_change(void *context, uint64_t timestamp)
{
    delta_prefetch_taken(context, DELTA_TAKEN_CHANGE, timestamp);
}

static enum status ask_taken(struct store *store, enum delta_taken what, const uint64_t *timestamps,
                             size_t count, struct error *error)
{
    gets_begin(&store->records);
    for (size_t i = 0; i < count; i++) {
        if (!delta_prefetch_ask_taken(store->delta, what, timestamps[i])) {
            gets_add(&store->records, timestamps[i], 0, 0);
        }
    }
    bool account = what == DELTA_TAKEN_ACCOUNT;
    return store_read_taken(store, account ? KEY_CREATED : KEY_EVENT,
                            account ? taken_by_account : taken_by_change, store->delta, error);
}

/* --- all of it -------------------------------------------------------------------------------- */

enum status store_prefetch(struct store *store, const struct store_names *names,
                           struct error *error)
{
    ASSERT(names->account_count <= 2 * ENTRY_EVENTS_MAX);
    ASSERT(names->transfer_count <= ENTRY_EVENTS_MAX);
    ASSERT(names->pending_count <= ENTRY_EVENTS_MAX);
    delta_prefetch_begin(store->delta);
    controls_begin(store);
    for (size_t i = 0; i < names->object_count; i++) {
        store_want_object(store, names->objects[i]);
    }
    TRY(store_bring_objects(store, error));
    TRY(bring_transfers(store, names, error));
    TRY(store_bring_mirrored(store, names, error));
    gets_begin(&store->ids);
    store_want_mirrored_accounts(store, names);
    store_want_frozen(store, names);
    TRY(bring_holds(store, names, error));
    for (size_t i = 0; i < names->account_count; i++) {
        if (i + AHEAD < names->account_count) {
            delta_prefetch_hint_account(store->delta, names->account_ids[i + AHEAD]);
        }
        store_want_account(store, names->account_ids[i]);
    }
    TRY(store_bring_accounts(store, error));
    TRY(store_bring_controls(store, error));
    TRY(ask_taken(store, DELTA_TAKEN_CHANGE, names->account_timestamps,
                  names->account_timestamp_count, error));
    return ask_taken(store, DELTA_TAKEN_ACCOUNT, names->transfer_timestamps,
                     names->transfer_timestamp_count, error);
}
