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
    looked_up->accounts[position].reserved = 0; /* bits of the ledger's own */
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
                          const struct transfer *transfer, uint16_t why)
{
    (void)why;
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
            keep_transfer(&looked_up, ids[i], (uint32_t)i, transfer, 0);
        } else if (store_may_have_id(store, ids[i])) {
            gets_add(&store->ids, ids[i], (uint32_t)i, 0);
        }
    }
    TRY(store_read_transfers(store, keep_transfer, &looked_up, error));
    COMPACT(transfers, found_at, count, found);
    return STATUS_OK;
}

/* --- holds ------------------------------------------------------------------------------------ */

/* The view says of the pending transfer what it takes: id, timestamp, and its amount as remaining.
 */
static void keep_hold(void *context, uint32_t position, const struct hold *hold)
{
    struct hold_view *view = (struct hold_view *)context + position;
    const struct transfer pending = { .id = view->id, .amount = view->remaining };
    *view = hold_view(hold, &pending);
}

/* Only pending transfers have holds. A view takes the place of a transfer that was looked at. */
static size_t views_of(const struct transfer *transfers, size_t count, struct hold_view *holds)
{
    size_t views = 0;
    for (size_t i = 0; i < count; i++) {
        const struct transfer transfer = transfers[i];
        if ((transfer.flags & TRANSFER_PENDING) != 0) {
            holds[views++] = (struct hold_view){ .id = transfer.id,
                                                 .remaining = transfer.amount,
                                                 .timestamp = transfer.timestamp };
        }
    }
    return views;
}

enum status store_look_up_holds(struct store *store, const u128 *ids, size_t count, void *room,
                                size_t *found, struct error *error)
{
    size_t hits = 0;
    TRY(store_look_up_transfers(store, ids, count, room, &hits, error));
    struct hold_view *holds = room;
    *found = views_of(room, hits, holds);
    gets_begin(&store->records);
    for (uint32_t i = 0; i < *found; i++) {
        const struct hold *hold = delta_hold(store->delta, holds[i].timestamp);
        if (hold != NULL) {
            keep_hold(holds, i, hold);
        } else {
            gets_add(&store->records, holds[i].timestamp, i, 0);
        }
    }
    return store_read_holds(store, keep_hold, holds, error);
}
