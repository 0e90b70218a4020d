#include "api/grpc/grpc_listener_uv.h"

#include "api/grpc/grpc_socket_uv.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/log_line.h"

#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 511 };

struct connection {
    struct grpc_socket socket; /* first: closing frees by this address */
    struct grpc_listener *listener;
    struct grpc_conn *conn;
    TAILQ_ENTRY(connection) link;
};

TAILQ_HEAD(connection_list, connection);

struct grpc_listener {
    struct grpc_listener_config config;
    struct address address;
    struct grpc_hub hub;
    uv_tcp_t port;
    uv_timer_t timer;
    uint64_t timer_ns; /* when it fires; UINT64_MAX: not started */
    struct connection_list connections;
    uint32_t connections_count;
    bool full; /* said so once */
    bool draining, closing;
    uint32_t handles_open; /* port and timer */
    void (*drained)(void *context);
    void *drained_context;
    void (*closed)(void *context);
    void *closed_context;
};

static uint64_t now_ns(const struct grpc_listener *listener)
{
    return clock_mono_ns(&listener->config.clock);
}

/* --- time ------------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static void want_tick(struct grpc_listener *listener, uint64_t at_ns)
{
    if (at_ns >= listener->timer_ns || listener->closing) {
        return;
    }
    uint64_t now = now_ns(listener);
    uint64_t delay_ns = at_ns > now ? at_ns - now : 0;
    listener->timer_ns = at_ns;
    /* Rounded up: a timer that fires early would only fire again. */
    int result = uv_timer_start(&listener->timer, on_timer, delay_ns / NS_PER_MS + 1, 0);
    ASSERT(result == 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct grpc_listener *listener = timer->data;
    listener->timer_ns = UINT64_MAX;
    uint64_t now = now_ns(listener);
    uint64_t next_ns = UINT64_MAX;
    struct connection *connection;
    TAILQ_FOREACH(connection, &listener->connections, link)
    {
        if (grpc_conn_next_ns(connection->conn) <= now) {
            grpc_conn_tick(connection->conn, now);
            if (grpc_conn_done(connection->conn)) {
                grpc_socket_close(&connection->socket, STATUS_TIMEOUT, "the peer is silent");
            }
        }
        uint64_t each_ns = grpc_conn_next_ns(connection->conn);
        next_ns = each_ns < next_ns ? each_ns : next_ns;
    }
    want_tick(listener, next_ns);
}

/* --- connections ----------------------------------------------------------------------------- */

static enum status connection_receive(void *owner, const uint8_t *data, size_t size)
{
    struct connection *connection = owner;
    enum status status =
        grpc_conn_receive(connection->conn, data, size, now_ns(connection->listener));
    want_tick(connection->listener, grpc_conn_next_ns(connection->conn));
    return status;
}

static size_t connection_output(void *owner, uint8_t *into, size_t room)
{
    struct connection *connection = owner;
    return grpc_conn_output(connection->conn, into, room);
}

static bool connection_done(void *owner)
{
    struct connection *connection = owner;
    return grpc_conn_done(connection->conn);
}

static void finish_close(struct grpc_listener *listener);

static void connection_closed(void *owner, const struct error *why)
{
    struct connection *connection = owner;
    struct grpc_listener *listener = connection->listener;
    log_line(LOG_DEBUG, "grpc_connection_closed", LOG_TEXT("reason", why->text), LOG_END);
    TAILQ_REMOVE(&listener->connections, connection, link);
    listener->connections_count--;
    listener->full = false;
    grpc_conn_free(connection->conn);
    free(connection);
    if (listener->draining && listener->connections_count == 0 && !listener->closing) {
        listener->drained(listener->drained_context);
    }
    finish_close(listener);
}

static const struct grpc_socket_ops CONNECTION_OPS = {
    .receive = connection_receive,
    .output = connection_output,
    .done = connection_done,
    .closed = connection_closed,
};

static void connection_wants_write(void *context)
{
    struct connection *connection = context;
    grpc_socket_wants_write(&connection->socket);
}

