/* store_prefetch_journal.c — what reversing a journal takes: its legs by their timestamps, their
 * accounts, and whatever has the ids that the mirrored legs are to have. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

/* NULL: there is none, or it is posted by the same entry, so that its legs are in memory. */
static const struct journal *original_of(struct store *store, const struct store_reversal *reversal)
{
    const struct journal *journal = delta_object(store->delta, OBJECT_JOURNAL, reversal->reverses);
    return journal != NULL && journal->state == JOURNAL_POSTED ? journal : NULL;
}

void store_want_mirrors(struct store *store, const struct store_names *names)
{
    for (size_t i = 0; i < names->reversal_count; i++) {
        const struct store_reversal *reversal = &names->reversals[i];
        const struct journal *original = original_of(store, reversal);
        const uint32_t legs = original != NULL ? original->leg_count : JOURNAL_LEGS_MAX;
        for (uint32_t leg = 0; leg < legs; leg++) {
            store_want_transfer(store, journal_leg_id(reversal->id, leg));
        }
    }
}

enum status store_bring_mirrored(struct store *store, const struct store_names *names,
                                 struct error *error)
{
    struct delta *delta = store->delta;
    gets_begin(&store->records);
    for (size_t i = 0; i < names->reversal_count; i++) {
        const struct journal *original = original_of(store, &names->reversals[i]);
        for (uint32_t leg = 0; original != NULL && leg < original->leg_count; leg++) {
            const uint64_t timestamp = journal_leg_timestamp(original, leg);
            const struct transfer *transfer;
            const enum delta_place place = delta_find_transfer_at(delta, timestamp, &transfer);
            if (place == DELTA_FROZEN) {
                store_bring_transfer(delta, transfer->id, 0, transfer, 0);
            } else if (place == DELTA_NOWHERE) {
                gets_add(&store->records, timestamp, 0, UINT64_MAX);
            }
        }
    }
    return store_read_events(store, store_bring_transfer, delta, error);
}

void store_want_mirrored_accounts(struct store *store, const struct store_names *names)
{
    for (size_t i = 0; i < names->reversal_count; i++) {
        const struct journal *original = original_of(store, &names->reversals[i]);
        for (uint32_t leg = 0; original != NULL && leg < original->leg_count; leg++) {
            const uint64_t timestamp = journal_leg_timestamp(original, leg);
            const struct transfer *transfer;
            const enum delta_place place =
                delta_find_transfer_at(store->delta, timestamp, &transfer);
            ASSERT(place == DELTA_LIVE || place == DELTA_OLD);
            store_want_account(store, transfer->debit_account_id);
            store_want_account(store, transfer->credit_account_id);
        }
    }
}
