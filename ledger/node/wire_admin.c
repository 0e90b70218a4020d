#include "ledger/node/wire_admin.h"

#include "base/assert.h"

#include <string.h>

enum { ROLES_ALL = 7 /* enum raft_member_roles */, FLAG_SET = 1 };

static void write_address(struct writer *writer, const char address[MEMBER_ADDRESS_MAX])
{
    const char *end = memchr(address, '\0', MEMBER_ADDRESS_MAX);
    ASSERT(end != NULL);
    size_t size = (size_t)(end - address);
    write_u16(writer, (uint16_t)size);
    write_bytes(writer, address, size);
}

/* Fails the reader for bytes that do not belong in an address. */
static void read_address(struct reader *reader, char address[MEMBER_ADDRESS_MAX])
{
    size_t size = read_u16(reader);
    const uint8_t *text = size < MEMBER_ADDRESS_MAX ? read_bytes(reader, size) : NULL;
    memset(address, 0, MEMBER_ADDRESS_MAX);
    if (text == NULL) {
        reader->failed = reader->failed || size > 0;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            reader->failed = true;
            return;
        }
        address[i] = (char)text[i];
    }
}

/* 0 or 1, nothing else. */
static bool read_flag(struct reader *reader)
{
    uint8_t value = read_u8(reader);
    reader->failed = reader->failed || value > FLAG_SET;
    return value == FLAG_SET;
}

/* --- requests --------------------------------------------------------------------------------- */

size_t admin_request_encode(uint8_t out[ADMIN_REQUEST_SIZE_MAX],
                            const struct admin_request *request)
{
    struct writer writer = writer_init(out, ADMIN_REQUEST_SIZE_MAX);
    write_u16(&writer, (uint16_t)request->action);
    write_u8(&writer, request->has_priority ? FLAG_SET : 0);
    write_u8(&writer, request->has_priority ? request->priority : 0);
    write_u32(&writer, request->id);
    write_zeros(&writer, 2);
    ASSERT(writer_size(&writer) == ADMIN_REQUEST_SIZE - sizeof(uint16_t));
    write_address(&writer, request->address);
    ASSERT(!writer.failed);
    return writer_size(&writer);
}

enum status admin_request_decode(struct bytes payload, struct admin_request *request)
{
    struct reader reader = reader_init(payload.data, payload.size);
    struct admin_request decoded;
    memset(&decoded, 0, sizeof decoded);
    uint16_t action = read_u16(&reader);
    decoded.has_priority = read_flag(&reader);
    decoded.priority = read_u8(&reader);
    decoded.id = read_u32(&reader);
    uint16_t reserved = read_u16(&reader);
    read_address(&reader, decoded.address);
    bool known = action > 0 && action < ADMIN_ACTION_END;
    bool plain = decoded.has_priority || decoded.priority == 0;
    if (!reader_done(&reader) || !known || !plain || reserved != 0) {
        return STATUS_INVALID;
    }
    decoded.action = (enum admin_action)action;
    *request = decoded;
    return STATUS_OK;
}

/* --- views ------------------------------------------------------------------------------------ */

static void write_member(struct writer *writer, const struct member_view *member)
{
    write_u32(writer, member->id);
    write_u8(writer, member->roles);
    write_u8(writer, member->priority);
    write_u8(writer, member->heard ? FLAG_SET : 0);
    write_u8(writer, 0);
    write_u64(writer, member->incarnation);
    write_u64(writer, member->match_index);
    write_u64(writer, member->features);
    write_address(writer, member->address);
}

size_t members_view_encode(uint8_t out[MEMBERS_VIEW_SIZE_MAX], const struct members_view *view)
{
    ASSERT(view->count <= RAFT_MEMBERS_MAX);
    struct writer writer = writer_init(out, MEMBERS_VIEW_SIZE_MAX);
    write_u64(&writer, view->config_index);
    write_u64(&writer, view->term);
    write_u64(&writer, view->commit_index);
    write_u64(&writer, view->features_on);
    write_u32(&writer, view->leader);
    write_u8(&writer, view->committed ? FLAG_SET : 0);
    write_zeros(&writer, 7);
    write_u32(&writer, view->count);
    ASSERT(writer_size(&writer) == MEMBERS_VIEW_SIZE);
    for (uint32_t i = 0; i < view->count; i++) {
        write_member(&writer, &view->members[i]);
    }
    ASSERT(!writer.failed);
    return writer_size(&writer);
}

static void read_member(struct reader *reader, struct member_view *member)
{
    member->id = read_u32(reader);
    member->roles = read_u8(reader);
    member->priority = read_u8(reader);
    member->heard = read_flag(reader);
    uint8_t reserved = read_u8(reader);
    member->incarnation = read_u64(reader);
    member->match_index = read_u64(reader);
    member->features = read_u64(reader);
    read_address(reader, member->address);
    bool sound = member->id != 0 && member->roles != 0 && member->roles <= ROLES_ALL &&
                 reserved == 0 && member->address[0] != '\0';
    reader->failed = reader->failed || !sound;
}

enum status members_view_decode(struct bytes payload, struct members_view *view)
{
    struct reader reader = reader_init(payload.data, payload.size);
    memset(view, 0, sizeof *view);
    view->config_index = read_u64(&reader);
    view->term = read_u64(&reader);
    view->commit_index = read_u64(&reader);
    view->features_on = read_u64(&reader);
    view->leader = read_u32(&reader);
    view->committed = read_flag(&reader);
    uint64_t reserved = read_u8(&reader);
    reserved |= read_u16(&reader);
    reserved |= read_u32(&reader);
    uint32_t count = read_u32(&reader);
    if (reader.failed || reserved != 0 || count > RAFT_MEMBERS_MAX) {
        return STATUS_PROTOCOL;
    }
    for (uint32_t i = 0; i < count; i++) {
        read_member(&reader, &view->members[i]);
        bool ascending = i == 0 || view->members[i].id > view->members[i - 1].id;
        if (reader.failed || !ascending) {
            return STATUS_PROTOCOL;
        }
    }
    view->count = count;
    return reader_done(&reader) ? STATUS_OK : STATUS_PROTOCOL;
}

const struct member_view *members_view_find(const struct members_view *view, uint32_t id)
{
    for (uint32_t i = 0; i < view->count; i++) {
        if (view->members[i].id == id) {
            return &view->members[i];
        }
    }
    return NULL;
}
