#include "tools/members.h"

#include "base/address.h"
#include "base/entropy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status parse_one(const char *text, size_t size, struct superblock_member *member,
                             struct error *error)
{
    const char *equals = memchr(text, '=', size);
    char *end = NULL;
    unsigned long id =
        equals != NULL && text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (equals == NULL || end != equals || id == 0 || id > UINT32_MAX) {
        return error_set(error, STATUS_INVALID,
                         "member \"%.*s\": expected ID=HOST:PORT with an id from 1", (int)size,
                         text);
    }
    size_t address_size = size - (size_t)(equals + 1 - text);
    if (address_size >= MEMBER_ADDRESS_MAX) {
        return error_set(error, STATUS_TOO_LARGE,
                         "member %lu: the address has %zu bytes, the limit is %d", id, address_size,
                         MEMBER_ADDRESS_MAX - 1);
    }
    memset(member, 0, sizeof *member);
    member->id = (uint32_t)id;
    memcpy(member->address, equals + 1, address_size);
    struct address address;
    return address_parse(member->address, &address, error);
}

static enum status insert(struct superblock_member *members, uint32_t *count,
                          const struct superblock_member *member, struct error *error)
{
    uint32_t at = 0;
    while (at < *count && members[at].id < member->id) {
        at++;
    }
    if (at < *count && members[at].id == member->id) {
        return error_set(error, STATUS_INVALID, "member %u is named twice", member->id);
    }
    if (*count == RAFT_MEMBERS_MAX) {
        return error_set(error, STATUS_TOO_LARGE, "more than %d members", RAFT_MEMBERS_MAX);
    }
    memmove(members + at + 1, members + at, (*count - at) * sizeof *members);
    members[at] = *member;
    (*count)++;
    return STATUS_OK;
}

enum status members_parse(const char *text, struct superblock_member *members, uint32_t *count,
                          struct error *error)
{
    *count = 0;
    memset(members, 0, RAFT_MEMBERS_MAX * sizeof *members);
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        struct superblock_member member;
        TRY(parse_one(text, size, &member, error));
        TRY(insert(members, count, &member, error));
        text += size;
        text += *text == ',' ? 1 : 0;
    }
    if (*count == 0) {
        return error_set(error, STATUS_INVALID, "no members: expected 1=HOST:PORT,2=HOST:PORT,…");
    }
    return STATUS_OK;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

enum status uuid_parse(const char *text, u128 *uuid, struct error *error)
{
    u128 value = 0;
    unsigned digits = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool dash = *at == '-' && (digits == 8 || digits == 12 || digits == 16 || digits == 20);
        int digit = hex_digit(*at);
        if (dash) {
            continue;
        }
        if (digit < 0 || digits == 32) {
            digits = 0;
            break;
        }
        value = (value << 4) | (unsigned)digit;
        digits++;
    }
    if (digits != 32 || value == 0) {
        return error_set(error, STATUS_INVALID,
                         "\"%.64s\" is not a UUID: expected 32 hex digits as 8-4-4-4-12, not all "
                         "zero",
                         text);
    }
    *uuid = value;
    return STATUS_OK;
}

void uuid_print(u128 uuid, char text[UUID_TEXT_SIZE])
{
    uint8_t bytes[16];
    u128_to_bytes(uuid, bytes);
    size_t used = 0;
    for (unsigned i = 0; i < 16; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        int size = snprintf(text + used, UUID_TEXT_SIZE - used, "%s%02x", dash, bytes[i]);
        used += size > 0 ? (size_t)size : 0;
    }
}

u128 uuid_random(void)
{
    struct entropy entropy = entropy_os();
    uint64_t high = entropy_u64(&entropy);
    uint64_t low = entropy_u64(&entropy);
    high = (high & ~(uint64_t)0xF000) | 0x4000;
    low = (low & ~((uint64_t)3 << 62)) | (uint64_t)1 << 63;
    return u128_make(high, low);
}
