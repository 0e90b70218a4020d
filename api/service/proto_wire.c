#include "api/service/proto_wire.h"

static void fail(struct proto_reader *reader, const char *text)
{
    if (reader->failed == NULL) {
        reader->failed = text;
    }
    reader->end = reader->at;
}

uint64_t proto_read_long_varint(struct proto_reader *reader)
{
    const uint8_t *at = reader->at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (at == reader->end) {
            fail(reader, "ends within a number");
            return 0;
        }
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            reader->at = at;
            return value;
        }
    }
    fail(reader, "has a number of more than 64 bits");
    return 0;
}

bool proto_read_long_tag(struct proto_reader *reader, struct proto_tag *tag)
{
    if (reader->at == reader->end) {
        return false;
    }
    const uint8_t *start = reader->at;
    uint64_t value = proto_read_varint(reader);
    if (reader->failed != NULL) {
        return false;
    }
    tag->field = (uint32_t)(value >> 3);
    tag->type = (uint32_t)(value & 7);
    if (value > UINT32_MAX || tag->field == 0) {
        reader->at = start;
        fail(reader, "has an impossible field number");
        return false;
    }
    return true;
}

struct bytes proto_read_long_bytes(struct proto_reader *reader)
{
    const uint8_t *start = reader->at;
    uint64_t size = proto_read_varint(reader);
    if (size > (uint64_t)(reader->end - reader->at)) {
        reader->at = start;
        fail(reader, "ends within a field");
        size = 0;
    }
    struct bytes bytes = { reader->at, (size_t)size };
    reader->at += size;
    return bytes;
}

static void skip_fixed(struct proto_reader *reader, size_t size)
{
    if (size > (size_t)(reader->end - reader->at)) {
        fail(reader, "ends within a field");
        return;
    }
    reader->at += size;
}

void proto_skip(struct proto_reader *reader, uint32_t type)
{
    switch (type) {
    case PROTO_VARINT:
        (void)proto_read_varint(reader);
        break;
    case PROTO_BYTES:
        (void)proto_read_bytes(reader);
        break;
    case PROTO_FIXED64:
        skip_fixed(reader, 8);
        break;
    case PROTO_FIXED32:
        skip_fixed(reader, 4);
        break;
    default:
        fail(reader, "has a field of an unknown type");
        break;
    }
}
