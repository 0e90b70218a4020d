#include "raft/core/entry.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/hash.h"

#include <string.h>

static uint32_t header_crc(const struct entry_header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    return crc32c(bytes + sizeof header->header_crc, sizeof *header - sizeof header->header_crc);
}

uint64_t entry_chain(uint64_t previous_chain, const struct entry_header *header)
{
    const uint64_t identity[] = { header->index, header->term, header->timestamp,
                                  ((uint64_t)header->body_size << 32) | header->body_crc,
                                  header->kind };
    return u128_low(hash_bytes(previous_chain, identity, sizeof identity));
}

void entry_seal(struct entry *entry, uint64_t previous_chain)
{
    struct entry_header *header = &entry->header;
    ASSERT(header->index > 0 && header->term > 0);
    ASSERT(header->body_size <= entry->body_capacity);
    header->body_crc = crc32c(entry->body, header->body_size);
    header->chain = entry_chain(previous_chain, header);
    header->version = ENTRY_VERSION;
    memset(header->reserved, 0, sizeof header->reserved);
    header->header_crc = header_crc(header);
    ASSERT(entry_header_check(header));
}

bool entry_header_check(const struct entry_header *header)
{
    if (header->header_crc != header_crc(header) || header->version != ENTRY_VERSION) {
        return false;
    }
    if (header->kind < ENTRY_NOOP || header->kind > ENTRY_MEMBERS) {
        return false;
    }
    if (header->reserved[0] != 0 || header->reserved[1] != 0) {
        return false;
    }
    return header->body_size <= (header->kind == ENTRY_NOOP ? 0 : RAFT_ENTRY_BODY_MAX);
}

bool entry_body_check(const struct entry_header *header, const uint8_t *body)
{
    return crc32c(body, header->body_size) == header->body_crc;
}
