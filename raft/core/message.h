/* message.h — Raft messages as bytes, and what makes one sound.
 *
 * Layout, little-endian; one shape for all kinds, RAFT_MESSAGE_FIXED_SIZE bytes:
 *    0  u8  version        RAFT_MESSAGE_VERSION
 *    1  u8  kind           enum raft_message_kind
 *    2  u16 flags          1 granted, 2 rejected, 4 transfer, 8 lost, 16 disk_full,
 *                       32 joining
 *    4  u32 from           8 u32 to           12 u32 entry_count
 *   16  u64 term, last_index, last_term, prev_index, prev_term, commit_index, match_index,
 *           conflict_index, conflict_term, read_round, sequence, features
 * and after an APPEND's, entry_count times an entry: header (entry.h) and body, without padding,
 * so any entry but the first may be unaligned.
 *
 * Sender   raft_message_encode writes the fixed part; the entries follow as they lie in memory.
 * Memory   what raft_message_decode gives points into its input and into `entries`.
 * Errors   VERSION for another version, PROTOCOL for anything that a sound peer cannot have sent.
 * Pure. The bodies' checksums are not looked at here: entry_body_check, once, by whoever keeps
 * them. Nor are bodies of ENTRY_MEMBERS entries: whoever checked them sets infos[].config.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"
#include "raft/core/entry.h"
#include "raft/core/raft.h"

#include <stdbool.h>
#include <stdint.h>

enum { RAFT_MESSAGE_VERSION = 2, RAFT_MESSAGE_FIXED_SIZE = 112 };

_Static_assert(RAFT_MESSAGE_FIXED_SIZE + RAFT_MESSAGE_BYTES_MAX <= FRAME_BODY_MAX,
               "a full message fits in a frame");

/* A received entry: its header, copied to where it is aligned, and its bytes in the input. */
struct raft_entry_view {
    struct entry_header header;
    const uint8_t *data; /* header and body, entry_size(&header) bytes */
    const uint8_t *body;
};

struct raft_message_entries {
    struct raft_entry_info infos[RAFT_MESSAGE_ENTRIES_MAX];
    struct raft_entry_view views[RAFT_MESSAGE_ENTRIES_MAX];
};

/* Writes the fixed part; the writer's `failed` tells when it did not fit. */
void raft_message_encode(const struct raft_message *message, struct writer *writer);
/* Reads one message: the fixed part, and the entries, which a frame carries apart (its head and its
 * payload). On failure nothing given is to be used. */
STATUS_MUST_USE enum status raft_message_decode(struct bytes fixed, struct bytes payload,
                                                struct raft_message *message,
                                                struct raft_message_entries *entries);
/* The fields agree with one another as a sound sender's would; needs no other state. */
bool raft_message_check(const struct raft_message *message);