static void on_connection(uv_stream_t *port, int result)
{
    struct grpc_listener *listener = port->data;
    if (result != 0) {
        log_line(LOG_WARN, "grpc_accept_failed", LOG_TEXT("reason", uv_strerror(result)), LOG_END);
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    ASSERT(connection != NULL);
    struct tls *tls = listener->config.tls == NULL ? NULL : tls_new(listener->config.tls, NULL);
    struct grpc_conn_shell shell = { .wants_write = connection_wants_write, .context = connection };
    connection->listener = listener;
    grpc_socket_init(&connection->socket, &listener->hub, &CONNECTION_OPS, connection, tls);
    connection->conn = grpc_conn_new(listener->config.server, &shell, now_ns(listener));
    TAILQ_INSERT_TAIL(&listener->connections, connection, link);
    listener->connections_count++;
    result = uv_accept(port, (uv_stream_t *)&connection->socket.tcp);
    if (result != 0) {
        grpc_socket_close(&connection->socket, STATUS_CLOSED, uv_strerror(result));
        return;
    }
    if (listener->connections_count > listener->config.connections_max) {
        if (!listener->full) {
            log_line(LOG_WARN, "grpc_connections_full",
                     LOG_UINT("connections_max", listener->config.connections_max), LOG_END);
        }
        listener->full = true;
        grpc_socket_close(&connection->socket, STATUS_BUSY, "too many connections");
        return;
    }
    grpc_socket_start(&connection->socket);
    want_tick(listener, grpc_conn_next_ns(connection->conn));
}

/* --- the listener ---------------------------------------------------------------------------- */

struct grpc_listener_config grpc_listener_config_default(struct grpc_server *server,
                                                         const struct address *address)
{
    return (struct grpc_listener_config){
        .server = server,
        .address = *address,
        .clock = clock_os(),
        .connections_max = CONNECTIONS_MAX,
    };
}

static enum status listen_on(struct grpc_listener *listener, struct error *error)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(&listener->config.address, text);
    struct sockaddr_storage where;
    TRY(address_resolve(&listener->config.address, &where, error));
    int result = uv_tcp_bind(&listener->port, (const struct sockaddr *)&where, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&listener->port, BACKLOG, on_connection);
    }
    int size = sizeof where;
    if (result == 0) {
        result = uv_tcp_getsockname(&listener->port, (struct sockaddr *)&where, &size);
    }
    if (result != 0) {
        return error_set_errno(error, -result, "cannot listen on %s", text);
    }
    address_from_socket(&where, &listener->address);
    return STATUS_OK;
}

enum status grpc_listener_open(uv_loop_t *loop, const struct grpc_listener_config *config,
                               struct grpc_listener **listener_out, struct error *error)
{
    struct grpc_listener *listener = calloc(1, sizeof *listener);
    ASSERT(listener != NULL);
    listener->config = *config;
    listener->timer_ns = UINT64_MAX;
    TAILQ_INIT(&listener->connections);
    grpc_hub_open(&listener->hub, loop);
    int result = uv_tcp_init(loop, &listener->port);
    ASSERT(result == 0);
    result = uv_timer_init(loop, &listener->timer);
    ASSERT(result == 0);
    listener->port.data = listener;
    listener->timer.data = listener;
    listener->handles_open = 2;
    enum status status = listen_on(listener, error);
    if (status != STATUS_OK) {
        grpc_listener_close(listener, NULL, NULL);
        return status;
    }
    *listener_out = listener;
    return STATUS_OK;
}

const struct address *grpc_listener_address(const struct grpc_listener *listener)
{
    return &listener->address;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct grpc_listener *listener = handle->data;
    listener->handles_open--;
    finish_close(listener);
}

void grpc_listener_drain(struct grpc_listener *listener, void (*drained)(void *context),
                         void *context)
{
    ASSERT(!listener->draining && !listener->closing);
    listener->draining = true;
    listener->drained = drained;
    listener->drained_context = context;
    uv_close((uv_handle_t *)&listener->port, on_handle_closed);
    uint64_t now = now_ns(listener);
    struct connection *connection;
    TAILQ_FOREACH(connection, &listener->connections, link)
    {
        grpc_conn_drain(connection->conn, now);
        want_tick(listener, grpc_conn_next_ns(connection->conn));
    }
    if (listener->connections_count == 0) {
        drained(context);
    }
}

static void on_hub_gone(void *context)
{
    struct grpc_listener *listener = context;
    void (*closed)(void *closed_context) = listener->closed;
    void *closed_context = listener->closed_context;
    free(listener);
    if (closed != NULL) {
        closed(closed_context);
    }
}

/* The hub goes last, when nothing is left that uses it. */
static void finish_close(struct grpc_listener *listener)
{
    if (listener->closing && listener->handles_open == 0 && listener->connections_count == 0) {
        grpc_hub_close(&listener->hub, on_hub_gone, listener);
    }
}

void grpc_listener_close(struct grpc_listener *listener, void (*closed)(void *context),
                         void *context)
{
    ASSERT(!listener->closing);
    listener->closing = true;
    listener->closed = closed;
    listener->closed_context = context;
    if (!listener->draining) {
        uv_close((uv_handle_t *)&listener->port, on_handle_closed);
    }
    uv_close((uv_handle_t *)&listener->timer, on_handle_closed);
    struct connection *connection;
    TAILQ_FOREACH(connection, &listener->connections, link)
    {
        grpc_socket_close(&connection->socket, STATUS_SHUTTING_DOWN, "the listener closed");
    }
}
