/* wire.h — what an API node asks of a server over the cluster port, and the answer.
 *
 * FRAME_REQUEST  head: struct request; payload: one command (ledger/core/command.h: its header of
 * 64 bytes and the events, or ids, behind it). OPERATION_STATUS has no payload. FRAME_REPLY head:
 * struct reply; payload: results of 16 bytes, accounts or transfers of 128, a node_status, a
 * members_view, or, when the status is not OK, a sentence in UTF-8 (may be empty). Integers are
 * little-endian. Numbers of wire statuses are stable. OPERATION_ADMIN: ledger/node/wire_admin.h.
 * Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"
#include "ledger/core/command.h"

enum { OPERATION_STATUS = 96, OPERATION_ADMIN = 97 };
enum request_flags {
    REQUEST_STALE_READ = 1,    /* whatever this node has applied is good enough */
    REQUEST_FOLLOWER_READ = 2, /* a follower answers, too: it asks the leader how far to wait */
};

struct request {
    uint64_t id;         /* the caller's, echoed; unique among those under way on the connection */
    uint64_t timeout_ns; /* how long the caller still waits; a read that waited longer is dropped */
    uint16_t operation;
    uint16_t flags;
};

struct reply {
    uint64_t id;
    enum status status;
    uint32_t leader;    /* the leader as the server knows it; 0: unknown */
    uint64_t term;      /* of the server: a hint of a higher term is the better one */
    uint64_t log_index; /* writes: of the entry; reads: applied index that was read */
    uint64_t timestamp; /* cluster time of that entry; for a retried command, which gives back the
                           first log_index and results, of the entry that brought the retry */
    uint32_t count;     /* results or records in the payload */
};

enum { REQUEST_HEAD_SIZE = 24, REPLY_HEAD_SIZE = 48 };

void request_encode(uint8_t out[REQUEST_HEAD_SIZE], const struct request *request);
STATUS_MUST_USE enum status request_decode(struct bytes head, struct request *request);
void reply_encode(uint8_t out[REPLY_HEAD_SIZE], const struct reply *reply);
STATUS_MUST_USE enum status reply_decode(struct bytes head, struct reply *reply);

/* One node's state, the payload of OPERATION_STATUS. */
struct node_status {
    u128 cluster;
    uint32_t node;
    uint32_t leader;
    uint32_t role; /* enum raft_role */
    uint64_t term;
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t checkpoint_index;
    uint64_t timestamp;
    u128 digest;
    uint64_t accounts;
    uint64_t transfers;
    uint64_t disk_free_bytes;
    char version[32];      /* zero-terminated */
    uint64_t incarnation;  /* of its data folder */
    uint32_t member_roles; /* enum raft_member_roles in its own list; 0: it waits to be added, or
                              was removed */
    uint32_t priority;
    uint64_t features;        /* that its release has */
    uint64_t features_on;     /* that the cluster has switched on, as far as it has applied */
    uint64_t config_index;    /* of the last committed list of members; 0: the one it began with */
    uint64_t first_index;     /* of its log */
    uint32_t damaged_entries; /* of its log, that wait to be repaired */
    bool disk_full;           /* has no room for entries */
    bool books_differ;        /* from another member's, with no majority that agrees */
    uint64_t agreed_index;    /* last log index at which a majority had the same books; 0: none was
                                 compared since its start */
    /* A snapshot that this node holds for others (sent so far, its size), and one that is under way
     * to it; total 0: none. */
    uint64_t sending_bytes;
    uint64_t sending_total_bytes;
    uint64_t receiving_bytes;
    uint64_t receiving_total_bytes;
};

/* A newer release may send more, which is not read. */
enum { NODE_STATUS_SIZE = 256, NODE_STATUS_SIZE_MAX = 1024 };
void node_status_encode(uint8_t out[NODE_STATUS_SIZE], const struct node_status *status);
STATUS_MUST_USE enum status node_status_decode(struct bytes payload, struct node_status *status);
