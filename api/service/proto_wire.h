/* proto_wire.h — the wire format of protobuf, for the messages of which a request has thousands.
 *
 * nanopb decodes a batch of 8,190 transfers through a table walk and a callback for each byte
 * string; measured beside it, this takes a small part of that time (tests/service/test_convert.c
 * prints both). Everything else in this folder uses nanopb.
 *
 * Errors  sticky: `failed` names what is wrong, `at` stays before it; reads then give zero.
 * Rules   protobuf.dev/programming-guides/encoding. Groups are refused: no message of ours has
 * them. Pure.
 */
#pragma once

#include "base/cursor.h"

#include <stddef.h>
#include <string.h>

enum proto_type { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

/* --- reading ---------------------------------------------------------------------------------- */

struct proto_reader {
    const uint8_t *at;
    const uint8_t *end;
    const char *failed; /* NULL, or a text */
};

struct proto_tag {
    uint32_t field; /* 1..2^29-1 */
    uint32_t type;
};

uint64_t proto_read_long_varint(struct proto_reader *reader);

static inline uint64_t proto_read_varint(struct proto_reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80) {
        return *reader->at++;
    }
    return proto_read_long_varint(reader);
}

bool proto_read_long_tag(struct proto_reader *reader, struct proto_tag *tag);

/* False at the end, or when what follows is no tag. */
static inline bool proto_read_tag(struct proto_reader *reader, struct proto_tag *tag)
{
    if (reader->at < reader->end && *reader->at >= 8 && *reader->at < 0x80) {
        uint8_t byte = *reader->at++;
        *tag = (struct proto_tag){ byte >> 3, byte & 7 };
        return true;
    }
    return proto_read_long_tag(reader, tag);
}

struct bytes proto_read_long_bytes(struct proto_reader *reader);

/* The bytes of a PROTO_BYTES field. */
static inline struct bytes proto_read_bytes(struct proto_reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80 && *reader->at < reader->end - reader->at) {
        struct bytes bytes = { reader->at + 1, *reader->at };
        reader->at += 1 + bytes.size;
        return bytes;
    }
    return proto_read_long_bytes(reader);
}
/* Passes over the value of a field that nobody knows. */
void proto_skip(struct proto_reader *reader, uint32_t type);

/* --- writing ---------------------------------------------------------------------------------- */

enum { PROTO_VARINT_SIZE_MAX = 10 };

/* The caller has room; each returns where the next byte goes. Zero values are not written, as
 * proto3 has it. */
static inline uint8_t *proto_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *proto_put_uint(uint8_t *at, uint32_t field, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    at = proto_put_varint(at, (uint64_t)field << 3 | PROTO_VARINT);
    return proto_put_varint(at, value);
}

/* An id: 16 bytes, most significant first. */
static inline uint8_t *proto_put_u128(uint8_t *at, uint32_t field, u128 value)
{
    if (value == 0) {
        return at;
    }
    at = proto_put_varint(at, (uint64_t)field << 3 | PROTO_BYTES);
    *at++ = 16;
    u128_to_bytes(value, at);
    return at + 16;
}

/* An amount or a balance: the low half in `field`, the high one in the field after it. */
static inline uint8_t *proto_put_amount(uint8_t *at, uint32_t field, u128 amount)
{
    at = proto_put_uint(at, field, u128_low(amount));
    return proto_put_uint(at, field + 1, u128_high(amount));
}
