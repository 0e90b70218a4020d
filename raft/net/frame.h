/* frame.h — what crosses a connection between our processes: peers, and API nodes to servers.
 *
 * A frame is a header of 32 bytes, a head (the fields of one message) and a payload (entries,
 * events, results). Little-endian:
 *    0  u32 magic         FRAME_MAGIC
 *    4  u32 head_crc      CRC-32C of bytes 8..31 and the head
 *    8  u16 kind          enum frame_kind
 *   10  u16 version       FRAME_VERSION of the sender
 *   12  u32 head_size     <= FRAME_HEAD_MAX
 *   16  u32 payload_size  <= FRAME_BODY_MAX - FRAME_HEAD_MAX
 *   20  u32 payload_crc   CRC-32C of the payload; 0 and FRAME_SELF_CHECKED for a payload that
 *                         carries checksums of its own (entries), so that it is summed once
 *   24  u32 flags         FRAME_SELF_CHECKED
 *   28  u32 reserved      zero
 *
 * A connection starts with a HELLO from the side that dialled, answered by a HELLO or a REFUSED;
 * nothing else may come before, and neither has a payload. The first HELLO_SIZE bytes of a hello
 * mean the same in every version of the protocol, so that versions can refuse each other. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MAGIC 0x464C4E46U /* "FNLF" */
enum { FRAME_VERSION = 1, FRAME_HEAD_MAX = 4096, FRAME_SELF_CHECKED = 1 };

enum frame_kind {
    FRAME_HELLO = 1,
    FRAME_REFUSED, /* why the connection will not be served; then it is closed */
    FRAME_PING,    /* head: u64 sender's mono ns; keeps alive and measures clocks */
    FRAME_PONG,    /* head: u64 echoed mono ns, u64 wall ns of the answerer */
    FRAME_RAFT,    /* head: raft_message; payload: entries */
    FRAME_REQUEST, /* ledger/node/wire.h */
    FRAME_REPLY,   /* ledger/node/wire.h */
    /* Between peers only; the newer kinds are at the end, for numbers are stable. */
    FRAME_SNAPSHOT, /* ledger/node/snapshot_wire.h; payload: a manifest or a piece of a file */
    FRAME_REPAIR,   /* a damaged entry is asked for; or given, as the payload */
    FRAME_VOTES,    /* ledger/node/node_votes.h: digests of the books */
    FRAME_KIND_END
};

struct frame_header {
    enum frame_kind kind;
    uint16_t version;
    uint32_t head_size;
    uint32_t payload_size;
    uint32_t payload_crc;
    uint32_t flags;
    uint32_t head_crc;
};

/* Writes the header of a frame with this head; payload_crc and flags as the caller says. */
void frame_encode(uint8_t out[FRAME_HEADER_SIZE], enum frame_kind kind, struct bytes head,
                  uint32_t payload_size, uint32_t payload_crc, uint32_t flags);
/* Checks magic, kind, sizes and reserved bits; PROTOCOL when unsound, VERSION for a newer one. */
STATUS_MUST_USE enum status frame_decode(const uint8_t in[FRAME_HEADER_SIZE],
                                         struct frame_header *header);
/* The head matches head_crc; `in` is the header's bytes. */
bool frame_head_check(const uint8_t in[FRAME_HEADER_SIZE], const struct frame_header *header,
                      const uint8_t *head);
bool frame_payload_check(const struct frame_header *header, const uint8_t *payload);
/* A client neither sends nor gets frames of this kind. */
bool frame_kind_of_peers(enum frame_kind kind);

enum hello_role { HELLO_PEER = 1, HELLO_CLIENT = 2 };
enum { HELLO_ADDRESS_MAX = 256 };

struct hello {
    u128 cluster; /* 0 from a client that does not know it yet */
    enum hello_role role;
    uint32_t node;           /* the sender's id; 0 for a client */
    uint32_t to_node;        /* whom it believes to reach; 0: anybody */
    uint64_t incarnation;    /* of the sender */
    uint64_t to_incarnation; /* of the receiver as last seen; 0: not seen yet */
    uint16_t version_min;    /* of this protocol that the sender speaks */
    uint16_t version_max;
    uint64_t features; /* enum feature (raft/core/members.h) that the sender has */
    uint64_t wall_ns;
    uint64_t
        config_index; /* which list of members the sender goes by; of the newest one the most */
    /* HOST:PORT at which the sender is reached, "" from a client: who does not have it in its list
     * of members yet can answer it. Decoded ones hold printable ASCII only. */
    char address[HELLO_ADDRESS_MAX];
};

/* Fixed fields; behind them the address, without a zero. */
enum { HELLO_SIZE = 80, HELLO_SIZE_MAX = HELLO_SIZE + HELLO_ADDRESS_MAX - 1 };
/* Returns the size written. */
size_t hello_encode(uint8_t out[HELLO_SIZE_MAX], const struct hello *hello);
STATUS_MUST_USE enum status hello_decode(struct bytes head, struct hello *hello);

/* --- why a hello was refused: the head of FRAME_REFUSED --------------------------------------- */
enum refusal_reason {
    REFUSAL_VERSION = 1,
    REFUSAL_CLUSTER,
    REFUSAL_NODE,
    REFUSAL_INCARNATION,
    REFUSAL_REASON_END
};

enum { HELLO_REFUSAL_TEXT_MAX = 400, REFUSAL_SIZE_MAX = 4 + HELLO_REFUSAL_TEXT_MAX };

struct hello_refusal {
    enum refusal_reason reason;
    char text[HELLO_REFUSAL_TEXT_MAX]; /* zero-terminated; decoded ones hold printable ASCII only */
};

/* Returns the size written: u16 reason, u16 size of the text, the text. */
size_t hello_refusal_encode(uint8_t out[REFUSAL_SIZE_MAX], const struct hello_refusal *refusal);
STATUS_MUST_USE enum status hello_refusal_decode(struct bytes head, struct hello_refusal *refusal);
/* VERSION, WRONG_CLUSTER or WRONG_NODE. */
enum status refusal_status(enum refusal_reason reason);
