#include "raft/net/frame.h"

#include "base/assert.h"
#include "base/crc32c.h"

#include <string.h>

enum {
    HEAD_CRC_AT = 4,
    CHECKED_FROM = 8, /* head_crc covers the header from here on */
    PAYLOAD_MAX = FRAME_BODY_MAX - FRAME_HEAD_MAX,
};

_Static_assert((int)HELLO_SIZE_MAX <= (int)FRAME_HEAD_MAX, "a hello is a head");
_Static_assert((int)REFUSAL_SIZE_MAX <= (int)FRAME_HEAD_MAX, "a refusal is a head");

void frame_encode(uint8_t out[FRAME_HEADER_SIZE], enum frame_kind kind, struct bytes head,
                  uint32_t payload_size, uint32_t payload_crc, uint32_t flags)
{
    ASSERT(kind > 0 && kind < FRAME_KIND_END);
    ASSERT(head.size <= FRAME_HEAD_MAX && payload_size <= PAYLOAD_MAX);
    ASSERT((flags & ~(uint32_t)FRAME_SELF_CHECKED) == 0);
    struct writer writer = writer_init(out, FRAME_HEADER_SIZE);
    write_u32(&writer, FRAME_MAGIC);
    write_u32(&writer, 0);
    write_u16(&writer, (uint16_t)kind);
    write_u16(&writer, FRAME_VERSION);
    write_u32(&writer, (uint32_t)head.size);
    write_u32(&writer, payload_size);
    write_u32(&writer, payload_crc);
    write_u32(&writer, flags);
    write_u32(&writer, 0);
    ASSERT(!writer.failed && writer.at == writer.end);
    uint32_t crc = crc32c(out + CHECKED_FROM, FRAME_HEADER_SIZE - CHECKED_FROM);
    struct writer crc_writer = writer_init(out + HEAD_CRC_AT, sizeof crc);
    write_u32(&crc_writer, crc32c_extend(crc, head.data, head.size));
}

enum status frame_decode(const uint8_t in[FRAME_HEADER_SIZE], struct frame_header *header)
{
    struct reader reader = reader_init(in, FRAME_HEADER_SIZE);
    struct frame_header decoded;
    memset(&decoded, 0, sizeof decoded);
    uint32_t magic = read_u32(&reader);
    decoded.head_crc = read_u32(&reader);
    uint16_t kind = read_u16(&reader);
    decoded.version = read_u16(&reader);
    decoded.head_size = read_u32(&reader);
    decoded.payload_size = read_u32(&reader);
    decoded.payload_crc = read_u32(&reader);
    decoded.flags = read_u32(&reader);
    uint32_t reserved = read_u32(&reader);
    ASSERT(reader_done(&reader));
    if (magic != FRAME_MAGIC) {
        return STATUS_PROTOCOL;
    }
    /* Before the rest: a newer version may have other kinds, sizes and flags. */
    if (decoded.version > FRAME_VERSION) {
        return STATUS_VERSION;
    }
    bool sized = decoded.head_size <= FRAME_HEAD_MAX && decoded.payload_size <= PAYLOAD_MAX;
    bool flagged = (decoded.flags & ~(uint32_t)FRAME_SELF_CHECKED) == 0 && reserved == 0;
    bool summed = (decoded.flags & FRAME_SELF_CHECKED) == 0 || decoded.payload_crc == 0;
    if (decoded.version == 0 || kind == 0 || kind >= FRAME_KIND_END || !sized || !flagged ||
        !summed) {
        return STATUS_PROTOCOL;
    }
    decoded.kind = (enum frame_kind)kind;
    *header = decoded;
    return STATUS_OK;
}

bool frame_head_check(const uint8_t in[FRAME_HEADER_SIZE], const struct frame_header *header,
                      const uint8_t *head)
{
    uint32_t crc = crc32c(in + CHECKED_FROM, FRAME_HEADER_SIZE - CHECKED_FROM);
    return crc32c_extend(crc, head, header->head_size) == header->head_crc;
}

bool frame_payload_check(const struct frame_header *header, const uint8_t *payload)
{
    return (header->flags & FRAME_SELF_CHECKED) != 0 ||
           crc32c(payload, header->payload_size) == header->payload_crc;
}

bool frame_kind_of_peers(enum frame_kind kind)
{
    return kind == FRAME_RAFT || kind == FRAME_SNAPSHOT || kind == FRAME_REPAIR ||
           kind == FRAME_VOTES;
}

