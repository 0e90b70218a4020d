/* wire_admin.h — OPERATION_ADMIN of wire.h: the members of a cluster, shown and changed.
 *
 * The payload of the request is an admin_request; that of an OK reply is a members_view, as the
 * node has it at that moment. What was asked for is then under way, not done: a change of members
 * is in effect when a view with `committed` and without VOTER_OLD roles shows it. Refusals: INVALID
 * (what was asked cannot be meant), NOT_FOUND (no such member), EXISTS (there is one already),
 * PRECONDITION (not now: the text says what has to come first), BUSY (another change is under way),
 * NOT_LEADER. A request that asks for what is so already is OK and changes nothing, so that it can
 * be sent again when an answer was lost.
 * Fixed layouts, little-endian; decoders take any bytes. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers are stable. */
enum admin_action {
    ADMIN_LIST = 1, /* any node answers; what it knows of others' progress is 0 unless it leads */
    ADMIN_ADD,      /* id, address, priority: a learner, which becomes a voter when it caught up */
    ADMIN_PROMOTE,  /* id: a learner becomes a voter now; with a priority: of any member */
    ADMIN_REMOVE,   /* id */
    ADMIN_TRANSFER, /* id, or 0 for whoever is best: leadership goes there */
    ADMIN_SNAPSHOT, /* id of the node that is asked, or 0 for the leader: makes a snapshot; answered
                       when it is there, reply.log_index is up to where */
    ADMIN_ACTION_END
};

struct admin_request {
    enum admin_action action;
    uint32_t id;
    bool has_priority; /* without: as it is; for a new member the default */
    uint8_t priority;
    char address[MEMBER_ADDRESS_MAX]; /* ADD; zero-terminated, printable ASCII without spaces */
};

enum { ADMIN_REQUEST_SIZE = 12, ADMIN_REQUEST_SIZE_MAX = ADMIN_REQUEST_SIZE + MEMBER_ADDRESS_MAX };
/* Returns the size written. */
size_t admin_request_encode(uint8_t out[ADMIN_REQUEST_SIZE_MAX],
                            const struct admin_request *request);
/* INVALID for an unknown action and for anything that is not sound. */
STATUS_MUST_USE enum status admin_request_decode(struct bytes payload,
                                                 struct admin_request *request);

struct member_view {
    uint32_t id;
    uint8_t roles; /* enum raft_member_roles, 1.. */
    uint8_t priority;
    bool heard;           /* by the leader, lately; the leader itself is */
    uint64_t incarnation; /* 0: not seen yet */
    uint64_t match_index; /* log index up to which it is known to hold what the leader does */
    uint64_t features;    /* that it said its release has; 0: not known */
    char address[MEMBER_ADDRESS_MAX];
};

struct members_view {
    uint64_t config_index; /* of the log entry with this list; 0: the one the cluster began with */
    bool committed;        /* that entry is */
    uint32_t leader;       /* 0: unknown */
    uint64_t term;
    uint64_t commit_index;
    uint64_t features_on;
    uint32_t count;                               /* 0: the node that answers waits to be added */
    struct member_view members[RAFT_MEMBERS_MAX]; /* ascending by id */
};

enum {
    MEMBER_VIEW_SIZE = 34, /* and the address */
    MEMBERS_VIEW_SIZE = 48,
    MEMBERS_VIEW_SIZE_MAX =
        MEMBERS_VIEW_SIZE + RAFT_MEMBERS_MAX * (MEMBER_VIEW_SIZE + MEMBER_ADDRESS_MAX),
};
/* Returns the size written. */
size_t members_view_encode(uint8_t out[MEMBERS_VIEW_SIZE_MAX], const struct members_view *view);
/* PROTOCOL for anything that is not sound. */
STATUS_MUST_USE enum status members_view_decode(struct bytes payload, struct members_view *view);

/* NULL: no such member. */
const struct member_view *members_view_find(const struct members_view *view, uint32_t id);
