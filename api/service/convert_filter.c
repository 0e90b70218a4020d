/* convert_filter.c — filters of queries that cannot be meant. */
#include "api/service/convert.h"
#include "ledger/core/filter.h"

#include <inttypes.h>
#include <stdio.h>

static enum status refuse(struct refusal *refusal, const char *field)
{
    (void)snprintf(refusal->field, sizeof refusal->field, "%s", field);
    return STATUS_INVALID;
}

static enum status check_timestamp(const char *field, uint64_t timestamp, struct refusal *refusal)
{
    if (timestamp <= TIMESTAMP_LARGEST) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %" PRIu64 ", limit %" PRIu64, field,
                   timestamp, TIMESTAMP_LARGEST);
    return refuse(refusal, field);
}

enum status convert_check_filter(enum operation operation, const struct filter *filter,
                                 struct refusal *refusal)
{
    uint32_t flags = filter_flags(operation);
    if ((filter->flags & ~flags) != 0) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "flags: 0x%" PRIX32 " has unknown bits, the known ones are 0x%" PRIX32,
                       filter->flags, flags);
        return refuse(refusal, "flags");
    }
    TRY(check_timestamp("timestamp_min", filter->timestamp_min, refusal));
    TRY(check_timestamp("timestamp_max", filter->timestamp_max, refusal));
    if (filter->timestamp_max != 0 && filter->timestamp_min > filter->timestamp_max) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "timestamp_min: %" PRIu64 ", limit %" PRIu64 ", which is timestamp_max",
                       filter->timestamp_min, filter->timestamp_max);
        return refuse(refusal, "timestamp_min");
    }
    return STATUS_OK;
}
