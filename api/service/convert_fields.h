/* convert_fields.h — records of a request, field by field, and why one is refused. Part of the
 * edge: what convert_*.c share.
 *
 * A record of a command is described by a table: which field of the message goes where, and how
 * wide it is. Unknown fields are skipped.
 */
#pragma once

#include "api/service/convert.h"
#include "api/service/proto_wire.h"

/* FIELD_S32 is zigzag; FIELD_AUTHORITY bytes of FREEZE_AUTHORITY_MAX, padded with zeros, and so are
 * the 16 or 32 of a text, which is UTF-8 without zeros. */
enum field_kind {
    FIELD_NONE,
    FIELD_ID,
    FIELD_U64,
    FIELD_U32,
    FIELD_U16,
    FIELD_U8,
    FIELD_S32,
    FIELD_AUTHORITY,
    FIELD_TEXT16,
    FIELD_TEXT32,
};

/* A field of a record, at its number in the .proto. */
struct field {
    const char *name;
    enum field_kind kind;
    uint32_t offset;
};

enum { FIELDS_END = 17 };

#define FIELD_ROW(tag, text, kind, at) [tag] = { text, FIELD_##kind, at }
/* A row of a table: what field `proto` of a message brings to `name` of a record. */
#define FIELD(message, proto, kind, record, name)                                                  \
    FIELD_ROW(fenlu_v1_##message##_##proto##_tag, #proto, kind, offsetof(struct record, name))
/* Two rows, of an amount: two fields, low half first as in memory. */
#define FIELD_HALVES(message, proto, record, name)                                                 \
    FIELD_ROW(fenlu_v1_##message##_##proto##_tag, #proto, U64, offsetof(struct record, name)),     \
        FIELD_ROW(fenlu_v1_##message##_##proto##_hi_tag, #proto "_hi", U64,                        \
                  offsetof(struct record, name) + 8)

/* Of a Transfer, by its numbers: into struct transfer. */
extern const struct field CONVERT_TRANSFER_FIELDS[FIELDS_END];

/* What a request is made of: items in its field 1, or the fields of one filter. */
struct shape {
    const char *message;        /* for people */
    const char *items;          /* NULL: the message itself is the record */
    const struct field *fields; /* NULL: each item is an id */
    uint32_t size;
};

/* Where and what is being read, for refusals. */
struct position {
    struct bytes message;
    const struct shape *shape;
    uint32_t index;
    struct refusal *refusal;
};

/* One record of EVENT_SIZE bytes. */
STATUS_MUST_USE enum status convert_read_record(struct bytes item, const struct position *position,
                                                uint8_t *record);
STATUS_MUST_USE enum status convert_read_id(struct bytes id, const struct position *position,
                                            const char *name, uint8_t *into);

/* Refusals: each gives INVALID. The field is named first, but for a malformed message; `name` is
 * NULL when the item itself is meant. */
void convert_name_field(struct refusal *refusal, const struct shape *shape, uint32_t index,
                        const char *name);
enum status convert_malformed(struct refusal *refusal, const struct shape *shape,
                              struct bytes message, const struct proto_reader *reader);
enum status convert_wrong_type(struct refusal *refusal, uint32_t type, uint32_t expected);
enum status convert_over_limit(struct refusal *refusal, uint64_t value, uint64_t limit);
enum status convert_unknown_bits(struct refusal *refusal, uint64_t bits, uint64_t known);
enum status convert_too_long(struct refusal *refusal, size_t size, size_t limit);

/* --- convert_request.c: items in field 1 of a request ------------------------------------------
 */
/* Takes the next item off the front; false when there is none, or the reader failed, or the item is
 * of a wrong type, which *type tells. */
bool convert_next_item(struct proto_reader *reader, struct bytes *item, uint32_t *type);
/* A pass over the items' headers alone: their number, before memory is taken for them. */
STATUS_MUST_USE enum status convert_count_items(const struct shape *shape, struct bytes message,
                                                uint32_t *count, struct refusal *refusal);
