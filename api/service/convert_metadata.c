#include "api/service/convert_metadata.h"

#include "api/service/convert_fields.h"
#include "base/assert.h"
#include "base/cursor.h"
#include "ledger/store/query.h"

#include <fenlu/v1/metadata.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- one entry -------------------------------------------------------------------------------- */

/* The fields of a MetadataEntry as they came. */
struct raw_entry {
    struct bytes key, text, bytes;
    uint64_t type, integer, number, number_hi;
};

static const struct {
    const char *name;
    uint32_t type;
} ENTRY_FIELDS[] = {
    [fenlu_v1_MetadataEntry_key_tag] = { "key", PROTO_BYTES },
    [fenlu_v1_MetadataEntry_type_tag] = { "type", PROTO_VARINT },
    [fenlu_v1_MetadataEntry_text_tag] = { "text", PROTO_BYTES },
    [fenlu_v1_MetadataEntry_integer_tag] = { "integer", PROTO_VARINT },
    [fenlu_v1_MetadataEntry_number_tag] = { "number", PROTO_VARINT },
    [fenlu_v1_MetadataEntry_number_hi_tag] = { "number_hi", PROTO_VARINT },
    [fenlu_v1_MetadataEntry_bytes_tag] = { "bytes", PROTO_BYTES },
};
enum { ENTRY_FIELDS_END = sizeof ENTRY_FIELDS / sizeof ENTRY_FIELDS[0] };

static void take_field(struct proto_reader *reader, uint32_t field, struct raw_entry *raw)
{
    switch (field) {
    case fenlu_v1_MetadataEntry_key_tag:
        raw->key = proto_read_bytes(reader);
        break;
    case fenlu_v1_MetadataEntry_type_tag:
        raw->type = proto_read_varint(reader);
        break;
    case fenlu_v1_MetadataEntry_text_tag:
        raw->text = proto_read_bytes(reader);
        break;
    case fenlu_v1_MetadataEntry_integer_tag:
        raw->integer = proto_read_varint(reader);
        break;
    case fenlu_v1_MetadataEntry_number_tag:
        raw->number = proto_read_varint(reader);
        break;
    case fenlu_v1_MetadataEntry_number_hi_tag:
        raw->number_hi = proto_read_varint(reader);
        break;
    default:
        raw->bytes = proto_read_bytes(reader);
        break;
    }
}

static enum status read_raw(struct bytes entry, const struct position *position,
                            struct raw_entry *raw)
{
    struct proto_reader reader = { entry.data, entry.data + entry.size, NULL };
    struct proto_tag tag;
    *raw = (struct raw_entry){ .type = 0 };
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field >= ENTRY_FIELDS_END || ENTRY_FIELDS[tag.field].name == NULL) {
            proto_skip(&reader, tag.type);
        } else if (tag.type != ENTRY_FIELDS[tag.field].type) {
            convert_name_field(position->refusal, position->shape, position->index,
                               ENTRY_FIELDS[tag.field].name);
            return convert_wrong_type(position->refusal, tag.type, ENTRY_FIELDS[tag.field].type);
        } else {
            take_field(&reader, tag.field, raw);
        }
    }
    return reader.failed == NULL
               ? STATUS_OK
               : convert_malformed(position->refusal, position->shape, entry, &reader);
}

/* The value came in a field that those of its type are not in; of bytes, `value` is their number. */
static enum status other_field(struct refusal *refusal, uint64_t type, uint64_t value)
{
    static const char *const fields[] = {
        [METADATA_STRING] = "text", [METADATA_INT64] = "integer",    [METADATA_UINT128] = "number",
        [METADATA_BOOL] = "number", [METADATA_TIMESTAMP] = "number", [METADATA_DATE] = "number",
        [METADATA_BYTES] = "bytes"
    };
    const char *field = type != 0 ? fields[type] : "the field of its type";
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "%s: %" PRIu64 ", limit 0: a value of type %" PRIu64 " is in %s", refusal->field,
                   value, type, field);
    return STATUS_INVALID;
}

