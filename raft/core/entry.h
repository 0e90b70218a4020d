/* entry.h — a log entry: one format in memory, on the wire and on disk, so that its bytes are
 * copied and checksummed once.
 *
 * Layout, little-endian, 64 bytes of header and then the body:
 *   0  u32 header_crc   CRC-32C of bytes 4..63
 *   4  u32 body_crc     CRC-32C of the body
 *   8  u64 index        from 1
 *  16  u64 term
 *  24  u64 timestamp    ns; the last of the timestamps that the entry's events take
 *  32  u64 chain        hash of the previous entry's chain and of this entry's identity
 *  40  u32 body_size
 *  44  u16 kind         enum entry_kind
 *  46  u16 version      ENTRY_VERSION
 *  48  u64 reserved[2]  zero
 *
 * Invariants  (1) chain(i) = entry_chain(chain(i-1), header i): two logs that agree on the chain of
 *                 an index agree on everything before it; chain(0) = 0;
 *             (2) timestamps never go back along the log.
 * Memory      `struct entry` is counted by references: entry_new gives one, entry_keep adds one,
 *             entry_release drops one and frees at zero; any thread. Bytes never change after
 *             entry_seal.
 */
#pragma once

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum { ENTRY_VERSION = 1 };

enum entry_kind {
    ENTRY_NOOP = 1,     /* the first of a term; empty */
    ENTRY_COMMANDS = 2, /* ledger commands (ledger/core/command.h) */
    ENTRY_MEMBERS = 3,  /* a configuration of the cluster */
};

struct entry_header {
    uint32_t header_crc;
    uint32_t body_crc;
    uint64_t index;
    uint64_t term;
    uint64_t timestamp;
    uint64_t chain;
    uint32_t body_size;
    uint16_t kind;
    uint16_t version;
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct entry_header) == RAFT_ENTRY_HEADER_SIZE, "fixed layout");

struct entry {
    uint32_t references; /* atomic */
    uint32_t body_capacity;
    uint64_t padding[7]; /* keeps header and body aligned to 64 */
    struct entry_header header;
    uint8_t body[];
};

/* The chain after an entry with these fields (index, term, timestamp, kind, body_size, body_crc).
 */
uint64_t entry_chain(uint64_t previous_chain, const struct entry_header *header);
/* Fills body_crc, chain, version and header_crc of an entry whose other fields and body are set. */
void entry_seal(struct entry *entry, uint64_t previous_chain);
/* header_crc, version, kind, reserved and body_size are those of a sound header. */
bool entry_header_check(const struct entry_header *header);
/* The body matches body_crc. */
bool entry_body_check(const struct entry_header *header, const uint8_t *body);

/* Bytes of header and body together: what the log and the wire carry. */
static inline uint32_t entry_size(const struct entry_header *header)
{
    return RAFT_ENTRY_HEADER_SIZE + header->body_size;
}

/* An entry with room for `body_size` bytes, header and body not cleared, one reference. Ends the
 * process when memory is gone: queues are bounded, so that is a limit set too high. */
struct entry *entry_new(uint32_t body_size);
struct entry *entry_keep(struct entry *entry);
void entry_release(struct entry *entry);