size_t hello_encode(uint8_t out[HELLO_SIZE_MAX], const struct hello *hello)
{
    const char *address_end = memchr(hello->address, '\0', HELLO_ADDRESS_MAX);
    ASSERT(address_end != NULL);
    size_t address_size = (size_t)(address_end - hello->address);
    struct writer writer = writer_init(out, HELLO_SIZE_MAX);
    write_u128(&writer, hello->cluster);
    write_u32(&writer, (uint32_t)hello->role);
    write_u32(&writer, hello->node);
    write_u32(&writer, hello->to_node);
    write_u16(&writer, (uint16_t)address_size);
    write_zeros(&writer, 2);
    write_u64(&writer, hello->incarnation);
    write_u64(&writer, hello->to_incarnation);
    write_u16(&writer, hello->version_min);
    write_u16(&writer, hello->version_max);
    write_zeros(&writer, 4);
    write_u64(&writer, hello->features);
    write_u64(&writer, hello->wall_ns);
    write_u64(&writer, hello->config_index);
    ASSERT(!writer.failed && writer_size(&writer) == HELLO_SIZE);
    write_bytes(&writer, hello->address, address_size);
    ASSERT(!writer.failed);
    return writer_size(&writer);
}

/* False for bytes that do not belong in an address. */
static bool read_address(struct reader *reader, size_t size, char address[HELLO_ADDRESS_MAX])
{
    if (size >= HELLO_ADDRESS_MAX) {
        return false;
    }
    const uint8_t *text = read_bytes(reader, size);
    for (size_t i = 0; text != NULL && i < size; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
        address[i] = (char)text[i];
    }
    return text != NULL || size == 0;
}

enum status hello_decode(struct bytes head, struct hello *hello)
{
    struct reader reader = reader_init(head.data, head.size);
    struct hello decoded;
    memset(&decoded, 0, sizeof decoded);
    decoded.cluster = read_u128(&reader);
    uint32_t role = read_u32(&reader);
    decoded.node = read_u32(&reader);
    decoded.to_node = read_u32(&reader);
    size_t address_size = read_u16(&reader);
    uint64_t reserved = read_u16(&reader);
    decoded.incarnation = read_u64(&reader);
    decoded.to_incarnation = read_u64(&reader);
    decoded.version_min = read_u16(&reader);
    decoded.version_max = read_u16(&reader);
    reserved |= read_u32(&reader);
    decoded.features = read_u64(&reader);
    decoded.wall_ns = read_u64(&reader);
    decoded.config_index = read_u64(&reader);
    if (!read_address(&reader, address_size, decoded.address) || !reader_done(&reader) ||
        reserved != 0 || (role != HELLO_PEER && role != HELLO_CLIENT)) {
        return STATUS_PROTOCOL;
    }
    decoded.role = (enum hello_role)role;
    bool known = decoded.role == HELLO_CLIENT ? decoded.node == 0 : decoded.node != 0;
    bool ranged = decoded.version_min > 0 && decoded.version_min <= decoded.version_max;
    if (!known || !ranged || decoded.incarnation == 0) {
        return STATUS_PROTOCOL;
    }
    *hello = decoded;
    return STATUS_OK;
}

size_t hello_refusal_encode(uint8_t out[REFUSAL_SIZE_MAX], const struct hello_refusal *refusal)
{
    size_t size = 0;
    while (size < HELLO_REFUSAL_TEXT_MAX && refusal->text[size] != '\0') {
        size++;
    }
    struct writer writer = writer_init(out, REFUSAL_SIZE_MAX);
    write_u16(&writer, (uint16_t)refusal->reason);
    write_u16(&writer, (uint16_t)size);
    write_bytes(&writer, refusal->text, size);
    ASSERT(!writer.failed);
    return writer_size(&writer);
}

enum status hello_refusal_decode(struct bytes head, struct hello_refusal *refusal)
{
    struct reader reader = reader_init(head.data, head.size);
    uint16_t reason = read_u16(&reader);
    uint16_t size = read_u16(&reader);
    const uint8_t *text = read_bytes(&reader, size);
    if (!reader_done(&reader) || reason == 0 || reason >= REFUSAL_REASON_END ||
        size >= HELLO_REFUSAL_TEXT_MAX) {
        return STATUS_PROTOCOL;
    }
    refusal->reason = (enum refusal_reason)reason;
    for (size_t i = 0; i < size; i++) {
        refusal->text[i] = '?';
        if (text[i] >= ' ' && text[i] <= '~') {
            refusal->text[i] = (char)text[i];
        }
    }
    refusal->text[size] = '\0';
    return STATUS_OK;
}

enum status refusal_status(enum refusal_reason reason)
{
    switch (reason) {
    case REFUSAL_VERSION:
        return STATUS_VERSION;
    case REFUSAL_CLUSTER:
        return STATUS_WRONG_CLUSTER;
    case REFUSAL_NODE:
    case REFUSAL_INCARNATION:
        return STATUS_WRONG_NODE;
    case REFUSAL_REASON_END:
        break;
    }
    UNREACHABLE();
}
