/* store_journal.c — the legs of a journal, which are the transfers with the timestamps after its
 * own. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

static void keep_leg(void *context, u128 id, uint32_t position, const struct transfer *transfer,
                     uint16_t why)
{
    struct transfer *legs = context;
    ASSERT(transfer != NULL && transfer->id == id && why == 0);
    legs[position] = *transfer;
}

enum status store_journal_legs(struct store *store, const struct journal *journal,
                               struct transfer *legs, struct error *error)
{
    ASSERT(!store->delta->in_batch && journal->state == JOURNAL_POSTED);
    gets_begin(&store->records);
    for (uint32_t i = 0; i < journal->leg_count; i++) {
        const uint64_t timestamp = journal_leg_timestamp(journal, i);
        const struct transfer *transfer;
        if (delta_find_transfer_at(store->delta, timestamp, &transfer) != DELTA_NOWHERE) {
            legs[i] = *transfer;
        } else {
            gets_add(&store->records, timestamp, i, UINT64_MAX);
        }
    }
    return store_read_events(store, keep_leg, legs, error);
}
