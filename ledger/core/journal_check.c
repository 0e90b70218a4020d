/* journal_check.c — what a request for a journal says by itself, and beside the journal that has
 * its id already. */
#include "base/hash.h"
#include "ledger/core/journal.h"
#include "ledger/core/metadata.h"

enum journal_status journal_check_id(const struct journal_request *request)
{
    if (request->id == 0) {
        return JOURNAL_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    if (request->id == U128_MAX) {
        return JOURNAL_STATUS_ID_MUST_NOT_BE_INT_MAX;
    }
    return JOURNAL_STATUS_CREATED;
}

enum journal_status journal_check_date(const struct journal_request *request)
{
    return metadata_date_is_sound(request->business_date)
               ? JOURNAL_STATUS_CREATED
               : JOURNAL_STATUS_BUSINESS_DATE_MUST_BE_A_DATE;
}

static u128 hash_metadata(const struct journal_request *request, const uint8_t *metadata)
{
    return request->metadata_size == 0 ? 0 : hash_bytes(0, metadata, request->metadata_size);
}

struct journal journal_of(const struct journal_request *request, const uint8_t *metadata,
                          uint64_t timestamp)
{
    return (struct journal){ .id = request->id,
                             .reverses = request->reverses,
                             .reference = request->reference,
                             .user_data_128 = request->user_data_128,
                             .metadata_hash = hash_metadata(request, metadata),
                             .user_data_64 = request->user_data_64,
                             .timestamp = timestamp,
                             .user_data_32 = request->user_data_32,
                             .kind = request->kind,
                             .business_date = request->business_date,
                             .leg_count = request->leg_count,
                             .metadata_size = request->metadata_size,
                             .state = JOURNAL_POSTED };
}

static enum journal_status compare_data(const struct journal_request *request,
                                        const uint8_t *metadata, const struct journal *existing)
{
    if (request->user_data_128 != existing->user_data_128) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (request->user_data_64 != existing->user_data_64) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (request->user_data_32 != existing->user_data_32) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (request->metadata_size != existing->metadata_size ||
        hash_metadata(request, metadata) != existing->metadata_hash) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_METADATA;
    }
    return JOURNAL_STATUS_EXISTS;
}

enum journal_status journal_compare(const struct journal_request *request, const uint8_t *metadata,
                                    const struct journal *existing)
{
    if (existing->state == JOURNAL_FAILED) {
        return JOURNAL_STATUS_ID_ALREADY_FAILED;
    }
    const bool reversal = request->leg_count == 0;
    if (request->reverses != existing->reverses || reversal != (existing->reverses != 0)) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_JOURNAL_ID;
    }
    if (!reversal && request->kind != existing->kind) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_KIND;
    }
    if (request->business_date != existing->business_date) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_BUSINESS_DATE;
    }
    if (request->reference != existing->reference) {
        return JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_REFERENCE;
    }
    return compare_data(request, metadata, existing);
}
