#include "ledger/node/wire.h"

#include "base/assert.h"

#include <string.h>

/* Both columns are stable: an older or newer release reads the number. */
static const struct {
    uint16_t number;
    enum status status;
} WIRE_STATUSES[] = {
    { 0, STATUS_OK },
    { 1, STATUS_NOT_LEADER },
    { 2, STATUS_BUSY },
    { 3, STATUS_NO_SPACE },
    { 4, STATUS_INVALID },
    { 5, STATUS_SHUTTING_DOWN },
    { 6, STATUS_LEADER_LOST },
    { 7, STATUS_TIMEOUT },
    { 8, STATUS_INTERNAL },
    { 9, STATUS_UNIMPLEMENTED },
    { 10, STATUS_TOO_LARGE },
    { 11, STATUS_CORRUPT },
    { 12, STATUS_PRECONDITION },
    { 13, STATUS_NOT_FOUND },
    { 14, STATUS_EXISTS },
    { 15, STATUS_TIMEOUT_UNKNOWN },
};

static uint16_t wire_number(enum status status)
{
    for (size_t i = 0; i < sizeof WIRE_STATUSES / sizeof WIRE_STATUSES[0]; i++) {
        if (WIRE_STATUSES[i].status == status) {
            return WIRE_STATUSES[i].number;
        }
    }
    return 8;
}

/* A number of a newer release is an internal error to this one: its outcome is unknown. */
static enum status wire_status(uint16_t number)
{
    for (size_t i = 0; i < sizeof WIRE_STATUSES / sizeof WIRE_STATUSES[0]; i++) {
        if (WIRE_STATUSES[i].number == number) {
            return WIRE_STATUSES[i].status;
        }
    }
    return STATUS_INTERNAL;
}

void request_encode(uint8_t out[REQUEST_HEAD_SIZE], const struct request *request)
{
    struct writer writer = writer_init(out, REQUEST_HEAD_SIZE);
    write_u64(&writer, request->id);
    write_u64(&writer, request->timeout_ns);
    write_u16(&writer, request->operation);
    write_u16(&writer, request->flags);
    write_u32(&writer, 0);
    ASSERT(!writer.failed && writer.at == writer.end);
}

enum status request_decode(struct bytes head, struct request *request)
{
    struct reader reader = reader_init(head.data, head.size);
    request->id = read_u64(&reader);
    request->timeout_ns = read_u64(&reader);
    request->operation = read_u16(&reader);
    request->flags = read_u16(&reader);
    uint32_t reserved = read_u32(&reader);
    bool sound = reader_done(&reader) && reserved == 0 &&
                 (request->flags & ~(unsigned)(REQUEST_STALE_READ | REQUEST_FOLLOWER_READ)) == 0;
    return sound ? STATUS_OK : STATUS_PROTOCOL;
}

void reply_encode(uint8_t out[REPLY_HEAD_SIZE], const struct reply *reply)
{
    struct writer writer = writer_init(out, REPLY_HEAD_SIZE);
    write_u64(&writer, reply->id);
    write_u16(&writer, wire_number(reply->status));
    write_u16(&writer, 0);
    write_u32(&writer, reply->leader);
    write_u64(&writer, reply->term);
    write_u64(&writer, reply->log_index);
    write_u64(&writer, reply->timestamp);
    write_u32(&writer, reply->count);
    write_u32(&writer, 0);
    ASSERT(!writer.failed && writer.at == writer.end);
}

enum status reply_decode(struct bytes head, struct reply *reply)
{
    struct reader reader = reader_init(head.data, head.size);
    reply->id = read_u64(&reader);
    reply->status = wire_status(read_u16(&reader));
    uint16_t reserved = read_u16(&reader);
    reply->leader = read_u32(&reader);
    reply->term = read_u64(&reader);
    reply->log_index = read_u64(&reader);
    reply->timestamp = read_u64(&reader);
    reply->count = read_u32(&reader);
    uint32_t reserved_too = read_u32(&reader);
    bool sound = reader_done(&reader) && reserved == 0 && reserved_too == 0;
    return sound ? STATUS_OK : STATUS_PROTOCOL;
}