/* What is not of the type must not be there; a number must fit. */
static enum status check_raw(const struct position *position, const struct raw_entry *raw)
{
    const uint64_t type = raw->type;
    const uint64_t number_max = type == METADATA_UINT128 || type == METADATA_TIMESTAMP ? UINT64_MAX
                                : type == METADATA_BOOL                                ? 1
                                : type == METADATA_DATE                                ? 99991231
                                                                                       : 0;
    const struct {
        const char *name;
        uint64_t value;
        uint64_t limit;
    } limits[] = {
        { "type", type, METADATA_BYTES },
        { "text", raw->text.size, type == METADATA_STRING ? METADATA_BYTES_MAX : 0 },
        { "integer", raw->integer, type == METADATA_INT64 ? UINT64_MAX : 0 },
        { "number", raw->number, number_max },
        { "number_hi", raw->number_hi, type == METADATA_UINT128 ? UINT64_MAX : 0 },
        { "bytes", raw->bytes.size, type == METADATA_BYTES ? METADATA_BYTES_MAX : 0 },
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].value > limits[i].limit) {
            convert_name_field(position->refusal, position->shape, position->index, limits[i].name);
            return limits[i].limit == 0
                       ? other_field(position->refusal, type, limits[i].value)
                       : convert_over_limit(position->refusal, limits[i].value, limits[i].limit);
        }
    }
    if (type == 0) {
        convert_name_field(position->refusal, position->shape, position->index, "type");
        (void)snprintf(position->refusal->text, sizeof position->refusal->text,
                       "%s: 0, expected 1 to %u", position->refusal->field,
                       (unsigned)METADATA_BYTES);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static struct bytes value_of(const struct raw_entry *raw, uint8_t number[16])
{
    static const uint8_t sizes[] = { [METADATA_INT64] = 8,
                                     [METADATA_UINT128] = 16,
                                     [METADATA_BOOL] = 1,
                                     [METADATA_TIMESTAMP] = 8,
                                     [METADATA_DATE] = 4 };
    if (raw->type == METADATA_STRING) {
        return raw->text;
    }
    if (raw->type == METADATA_BYTES) {
        return raw->bytes;
    }
    memcpy(number, raw->type == METADATA_INT64 ? &raw->integer : &raw->number, 8);
    memcpy(number + 8, &raw->number_hi, 8);
    return (struct bytes){ number, sizes[raw->type] };
}

static enum status too_many(struct refusal *refusal, const char *items)
{
    (void)snprintf(refusal->field, sizeof refusal->field, "%s", items);
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %u entries or more, limit %u",
                   refusal->field, METADATA_ENTRIES_MAX + 1, METADATA_ENTRIES_MAX);
    return STATUS_INVALID;
}

enum status convert_metadata_entry(struct bytes entry, const char *message, const char *items,
                                   struct metadata_reading *reading, struct refusal *refusal)
{
    const struct shape shape = { message, items, NULL, 0 };
    const uint32_t at = reading->count;
    const struct position position = { entry, &shape, at, refusal };
    struct raw_entry raw;
    if (at == METADATA_ENTRIES_MAX) {
        return too_many(refusal, items);
    }
    TRY(read_raw(entry, &position, &raw));
    TRY(check_raw(&position, &raw));
    reading->entries[at] = (struct metadata_entry){ .key = raw.key,
                                                    .value = value_of(&raw, reading->numbers[at]),
                                                    .type = (enum metadata_type)raw.type };
    reading->count++;
    return STATUS_OK;
}

/* --- all entries ------------------------------------------------------------------------------ */

/* Values of the other types are sound when they fit (check_raw). */
static enum status refuse_value(const struct metadata_entry *entry, const struct shape *shape,
                                uint32_t at, struct refusal *refusal)
{
    const bool text = entry->type == METADATA_STRING;
    convert_name_field(refusal, shape, at, text ? "text" : "number");
    if (text) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s: %zu bytes that are not UTF-8, expected UTF-8", refusal->field,
                       entry->value.size);
        return STATUS_INVALID;
    }
    struct reader reader = reader_init(entry->value.data, entry->value.size);
    ASSERT(entry->type == METADATA_DATE);
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "%s: %" PRIu32 ", expected a day as YYYYMMDD, 19700101 to 99991231",
                   refusal->field, read_u32(&reader));
    return STATUS_INVALID;
}

static size_t bytes_of(const struct metadata_reading *reading)
{
    size_t size = 1;
    for (uint32_t i = 0; i < reading->count; i++) {
        size += 4 + reading->entries[i].key.size + reading->entries[i].value.size;
    }
    return size;
}

/* The first byte that no key has: there is one. */
static size_t strange_byte(struct bytes key)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t at = 0;
    while (at < key.size && key.data[at] != 0 && strchr(letters, key.data[at]) != NULL) {
        at++;
    }
    ASSERT(at < key.size);
    return at;
}

