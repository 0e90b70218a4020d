#include "api/grpc/grpc_channel_uv.h"

#include "api/grpc/grpc_socket_uv.h"
#include "base/assert.h"
#include "base/limits.h"

#include <stdlib.h>

struct grpc_channel {
    struct grpc_channel_config config;
    struct grpc_hub hub;
    struct grpc_socket socket;
    struct grpc_client *client;
    struct sockaddr_storage where;
    uv_connect_t connect;
    uv_timer_t timer;
    uint64_t timer_ns;
    uint64_t connect_by_ns; /* UINT64_MAX once connected */
    uint32_t parts_open;    /* socket and timer */
    struct error why;
};

static uint64_t now_ns(const struct grpc_channel *channel)
{
    return clock_mono_ns(&channel->config.clock);
}

struct grpc_channel_config grpc_channel_config_default(const struct address *address)
{
    return (struct grpc_channel_config){
        .address = *address,
        .clock = clock_os(),
        .connect_timeout_ns = HELLO_TIMEOUT_MS * NS_PER_MS,
        .keepalive_idle_ns = GRPC_KEEPALIVE_TIMEOUT_MS * NS_PER_MS,
        .keepalive_timeout_ns = GRPC_KEEPALIVE_TIMEOUT_MS * NS_PER_MS,
    };
}

/* --- the end --------------------------------------------------------------------------------- */

static void on_hub_gone(void *context)
{
    struct grpc_channel *channel = context;
    channel->config.on_closed(channel->config.context, &channel->why);
    free(channel);
}

