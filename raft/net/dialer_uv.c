#include "raft/net/dialer_uv.h"

#include "base/assert.h"
#include "raft/net/net_metrics.h"

#include <stdio.h>
#include <string.h>

static void end_if_idle(struct dialer *dialer)
{
    if (dialer->stopping && dialer->timer_closed && dialer->connection == NULL &&
        !dialer->resolving) {
        dialer->options.handler->on_stopped(dialer);
    }
}

static void on_wait_over(uv_timer_t *timer);

static void wait_and_dial(struct dialer *dialer)
{
    uint64_t wait_ms = random_between(&dialer->random, dialer->wait_ms / 2, dialer->wait_ms);
    dialer->wait_ms =
        dialer->wait_ms < DIAL_WAIT_MAX_MS / 2 ? dialer->wait_ms * 2 : (uint32_t)DIAL_WAIT_MAX_MS;
    int code = uv_timer_start(&dialer->timer, on_wait_over, wait_ms, 0);
    ASSERT(code == 0);
}

static void report_failure(struct dialer *dialer, const struct error *error, bool was_open)
{
    if (!dialer->stopping) {
        dialer->options.handler->on_failure(dialer, error, was_open);
    }
    /* The handler may have stopped it. */
    if (!dialer->stopping) {
        wait_and_dial(dialer);
    }
}

/* --- the connection --------------------------------------------------------------------------- */

static void on_connect(struct connection *connection)
{
    struct dialer *dialer = connection->options.owner;
    struct hello hello;
    memset(&hello, 0, sizeof hello);
    dialer->options.handler->say(dialer, &hello);
    connection_greet(connection, &hello);
}

static void on_hello(struct connection *connection, const struct hello *hello)
{
    struct dialer *dialer = connection->options.owner;
    struct hello_refusal refusal;
    if (hello->role != HELLO_PEER) {
        connection_fail(connection, STATUS_PROTOCOL, "the hello is not that of a server");
        return;
    }
    if (!dialer->options.handler->check(dialer, hello, &refusal)) {
        connection_fail(connection, refusal_status(refusal.reason), "%s", refusal.text);
        return;
    }
    connection_open(connection);
    if (connection->state == CONNECTION_OPEN) {
        dialer->wait_ms = DIAL_WAIT_MIN_MS;
        dialer->options.handler->on_open(dialer, hello);
    }
}

static void on_frame(struct connection *connection, const struct frame *frame)
{
    struct dialer *dialer = connection->options.owner;
    dialer->options.handler->on_frame(dialer, frame);
}

static void on_clock(struct connection *connection, int64_t offset_ns, uint64_t round_trip_ns)
{
    struct dialer *dialer = connection->options.owner;
    dialer->options.handler->on_clock(dialer, offset_ns, round_trip_ns);
}

static void on_close(struct connection *connection, const struct error *error, bool was_open)
{
    struct dialer *dialer = connection->options.owner;
    ASSERT(dialer->connection == connection);
    dialer->connection = NULL;
    report_failure(dialer, error, was_open);
    end_if_idle(dialer);
}

static const struct connection_handler CONNECTION_HANDLER = {
    .on_connect = on_connect,
    .on_hello = on_hello,
    .on_frame = on_frame,
    .on_clock = on_clock,
    .on_close = on_close,
};

static void dial(struct dialer *dialer, const struct sockaddr *address)
{
    ASSERT(dialer->connection == NULL);
    const struct connection_options options = {
        .loop = dialer->options.loop,
        .clock = dialer->options.clock,
        .hello_timeout_ms = dialer->options.hello_timeout_ms,
        .silence_ms = dialer->options.silence_ms,
        .pings = true,
        .handler = &CONNECTION_HANDLER,
        .owner = dialer,
    };
    dialer->connection = connection_new(&options);
    connection_dial(dialer->connection, address);
}

/* --- names ------------------------------------------------------------------------------------ */

static void resolve_failed(struct dialer *dialer, int code)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(&dialer->address, text);
    struct error error;
    enum status status =
        error_set(&error, STATUS_NOT_FOUND, "cannot resolve %s: %s", text, uv_strerror(code));
    ASSERT(status == STATUS_NOT_FOUND);
    report_failure(dialer, &error, false);
}

static void on_resolved(uv_getaddrinfo_t *request, int code, struct addrinfo *list)
{
    struct dialer *dialer = request->data;
    dialer->resolving = false;
    if (dialer->stopping) {
        uv_freeaddrinfo(list);
        end_if_idle(dialer);
        return;
    }
    if (code != 0) {
        resolve_failed(dialer, code);
        return;
    }
    dial(dialer, address_choose(list)->ai_addr);
    uv_freeaddrinfo(list);
}

static void on_wait_over(uv_timer_t *timer)
{
    struct dialer *dialer = timer->data;
    if (dialer->dialled) {
        metric_add(&net_redials, 1);
    }
    dialer->dialled = true;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(dialer->address.host, dialer->address.port, &v4) == 0) {
        dial(dialer, (const struct sockaddr *)&v4);
        return;
    }
    if (uv_ip6_addr(dialer->address.host, dialer->address.port, &v6) == 0) {
        dial(dialer, (const struct sockaddr *)&v6);
        return;
    }
    char port[6];
    (void)snprintf(port, sizeof port, "%u", (unsigned)dialer->address.port);
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    int code = uv_getaddrinfo(dialer->options.loop, &dialer->resolve, on_resolved,
                              dialer->address.host, port, &hints);
    if (code != 0) {
        resolve_failed(dialer, code);
        return;
    }
    dialer->resolving = true;
}

/* --- life ------------------------------------------------------------------------------------- */

void dialer_start(struct dialer *dialer, const struct dialer_options *options,
                  const struct address *address)
{
    memset(dialer, 0, sizeof *dialer);
    dialer->options = *options;
    dialer->address = *address;
    dialer->wait_ms = DIAL_WAIT_MIN_MS;
    random_init(&dialer->random, options->seed);
    int code = uv_timer_init(options->loop, &dialer->timer);
    ASSERT(code == 0);
    dialer->timer.data = dialer;
    dialer->resolve.data = dialer;
    code = uv_timer_start(&dialer->timer, on_wait_over, 0, 0);
    ASSERT(code == 0);
}

enum status dialer_send(struct dialer *dialer, enum frame_kind kind, struct bytes head,
                        const struct bus_payload *payload)
{
    if (dialer->connection == NULL || dialer->connection->state != CONNECTION_OPEN) {
        return STATUS_CLOSED;
    }
    return connection_send(dialer->connection, kind, head, payload);
}

void dialer_fail(struct dialer *dialer, enum status status, const char *text)
{
    ASSERT(dialer->connection != NULL);
    connection_fail(dialer->connection, status, "%s", text);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct dialer *dialer = handle->data;
    dialer->timer_closed = true;
    end_if_idle(dialer);
}

void dialer_stop(struct dialer *dialer)
{
    if (dialer->stopping) {
        return;
    }
    dialer->stopping = true;
    uv_close((uv_handle_t *)&dialer->timer, on_timer_closed);
    if (dialer->connection != NULL) {
        connection_fail(dialer->connection, STATUS_SHUTTING_DOWN, "stopped");
    }
    if (dialer->resolving) {
        /* EBUSY when a worker runs it already; either way on_resolved comes. */
        (void)uv_cancel((uv_req_t *)&dialer->resolve);
    }
}