/* Those of field `items` come first, deletions behind them: set[3].key, delete[0]. */
static void name_key(struct refusal *refusal, const struct metadata_reading *reading, uint32_t at,
                     const char *items)
{
    const bool deletion = reading->entries[at].type == METADATA_DELETE;
    const struct shape shape = { "", deletion ? "delete" : items, NULL, 0 };
    uint32_t before = 0; /* of the same field */
    for (uint32_t i = 0; i < at; i++) {
        before += (reading->entries[i].type == METADATA_DELETE) == deletion;
    }
    convert_name_field(refusal, &shape, before, deletion ? NULL : "key");
}

static enum status refuse_flaw(enum metadata_flaw flaw, const struct metadata_reading *reading,
                               uint32_t flawed, const char *items, struct refusal *refusal)
{
    const struct shape shape = { "", items, NULL, 0 };
    if (flaw == METADATA_VALUE_UNSOUND) {
        return refuse_value(&reading->entries[flawed], &shape, flawed, refusal);
    }
    const struct bytes key =
        flawed < reading->count ? reading->entries[flawed].key : (struct bytes){ NULL, 0 };
    (void)snprintf(refusal->field, sizeof refusal->field, "%s", items);
    if (flawed < reading->count && flaw != METADATA_KEY_TWICE) {
        name_key(refusal, reading, flawed, items);
    }
    char *text = refusal->text;
    const size_t room = sizeof refusal->text;
    switch (flaw) {
    case METADATA_KEY_EMPTY:
    case METADATA_KEY_TOO_LONG:
        (void)snprintf(text, room, "%s: %zu bytes, expected 1 to %u", refusal->field, key.size,
                       METADATA_KEY_MAX);
        break;
    case METADATA_KEY_CHARACTER:
        (void)snprintf(text, room, "%s: byte %zu is 0x%02X, expected [a-z0-9_.-]", refusal->field,
                       strange_byte(key), key.data[strange_byte(key)]);
        break;
    case METADATA_KEY_TWICE:
        (void)snprintf(text, room, "%s: the key %.*s is given twice", refusal->field, (int)key.size,
                       (const char *)key.data);
        break;
    case METADATA_TOO_MANY_ENTRIES:
    case METADATA_TOO_LARGE:
    case METADATA_VALUE_UNSOUND:
    case METADATA_SOUND:
        (void)snprintf(text, room, "%s: the entries take %zu bytes, limit %u", refusal->field,
                       bytes_of(reading), METADATA_BYTES_MAX);
        break;
    }
    return STATUS_INVALID;
}

enum status convert_metadata_write(struct metadata_reading *reading, bool patch, const char *items,
                                   uint8_t bytes[METADATA_BYTES_MAX], uint32_t *size,
                                   struct refusal *refusal)
{
    uint32_t flawed;
    const enum metadata_flaw flaw =
        metadata_write(reading->entries, reading->count, patch, bytes, size, &flawed);
    return flaw == METADATA_SOUND ? STATUS_OK : refuse_flaw(flaw, reading, flawed, items, refusal);
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t type;
} SET_FIELDS[] = {
    [fenlu_v1_SetMetadataRequest_target_tag] = { "target", PROTO_VARINT },
    [fenlu_v1_SetMetadataRequest_id_tag] = { "id", PROTO_BYTES },
    [fenlu_v1_SetMetadataRequest_set_tag] = { "set", PROTO_BYTES },
    [fenlu_v1_SetMetadataRequest_delete_tag] = { "delete", PROTO_BYTES },
    [fenlu_v1_SetMetadataRequest_expected_version_tag] = { "expected_version", PROTO_VARINT },
};
enum { SET_FIELDS_END = sizeof SET_FIELDS / sizeof SET_FIELDS[0] };
_Static_assert((int)fenlu_v1_GetMetadataRequest_target_tag ==
                       (int)fenlu_v1_SetMetadataRequest_target_tag &&
                   (int)fenlu_v1_GetMetadataRequest_id_tag ==
                       (int)fenlu_v1_SetMetadataRequest_id_tag,
               "both say alike whose metadata is meant");

enum status convert_metadata_target(uint64_t target, struct refusal *refusal, uint16_t *into)
{
    *into = (uint16_t)target;
    if (target == METADATA_OF_ACCOUNT || target == METADATA_OF_JOURNAL) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->field, sizeof refusal->field, "target");
    (void)snprintf(refusal->text, sizeof refusal->text, "target: %" PRIu64 ", expected 1 or 2",
                   target);
    return STATUS_INVALID;
}

static enum status add_deletion(struct bytes key, struct metadata_reading *reading,
                                struct refusal *refusal)
{
    if (reading->count == METADATA_ENTRIES_MAX) {
        return too_many(refusal, "delete");
    }
    reading->entries[reading->count] =
        (struct metadata_entry){ .key = key, .value = { key.data, 0 }, .type = METADATA_DELETE };
    reading->count++;
    return STATUS_OK;
}