static void part_closed(struct grpc_channel *channel)
{
    channel->parts_open--;
    if (channel->parts_open == 0) {
        grpc_hub_close(&channel->hub, on_hub_gone, channel);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void socket_closed(void *owner, const struct error *why)
{
    struct grpc_channel *channel = owner;
    channel->why = *why;
    grpc_client_free(channel->client, why->text);
    channel->client = NULL;
    uv_close((uv_handle_t *)&channel->timer, on_timer_closed);
    part_closed(channel);
}

void grpc_channel_close(struct grpc_channel *channel)
{
    grpc_socket_close(&channel->socket, STATUS_SHUTTING_DOWN, "the channel was closed");
}

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t next_ns(const struct grpc_channel *channel)
{
    uint64_t client_ns = grpc_client_next_ns(channel->client);
    return client_ns < channel->connect_by_ns ? client_ns : channel->connect_by_ns;
}

static void on_timer(uv_timer_t *timer);

static void want_tick(struct grpc_channel *channel)
{
    uint64_t at_ns = next_ns(channel);
    if (at_ns >= channel->timer_ns || uv_is_closing((uv_handle_t *)&channel->timer) != 0) {
        return;
    }
    uint64_t now = now_ns(channel);
    uint64_t delay_ns = at_ns > now ? at_ns - now : 0;
    channel->timer_ns = at_ns;
    int result = uv_timer_start(&channel->timer, on_timer, delay_ns / NS_PER_MS + 1, 0);
    ASSERT(result == 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct grpc_channel *channel = timer->data;
    if (channel->client == NULL) {
        return;
    }
    channel->timer_ns = UINT64_MAX;
    uint64_t now = now_ns(channel);
    if (now >= channel->connect_by_ns) {
        channel->connect_by_ns = UINT64_MAX;
        grpc_socket_close(&channel->socket, STATUS_TIMEOUT, "connecting took too long");
    }
    grpc_client_tick(channel->client, now);
    if (grpc_client_done(channel->client)) {
        grpc_socket_close(&channel->socket, STATUS_TIMEOUT, "the peer is silent");
    }
    want_tick(channel);
}

/* --- the socket's owner ---------------------------------------------------------------------- */

static enum status channel_receive(void *owner, const uint8_t *data, size_t size)
{
    struct grpc_channel *channel = owner;
    enum status status = grpc_client_receive(channel->client, data, size, now_ns(channel));
    want_tick(channel);
    return status;
}

static size_t channel_output(void *owner, uint8_t *into, size_t room)
{
    struct grpc_channel *channel = owner;
    return grpc_client_output(channel->client, into, room);
}

static bool channel_done(void *owner)
{
    struct grpc_channel *channel = owner;
    return grpc_client_done(channel->client);
}

static const struct grpc_socket_ops CHANNEL_OPS = {
    .receive = channel_receive,
    .output = channel_output,
    .done = channel_done,
    .closed = socket_closed,
};

static void client_wants_write(void *context)
{
    struct grpc_channel *channel = context;
    grpc_socket_wants_write(&channel->socket);
    if (channel->client != NULL) {
        want_tick(channel);
    }
}

static void client_capacity(void *context)
{
    struct grpc_channel *channel = context;
    if (channel->config.on_capacity != NULL) {
        channel->config.on_capacity(channel->config.context);
    }
}

static void on_connect(uv_connect_t *connect, int result)
{
    struct grpc_channel *channel = connect->data;
    if (result != 0) {
        grpc_socket_close(&channel->socket, STATUS_CLOSED, uv_strerror(result));
        return;
    }
    channel->connect_by_ns = UINT64_MAX;
    grpc_socket_start(&channel->socket);
    if (channel->config.on_connected != NULL) {
        channel->config.on_connected(channel->config.context);
    }
}

/* --- opening --------------------------------------------------------------------------------- */

enum status grpc_channel_open(uv_loop_t *loop, const struct grpc_channel_config *config,
                              struct grpc_channel **channel_out, struct error *error)
{
    ASSERT(config->on_closed != NULL);
    struct sockaddr_storage where;
    TRY(address_resolve(&config->address, &where, error));
    struct grpc_channel *channel = calloc(1, sizeof *channel);
    ASSERT(channel != NULL);
    channel->config = *config;
    channel->where = where;
    channel->timer_ns = UINT64_MAX;
    channel->connect_by_ns = now_ns(channel) + config->connect_timeout_ns;
    channel->parts_open = 2;
    grpc_hub_open(&channel->hub, loop);
    int result = uv_timer_init(loop, &channel->timer);
    ASSERT(result == 0);
    channel->timer.data = channel;
    struct tls *tls = config->tls == NULL ? NULL : tls_new(config->tls, config->address.host);
    grpc_socket_init(&channel->socket, &channel->hub, &CHANNEL_OPS, channel, tls);
    char authority[ADDRESS_TEXT_MAX];
    address_format(&config->address, authority);
    struct grpc_client_config client_config = {
        .authority = authority,
        .tls = config->tls != NULL,
        .keepalive_idle_ns = config->keepalive_idle_ns,
        .keepalive_timeout_ns = config->keepalive_timeout_ns,
        .wants_write = client_wants_write,
        .on_capacity = client_capacity,
        .context = channel,
    };
    channel->client = grpc_client_new(&client_config, now_ns(channel));
    channel->connect.data = channel;
    result = uv_tcp_connect(&channel->connect, &channel->socket.tcp,
                            (const struct sockaddr *)&channel->where, on_connect);
    if (result != 0) {
        grpc_socket_close(&channel->socket, STATUS_CLOSED, uv_strerror(result));
    }
    want_tick(channel);
    *channel_out = channel;
    return STATUS_OK;
}

struct grpc_client *grpc_channel_client(struct grpc_channel *channel)
{
    ASSERT(channel->client != NULL);
    return channel->client;
}

enum status grpc_channel_start(struct grpc_channel *channel, const struct grpc_request *request,
                               const struct grpc_client_call_ops *ops, void *context,
                               struct grpc_client_call **call)
{
    if (channel->client == NULL) {
        return STATUS_CLOSED;
    }
    return grpc_client_start(channel->client, request, ops, context, now_ns(channel), call);
}
