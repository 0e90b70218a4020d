/* greeting.h — what a hello must say to be believed, on both sides of a connection.
 *
 * Order of the checks: version, cluster, sender, addressee, incarnations. The text of a refusal
 * names the values and what to do; it is logged by both sides. When two sides differ about an
 * incarnation, the one with the older list of members is wrong, and gives way: else a node that was
 * away while another was replaced could never hear from it.
 */
#pragma once

#include "raft/net/frame.h"

enum { PROTOCOL_VERSION_MIN = 2, PROTOCOL_VERSION_MAX = 2 };

struct greeting_rules {
    u128 cluster;              /* ours; 0: any (a client that does not know it yet) */
    uint32_t node;             /* ours; 0 on a client */
    uint64_t incarnation;      /* ours */
    uint32_t from_node;        /* whom we dialled; 0: anybody */
    uint64_t from_incarnation; /* of that sender as listed or seen before; 0: not known */
    uint64_t config_index;     /* which list of members we go by */
};

/* False, with `refusal` set, for a hello that must not be served. */
bool greeting_check(const struct greeting_rules *rules, const struct hello *hello,
                    struct hello_refusal *refusal);
