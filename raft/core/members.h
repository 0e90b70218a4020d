/* members.h — the body of an ENTRY_MEMBERS entry: who takes part in the cluster, where, and which
 * features are switched on.
 *
 * Layout, little-endian:
 *    0  u8  version      MEMBERS_VERSION
 *    1  u8  count        1..RAFT_MEMBERS_MAX
 *    2  u16 zero
 *    4  u32 zero
 *    8  u64 features
 * and count times
 *    0  u32 id           4 u8 roles      5 u8 priority     6 u16 address size
 *    8  u64 incarnation
 *   16  the address, without a terminating zero
 *
 * The state of the cluster's members is the last of these bodies in the log, at its index; before
 * the first it is that of the superblock: all voters, default priority, incarnation 0, no features.
 *
 * Features    a bit is something that a release understands or not. Releases advertise theirs
 *             (FENLU_FEATURES) in hellos and messages; a leader switches a bit on by such an entry
 *             once every member has it, and from then on a node without it refuses to serve.
 * Errors      VERSION for another version, PROTOCOL for bytes that no sound leader writes.
 * Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"
#include "raft/core/config.h"

#include <stdint.h>

enum { MEMBERS_VERSION = 1 };
enum {
    MEMBERS_BODY_MAX = 16 + (RAFT_MEMBERS_MAX * (16 + MEMBER_ADDRESS_MAX)),
};

static const uint64_t FEATURE_MEMBERS = (uint64_t)1 << 0; /* understands ENTRY_MEMBERS entries */
static const uint64_t FEATURE_VOTES = (uint64_t)1 << 1;   /* understands FRAME_VOTES */
static const uint64_t FENLU_FEATURES = 3;                 /* all that this release has */

struct member {
    uint32_t id;
    uint8_t roles; /* enum raft_member_roles */
    uint8_t priority;
    uint64_t incarnation;             /* 0: not seen yet; bound at the first hello */
    char address[MEMBER_ADDRESS_MAX]; /* HOST:PORT, with a terminating zero, not empty */
};

struct members {
    uint64_t features; /* those that are switched on */
    uint32_t count;
    struct member members[RAFT_MEMBERS_MAX]; /* ascending by id */
};

/* The writer's `failed` tells when it did not fit; `members` must be sound (members_check). */
void members_encode(const struct members *members, struct writer *writer);
STATUS_MUST_USE enum status members_decode(struct bytes body, struct members *members);
/* A well-formed configuration whose members have addresses. */
bool members_check(const struct members *members);
/* Who votes and who may lead: what Raft needs to know of them. */
void members_config(const struct members *members, struct raft_config *config);
/* The same as node `id` of this incarnation sees it: binds_self is set when it is the one meant. */
void members_config_for(const struct members *members, uint32_t id, uint64_t incarnation,
                        struct raft_config *config);
/* NULL: no member. */
const struct member *members_find(const struct members *members, uint32_t id);
