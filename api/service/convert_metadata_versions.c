/* convert_metadata_versions.c — the past of a map: the request in, the versions out. */
#include "api/service/convert_fields.h"
#include "api/service/convert_metadata.h"
#include "base/assert.h"

#include <fenlu/v1/metadata.pb.h>
#include <stdlib.h>
#include <string.h>

/* --- request ---------------------------------------------------------------------------------- */

static const struct field QUESTION_FIELDS[FIELDS_END] = {
    FIELD(ListMetadataVersionsRequest, target, U16, metadata_versions_question, target),
    FIELD(ListMetadataVersionsRequest, id, ID, metadata_versions_question, id),
    FIELD(ListMetadataVersionsRequest, before, U64, metadata_versions_question, before),
    FIELD(ListMetadataVersionsRequest, limit, U32, metadata_versions_question, limit),
};

enum status convert_versions_request(struct bytes message, struct converted *converted,
                                     struct refusal *refusal)
{
    static const struct shape shape = { "ListMetadataVersionsRequest", NULL, QUESTION_FIELDS,
                                        EVENT_SIZE };
    const struct position position = { message, &shape, 0, refusal };
    struct metadata_versions_question question;
    TRY(convert_read_record(message, &position, (uint8_t *)&question));
    TRY(convert_metadata_target(question.target, refusal, &question.target));
    TRY(convert_metadata_time("before", question.before, refusal));
    if (question.limit == 0 || question.limit > METADATA_VERSIONS_MAX) {
        question.limit = METADATA_VERSIONS_MAX;
    }
    uint8_t *command = malloc(COMMAND_HEADER_SIZE + EVENT_SIZE);
    if (command == NULL) {
        return STATUS_MEMORY;
    }
    memcpy(command + COMMAND_HEADER_SIZE, &question, sizeof question);
    *converted =
        (struct converted){ .command = command, .count = 1, .page = { .limit = question.limit } };
    return STATUS_OK;
}

/* --- reply ------------------------------------------------------------------------------------ */

enum {
    NUMBER_MAX = 1 + PROTO_VARINT_SIZE_MAX,
    BODY_MAX = NUMBER_MAX + METADATA_ENCODED_MAX,
    ROW_MAX = 1 + 3 + BODY_MAX, /* tag, length */
};
_Static_assert(METADATA_VERSIONS_MAX *ROW_MAX + NUMBER_MAX <= GRPC_MESSAGE_MAX, "any reply fits");

static uint8_t *put_version(uint8_t *at, const struct metadata_record *record)
{
    uint8_t body[BODY_MAX];
    const struct bytes map = { record->map, metadata_size(record->map) };
    uint8_t *end = proto_put_uint(body, fenlu_v1_MetadataVersion_version_tag, record->timestamp);
    end = convert_put_metadata(end, fenlu_v1_MetadataVersion_entries_tag, map);
    const size_t size = (size_t)(end - body);
    ASSERT(size <= sizeof body);
    *at++ = fenlu_v1_ListMetadataVersionsResponse_versions_tag << 3 | PROTO_BYTES;
    at = proto_put_varint(at, size);
    memcpy(at, body, size);
    return at + size;
}

struct grpc_buffer *convert_versions_reply(struct bytes payload, uint32_t limit)
{
    struct metadata_record record = { .timestamp = 0 };
    ASSERT(payload.size % sizeof record == 0);
    const size_t count = payload.size / sizeof record;
    struct grpc_buffer *reply = grpc_buffer_new(count * ROW_MAX + NUMBER_MAX);
    uint8_t *at = reply->data;
    for (size_t i = 0; i < count; i++) {
        memcpy(&record, payload.data + i * sizeof record, sizeof record);
        at = put_version(at, &record);
    }
    at = proto_put_uint(at, fenlu_v1_ListMetadataVersionsResponse_next_before_tag,
                        count == limit ? record.timestamp : 0);
    grpc_buffer_shorten(reply, (size_t)(at - reply->data));
    return reply;
}
