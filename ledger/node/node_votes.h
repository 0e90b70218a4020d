/* node_votes.h — the members tell one another the digests of their books, and find out who is
 * wrong.
 *
 * Points    every VOTE_EVERY_ENTRIES-th log index; after applying it, a node keeps the digest of
 *           its whole state (books, remembered replies, cluster time). It keeps so many, and tells
 *           the others the last ones, and coarse ones that reach back as far as it can, once a
 *           second: so nodes that are not equally far find points that both have.
 * Verdict   at one point, a majority of the voters (of both halves of a joint configuration) with
 *           one digest is right. A node that has another one stops: its books can not be trusted,
 *           and it says between which two entries it went wrong. A majority with this node's digest
 *           at a later point is as good: what a node told before it stopped, at points that the
 *           others tell no more, stops nobody. As long as digests of voters differ and no
 *           majority has the same, nobody knows who is right: when all voters have told theirs, or
 *           VOTE_OPEN_WAIT_NS have passed, the leader takes no writes (PRECONDITION).
 * Limits    a difference is noticed within about two seconds of the entry that made it, as long as
 *           nodes are within VOTE_SPAN entries of each other; answers given before are out.
 * FRAME_VOTES, little-endian, at most VOTES_FRAME_MAX bytes in its head:
 *    0  u8  version, 1
 *    1  u8  zero
 *    2  u16 count of points
 *    4  u32 zero
 *    8  count times { u64 index, u128 digest }, indexes ascending
 * Sent only to peers that know it (FEATURE_VOTES). Thread: the loop's.
 */
#pragma once

#include "base/clock.h"
#include "base/u128.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VOTE_EVERY_ENTRIES = 16,
    VOTE_POINTS_KEPT = 1024, /* a power of two */
    VOTE_SPAN = VOTE_EVERY_ENTRIES * VOTE_POINTS_KEPT,
    VOTE_POINTS_FINE = 32, /* the last ones; */
    VOTE_POINTS_COARSE = 32,
    VOTE_POINTS_TOLD = VOTE_POINTS_FINE + VOTE_POINTS_COARSE,
    VOTE_COARSE_ENTRIES = VOTE_SPAN / VOTE_POINTS_COARSE, /* and every one so far apart */
    VOTES_FRAME_MAX = 8 + VOTE_POINTS_TOLD * 24,
};
static const uint64_t VOTE_INTERVAL_NS = NS_PER_S;
static const uint64_t VOTE_OPEN_WAIT_NS = 5 * NS_PER_S;

struct vote_point {
    uint64_t index; /* 0: none */
    u128 digest;
};

/* What a peer told last. */
struct peer_votes {
    uint32_t count;
    bool differs; /* from what a majority and this node have; said once */
    struct vote_point points[VOTE_POINTS_TOLD];
};

struct votes {
    struct vote_point own[VOTE_POINTS_KEPT]; /* by index / VOTE_EVERY_ENTRIES */
    uint64_t newest_index;
    uint64_t told_index; /* the newest one that was told to all */
    uint32_t silent_turns;
    uint64_t due_ns;
    uint64_t agreed_index; /* the last one at which a majority has this node's digest */
    uint64_t open_index;   /* the first one that differs and has no majority; 0: none */
    uint64_t open_ns;      /* since when */
    bool stopped;          /* no writes */
};
