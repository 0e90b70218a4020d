/* journal_legs.c — the legs of a journal, from the request or mirrored: all of them, or none. */
#include "ledger/core/control.h"
#include "ledger/core/journal.h"

enum {
    LEG_FLAGS = TRANSFER_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT,
};

static struct transfer mirrored(const struct transfer *original, u128 id)
{
    return (struct transfer){ .id = id,
                              .debit_account_id = original->credit_account_id,
                              .credit_account_id = original->debit_account_id,
                              .amount = original->amount,
                              .user_data_128 = original->user_data_128,
                              .user_data_64 = original->user_data_64,
                              .user_data_32 = original->user_data_32,
                              .ledger = original->ledger,
                              .code = original->code };
}

struct transfer journal_leg(struct ledger *ledger, const struct journal_legs *legs, uint32_t i)
{
    const u128 id = journal_leg_id(legs->journal_id, i);
    if (legs->requested == NULL) {
        const struct transfer *original = delta_transfer_at(ledger->delta, legs->mirrored_from + i);
        ASSERT(original != NULL); /* prefetch has brought it with its journal */
        return mirrored(original, id);
    }
    struct transfer leg = legs->requested[i];
    if (leg.id == 0) {
        leg.id = id;
    }
    return leg;
}

static enum transfer_status try_leg(struct ledger *ledger, const struct transfer *leg,
                                    uint64_t timestamp)
{
    const struct moment moment = { .timestamp = timestamp,
                                   .commit = ledger->commit_timestamp,
                                   .in_journal = true };
    uint64_t result_timestamp = timestamp;
    if ((leg->flags & ~(unsigned)LEG_FLAGS) != 0) {
        return TRANSFER_STATUS_RESERVED_FLAG;
    }
    return transfer_create(ledger, leg, &moment, &result_timestamp);
}

static void try_all(struct ledger *ledger, const struct journal_legs *legs,
                    uint64_t first_timestamp, struct journal_outcome *outcome)
{
    control_net_begin(ledger);
    for (uint32_t i = 0; i < legs->count; i++) {
        const struct transfer leg = journal_leg(ledger, legs, i);
        outcome->leg_status = try_leg(ledger, &leg, first_timestamp + i);
        if (outcome->leg_status != TRANSFER_STATUS_CREATED) {
            outcome->failed_leg = i;
            return;
        }
        outcome->pending_leg_count += (leg.flags & TRANSFER_PENDING) != 0 ? 1 : 0;
    }
    /* At the time of the last leg: no window goes back behind what a pending leg has counted. */
    const uint64_t last_timestamp = first_timestamp + legs->count - 1;
    outcome->leg_status = journal_check_net(ledger, legs, last_timestamp, &outcome->failed_leg);
}

struct journal_outcome journal_try_legs(struct ledger *ledger, const struct journal_legs *legs,
                                        uint64_t first_timestamp)
{
    struct journal_outcome outcome = { .status = JOURNAL_STATUS_CREATED };
    chain_open_books(ledger);
    try_all(ledger, legs, first_timestamp, &outcome);
    const bool kept = outcome.leg_status == TRANSFER_STATUS_CREATED;
    if (kept) {
        chain_close_books(ledger, true);
        return outcome;
    }
    outcome.status = JOURNAL_STATUS_LEG_FAILED;
    chain_close_books(ledger, false);
    /* One that failed by itself is remembered already; one that a limit stopped is not. */
    const u128 id = journal_leg(ledger, legs, outcome.failed_leg).id;
    if (transfer_status_transient(outcome.leg_status) && !delta_id_failed(ledger->delta, id)) {
        delta_id_fail(ledger->delta, id, (uint16_t)outcome.leg_status);
    }
    return outcome;
}
