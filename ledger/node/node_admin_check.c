/* node_admin_check.c — why a change of the members is refused, in words that say what to do. */
#include "base/assert.h"
#include "ledger/node/node_admin.h"
#include "ledger/node/node_internal.h"

#include <stdio.h>

enum { MEMBER_IDS_MAX = RAFT_MEMBERS_MAX * 12 + 1 }; /* their decimals, with ", " between */

/* OK, or why the voters of `next` would not have a majority that is heard. */
enum status node_admin_check_quorum(const struct node *node, const struct members *next,
                                    struct error *error)
{
    uint32_t voters = 0;
    uint32_t heard = 0;
    for (uint32_t i = 0; i < next->count; i++) {
        if ((next->members[i].roles & RAFT_VOTER) == 0) {
            continue;
        }
        uint32_t at = node_member_at(node, next->members[i].id);
        voters++;
        heard += at < node->raft_now.member_count && node_hears(node, at) ? 1 : 0;
    }
    if (voters == 0) {
        return error_set(error, STATUS_PRECONDITION,
                         "it is the last voter: add another member first, and let it catch up");
    }
    if (heard <= voters / 2) {
        return error_set(error, STATUS_PRECONDITION,
                         "of the %u voters that would be left only %u are heard, which is no "
                         "majority: bring them back, or remove those that are lost first",
                         voters, heard);
    }
    return STATUS_OK;
}

enum status node_admin_check_time(const struct node *node, uint32_t except, struct error *error)
{
    const struct raft_status *now = &node->raft_now;
    if (now->joint) {
        return error_set(error, STATUS_BUSY,
                         "a change of the voters is half done (joint configuration at log index "
                         "%llu): it ends by itself when both majorities are reachable; ask again",
                         (unsigned long long)now->config_index);
    }
    if (!now->config_committed) {
        return error_set(error, STATUS_BUSY,
                         "another change (log index %llu) is not committed yet: ask again",
                         (unsigned long long)now->config_index);
    }
    if (!now->reads_ready || now->transferring) {
        return error_set(error, STATUS_BUSY,
                         "the leader is new, or about to hand over: ask again in a moment");
    }
    bool understood = (node->config.last.members.features & FEATURE_MEMBERS) != 0 ||
                      (node_common_features(node, except) & FEATURE_MEMBERS) != 0;
    if (!understood) {
        return error_set(error, STATUS_PRECONDITION,
                         "a member was not heard since this leader started, or runs a release "
                         "that does not know changes of members: upgrade or start it first");
    }
    return STATUS_OK;
}

/* "1, 2, 3" */
static const char *ids_of(const struct members *members, char text[MEMBER_IDS_MAX])
{
    size_t size = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < members->count; i++) {
        int more = snprintf(text + size, MEMBER_IDS_MAX - size, i == 0 ? "%u" : ", %u",
                            members->members[i].id);
        ASSERT(more > 0 && size + (size_t)more < MEMBER_IDS_MAX);
        size += (size_t)more;
    }
    return text;
}

enum status node_admin_unknown_member(const struct node *node, const struct admin_request *request,
                                      struct error *error)
{
    char ids[MEMBER_IDS_MAX];
    bool removes = request->action == ADMIN_REMOVE;
    return error_set(error, STATUS_NOT_FOUND,
                     "there is no member %u, the members are %s: %s (`fenlu admin member list` "
                     "shows them)",
                     request->id, ids_of(&node->config.last.members, ids),
                     removes ? "if it was removed before nothing is left to do, else give one of "
                               "these ids"
                             : "give one of these ids, or add it first with `fenlu admin member "
                               "add`");
}

enum status node_admin_check_heir(const struct node *node, const struct admin_request *request,
                                  struct error *error)
{
    const struct raft_status *now = &node->raft_now;
    uint32_t at = node_member_at(node, request->id);
    if (at == now->member_count) {
        return node_admin_unknown_member(node, request, error);
    }
    if ((now->members[at].roles & RAFT_VOTER) == 0) {
        return error_set(error, STATUS_PRECONDITION,
                         "member %u cannot lead, as it is no voter: name a voter, or none",
                         request->id);
    }
    if (now->members[at].priority == RAFT_PRIORITY_NEVER) {
        return error_set(error, STATUS_PRECONDITION,
                         "member %u cannot lead, as it has priority 0: name another, or give it a "
                         "priority with `fenlu admin member promote --id %u --priority N`",
                         request->id, request->id);
    }
    if (!node_hears(node, at)) {
        return error_set(error, STATUS_PRECONDITION,
                         "member %u cannot lead, as it is not heard: start it first, or name "
                         "another",
                         request->id);
    }
    return STATUS_OK;
}
