#include "raft/core/config.h"

#include "base/mutation.h"

#include <stddef.h>

bool config_roles_legal(uint8_t roles)
{
    switch (roles) {
    case RAFT_VOTER:
    case RAFT_VOTER_OLD:
    case RAFT_VOTER | RAFT_VOTER_OLD:
    case RAFT_LEARNER:
    case RAFT_LEARNER | RAFT_VOTER_OLD:
        return true;
    default:
        return false;
    }
}

bool config_well_formed(const struct raft_config *config)
{
    if (config->count == 0 || config->count > RAFT_MEMBERS_MAX) {
        return false;
    }
    bool voter = false;
    uint32_t before = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct raft_config_member *member = &config->members[i];
        if (member->id <= before || !config_roles_legal(member->roles)) {
            return false;
        }
        before = member->id;
        voter = voter || (member->roles & RAFT_VOTER) != 0;
    }
    return voter;
}

bool config_is_joint(const struct raft_config *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if ((config->members[i].roles & RAFT_VOTER_OLD) != 0) {
            return true;
        }
    }
    return false;
}

uint32_t config_position(const struct raft_config *config, uint32_t id)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if (config->members[i].id == id) {
            return i;
        }
    }
    return RAFT_MEMBERS_MAX;
}

bool config_votes(const struct raft_config *config, uint32_t id)
{
    uint32_t at = config_position(config, id);
    return at < RAFT_MEMBERS_MAX &&
           (config->members[at].roles & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0;
}

bool config_same(const struct raft_config *a, const struct raft_config *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const struct raft_config_member *left = &a->members[i];
        const struct raft_config_member *right = &b->members[i];
        if (left->id != right->id || left->roles != right->roles ||
            left->priority != right->priority) {
            return false;
        }
    }
    return true;
}

/* The next member from *at on that has the role, or NULL. */
static const struct raft_config_member *next_with(const struct raft_config *config, uint8_t role,
                                                  uint32_t *at)
{
    while (*at < config->count) {
        const struct raft_config_member *member = &config->members[*at];
        (*at)++;
        if ((member->roles & role) != 0) {
            return member;
        }
    }
    return NULL;
}

/* Those with role_a in `a` are those with role_b in `b`. */
static bool same_set(const struct raft_config *a, uint8_t role_a, const struct raft_config *b,
                     uint8_t role_b)
{
    uint32_t at_a = 0;
    uint32_t at_b = 0;
    for (;;) {
        const struct raft_config_member *left = next_with(a, role_a, &at_a);
        const struct raft_config_member *right = next_with(b, role_b, &at_b);
        if (left == NULL || right == NULL) {
            return left == NULL && right == NULL;
        }
        if (left->id != right->id) {
            return false;
        }
    }
}

bool config_step_legal(const struct raft_config *present, const struct raft_config *next)
{
    if (!config_well_formed(next)) {
        return false;
    }
    if (!config_is_joint(present) && config_is_joint(next)) {
        return same_set(present, RAFT_VOTER, next, RAFT_VOTER_OLD);
    }
    bool voters_stay = same_set(present, RAFT_VOTER, next, RAFT_VOTER);
    if (config_is_joint(present) && config_is_joint(next)) {
        return voters_stay && same_set(present, RAFT_VOTER_OLD, next, RAFT_VOTER_OLD);
    }
    return voters_stay || MUTATION(config_voters_change_at_once); /* the same simple one, or the new
                                                                     half of a joint one */
}
