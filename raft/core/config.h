/* config.h — who takes part (dissertation §4.3): the members of a configuration and their roles.
 *
 * A configuration is joint when any member is a voter of the set that it leaves. Legal roles of a
 * member: VOTER, VOTER_OLD, both, LEARNER, or LEARNER and VOTER_OLD (a voter on its way down).
 *
 * Invariants  ascending ids, none 0; at least one VOTER, but for the empty configuration of a node
 *             that waits to be added.
 * Pure.
 */
#pragma once

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum raft_member_roles {
    RAFT_VOTER = 1,     /* of the set that holds, or that a joint configuration goes to */
    RAFT_VOTER_OLD = 2, /* of the set that a joint configuration leaves */
    RAFT_LEARNER = 4,   /* gets entries, is not counted, never campaigns */
};

enum {
    RAFT_PRIORITY_NEVER = 0, /* never campaigns */
    RAFT_PRIORITY_DEFAULT = 100,
};

struct raft_config_member {
    uint32_t id;
    uint8_t roles;    /* of enum raft_member_roles */
    uint8_t priority; /* 1 (leads when nobody else can) .. 255; RAFT_PRIORITY_NEVER */
};

struct raft_config {
    bool binds_self; /* the host's: it names this very node, with the incarnation that it has */
    uint32_t count;  /* 0: of a node that waits to be added */
    struct raft_config_member members[RAFT_MEMBERS_MAX]; /* ascending by id */
};

bool config_roles_legal(uint8_t roles);
/* Not empty, ids ascending, roles legal, at least one VOTER. */
bool config_well_formed(const struct raft_config *config);
bool config_is_joint(const struct raft_config *config);
/* The position of `id`; RAFT_MEMBERS_MAX: no member. */
uint32_t config_position(const struct raft_config *config, uint32_t id);
/* A voter in either half. */
bool config_votes(const struct raft_config *config, uint32_t id);
/* The same members, roles and priorities. */
bool config_same(const struct raft_config *a, const struct raft_config *b);
/* What may follow what: a change that leaves the voters (of both halves) as they are; into a joint
 * configuration whose old half are the present voters; out of one, to the voters of its new half.
 */
bool config_step_legal(const struct raft_config *present, const struct raft_config *next);
