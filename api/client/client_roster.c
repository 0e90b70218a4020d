/* client_roster.c — who the members are: those of the options until the cluster says itself.
 *
 * A member's state names the log index of the last committed list of members; when that is newer
 * than the list known here, the list is asked for. Only committed lists count: one that is not may
 * be taken back.
 */
#include "api/client/client_internal.h"
#include "base/address.h"
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/wire_admin.h"

#include <string.h>

static struct client_member *find(struct cluster_client *client, uint32_t id)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        if (client->members[i].used && client->members[i].member.id == id) {
            return &client->members[i];
        }
    }
    return NULL;
}

static uint32_t place_of(const struct client_member *member)
{
    return (uint32_t)(member - member->client->members);
}

/* "" for an address that nobody can dial, such as that of a node which listens at any port. */
static const char *usable(const char *address)
{
    struct address parsed;
    struct error error;
    bool good = address_parse(address, &parsed, &error) == STATUS_OK && parsed.port != 0;
    return good ? address : "";
}

static void set_listed(struct client_member *member, const char *address)
{
    const char *used = usable(address);
    memcpy(member->listed, used, strlen(used) + 1);
}

/* --- connections ------------------------------------------------------------------------------ */

static void hang_up(struct client_member *member)
{
    struct cluster_client *client = member->client;
    client->host.hang_up(client->host.context, place_of(member));
    member->silent_since_ns = 0;
    if (member->open) {
        member->open = false;
        client_recall(member);
        client_status_gone(member);
    }
}

static void dial(struct client_member *member, const char *address)
{
    struct cluster_client *client = member->client;
    memmove(member->member.address, address, strlen(address) + 1);
    member->down_since_ns = clock_mono_ns(&client->clock);
    client->host.dial(client->host.context, place_of(member), member->member.address);
}

static void leave(struct client_member *member)
{
    hang_up(member);
    member->used = false;
    member->member.id = 0;
    member->client->member_count--;
}

static void enter(struct cluster_client *client, const struct member_view *view)
{
    uint32_t at = 0;
    while (client->members[at].used) {
        at++;
        ASSERT(at < RAFT_MEMBERS_MAX); /* who is not in the list has left */
    }
    struct client_member *member = &client->members[at];
    memset(member, 0, sizeof *member);
    member->client = client;
    member->used = true;
    member->member.id = view->id;
    set_listed(member, view->address);
    client->member_count++;
    dial(member, view->address);
}

/* Its address in the list is another than before: it has moved. Where it is dialled already under
 * another address than the first list's, that address is kept: it may be one that only we know. */
static void update(struct client_member *member, const struct member_view *view)
{
    bool moved = member->listed[0] != '\0' && strcmp(member->listed, view->address) != 0;
    set_listed(member, view->address);
    if (moved && member->listed[0] != '\0' && strcmp(member->member.address, member->listed) != 0) {
        hang_up(member);
        dial(member, view->address);
    }
}

void client_roster_tick(struct cluster_client *client, uint64_t now_ns)
{
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct client_member *member = &client->members[i];
        bool two = member->used && member->listed[0] != '\0' && member->given[0] != '\0' &&
                   strcmp(member->given, member->listed) != 0;
        if (!two || member->open || now_ns - member->down_since_ns < CLIENT_SWITCH_MS * NS_PER_MS) {
            continue;
        }
        bool at_listed = strcmp(member->member.address, member->listed) == 0;
        hang_up(member);
        dial(member, at_listed ? member->given : member->listed);
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

void client_roster_heard(struct client_member *member, const struct node_status *status)
{
    const struct cluster_client *client = member->client;
    bool newer = !client->config_known || status->config_index > client->config_index;
    if (newer && client->host.dial != NULL) {
        client_ask_list(member);
    }
}

void client_roster_take(struct cluster_client *client, struct bytes payload)
{
    struct members_view view;
    if (members_view_decode(payload, &view) != STATUS_OK || !view.committed || view.count == 0 ||
        (client->config_known && view.config_index <= client->config_index)) {
        return;
    }
    uint32_t before = client->member_count;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct client_member *member = &client->members[i];
        if (member->used && members_view_find(&view, member->member.id) == NULL) {
            leave(member);
        }
    }
    for (uint32_t i = 0; i < view.count; i++) {
        struct client_member *member = find(client, view.members[i].id);
        if (member != NULL) {
            update(member, &view.members[i]);
        } else {
            enter(client, &view.members[i]);
        }
    }
    client->config_known = true;
    client->config_index = view.config_index;
    log_line(LOG_INFO, "client_members", LOG_UINT("index", view.config_index),
             LOG_UINT("members", view.count), LOG_UINT("before", before), LOG_END);
}
