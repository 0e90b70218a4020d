#include "base/assert.h"
#include "base/log_line.h"
#include "raft/core/members.h"
#include "raft/net/net_parts_uv.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)HELLO_ADDRESS_MAX == (int)MEMBER_ADDRESS_MAX, "a member's address fits");

struct net_peer *net_find_peer(struct net *net, uint32_t node)
{
    struct net_peer *peer = NULL;
    TAILQ_FOREACH(peer, &net->peers, link)
    {
        if (peer->node == node) {
            return peer;
        }
    }
    return NULL;
}

/* --- the members of the data folder ----------------------------------------------------------- */

enum status net_roster_check(const struct superblock *identity, struct address *own,
                             struct error *error)
{
    bool found = false;
    for (uint32_t i = 0; i < identity->member_count; i++) {
        const struct superblock_member *member = &identity->members[i];
        struct address address;
        TRY(address_parse(member->address, &address, error));
        if (member->id == identity->node) {
            *own = address;
            found = true;
        } else if (address.port == 0) {
            return error_set(error, STATUS_INVALID,
                             "member %u has address \"%s\": port 0 cannot be reached; give every "
                             "member a port of its own in --members",
                             (unsigned)member->id, member->address);
        }
    }
    ASSERT(found);
    return STATUS_OK;
}

void net_roster_start(struct net *net)
{
    const struct superblock *identity = &net->identity;
    struct member members[RAFT_MEMBERS_MAX];
    memset(members, 0, sizeof members);
    for (uint32_t i = 0; i < identity->member_count; i++) {
        members[i].id = identity->members[i].id;
        memcpy(members[i].address, identity->members[i].address, sizeof members[i].address);
    }
    net_set_members(&net->bus, members, identity->member_count, 0);
}

void net_roster_stop(struct net *net)
{
    struct net_peer *peer = NULL;
    while ((peer = TAILQ_FIRST(&net->peers)) != NULL) {
        net_peer_drop(peer, "stopped");
    }
}

/* --- the list -----------------------------------------------------------------------------------
 */

static uint32_t strangers_count(const struct net *net)
{
    uint32_t count = 0;
    const struct net_peer *peer = NULL;
    TAILQ_FOREACH(peer, &net->peers, link)
    {
        count += peer->listed ? 0 : 1;
    }
    return count;
}

static bool names(const struct member *members, uint32_t count, uint32_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == node) {
            return true;
        }
    }
    return false;
}

/* Who is not in the list any more stays while it is connected to us: it shall learn that it was
 * removed. */
static void strike(struct net *net, const struct member *members, uint32_t count)
{
    struct net_peer *next = NULL;
    for (struct net_peer *peer = TAILQ_FIRST(&net->peers); peer != NULL; peer = next) {
        next = TAILQ_NEXT(peer, link);
        if (!peer->listed || names(members, count, peer->node)) {
            continue;
        }
        if (peer->incoming == NULL || strangers_count(net) >= RAFT_MEMBERS_MAX) {
            net_peer_drop(peer, "no longer a member");
        } else {
            peer->listed = false;
            peer->expected = 0;
        }
    }
}

static void enter(struct net *net, const struct member *member)
{
    struct address address;
    struct error error;
    struct net_peer *peer = net_find_peer(net, member->id);
    if (address_parse(member->address, &address, &error) != STATUS_OK || address.port == 0) {
        /* The leader that took it into the list checked it. */
        log_line(LOG_ERROR, "member_address_unsound", LOG_UINT("node", net->identity.node),
                 LOG_UINT("peer", member->id), LOG_TEXT("address", member->address), LOG_END);
        return;
    }
    bool moved = peer != NULL && (peer->dialer.address.port != address.port ||
                                  strcmp(peer->dialer.address.host, address.host) != 0);
    if (moved) {
        net_peer_drop(peer, "the member has another address");
        peer = NULL;
    }
    if (peer == NULL) {
        peer = net_peer_new(net, member->id, &address);
    }
    bool another_life = peer->expected != member->incarnation;
    peer->listed = true;
    peer->expected = member->incarnation;
    if (peer->expected != 0 && peer->incarnation != 0 && peer->incarnation != peer->expected) {
        net_peer_cut(peer, "its incarnation is no longer the member's");
        peer->incarnation = 0;
    } else if (another_life && peer->expected == 0 && !peer->outgoing && peer->incoming == NULL) {
        peer->incarnation = 0;
    }
}

void net_set_members(struct bus *bus, const struct member *members, uint32_t count,
                     uint64_t config_index)
{
    struct net *net = (void *)bus;
    ASSERT(count <= RAFT_MEMBERS_MAX && !net->setting_members);
    if (net->stopping) {
        return;
    }
    net->setting_members = true;
    net->config_index = config_index;
    strike(net, members, count);
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == net->identity.node) {
            memcpy(net->own_address, members[i].address, sizeof net->own_address);
        } else {
            enter(net, &members[i]);
        }
    }
    net->setting_members = false;
}

/* --- strangers ----------------------------------------------------------------------------------
 */

static struct net_peer *turn_away(struct hello_refusal *refusal, const struct hello *hello,
                                  const char *why)
{
    refusal->reason = REFUSAL_NODE;
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "node %u at \"%.100s\" is no member that this node knows, and %s",
                   (unsigned)hello->node, hello->address, why);
    return NULL;
}

struct net_peer *net_meet_stranger(struct net *net, const struct hello *hello,
                                   struct hello_refusal *refusal)
{
    struct address address;
    struct error error;
    if (address_parse(hello->address, &address, &error) != STATUS_OK || address.port == 0) {
        return turn_away(refusal, hello, "cannot be answered at that address: check --members");
    }
    if (strangers_count(net) >= RAFT_MEMBERS_MAX) {
        return turn_away(refusal, hello, "there are as many such nodes here as may be");
    }
    log_line(LOG_INFO, "stranger_met", LOG_UINT("node", net->identity.node),
             LOG_UINT("peer", hello->node), LOG_TEXT("address", hello->address), LOG_END);
    return net_peer_new(net, hello->node, &address);
}
