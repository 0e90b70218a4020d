/* store_lookup.c — look-ups of clients: memory first (live, frozen), then the sealed past. They
 * leave the delta as it is. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

_Static_assert((int)LOOKUP_IDS_MAX <= (int)STORE_EVENT_GETS_MAX, "a look-up is one batch");

struct looked_up {
    struct account *accounts;
    struct transfer *transfers;
    bool *found;
};

/* Closes the gaps that ids without a record left. */
#define COMPACT(records, found_at, count, found)                                                   \
    do {                                                                                           \
        *(found) = 0;                                                                              \
        for (size_t compact_i = 0; compact_i < (count); compact_i++) {                             \
            if ((found_at)[compact_i]) {                                                           \
                (records)[*(found)] = (records)[compact_i];                                        \
                (*(found))++;                                                                      \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static void keep_account(void *context, uint32_t position, const struct account *account)
{
    struct looked_up *looked_up = context;
    looked_up->accounts[position] = *account;
    looked_up->found[position] = true;
}

enum status store_look_up_accounts(struct store *store, const u128 *ids, size_t count,
                                   struct account *accounts, size_t *found, struct error *error)
{
    ASSERT(count <= LOOKUP_IDS_MAX);
    ASSERT(!store->delta->in_batch);
    bool found_at[LOOKUP_IDS_MAX] = { false };
    struct looked_up looked_up = { .accounts = accounts, .found = found_at };
    gets_begin(&store->ids);
    for (size_t i = 0; i < count; i++) {
        const struct account *account = delta_account(store->delta, ids[i]);
        if (account != NULL) {
            keep_account(&looked_up, (uint32_t)i, account);
        } else {
            gets_add(&store->ids, ids[i], (uint32_t)i, 0);
        }
    }
    TRY(store_read_accounts(store, keep_account, &looked_up, error));
    COMPACT(accounts, found_at, count, found);
    return STATUS_OK;
}

static void keep_transfer(void *context, u128 id, uint32_t position,
                          const struct transfer *transfer)
{
    struct looked_up *looked_up = context;
    if (transfer != NULL) { /* a failed id has no record to show */
        ASSERT(transfer->id == id);
        looked_up->transfers[position] = *transfer;
        looked_up->found[position] = true;
    }
}

enum status store_look_up_transfers(struct store *store, const u128 *ids, size_t count,
                                    struct transfer *transfers, size_t *found, struct error *error)
{
    ASSERT(count <= LOOKUP_IDS_MAX);
    ASSERT(!store->delta->in_batch);
    bool found_at[LOOKUP_IDS_MAX] = { false };
    struct looked_up looked_up = { .transfers = transfers, .found = found_at };
    gets_begin(&store->ids);
    for (size_t i = 0; i < count; i++) {
        const struct transfer *transfer;
        enum delta_place place = delta_find_id(store->delta, ids[i], &transfer);
        if (place != DELTA_NOWHERE) {
            keep_transfer(&looked_up, ids[i], (uint32_t)i, transfer);
        } else if (id_ranges_cover(&store->past.ranges, ids[i])) {
            gets_add(&store->ids, ids[i], (uint32_t)i, 0);
        }
    }
    TRY(store_read_transfers(store, keep_transfer, &looked_up, error));
    COMPACT(transfers, found_at, count, found);
    return STATUS_OK;
}
