/* client_core.c — opening and closing, news of connections, what is due when. */
#include "api/client/client_internal.h"
#include "base/assert.h"
#include "base/log_line.h"

#include <stdlib.h>
#include <string.h>

/* --- time ------------------------------------------------------------------------------------- */

uint64_t client_due_ns(const struct cluster_client *client)
{
    const struct requests *requests = client->requests;
    const struct client_request *earliest = requests_earliest(requests);
    uint64_t due_ns = client->poll_due_ns;
    uint64_t status_ns = client_status_due_ns(client);
    bool held = !TAILQ_EMPTY(&requests->waiting) || !TAILQ_EMPTY(&requests->retrying);
    if (status_ns < due_ns) {
        due_ns = status_ns;
    }
    if (earliest != NULL && earliest->deadline_ns < due_ns) {
        due_ns = earliest->deadline_ns;
    }
    if (held && client->serving && client->hold_until_ns < due_ns) {
        due_ns = client->hold_until_ns;
    }
    return due_ns;
}

void client_arm(struct cluster_client *client)
{
    uint64_t due_ns = client_due_ns(client);
    if (client->closing || due_ns >= client->armed_ns) {
        return; /* it ticks early enough, and is then asked anew */
    }
    client->armed_ns = due_ns;
    client->host.arm(client->host.context, due_ns);
}

void client_host_tick(struct cluster_client *client)
{
    uint64_t now_ns = clock_mono_ns(&client->clock);
    client->armed_ns = UINT64_MAX;
    client_expire(client, now_ns);
    client_status_expire(client, now_ns);
    client_refresh(client);
}

/* --- connections ------------------------------------------------------------------------------ */

enum status client_send(struct client_member *member, enum frame_kind kind, struct bytes head,
                        const struct bus_payload *payload)
{
    const struct client_host *host = &member->client->host;
    uint32_t at = (uint32_t)(member - member->client->members);
    return host->send(host->context, at, kind, head, payload);
}

static struct client_member *member_at(struct cluster_client *client, uint32_t at)
{
    ASSERT(at < RAFT_MEMBERS_MAX && client->members[at].used);
    return &client->members[at];
}

void client_host_opened(struct cluster_client *client, uint32_t at, u128 cluster, uint32_t node)
{
    struct client_member *member = member_at(client, at);
    bool stranger = client->cluster != 0 && cluster != client->cluster;
    bool misplaced = node != member->member.id;
    if (stranger || misplaced) {
        log_line(LOG_ERROR, "client_wrong_server", LOG_TEXT("address", member->member.address),
                 LOG_UINT("node", node), LOG_UINT("expected", member->member.id),
                 LOG_TEXT("reason", stranger ? "belongs to another cluster" : "is another node"),
                 LOG_END);
        return; /* stays unused */
    }
    client->cluster = cluster;
    member->open = true;
    member->logged = false;
    member->silent_since_ns = 0;
    client_poll_member(member, clock_mono_ns(&client->clock));
    client_refresh(client);
}

void client_host_closed(struct cluster_client *client, uint32_t at, const char *reason)
{
    struct client_member *member = member_at(client, at);
    if (client->closing) {
        return;
    }
    if (!member->logged) {
        member->logged = true;
        log_line(LOG_WARN, "client_server_unreachable", LOG_TEXT("address", member->member.address),
                 LOG_TEXT("reason", reason), LOG_END);
    }
    if (!member->open) {
        return;
    }
    member->open = false;
    member->silent_since_ns = 0;
    member->down_since_ns = clock_mono_ns(&client->clock);
    client_recall(member);
    client_status_gone(member);
    client_refresh(client);
}

void client_host_frame(struct cluster_client *client, uint32_t at, enum frame_kind kind,
                       struct bytes head, struct bytes payload)
{
    struct client_member *member = member_at(client, at);
    struct reply reply;
    if (!member->open || client->closing) {
        return;
    }
    if (kind != FRAME_REPLY || reply_decode(head, &reply) != STATUS_OK) {
        log_line(LOG_ERROR, "client_frame_unsound", LOG_TEXT("address", member->member.address),
                 LOG_UINT("kind", kind), LOG_END);
        return;
    }
    client_on_answer(member, &reply, payload);
}

/* --- open and close --------------------------------------------------------------------------- */

struct cluster_client *client_core_new(const struct cluster_client_options *options,
                                       const struct client_host *host)
{
    ASSERT(options->member_count > 0 && options->member_count <= RAFT_MEMBERS_MAX);
    struct cluster_client *client = calloc(1, sizeof *client);
    struct requests *requests = requests_new();
    if (client == NULL || requests == NULL) {
        free(client);
        if (requests != NULL) {
            requests_free(requests);
        }
        return NULL;
    }
    client->host = *host;
    client->clock = options->clock;
    client->requests = requests;
    client->cluster = options->cluster;
    client->on_serving = options->on_serving;
    client->on_serving_context = options->context;
    client->poll_due_ns = clock_mono_ns(&client->clock);
    client->armed_ns = UINT64_MAX;
    do {
        client->incarnation = entropy_u128(&options->entropy);
    } while (client->incarnation == 0);
    for (uint32_t i = 0; i < options->member_count; i++) {
        struct client_member *member = &client->members[i];
        member->client = client;
        member->used = true;
        member->member = options->members[i];
        member->down_since_ns = client->poll_due_ns;
        memcpy(member->given, options->members[i].address, sizeof member->given);
    }
    client->member_count = options->member_count;
    return client;
}

void client_core_end(struct cluster_client *client)
{
    ASSERT(!client->closing);
    client->closing = true;
    client->serving = false;
    client_abandon(client);
    client_status_expire(client, UINT64_MAX);
}

void client_core_free(struct cluster_client *client)
{
    requests_free(client->requests);
    free(client);
}

bool cluster_client_serving(const struct cluster_client *client)
{
    return client->serving;
}

u128 cluster_client_cluster(const struct cluster_client *client)
{
    return client->cluster;
}

uint32_t cluster_client_leader(const struct cluster_client *client)
{
    return client->view.leader;
}
