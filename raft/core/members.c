#include "raft/core/members.h"

#include "base/assert.h"

#include <stdbool.h>
#include <string.h>

static size_t address_size(const struct member *member)
{
    const char *end = memchr(member->address, '\0', MEMBER_ADDRESS_MAX);
    return end == NULL ? MEMBER_ADDRESS_MAX : (size_t)(end - member->address);
}

void members_config(const struct members *members, struct raft_config *config)
{
    ASSERT(members->count <= RAFT_MEMBERS_MAX);
    memset(config, 0, sizeof *config);
    config->count = members->count;
    for (uint32_t i = 0; i < members->count; i++) {
        config->members[i].id = members->members[i].id;
        config->members[i].roles = members->members[i].roles;
        config->members[i].priority = members->members[i].priority;
    }
}

bool members_check(const struct members *members)
{
    if (members->count > RAFT_MEMBERS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        size_t size = address_size(&members->members[i]);
        if (size == 0 || size == MEMBER_ADDRESS_MAX) {
            return false;
        }
    }
    struct raft_config config;
    members_config(members, &config);
    return config_well_formed(&config);
}

const struct member *members_find(const struct members *members, uint32_t id)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->members[i].id == id) {
            return &members->members[i];
        }
    }
    return NULL;
}

void members_config_for(const struct members *members, uint32_t id, uint64_t incarnation,
                        struct raft_config *config)
{
    members_config(members, config);
    const struct member *self = members_find(members, id);
    config->binds_self = self != NULL && incarnation != 0 && self->incarnation == incarnation;
}

void members_encode(const struct members *members, struct writer *writer)
{
    ASSERT(members_check(members));
    write_u8(writer, MEMBERS_VERSION);
    write_u8(writer, (uint8_t)members->count);
    write_u16(writer, 0);
    write_u32(writer, 0);
    write_u64(writer, members->features);
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member *member = &members->members[i];
        size_t size = address_size(member);
        write_u32(writer, member->id);
        write_u8(writer, member->roles);
        write_u8(writer, member->priority);
        write_u16(writer, (uint16_t)size);
        write_u64(writer, member->incarnation);
        write_bytes(writer, member->address, size);
    }
}

static bool read_member(struct reader *reader, struct member *member)
{
    member->id = read_u32(reader);
    member->roles = read_u8(reader);
    member->priority = read_u8(reader);
    uint16_t size = read_u16(reader);
    member->incarnation = read_u64(reader);
    if (reader->failed || size == 0 || size >= MEMBER_ADDRESS_MAX) {
        return false;
    }
    const uint8_t *address = read_bytes(reader, size);
    if (address == NULL || memchr(address, '\0', size) != NULL) {
        return false;
    }
    memcpy(member->address, address, size);
    return true;
}

enum status members_decode(struct bytes body, struct members *members)
{
    memset(members, 0, sizeof *members);
    struct reader reader = reader_init(body.data, body.size);
    uint8_t version = read_u8(&reader);
    if (!reader.failed && version != MEMBERS_VERSION) {
        return STATUS_VERSION;
    }
    members->count = read_u8(&reader);
    uint16_t zero = read_u16(&reader);
    uint32_t more_zero = read_u32(&reader);
    members->features = read_u64(&reader);
    if (reader.failed || zero != 0 || more_zero != 0 || members->count > RAFT_MEMBERS_MAX) {
        return STATUS_PROTOCOL;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        if (!read_member(&reader, &members->members[i])) {
            return STATUS_PROTOCOL;
        }
    }
    return reader_done(&reader) && members_check(members) ? STATUS_OK : STATUS_PROTOCOL;
}
