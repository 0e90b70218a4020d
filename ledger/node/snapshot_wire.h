/* snapshot_wire.h — the messages between who has a snapshot and who needs it: heads of
 * FRAME_SNAPSHOT.
 *
 * The receiver of the snapshot asks for everything; nothing is sent unasked. A lost, repeated or
 * late message therefore costs time only. Little-endian, SNAPSHOT_MESSAGE_SIZE bytes:
 *    0  u8  version       SNAPSHOT_MESSAGE_VERSION
 *    1  u8  kind
 *    2  u8  reason        of REFUSED, else 0
 *    3  u8  reserved      zero
 *    4  u32 chunk         CHUNK_GET, CHUNK: counted over all files of the manifest
 *    8  u128 cluster
 *   24  u128 snapshot     its id; 0 in MANIFEST_GET: whichever there is
 *   40  u64 index         MANIFEST_GET: the log index that it must reach at least
 *   48  u64 offset        MANIFEST_GET, MANIFEST: of the piece in the encoded manifest
 *   56  u64 total         MANIFEST: bytes of the whole encoded manifest
 * Payload: MANIFEST and CHUNK have 1..SNAPSHOT_CHUNK_SIZE bytes, the others none. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"

enum { SNAPSHOT_MESSAGE_VERSION = 1, SNAPSHOT_MESSAGE_SIZE = 64 };

enum snapshot_message_kind {
    SNAPSHOT_MANIFEST_GET = 1,
    SNAPSHOT_MANIFEST,
    SNAPSHOT_CHUNK_GET,
    SNAPSHOT_CHUNK,
    SNAPSHOT_REFUSED,
    SNAPSHOT_KIND_END
};

enum snapshot_refusal {
    SNAPSHOT_NOT_YET = 1, /* it is being made, or the store has not got there: ask again */
    SNAPSHOT_BUSY,        /* another receiver is being served: ask again */
    SNAPSHOT_GONE,        /* there is no snapshot of that id any more: begin anew */
    SNAPSHOT_NO_SPACE,    /* the sender's disk is short: ask again, later or elsewhere */
    SNAPSHOT_WRONG_CLUSTER,
    SNAPSHOT_REFUSAL_END
};

struct snapshot_message {
    enum snapshot_message_kind kind;
    enum snapshot_refusal reason;
    uint32_t chunk;
    u128 cluster;
    u128 snapshot;
    uint64_t index;
    uint64_t offset;
    uint64_t total;
};

void snapshot_message_encode(const struct snapshot_message *message,
                             uint8_t out[SNAPSHOT_MESSAGE_SIZE]);
/* PROTOCOL when a field has no sense for the kind, or the payload's size has none; VERSION when it
 * was sent by a newer release. */
STATUS_MUST_USE enum status snapshot_message_decode(struct bytes head, size_t payload_size,
                                                    struct snapshot_message *message);
/* MANIFEST_GET and CHUNK_GET are for the source, the others for the target. */
bool snapshot_message_asks(const struct snapshot_message *message);
/* "not_yet" */
const char *snapshot_refusal_name(enum snapshot_refusal reason);
