#include "api/service/convert_fields.h"

#include "ledger/core/metadata.h"

#include <inttypes.h>
#include <stdio.h>

/* --- refusals --------------------------------------------------------------------------------- */

enum status convert_malformed(struct refusal *refusal, const struct shape *shape,
                              struct bytes message, const struct proto_reader *reader)
{
    refusal->field[0] = '\0';
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "malformed protobuf: the %s %s at byte %zu of %zu", shape->message,
                   reader->failed, (size_t)(reader->at - message.data), message.size);
    return STATUS_INVALID;
}

/* `name` is NULL when the item itself is meant. */
void convert_name_field(struct refusal *refusal, const struct shape *shape, uint32_t index,
                        const char *name)
{
    if (shape->items == NULL) {
        (void)snprintf(refusal->field, sizeof refusal->field, "%s", name);
        return;
    }
    (void)snprintf(refusal->field, sizeof refusal->field, "%s[%u]%s%s", shape->items, index,
                   name != NULL ? "." : "", name != NULL ? name : "");
}

static enum status wrong_size(struct refusal *refusal, size_t size)
{
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %zu bytes, expected 16 or none",
                   refusal->field, size);
    return STATUS_INVALID;
}

enum status convert_wrong_type(struct refusal *refusal, uint32_t type, uint32_t expected)
{
    (void)snprintf(
        refusal->text, sizeof refusal->text,
        "%s: protobuf wire type %u, expected %u; the client was built from another .proto",
        refusal->field, type, expected);
    return STATUS_INVALID;
}

enum status convert_over_limit(struct refusal *refusal, uint64_t value, uint64_t limit)
{
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %" PRIu64 ", limit %" PRIu64,
                   refusal->field, value, limit);
    return STATUS_INVALID;
}

enum status convert_unknown_bits(struct refusal *refusal, uint64_t bits, uint64_t known)
{
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "%s: 0x%" PRIX64 " has unknown bits, the known ones are 0x%" PRIX64,
                   refusal->field, bits, known);
    return STATUS_INVALID;
}

enum status convert_too_long(struct refusal *refusal, size_t size, size_t limit)
{
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %zu bytes, limit %zu", refusal->field,
                   size, limit);
    return STATUS_INVALID;
}

/* --- items ------------------------------------------------------------------------------------ */

enum status convert_read_id(struct bytes id, const struct position *position, const char *name,
                            uint8_t *into)
{
    u128 value = 0;
    if (id.size != 0 && id.size != sizeof value) {
        convert_name_field(position->refusal, position->shape, position->index, name);
        return wrong_size(position->refusal, id.size);
    }
    if (id.size != 0) {
        value = u128_from_bytes(id.data);
    }
    memcpy(into, &value, sizeof value);
    return STATUS_OK;
}

static enum status store_number(uint64_t value, const struct position *position,
                                const struct field *field, uint8_t *into)
{
    uint64_t limit = field->kind == FIELD_U64   ? UINT64_MAX
                     : field->kind == FIELD_U32 ? UINT32_MAX
                     : field->kind == FIELD_U16 ? UINT16_MAX
                                                : UINT8_MAX;
    if (value > limit) {
        convert_name_field(position->refusal, position->shape, position->index, field->name);
        return convert_over_limit(position->refusal, value, limit);
    }
    if (field->kind == FIELD_U64) {
        memcpy(into, &value, sizeof value);
    } else if (field->kind == FIELD_U32) {
        memcpy(into, &(uint32_t){ (uint32_t)value }, sizeof(uint32_t));
    } else if (field->kind == FIELD_U16) {
        memcpy(into, &(uint16_t){ (uint16_t)value }, sizeof(uint16_t));
    } else {
        *into = (uint8_t)value;
    }
    return STATUS_OK;
}

/* At most as many as the record has room for; the rest stays zero, so that zeros at the end would
 * be lost. */