struct set_reading {
    struct metadata_request request;
    struct metadata_reading entries;
    struct metadata_reading deletions;
    uint64_t target;
};

static enum status take_set_field(struct proto_reader *reader, uint32_t field,
                                  const struct position *position, struct set_reading *set)
{
    if (field == fenlu_v1_SetMetadataRequest_target_tag) {
        set->target = proto_read_varint(reader);
        return STATUS_OK;
    }
    if (field == fenlu_v1_SetMetadataRequest_expected_version_tag) {
        set->request.expected_version = proto_read_varint(reader);
        set->request.flags = METADATA_EXPECTED;
        return STATUS_OK;
    }
    const struct bytes bytes = proto_read_bytes(reader);
    if (reader->failed != NULL) {
        return STATUS_OK; /* the caller looks at the reader */
    }
    if (field == fenlu_v1_SetMetadataRequest_id_tag) {
        return convert_read_id(bytes, position, "id", (uint8_t *)&set->request.id);
    }
    return field == fenlu_v1_SetMetadataRequest_set_tag
               ? convert_metadata_entry(bytes, "SetMetadataRequest", "set", &set->entries,
                                        position->refusal)
               : add_deletion(bytes, &set->deletions, position->refusal);
}

static enum status read_set(struct bytes message, struct set_reading *set, struct refusal *refusal)
{
    static const struct shape shape = { "SetMetadataRequest", NULL, NULL, 0 };
    const struct position position = { message, &shape, 0, refusal };
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field >= SET_FIELDS_END || SET_FIELDS[tag.field].name == NULL) {
            proto_skip(&reader, tag.type);
            continue;
        }
        if (tag.type != SET_FIELDS[tag.field].type) {
            convert_name_field(refusal, &shape, 0, SET_FIELDS[tag.field].name);
            return convert_wrong_type(refusal, tag.type, SET_FIELDS[tag.field].type);
        }
        TRY(take_set_field(&reader, tag.field, &position, set));
    }
    if (reader.failed != NULL) {
        return convert_malformed(refusal, &shape, message, &reader);
    }
    TRY(convert_metadata_target(set->target, refusal, &set->request.target));
    for (uint32_t i = 0; i < set->deletions.count; i++) {
        TRY(add_deletion(set->deletions.entries[i].key, &set->entries, refusal));
    }
    if (set->entries.count > 0) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->field, sizeof refusal->field, "set");
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "set: 0 entries, expected 1 to %u here or in delete", METADATA_ENTRIES_MAX);
    return STATUS_INVALID;
}

static enum status convert_set(struct bytes message, struct converted *converted,
                               struct refusal *refusal)
{
    struct set_reading set = { .target = 0 };
    uint8_t patch[METADATA_BYTES_MAX];
    TRY(read_set(message, &set, refusal));
    TRY(convert_metadata_write(&set.entries, true, "set", patch, &set.request.patch_size, refusal));
    const uint32_t count = metadata_command_count(set.request.patch_size);
    uint8_t *command = calloc(1, COMMAND_HEADER_SIZE + (size_t)count * EVENT_SIZE);
    if (command == NULL) {
        return STATUS_MEMORY;
    }
    uint8_t *units = command + COMMAND_HEADER_SIZE;
    memcpy(units, &set.request, sizeof set.request);
    memcpy(units + EVENT_SIZE, patch, set.request.patch_size);
    *converted = (struct converted){ .command = command, .count = count };
    return STATUS_OK;
}

static const struct field QUESTION_FIELDS[FIELDS_END] = {
    [fenlu_v1_GetMetadataRequest_target_tag] = { "target", FIELD_U16,
                                                 offsetof(struct metadata_question, target) },
    [fenlu_v1_GetMetadataRequest_id_tag] = { "id", FIELD_ID,
                                             offsetof(struct metadata_question, id) },
    [fenlu_v1_GetMetadataRequest_as_of_tag] = { "as_of", FIELD_U64,
                                                offsetof(struct metadata_question, as_of) },
};

enum status convert_metadata_time(const char *field, uint64_t time, struct refusal *refusal)
{
    if (time <= TIMESTAMP_LARGEST) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->field, sizeof refusal->field, "%s", field);
    return convert_over_limit(refusal, time, TIMESTAMP_LARGEST);
}

