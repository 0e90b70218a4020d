/* store_prefetch.c — brings into the delta what a batch names: accounts in one round, ids in one,
 * the transfers that ids lead to in a third. What memory has is not asked for. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

enum { AHEAD = 12 }; /* look-ups ahead of which the map's line is asked for */

static void bring_account(void *context, uint32_t position, const struct account *account)
{
    struct delta *delta = context;
    ASSERT(position == 0);
    if (!delta_prefetch_pin_account(delta, account->id)) { /* named twice: it is there now */
        delta_prefetch_account(delta, account);
    }
}

static enum status prefetch_accounts(struct store *store, const u128 *ids, size_t count,
                                     struct error *error)
{
    struct delta *delta = store->delta;
    gets_begin(&store->ids);
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            map_prefetch(&delta->account_slots, ids[i + AHEAD]);
        }
        if (!delta_prefetch_pin_account(delta, ids[i]) && store->past.accounts > 0) {
            gets_add(&store->ids, ids[i], 0, 0);
        }
    }
    return store_read_accounts(store, bring_account, delta, error);
}

static void bring_transfer(void *context, u128 id, uint32_t position,
                           const struct transfer *transfer)
{
    struct delta *delta = context;
    ASSERT(position == 0);
    if (map_find(&delta->old_ids, id) != NULL) {
        return; /* named twice */
    }
    if (transfer == NULL) {
        delta_prefetch_failed(delta, id);
    } else {
        delta_prefetch_transfer(delta, transfer);
    }
}

static enum status prefetch_transfers(struct store *store, const u128 *ids, size_t count,
                                      struct error *error)
{
    struct delta *delta = store->delta;
    gets_begin(&store->ids);
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            map_prefetch(&delta->live.ids, ids[i + AHEAD]);
            map_prefetch(&delta->frozen.ids, ids[i + AHEAD]);
        }
        const struct transfer *transfer;
        enum delta_place place = delta_find_id(delta, ids[i], &transfer);
        if (place == DELTA_FROZEN) {
            bring_transfer(delta, ids[i], 0, transfer);
        } else if (place == DELTA_NOWHERE && id_ranges_cover(&store->past.ranges, ids[i])) {
            gets_add(&store->ids, ids[i], 0, 0);
        }
    }
    return store_read_transfers(store, bring_transfer, delta, error);
}

enum status store_prefetch(struct store *store, const u128 *account_ids, size_t account_count,
                           const u128 *transfer_ids, size_t transfer_count, struct error *error)
{
    ASSERT(account_count <= DELTA_BATCH_ACCOUNTS_MAX);
    ASSERT(transfer_count <= DELTA_BATCH_IDS_MAX);
    delta_prefetch_begin(store->delta);
    TRY(prefetch_accounts(store, account_ids, account_count, error));
    return prefetch_transfers(store, transfer_ids, transfer_count, error);
}
