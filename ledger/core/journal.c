/* journal.c — a journal is posted. */
#include "ledger/core/journal.h"

#include <string.h>

/* --- records ---------------------------------------------------------------------------------- */

void journal_record(struct ledger *ledger, const struct journal *journal, const uint8_t *metadata)
{
    delta_journal_insert(ledger->delta, journal);
    if (journal->metadata_size > 0) {
        struct metadata_record record = { .id = journal->id, .timestamp = journal->timestamp };
        memcpy(record.map, metadata, journal->metadata_size);
        (void)delta_object_insert(ledger->delta, OBJECT_METADATA_JOURNAL, &record);
        delta_version_append(ledger->delta, OBJECT_METADATA_JOURNAL, &record, journal->timestamp);
    }
}

void journal_record_failure(struct ledger *ledger, u128 id, uint64_t timestamp)
{
    const struct journal failed = { .id = id, .timestamp = timestamp, .state = JOURNAL_FAILED };
    (void)delta_object_insert(ledger->delta, OBJECT_JOURNAL, &failed);
}

/* --- an id that has a journal ----------------------------------------------------------------- */

/* Of leg i and the transfer that its place in the journal has; linked_event_failed: another. */
static struct result compare_leg(struct ledger *ledger, const struct journal_legs *legs, uint32_t i,
                                 const struct journal *existing, uint64_t timestamp)
{
    const struct transfer leg = journal_leg(ledger, legs, i);
    const struct transfer *made = delta_transfer(ledger->delta, leg.id);
    struct result result = { .timestamp = timestamp, .status = EVENT_LINKED_FAILED };
    if (made != NULL && made->timestamp == journal_leg_timestamp(existing, i)) {
        const struct moment moment = { .timestamp = timestamp, .commit = ledger->commit_timestamp };
        result.status = transfer_create(ledger, &leg, &moment, &result.timestamp);
    }
    return result;
}

static enum journal_status compare_legs(struct ledger *ledger, const struct journal_legs *legs,
                                        const struct journal *existing, uint64_t first_timestamp,
                                        struct result *results)
{
    bool same = legs->count == existing->leg_count;
    for (uint32_t i = 0; i < legs->count; i++) {
        results[i] = compare_leg(ledger, legs, i, existing, first_timestamp + i);
        same = same && results[i].status == TRANSFER_STATUS_EXISTS;
    }
    return same ? JOURNAL_STATUS_EXISTS : JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_LEGS;
}

/* --- a new one -------------------------------------------------------------------------------- */

static enum journal_status check_fields(const struct journal_request *request,
                                        const struct transfer *legs)
{
    if (request->kind == 0) {
        return JOURNAL_STATUS_KIND_MUST_NOT_BE_ZERO;
    }
    const enum journal_status status = journal_check_date(request);
    if (status != JOURNAL_STATUS_CREATED) {
        return status;
    }
    const bool room = (request->id & ((1U << JOURNAL_LEG_ID_BITS) - 1)) == 0;
    for (uint32_t i = 0; i < request->leg_count && !room; i++) {
        if (legs[i].id == 0) {
            return JOURNAL_STATUS_ID_MUST_LEAVE_ROOM_FOR_LEGS;
        }
    }
    return JOURNAL_STATUS_CREATED;
}

static enum journal_status create(struct ledger *ledger, const struct journal_request *request,
                                  const struct journal_legs *legs, const uint8_t *metadata,
                                  uint64_t first_timestamp, struct result *results)
{
    const uint64_t first_leg = first_timestamp + 1;
    const struct journal_outcome outcome = journal_try_legs(ledger, legs, first_leg);
    if (outcome.status != JOURNAL_STATUS_CREATED) {
        results[1 + outcome.failed_leg].status = outcome.leg_status;
        if (transfer_status_transient(outcome.leg_status)) {
            journal_record_failure(ledger, request->id, first_timestamp);
        }
        return outcome.status;
    }
    struct journal journal = journal_of(request, metadata, first_timestamp);
    journal.pending_leg_count = outcome.pending_leg_count;
    journal_record(ledger, &journal, metadata);
    for (uint32_t i = 0; i < legs->count; i++) {
        results[1 + i].status = TRANSFER_STATUS_CREATED;
    }
    return JOURNAL_STATUS_CREATED;
}

static enum journal_status post(struct ledger *ledger, const struct journal_request *request,
                                const struct transfer *requested, const uint8_t *metadata,
                                uint64_t first_timestamp, struct result *results)
{
    const struct journal_legs legs = { .journal_id = request->id,
                                       .count = request->leg_count,
                                       .requested = requested };
    enum journal_status status = journal_check_id(request);
    if (status != JOURNAL_STATUS_CREATED) {
        return status;
    }
    const struct journal *existing = delta_object(ledger->delta, OBJECT_JOURNAL, request->id);
    if (existing != NULL) {
        status = journal_compare(request, metadata, existing);
        if (status == JOURNAL_STATUS_EXISTS) {
            status = compare_legs(ledger, &legs, existing, first_timestamp + 1, results + 1);
        }
        if (status == JOURNAL_STATUS_EXISTS) {
            results[0].timestamp = existing->timestamp;
        }
        return status;
    }
    status = check_fields(request, requested);
    return status != JOURNAL_STATUS_CREATED
               ? status
               : create(ledger, request, &legs, metadata, first_timestamp, results);
}

void ledger_post_journal(struct ledger *ledger, const struct journal_request *request,
                         const struct transfer *legs, const uint8_t *metadata, uint32_t count,
                         uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    ASSERT(request->leg_count >= 1 && request->leg_count <= JOURNAL_LEGS_MAX);
    for (uint32_t i = 0; i <= request->leg_count; i++) {
        results[i] =
            (struct result){ .timestamp = first_timestamp + i, .status = EVENT_LINKED_FAILED };
    }
    results[0].status = post(ledger, request, legs, metadata, first_timestamp, results);
    sums_check(&ledger->sums);
}
