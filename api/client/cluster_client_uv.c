#include "api/client/client_internal.h"
#include "base/assert.h"
#include "base/log_line.h"
#include "raft/net/net_uv.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct client_timer {
    uv_timer_t handle;
    uint64_t armed_ns; /* when it fires; UINT64_MAX: not armed */
};

/* --- the timer -------------------------------------------------------------------------------- */

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

static void on_timer(uv_timer_t *handle)
{
    struct cluster_client *client = handle->data;
    client->timer->armed_ns = UINT64_MAX;
    client_tick(client);
}

void client_arm(struct cluster_client *client)
{
    struct client_timer *timer = client->timer;
    uint64_t due_ns = client_due_ns(client);
    if (client->closing || due_ns >= timer->armed_ns) {
        return; /* it fires early enough, and is then set anew */
    }
    uint64_t now_ns = clock_mono_ns(&client->clock);
    uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    timer->armed_ns = due_ns;
    int result = uv_timer_start(&timer->handle, on_timer, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
    ASSERT(result == 0);
}

void client_tick(struct cluster_client *client)
{
    uint64_t now_ns = clock_mono_ns(&client->clock);
    client_expire(client, now_ns);
    client_status_expire(client, now_ns);
    client_refresh(client);
}

/* --- connections ------------------------------------------------------------------------------ */

enum status client_send(struct client_member *member, enum frame_kind kind, struct bytes head,
                        const struct bus_payload *payload)
{
    return link_send(member->link, kind, head, payload);
}

void client_on_open(struct client_member *member, const struct hello *hello)
{
    struct cluster_client *client = member->client;
    bool stranger = client->cluster != 0 && hello->cluster != client->cluster;
    bool misplaced = hello->node != member->member.id;
    if (stranger || misplaced) {
        log_line(LOG_ERROR, "client_wrong_server", LOG_TEXT("address", member->member.address),
                 LOG_UINT("node", hello->node), LOG_UINT("expected", member->member.id),
                 LOG_TEXT("reason", stranger ? "belongs to another cluster" : "is another node"),
                 LOG_END);
        return; /* stays unused */
    }
    client->cluster = hello->cluster;
    member->open = true;
    member->logged = false;
    member->silent_since_ns = 0;
    client_poll_member(member, clock_mono_ns(&client->clock));
    client_refresh(client);
}

void client_on_close(struct client_member *member)
{
    if (!member->open) {
        return;
    }
    member->open = false;
    member->silent_since_ns = 0;
    client_recall(member);
    client_status_gone(member);
    client_refresh(member->client);
}

void client_on_frame(struct client_member *member, enum frame_kind kind, struct bytes head,
                     struct bytes payload)
{
    struct reply reply;
    if (!member->open || member->client->closing) {
        return;
    }
    if (kind != FRAME_REPLY || reply_decode(head, &reply) != STATUS_OK) {
        log_line(LOG_ERROR, "client_frame_unsound", LOG_TEXT("address", member->member.address),
                 LOG_UINT("kind", kind), LOG_END);
        return;
    }
    client_on_answer(member, &reply, payload);
}

static void link_opened(void *context, const struct hello *hello)
{
    client_on_open(context, hello);
}

static void link_frame(void *context, enum frame_kind kind, struct bytes head, struct bytes payload)
{
    client_on_frame(context, kind, head, payload);
}

static void link_closed(void *context, const struct error *error)
{
    struct client_member *member = context;
    if (member->client->closing) {
        return;
    }
    if (!member->logged) {
        member->logged = true;
        log_line(LOG_WARN, "client_server_unreachable", LOG_TEXT("address", member->member.address),
                 LOG_TEXT("reason", error->text), LOG_END);
    }
    client_on_close(member);
}

/* --- open and close --------------------------------------------------------------------------- */

static void client_free(struct cluster_client *client)
{
    requests_free(client->requests);
    free(client->timer);
    free(client);
}

static void part_closed(void *context)
{
    struct cluster_client *client = context;
    ASSERT(client->links_open > 0);
    if (--client->links_open > 0) {
        return;
    }
    void (*on_closed)(void *) = client->on_closed;
    void *on_closed_context = client->on_closed_context;
    client_free(client);
    on_closed(on_closed_context);
}

static void timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void cluster_client_close(struct cluster_client *client, void (*done)(void *context), void *context)
{
    ASSERT(!client->closing);
    client->closing = true;
    client->serving = false;
    client->on_closed = done;
    client->on_closed_context = context;
    client_abandon(client);
    client_status_expire(client, UINT64_MAX);
    client->links_open = client->member_count + 1; /* and the timer */
    for (uint32_t i = 0; i < client->member_count; i++) {
        link_close(client->members[i].link, part_closed, client);
    }
    uv_close((uv_handle_t *)&client->timer->handle, timer_closed);
}

static struct cluster_client *client_new(const struct cluster_client_options *options)
{
    struct cluster_client *client = calloc(1, sizeof *client);
    struct client_timer *timer = calloc(1, sizeof *timer);
    struct requests *requests = requests_new();
    if (client == NULL || timer == NULL || requests == NULL) {
        free(client);
        free(timer);
        if (requests != NULL) {
            requests_free(requests);
        }
        return NULL;
    }
    client->loop = options->loop;
    client->clock = options->clock;
    client->timer = timer;
    client->requests = requests;
    client->cluster = options->cluster;
    client->on_serving = options->on_serving;
    client->on_serving_context = options->context;
    client->poll_due_ns = clock_mono_ns(&client->clock);
    do {
        client->incarnation = entropy_u128(&options->entropy);
    } while (client->incarnation == 0);
    timer->armed_ns = UINT64_MAX;
    timer->handle.data = client;
    int result = uv_timer_init(options->loop, &timer->handle);
    ASSERT(result == 0);
    return client;
}

static enum status member_start(struct cluster_client *client,
                                const struct cluster_client_options *options,
                                const struct superblock_member *from, struct error *error)
{
    struct client_member *member = &client->members[client->member_count];
    member->client = client;
    member->member = *from;
    struct link_options link_options = {
        .loop = options->loop,
        .clock = options->clock,
        .entropy = options->entropy,
        .address = member->member.address,
        .cluster = options->cluster,
        .incarnation = u128_low(client->incarnation),
        .handler = { link_opened, link_frame, link_closed, member },
    };
    TRY(link_start(&link_options, &member->link, error));
    client->member_count++;
    return STATUS_OK;
}

static void nothing(void *context)
{
    (void)context;
}

enum status cluster_client_open(const struct cluster_client_options *options,
                                struct cluster_client **client, struct error *error)
{
    if (options->member_count == 0 || options->member_count > RAFT_MEMBERS_MAX) {
        return error_set(error, STATUS_INVALID, "%u members given; there are 1 to %u in a cluster",
                         options->member_count, RAFT_MEMBERS_MAX);
    }
    struct cluster_client *made = client_new(options);
    if (made == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %u requests", CLIENT_REQUESTS_MAX);
    }
    for (uint32_t i = 0; i < options->member_count; i++) {
        enum status status = member_start(made, options, &options->members[i], error);
        if (status != STATUS_OK) {
            cluster_client_close(made, nothing, NULL);
            return status;
        }
    }
    client_arm(made);
    *client = made;
    return STATUS_OK;
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