static enum status store_authority(struct bytes bytes, const struct position *position,
                                   const struct field *field, uint8_t *into)
{
    convert_name_field(position->refusal, position->shape, position->index, field->name);
    if (bytes.size > FREEZE_AUTHORITY_MAX) {
        return convert_too_long(position->refusal, bytes.size, FREEZE_AUTHORITY_MAX);
    }
    if (bytes.size > 0 && bytes.data[bytes.size - 1] == 0) {
        (void)snprintf(position->refusal->text, sizeof position->refusal->text,
                       "%s: the last of its %zu bytes is zero, expected any other",
                       position->refusal->field, bytes.size);
        return STATUS_INVALID;
    }
    memset(into, 0, FREEZE_AUTHORITY_MAX);
    memcpy(into, bytes.data, bytes.size);
    return STATUS_OK;
}

static enum status store_text(struct bytes text, const struct position *position,
                              const struct field *field, uint8_t *into)
{
    const size_t room = field->kind == FIELD_TEXT16 ? 16 : 32;
    convert_name_field(position->refusal, position->shape, position->index, field->name);
    if (text.size > room) {
        return convert_too_long(position->refusal, text.size, room);
    }
    if (!metadata_text_is_sound(text) || memchr(text.data, 0, text.size) != NULL) {
        (void)snprintf(position->refusal->text, sizeof position->refusal->text,
                       "%s: expected UTF-8 without zeros", position->refusal->field);
        return STATUS_INVALID;
    }
    memset(into, 0, room);
    memcpy(into, text.data, text.size);
    return STATUS_OK;
}

/* Zigzag: 0, -1, 1, -2 are 0, 1, 2, 3. */
static enum status store_signed(uint64_t value, const struct position *position,
                                const struct field *field, uint8_t *into)
{
    if (value > UINT32_MAX) {
        convert_name_field(position->refusal, position->shape, position->index, field->name);
        return convert_over_limit(position->refusal, value, UINT32_MAX);
    }
    const uint32_t half = (uint32_t)value >> 1;
    const uint32_t number = (value & 1) != 0 ? ~half : half;
    memcpy(into, &number, sizeof number);
    return STATUS_OK;
}

static enum status read_field(struct proto_reader *reader, struct proto_tag tag,
                              const struct position *position, const struct field *field,
                              uint8_t *record)
{
    const bool bytes = field->kind == FIELD_ID || field->kind >= FIELD_AUTHORITY;
    uint32_t expected = bytes ? PROTO_BYTES : PROTO_VARINT;
    if (tag.type != expected) {
        convert_name_field(position->refusal, position->shape, position->index, field->name);
        return convert_wrong_type(position->refusal, tag.type, expected);
    }
    if (field->kind == FIELD_ID) {
        struct bytes id = proto_read_bytes(reader);
        return reader->failed != NULL
                   ? STATUS_OK /* the caller looks at the reader */
                   : convert_read_id(id, position, field->name, record + field->offset);
    }
    if (field->kind == FIELD_AUTHORITY) {
        struct bytes authority = proto_read_bytes(reader);
        return reader->failed != NULL
                   ? STATUS_OK /* the caller looks at the reader */
                   : store_authority(authority, position, field, record + field->offset);
    }
    if (field->kind >= FIELD_TEXT16) {
        struct bytes text = proto_read_bytes(reader);
        return reader->failed != NULL ? STATUS_OK /* the caller looks at the reader */
                                      : store_text(text, position, field, record + field->offset);
    }
    const uint64_t number = proto_read_varint(reader);
    return field->kind == FIELD_S32 ? store_signed(number, position, field, record + field->offset)
                                    : store_number(number, position, field, record + field->offset);
}

enum status convert_read_record(struct bytes item, const struct position *position, uint8_t *record)
{
    struct proto_reader reader = { item.data, item.data + item.size, NULL };
    struct proto_tag tag;
    enum status status = STATUS_OK;
    memset(record, 0, EVENT_SIZE);
    while (status == STATUS_OK && proto_read_tag(&reader, &tag)) {
        const struct field *field =
            tag.field < FIELDS_END ? &position->shape->fields[tag.field] : NULL;
        if (field == NULL || field->kind == FIELD_NONE) {
            proto_skip(&reader, tag.type);
        } else {
            status = read_field(&reader, tag, position, field, record);
        }
    }
    return reader.failed == NULL
               ? status
               : convert_malformed(position->refusal, position->shape, position->message, &reader);
}
