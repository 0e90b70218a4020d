/* greeting.h — what a hello must say to be believed, on both sides of a connection.
 *
 * Order of the checks: version, cluster, member, addressee, incarnations. The text of a refusal
 * names the values and what to do; it is logged by both sides.
 */
#pragma once

#include "raft/net/frame.h"

enum { PROTOCOL_VERSION_MIN = 1, PROTOCOL_VERSION_MAX = 1 };

struct greeting_rules {
    u128 cluster;              /* ours; 0: any (a client that does not know it yet) */
    uint32_t node;             /* ours; 0 on a client */
    uint64_t incarnation;      /* ours */
    bool from_member;          /* the sender's id is one of the cluster's other members */
    uint32_t from_node;        /* whom we dialled; 0: anybody */
    uint64_t from_incarnation; /* of that sender as seen before; 0: not seen yet */
};

/* False, with `refusal` set, for a hello that must not be served. */
bool greeting_check(const struct greeting_rules *rules, const struct hello *hello,
                    struct refusal *refusal);
