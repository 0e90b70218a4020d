#include "ledger/node/snapshot_wire.h"

#include "base/assert.h"

void snapshot_message_encode(const struct snapshot_message *message,
                             uint8_t out[SNAPSHOT_MESSAGE_SIZE])
{
    struct writer writer = writer_init(out, SNAPSHOT_MESSAGE_SIZE);
    write_u8(&writer, SNAPSHOT_MESSAGE_VERSION);
    write_u8(&writer, (uint8_t)message->kind);
    write_u8(&writer, (uint8_t)message->reason);
    write_u8(&writer, 0);
    write_u32(&writer, message->chunk);
    write_u128(&writer, message->cluster);
    write_u128(&writer, message->snapshot);
    write_u64(&writer, message->index);
    write_u64(&writer, message->offset);
    write_u64(&writer, message->total);
    ASSERT(!writer.failed && writer_size(&writer) == SNAPSHOT_MESSAGE_SIZE);
}

static bool manifest_piece_sound(const struct snapshot_message *message, size_t payload_size)
{
    return message->total <= SNAPSHOT_MANIFEST_BYTES_MAX && payload_size > 0 &&
           payload_size <= SNAPSHOT_CHUNK_SIZE && message->offset < message->total &&
           payload_size <= message->total - message->offset;
}

/* Fields that a kind does not use are zero, so that they can be given a meaning later. */
static bool sound(const struct snapshot_message *message, size_t payload_size)
{
    const struct snapshot_message *m = message;
    bool refused = m->kind == SNAPSHOT_REFUSED;
    bool plain = m->index == 0 && m->offset == 0 && m->total == 0;
    if (refused ? m->reason < SNAPSHOT_NOT_YET || m->reason >= SNAPSHOT_REFUSAL_END
                : m->reason != 0) {
        return false;
    }
    switch (m->kind) {
    case SNAPSHOT_MANIFEST_GET:
        return payload_size == 0 && m->chunk == 0 && m->total == 0 &&
               m->offset <= SNAPSHOT_MANIFEST_BYTES_MAX;
    case SNAPSHOT_MANIFEST:
        return m->snapshot != 0 && m->chunk == 0 && m->index == 0 &&
               manifest_piece_sound(m, payload_size);
    case SNAPSHOT_CHUNK_GET:
        return plain && m->snapshot != 0 && m->chunk < SNAPSHOT_CHUNKS_MAX && payload_size == 0;
    case SNAPSHOT_CHUNK:
        return plain && m->snapshot != 0 && m->chunk < SNAPSHOT_CHUNKS_MAX && payload_size > 0 &&
               payload_size <= SNAPSHOT_CHUNK_SIZE;
    case SNAPSHOT_REFUSED:
        return plain && m->chunk == 0 && payload_size == 0;
    case SNAPSHOT_KIND_END:
        break;
    }
    return false;
}

enum status snapshot_message_decode(struct bytes head, size_t payload_size,
                                    struct snapshot_message *message)
{
    struct reader reader = reader_init(head.data, head.size);
    uint8_t version = read_u8(&reader);
    if (version > SNAPSHOT_MESSAGE_VERSION) {
        return STATUS_VERSION;
    }
    message->kind = read_u8(&reader);
    message->reason = read_u8(&reader);
    uint8_t reserved = read_u8(&reader);
    message->chunk = read_u32(&reader);
    message->cluster = read_u128(&reader);
    message->snapshot = read_u128(&reader);
    message->index = read_u64(&reader);
    message->offset = read_u64(&reader);
    message->total = read_u64(&reader);
    bool whole = reader_done(&reader) && version == SNAPSHOT_MESSAGE_VERSION && reserved == 0;
    return whole && sound(message, payload_size) ? STATUS_OK : STATUS_PROTOCOL;
}

bool snapshot_message_asks(const struct snapshot_message *message)
{
    return message->kind == SNAPSHOT_MANIFEST_GET || message->kind == SNAPSHOT_CHUNK_GET;
}

const char *snapshot_refusal_name(enum snapshot_refusal reason)
{
    static const char *const NAMES[SNAPSHOT_REFUSAL_END] = {
        [SNAPSHOT_NOT_YET] = "not_yet",
        [SNAPSHOT_BUSY] = "busy",
        [SNAPSHOT_GONE] = "gone",
        [SNAPSHOT_NO_SPACE] = "no_space",
        [SNAPSHOT_WRONG_CLUSTER] = "wrong_cluster",
    };
    bool known = reason < SNAPSHOT_REFUSAL_END && NAMES[reason] != NULL;
    return known ? NAMES[reason] : "?";
}
