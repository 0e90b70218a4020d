/* convert_filter.c — filters of queries that cannot be meant, and the page that one asks for. */
#include "api/service/convert_fields.h"
#include "api/service/page.h"
#include "base/assert.h"

#include <fenlu/v1/ledger.pb.h>
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

_Static_assert(fenlu_v1_AccountFilter_page_tag == fenlu_v1_QueryFilter_page_tag, "one reader");
_Static_assert(fenlu_v1_AccountFilter_page_tag == fenlu_v1_JournalFilter_page_tag, "one reader");

/* Of a filter that has been read: it is no malformed message. */
static enum status read_page(struct bytes message, struct bytes *token, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field != fenlu_v1_AccountFilter_page_tag) {
            proto_skip(&reader, tag.type);
        } else if (tag.type != PROTO_BYTES) {
            (void)snprintf(refusal->field, sizeof refusal->field, "page");
            return convert_wrong_type(refusal, tag.type, PROTO_BYTES);
        } else {
            *token = proto_read_bytes(&reader);
        }
    }
    ASSERT(reader.failed == NULL);
    return STATUS_OK;
}

enum status convert_begin_page(enum operation operation, struct bytes message, void *filter,
                               struct page *page, struct refusal *refusal)
{
    struct bytes token = { NULL, 0 };
    TRY(read_page(message, &token, refusal));
    return page_begin(operation, filter, token, page, refusal);
}