static enum status convert_question(struct bytes message, struct converted *converted,
                                    struct refusal *refusal)
{
    static const struct shape shape = { "GetMetadataRequest", NULL, QUESTION_FIELDS, EVENT_SIZE };
    const struct position position = { message, &shape, 0, refusal };
    struct metadata_question question;
    TRY(convert_read_record(message, &position, (uint8_t *)&question));
    TRY(convert_metadata_target(question.target, refusal, &question.target));
    TRY(convert_metadata_time("as_of", question.as_of, refusal));
    uint8_t *command = malloc(COMMAND_HEADER_SIZE + EVENT_SIZE);
    if (command == NULL) {
        return STATUS_MEMORY;
    }
    memcpy(command + COMMAND_HEADER_SIZE, &question, sizeof question);
    *converted = (struct converted){ .command = command, .count = 1 };
    return STATUS_OK;
}

enum status convert_metadata_request(enum operation operation, struct bytes message,
                                     struct converted *converted, struct refusal *refusal)
{
    switch ((unsigned)operation) {
    case OPERATION_SET_METADATA:
        return convert_set(message, converted, refusal);
    case OPERATION_LIST_METADATA_VERSIONS:
        return convert_versions_request(message, converted, refusal);
    default:
        return convert_question(message, converted, refusal);
    }
}

/* --- replies ---------------------------------------------------------------------------------- */

static uint8_t *put_bytes(uint8_t *at, uint32_t field, struct bytes bytes)
{
    if (bytes.size == 0) {
        return at;
    }
    at = proto_put_varint(at, (uint64_t)field << 3 | PROTO_BYTES);
    at = proto_put_varint(at, bytes.size);
    memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

static uint8_t *put_value(uint8_t *at, const struct metadata_entry *entry)
{
    u128 number = 0;
    if (entry->type == METADATA_STRING) {
        return put_bytes(at, fenlu_v1_MetadataEntry_text_tag, entry->value);
    }
    if (entry->type == METADATA_BYTES) {
        return put_bytes(at, fenlu_v1_MetadataEntry_bytes_tag, entry->value);
    }
    memcpy(&number, entry->value.data, entry->value.size);
    if (entry->type == METADATA_INT64) {
        return proto_put_uint(at, fenlu_v1_MetadataEntry_integer_tag, u128_low(number));
    }
    at = proto_put_uint(at, fenlu_v1_MetadataEntry_number_tag, u128_low(number));
    return proto_put_uint(at, fenlu_v1_MetadataEntry_number_hi_tag, u128_high(number));
}

uint8_t *convert_put_metadata(uint8_t *at, uint32_t field, struct bytes map)
{
    struct metadata_entry entries[METADATA_ENTRIES_MAX];
    const uint32_t count = metadata_read(map, entries);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t row[METADATA_BYTES_MAX + 64];
        uint8_t *end = put_bytes(row, fenlu_v1_MetadataEntry_key_tag, entries[i].key);
        end = proto_put_uint(end, fenlu_v1_MetadataEntry_type_tag, (uint64_t)entries[i].type);
        end = put_value(end, &entries[i]);
        at = put_bytes(at, field, (struct bytes){ row, (size_t)(end - row) });
    }
    return at;
}

static uint8_t *put_result(uint8_t *at, struct bytes payload, uint64_t log_index)
{
    struct result result;
    ASSERT(payload.size == sizeof result);
    memcpy(&result, payload.data, sizeof result);
    at = proto_put_uint(at, fenlu_v1_SetMetadataResponse_status_tag, result.status);
    at = proto_put_uint(at, fenlu_v1_SetMetadataResponse_version_tag, result.timestamp);
    return proto_put_uint(at, fenlu_v1_SetMetadataResponse_log_index_tag, log_index);
}

static uint8_t *put_found(uint8_t *at, struct bytes payload)
{
    struct metadata_record record;
    if (payload.size == 0) {
        return at;
    }
    ASSERT(payload.size == sizeof record);
    memcpy(&record, payload.data, sizeof record);
    at = proto_put_uint(at, fenlu_v1_GetMetadataResponse_found_tag, 1);
    at = proto_put_uint(at, fenlu_v1_GetMetadataResponse_version_tag, record.timestamp);
    const struct bytes map = { record.map, metadata_size(record.map) };
    return convert_put_metadata(at, fenlu_v1_GetMetadataResponse_entries_tag, map);
}

struct grpc_buffer *convert_metadata_reply(enum operation operation, struct bytes payload,
                                           uint64_t log_index)
{
    struct grpc_buffer *reply = grpc_buffer_new(METADATA_ENCODED_MAX + 64);
    const uint8_t *end = operation == OPERATION_SET_METADATA
                             ? put_result(reply->data, payload, log_index)
                             : put_found(reply->data, payload);
    grpc_buffer_shorten(reply, (size_t)(end - reply->data));
    return reply;
}