/* Bits of the flags of a node_status; one that is not known here is of a newer release. */
enum { NODE_DISK_FULL = 1, NODE_BOOKS_DIFFER = 2 };

void node_status_encode(uint8_t out[NODE_STATUS_SIZE], const struct node_status *status)
{
    struct writer writer = writer_init(out, NODE_STATUS_SIZE);
    write_u128(&writer, status->cluster);
    write_u32(&writer, status->node);
    write_u32(&writer, status->leader);
    write_u32(&writer, status->role);
    write_u32(&writer, 0);
    write_u64(&writer, status->term);
    write_u64(&writer, status->last_index);
    write_u64(&writer, status->commit_index);
    write_u64(&writer, status->applied_index);
    write_u64(&writer, status->checkpoint_index);
    write_u64(&writer, status->timestamp);
    write_u128(&writer, status->digest);
    write_u64(&writer, status->accounts);
    write_u64(&writer, status->transfers);
    write_u64(&writer, status->disk_free_bytes);
    write_bytes(&writer, status->version, sizeof status->version);
    write_u64(&writer, status->incarnation);
    write_u32(&writer, status->member_roles);
    write_u32(&writer, status->priority);
    write_u64(&writer, status->features);
    write_u64(&writer, status->features_on);
    write_u64(&writer, status->config_index);
    write_u64(&writer, status->first_index);
    write_u32(&writer, status->damaged_entries);
    write_u32(&writer, (status->disk_full ? NODE_DISK_FULL : 0) |
                           (status->books_differ ? NODE_BOOKS_DIFFER : 0));
    write_u64(&writer, status->sending_bytes);
    write_u64(&writer, status->sending_total_bytes);
    write_u64(&writer, status->receiving_bytes);
    write_u64(&writer, status->receiving_total_bytes);
    write_u64(&writer, status->agreed_index);
    ASSERT(!writer.failed);
    write_zeros(&writer, (size_t)(writer.end - writer.at));
}

enum status node_status_decode(struct bytes payload, struct node_status *status)
{
    if (payload.size < NODE_STATUS_SIZE || payload.size > NODE_STATUS_SIZE_MAX) {
        return STATUS_PROTOCOL;
    }
    struct reader reader = reader_init(payload.data, payload.size);
    status->cluster = read_u128(&reader);
    status->node = read_u32(&reader);
    status->leader = read_u32(&reader);
    status->role = read_u32(&reader);
    (void)read_u32(&reader);
    status->term = read_u64(&reader);
    status->last_index = read_u64(&reader);
    status->commit_index = read_u64(&reader);
    status->applied_index = read_u64(&reader);
    status->checkpoint_index = read_u64(&reader);
    status->timestamp = read_u64(&reader);
    status->digest = read_u128(&reader);
    status->accounts = read_u64(&reader);
    status->transfers = read_u64(&reader);
    status->disk_free_bytes = read_u64(&reader);
    const uint8_t *version = read_bytes(&reader, sizeof status->version);
    if (reader.failed || version == NULL) {
        return STATUS_PROTOCOL;
    }
    memcpy(status->version, version, sizeof status->version);
    status->version[sizeof status->version - 1] = '\0';
    status->incarnation = read_u64(&reader);
    status->member_roles = read_u32(&reader);
    status->priority = read_u32(&reader);
    status->features = read_u64(&reader);
    status->features_on = read_u64(&reader);
    status->config_index = read_u64(&reader);
    status->first_index = read_u64(&reader);
    status->damaged_entries = read_u32(&reader);
    uint32_t bits = read_u32(&reader);
    status->disk_full = (bits & NODE_DISK_FULL) != 0;
    status->books_differ = (bits & NODE_BOOKS_DIFFER) != 0;
    status->sending_bytes = read_u64(&reader);
    status->sending_total_bytes = read_u64(&reader);
    status->receiving_bytes = read_u64(&reader);
    status->receiving_total_bytes = read_u64(&reader);
    status->agreed_index = read_u64(&reader);
    return reader.failed ? STATUS_PROTOCOL : STATUS_OK;
}
