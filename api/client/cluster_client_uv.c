/* cluster_client_uv.c — the cluster client over libuv: a link to each member, and a timer. */
#include "api/client/client_internal.h"
#include "base/assert.h"
#include "base/log_line.h"
#include "raft/net/net_uv.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct shell;

struct shell_link {
    struct shell *shell;
    uint32_t at;
    struct link *link;
};

/* The host of one cluster client. */
struct shell {
    struct cluster_client *client;
    struct cluster_client_options options; /* members: not any more */
    uv_timer_t timer;
    struct shell_link links[RAFT_MEMBERS_MAX];
    bool closing;
    uint32_t parts_open; /* links and timer that are not closed yet */
    void (*on_closed)(void *context);
    void *on_closed_context;
};

/* --- what the client asks for ----------------------------------------------------------------- */

static void on_timer(uv_timer_t *handle)
{
    struct shell *shell = handle->data;
    client_host_tick(shell->client);
}

static void shell_arm(void *context, uint64_t due_ns)
{
    struct shell *shell = context;
    uint64_t now_ns = clock_mono_ns(&shell->options.clock);
    uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    int result = uv_timer_start(&shell->timer, on_timer, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
    ASSERT(result == 0);
}

static enum status shell_send(void *context, uint32_t member, enum frame_kind kind,
                              struct bytes head, const struct bus_payload *payload)
{
    struct shell *shell = context;
    struct link *link = shell->links[member].link;
    return link != NULL ? link_send(link, kind, head, payload) : STATUS_CLOSED;
}

/* --- what the links tell ---------------------------------------------------------------------- */

static void link_opened(void *context, const struct hello *hello)
{
    const struct shell_link *link = context;
    client_host_opened(link->shell->client, link->at, hello->cluster, hello->node);
}

static void link_frame(void *context, enum frame_kind kind, struct bytes head, struct bytes payload)
{
    const struct shell_link *link = context;
    client_host_frame(link->shell->client, link->at, kind, head, payload);
}

static void link_closed(void *context, const struct error *error)
{
    const struct shell_link *link = context;
    client_host_closed(link->shell->client, link->at, error->text);
}

/* --- links ------------------------------------------------------------------------------------ */

static void part_closed(void *context)
{
    struct shell *shell = context;
    ASSERT(shell->parts_open > 0);
    if (--shell->parts_open > 0 || !shell->closing) {
        return;
    }
    void (*on_closed)(void *) = shell->on_closed;
    void *on_closed_context = shell->on_closed_context;
    client_core_free(shell->client);
    free(shell);
    on_closed(on_closed_context);
}

static enum status start_link(struct shell *shell, uint32_t at, const char *address,
                              struct error *error)
{
    struct shell_link *link = &shell->links[at];
    ASSERT(link->link == NULL);
    link->shell = shell;
    link->at = at;
    struct link_options link_options = {
        .loop = shell->options.loop,
        .clock = shell->options.clock,
        .entropy = shell->options.entropy,
        .address = address,
        .cluster = cluster_client_cluster(shell->client),
        .incarnation = u128_low(shell->client->incarnation),
        .handler = { link_opened, link_frame, link_closed, link },
    };
    TRY(link_start(&link_options, &link->link, error));
    shell->parts_open++;
    return STATUS_OK;
}

static void shell_dial(void *context, uint32_t member, const char *address)
{
    struct shell *shell = context;
    struct error error;
    if (start_link(shell, member, address, &error) != STATUS_OK) {
        /* An address in the cluster's list that cannot be meant here. */
        log_line(LOG_WARN, "client_server_unreachable", LOG_TEXT("address", address),
                 LOG_TEXT("reason", error.text), LOG_END);
    }
}

static void shell_hang_up(void *context, uint32_t member)
{
    struct shell *shell = context;
    struct link *link = shell->links[member].link;
    shell->links[member].link = NULL;
    if (link != NULL) {
        link_close(link, part_closed, shell);
    }
}

/* --- open and close --------------------------------------------------------------------------- */

static void timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void cluster_client_close(struct cluster_client *client, void (*done)(void *context), void *context)
{
    struct shell *shell = client->host.context;
    client_core_end(client);
    shell->on_closed = done;
    shell->on_closed_context = context;
    shell->closing = true;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        shell_hang_up(shell, i);
    }
    uv_close((uv_handle_t *)&shell->timer, timer_closed);
}

static struct shell *shell_new(const struct cluster_client_options *options)
{
    struct shell *shell = calloc(1, sizeof *shell);
    if (shell == NULL) {
        return NULL;
    }
    struct client_host host = { .send = shell_send,
                                .arm = shell_arm,
                                .dial = shell_dial,
                                .hang_up = shell_hang_up,
                                .context = shell };
    shell->options = *options;
    shell->options.members = NULL; /* the caller's */
    shell->client = client_core_new(options, &host);
    if (shell->client == NULL) {
        free(shell);
        return NULL;
    }
    shell->timer.data = shell;
    int result = uv_timer_init(options->loop, &shell->timer);
    ASSERT(result == 0);
    shell->parts_open = 1;
    return shell;
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
    struct shell *shell = shell_new(options);
    if (shell == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %u requests", CLIENT_REQUESTS_MAX);
    }
    for (uint32_t i = 0; i < options->member_count; i++) {
        enum status status = start_link(shell, i, options->members[i].address, error);
        if (status != STATUS_OK) {
            cluster_client_close(shell->client, nothing, NULL);
            return status;
        }
    }
    client_arm(shell->client);
    *client = shell->client;
    return STATUS_OK;
}
