/* journal_reverse.c — a journal is taken back by its mirror, at most once. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/journal.h"

static enum journal_status check_fields(const struct journal_request *request)
{
    if (request->reverses == 0) {
        return JOURNAL_STATUS_JOURNAL_ID_MUST_NOT_BE_ZERO;
    }
    if (request->reverses == U128_MAX) {
        return JOURNAL_STATUS_JOURNAL_ID_MUST_NOT_BE_INT_MAX;
    }
    if (request->reverses == request->id) {
        return JOURNAL_STATUS_JOURNAL_ID_MUST_BE_DIFFERENT;
    }
    const enum journal_status status = journal_check_date(request);
    if (status != JOURNAL_STATUS_CREATED) {
        return status;
    }
    const bool room = (request->id & ((1U << JOURNAL_LEG_ID_BITS) - 1)) == 0;
    return room ? JOURNAL_STATUS_CREATED : JOURNAL_STATUS_ID_MUST_LEAVE_ROOM_FOR_LEGS;
}

static enum journal_status check_original(const struct journal *original)
{
    if (original == NULL || original->state != JOURNAL_POSTED) {
        return JOURNAL_STATUS_JOURNAL_NOT_FOUND;
    }
    if (original->reverses != 0) {
        return JOURNAL_STATUS_JOURNAL_IS_A_REVERSAL;
    }
    if (original->pending_leg_count > 0) {
        return JOURNAL_STATUS_JOURNAL_HAS_PENDING_LEGS;
    }
    if (original->reversed_by != 0 && !MUTATION(ledger_journal_reversed_twice)) {
        return JOURNAL_STATUS_JOURNAL_ALREADY_REVERSED;
    }
    return JOURNAL_STATUS_CREATED;
}

static enum journal_status mirror(struct ledger *ledger, const struct journal_request *request,
                                  struct journal *original, const uint8_t *metadata,
                                  uint64_t first_timestamp, struct result *leg_result)
{
    const struct journal_legs legs = { .journal_id = request->id,
                                       .count = original->leg_count,
                                       .mirrored_from = journal_leg_timestamp(original, 0) };
    const struct journal_outcome outcome = journal_try_legs(ledger, &legs, first_timestamp + 1);
    if (outcome.status != JOURNAL_STATUS_CREATED) {
        leg_result->timestamp += outcome.failed_leg;
        leg_result->status = outcome.leg_status;
        return outcome.status;
    }
    struct journal journal = journal_of(request, metadata, first_timestamp);
    journal.kind = original->kind;
    journal.leg_count = original->leg_count;
    journal_record(ledger, &journal, metadata);
    delta_object_change(ledger->delta, OBJECT_JOURNAL, original);
    original->reversed_by = request->id;
    SITUATION(ledger_journal_reversed);
    leg_result->status = TRANSFER_STATUS_CREATED;
    return JOURNAL_STATUS_CREATED;
}

static enum journal_status create(struct ledger *ledger, const struct journal_request *request,
                                  const uint8_t *metadata, uint64_t first_timestamp,
                                  struct result *leg_result)
{
    enum journal_status status = check_fields(request);
    if (status != JOURNAL_STATUS_CREATED) {
        return status;
    }
    struct journal *original = delta_object(ledger->delta, OBJECT_JOURNAL, request->reverses);
    status = check_original(original);
    if (status == JOURNAL_STATUS_CREATED) {
        status = mirror(ledger, request, original, metadata, first_timestamp, leg_result);
    }
    const bool transient = status == JOURNAL_STATUS_LEG_FAILED
                               ? transfer_status_transient(leg_result->status)
                               : journal_status_transient(status);
    if (transient && !MUTATION(ledger_journal_id_stays_free)) {
        journal_record_failure(ledger, request->id, first_timestamp);
    }
    return status;
}

static enum journal_status reverse(struct ledger *ledger, const struct journal_request *request,
                                   const uint8_t *metadata, uint64_t first_timestamp,
                                   struct result results[2])
{
    const enum journal_status status = journal_check_id(request);
    if (status != JOURNAL_STATUS_CREATED) {
        return status;
    }
    const struct journal *existing = delta_object(ledger->delta, OBJECT_JOURNAL, request->id);
    if (existing == NULL) {
        return create(ledger, request, metadata, first_timestamp, &results[1]);
    }
    const enum journal_status compared = journal_compare(request, metadata, existing);
    if (compared == JOURNAL_STATUS_EXISTS) {
        results[0].timestamp = existing->timestamp;
        results[1] = (struct result){ .timestamp = journal_leg_timestamp(existing, 0),
                                      .status = TRANSFER_STATUS_EXISTS };
    }
    return compared;
}

void ledger_reverse_journal(struct ledger *ledger, const struct journal_request *request,
                            const uint8_t *metadata, uint64_t first_timestamp,
                            struct result results[2])
{
    ledger_begin_call(ledger, JOURNAL_REVERSAL_COUNT, first_timestamp);
    results[0] = (struct result){ .timestamp = first_timestamp };
    results[1] = (struct result){ .timestamp = first_timestamp + 1, .status = EVENT_LINKED_FAILED };
    results[0].status = reverse(ledger, request, metadata, first_timestamp, results);
    sums_check(&ledger->sums);
}
