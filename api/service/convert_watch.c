#include "api/service/convert_watch.h"

#include "api/service/proto_wire.h"

#include <fenlu/v1/ledger.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert((1 << CHANGE_CAPTURED) - 1 == QUERY_CHANGE_KINDS, "every kind can be asked for");

/* --- the request ------------------------------------------------------------------------------ */

static enum status refuse(struct refusal *refusal, const char *field)
{
    (void)snprintf(refusal->field, sizeof refusal->field, "%s", field);
    return STATUS_INVALID;
}

static enum status malformed(struct refusal *refusal, const char *message,
                             const struct proto_reader *reader, struct bytes all)
{
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "malformed protobuf: the %s %s at byte %zu of %zu", message, reader->failed,
                   (size_t)(reader->at - all.data), all.size);
    return refuse(refusal, "");
}

static enum status over_limit(struct refusal *refusal, const char *field, uint64_t value,
                              uint64_t limit)
{
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %" PRIu64 ", limit %" PRIu64, field,
                   value, limit);
    return refuse(refusal, field);
}

static enum status check_type(struct proto_tag tag, uint32_t expected, const char *field,
                              struct refusal *refusal)
{
    if (tag.type == expected) {
        return STATUS_OK;
    }
    (void)snprintf(
        refusal->text, sizeof refusal->text,
        "%s: protobuf wire type %u, expected %u; the client was built from another .proto", field,
        tag.type, expected);
    return refuse(refusal, field);
}

static enum status read_number(struct proto_reader *reader, struct proto_tag tag, uint64_t limit,
                               const char *field, uint64_t *value, struct refusal *refusal)
{
    TRY(check_type(tag, PROTO_VARINT, field, refusal));
    *value = proto_read_varint(reader);
    return *value <= limit ? STATUS_OK : over_limit(refusal, field, *value, limit);
}

static enum status read_account(struct proto_reader *reader, struct proto_tag tag, u128 *account_id,
                                struct refusal *refusal)
{
    TRY(check_type(tag, PROTO_BYTES, "filter.account_id", refusal));
    struct bytes id = proto_read_bytes(reader);
    if (reader->failed == NULL && id.size != 0 && id.size != sizeof *account_id) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "filter.account_id: %zu bytes, expected 16 or none", id.size);
        return refuse(refusal, "filter.account_id");
    }
    *account_id = reader->failed == NULL && id.size != 0 ? u128_from_bytes(id.data) : 0;
    return STATUS_OK;
}

static enum status read_types(struct proto_reader *reader, struct proto_tag tag, uint64_t *types,
                              struct refusal *refusal)
{
    TRY(read_number(reader, tag, UINT32_MAX, "filter.types", types, refusal));
    if ((*types & ~(uint64_t)QUERY_CHANGE_KINDS) == 0) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "filter.types: 0x%" PRIX64 " has unknown bits, the known ones are 0x%X", *types,
                   (unsigned)QUERY_CHANGE_KINDS);
    return refuse(refusal, "filter.types");
}

static enum status read_filter(struct bytes message, struct changes_filter *filter,
                               struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    while (proto_read_tag(&reader, &tag)) {
        uint64_t value = 0;
        switch (tag.field) {
        case fenlu_v1_ChangeFilter_account_id_tag:
            TRY(read_account(&reader, tag, &filter->account_id, refusal));
            break;
        case fenlu_v1_ChangeFilter_ledger_tag:
            TRY(read_number(&reader, tag, UINT32_MAX, "filter.ledger", &value, refusal));
            filter->ledger = (uint32_t)value;
            break;
        case fenlu_v1_ChangeFilter_code_tag:
            TRY(read_number(&reader, tag, UINT16_MAX, "filter.code", &value, refusal));
            filter->code = (uint16_t)value;
            break;
        case fenlu_v1_ChangeFilter_types_tag:
            TRY(read_types(&reader, tag, &value, refusal));
            filter->kinds = (uint32_t)value;
            break;
        default:
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL ? STATUS_OK : malformed(refusal, "ChangeFilter", &reader, message);
}

enum status convert_watch_request(struct bytes message, struct changes_filter *filter,
                                  struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    memset(filter, 0, sizeof *filter);
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field == fenlu_v1_WatchRequest_after_timestamp_tag) {
            TRY(read_number(&reader, tag, TIMESTAMP_LARGEST, "after_timestamp", &filter->after,
                            refusal));
        } else if (tag.field == fenlu_v1_WatchRequest_filter_tag) {
            TRY(check_type(tag, PROTO_BYTES, "filter", refusal));
            struct bytes inner = proto_read_bytes(&reader);
            if (reader.failed == NULL) {
                TRY(read_filter(inner, filter, refusal));
            }
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL ? STATUS_OK : malformed(refusal, "WatchRequest", &reader, message);
}
