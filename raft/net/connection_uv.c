#include "raft/net/connection_uv.h"

#include "base/assert.h"
#include "raft/net/connection_write_uv.h"
#include "raft/net/memory.h"
#include "raft/net/net_metrics.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PING_HEAD_SIZE = 8, PONG_HEAD_SIZE = 16 };

/* Pongs that come later than this say nothing about clocks. */
static const uint64_t PONG_AGE_MAX_NS = 10 * NS_PER_S;

/* What large payloads under way take, over all connections of the process. */
static size_t receive_bytes; /* atomic: a process may run more than one loop */

static void *receive_take(void *context, size_t size)
{
    (void)context;
    size_t before = __atomic_fetch_add(&receive_bytes, size, __ATOMIC_RELAXED);
    if (before + size > RECEIVE_BYTES_MAX) {
        __atomic_fetch_sub(&receive_bytes, size, __ATOMIC_RELAXED);
        return NULL;
    }
    return net_allocate(size);
}

static void receive_give(void *context, void *memory, size_t size)
{
    (void)context;
    __atomic_fetch_sub(&receive_bytes, size, __ATOMIC_RELAXED);
    free(memory);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    ASSERT(connection->open_handles > 0);
    if (--connection->open_handles > 0) {
        return;
    }
    ASSERT(connection->in_flight == NULL);
    out_queue_clear(&connection->queue);
    frame_reader_close(&connection->reader);
    connection->options.handler->on_close(connection, &connection->error, connection->was_open);
    free(connection);
}

void connection_fail(struct connection *connection, enum status status, const char *format, ...)
{
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    connection->error.status = status;
    (void)vsnprintf(connection->error.text, sizeof connection->error.text, format, arguments);
    va_end(arguments);
    connection->state = CONNECTION_CLOSING;
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
    uv_close((uv_handle_t *)&connection->idle, on_handle_closed);
}

/* --- time ------------------------------------------------------------------------------------- */

static void send_ping(struct connection *connection)
{
    uint8_t head[PING_HEAD_SIZE];
    struct writer writer = writer_init(head, sizeof head);
    write_u64(&writer, clock_mono_ns(&connection->options.clock));
    struct bytes bytes = { .data = head, .size = sizeof head };
    enum status status = connection_send(connection, FRAME_PING, bytes, NULL);
    if (status != STATUS_OK) {
        connection_fail(connection, status, "no room for a ping: the other side does not read");
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct connection *connection = timer->data;
    if (connection->state == CONNECTION_REFUSING) {
        connection_fail(connection, STATUS_CLOSED, "it did not close after it was refused");
        return;
    }
    if (connection->state != CONNECTION_OPEN) {
        connection_fail(connection, STATUS_TIMEOUT, "no %s within %u ms",
                        connection->state == CONNECTION_DIALLING ? "connection" : "hello",
                        (unsigned)connection->options.hello_timeout_ms);
        return;
    }
    frame_reader_trim(&connection->reader);
    connection->silent_ticks++;
    uint32_t silent_ms = connection->silent_ticks * PING_INTERVAL_MS;
    if (silent_ms > connection->options.silence_ms) {
        connection_fail(connection, STATUS_CLOSED, "silent for more than %u ms",
                        (unsigned)connection->options.silence_ms);
    } else if (connection->options.pings) {
        send_ping(connection);
    }
}

static void answer_ping(struct connection *connection, struct bytes ping)
{
    struct reader reader = reader_init(ping.data, ping.size);
    uint64_t echo = read_u64(&reader);
    if (!reader_done(&reader)) {
        connection_fail(connection, STATUS_PROTOCOL, "malformed ping");
        return;
    }
    uint8_t head[PONG_HEAD_SIZE];
    struct writer writer = writer_init(head, sizeof head);
    write_u64(&writer, echo);
    write_u64(&writer, clock_wall_ns(&connection->options.clock));
    struct bytes bytes = { .data = head, .size = sizeof head };
    enum status status = connection_send(connection, FRAME_PONG, bytes, NULL);
    if (status != STATUS_OK) {
        connection_fail(connection, status, "no room for a pong: the other side does not read");
    }
}

static void take_pong(struct connection *connection, struct bytes pong)
{
    struct reader reader = reader_init(pong.data, pong.size);
    uint64_t echo = read_u64(&reader);
    uint64_t wall = read_u64(&reader);
    uint64_t now = clock_mono_ns(&connection->options.clock);
    if (!reader_done(&reader) || !connection->options.pings || echo > now) {
        connection_fail(connection, STATUS_PROTOCOL, "malformed pong");
        return;
    }
    uint64_t round_trip = now - echo;
    if (round_trip <= PONG_AGE_MAX_NS) {
        /* The answer was stamped half a round trip ago, as far as one can know. */
        uint64_t then = clock_wall_ns(&connection->options.clock) - round_trip / 2;
        connection->options.handler->on_clock(connection, (int64_t)(wall - then), round_trip);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static void take_refused(struct connection *connection, struct bytes head)
{
    struct hello_refusal refusal;
    if (connection->accepted || hello_refusal_decode(head, &refusal) != STATUS_OK) {
        connection_fail(connection, STATUS_PROTOCOL, "malformed refusal");
        return;
    }
    connection_fail(connection, refusal_status(refusal.reason), "refused: %s", refusal.text);
}

static void take_greeting(struct connection *connection, const struct frame *frame)
{
    struct hello hello;
    if (frame->header.kind == FRAME_REFUSED) {
        take_refused(connection, frame->head);
    } else if (frame->header.kind != FRAME_HELLO) {
        connection_fail(connection, STATUS_PROTOCOL, "a frame came before the hello");
    } else if (hello_decode(frame->head, &hello) != STATUS_OK) {
        connection_fail(connection, STATUS_PROTOCOL, "malformed hello");
    } else {
        connection->options.handler->on_hello(connection, &hello);
    }
}

static void take_frame(struct connection *connection, const struct frame *frame)
{
    metric_add(&net_frames_received, 1);
    if (connection->state == CONNECTION_GREETING) {
        take_greeting(connection, frame);
        return;
    }
    switch (frame->header.kind) {
    case FRAME_PING:
        answer_ping(connection, frame->head);
        return;
    case FRAME_PONG:
        take_pong(connection, frame->head);
        return;
    case FRAME_RAFT:
    case FRAME_REQUEST:
    case FRAME_REPLY:
    case FRAME_SNAPSHOT:
    case FRAME_REPAIR:
    case FRAME_VOTES:
        connection->options.handler->on_frame(connection, frame);
        return;
    case FRAME_HELLO:
    case FRAME_REFUSED:
    case FRAME_KIND_END:
        break;
    }
    connection_fail(connection, STATUS_PROTOCOL, "a greeting came on an open connection");
}

static const char *stream_error_text(enum status status)
{
    if (status == STATUS_VERSION) {
        return "a frame of a newer protocol version";
    }
    if (status == STATUS_CORRUPT) {
        return "a payload that does not match its checksum";
    }
    if (status == STATUS_BUSY) {
        return "no room for a large payload: too many are under way";
    }
    return "bytes that are no sound frame";
}

static void take_bytes(struct connection *connection)
{
    struct frame frame;
    enum status status = STATUS_OK;
    while (connection->state == CONNECTION_GREETING || connection->state == CONNECTION_OPEN) {
        status = frame_reader_next(&connection->reader, &frame);
        if (status != STATUS_OK) {
            break;
        }
        take_frame(connection, &frame);
    }
    if (status != STATUS_OK && status != STATUS_AGAIN) {
        connection_fail(connection, status, "%s", stream_error_text(status));
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *connection = handle->data;
    struct room room = { .data = connection->buffer, .size = sizeof connection->buffer };
    if (connection->state != CONNECTION_REFUSING) {
        room = frame_reader_room(&connection->reader);
    }
    buffer->base = (char *)room.data;
    buffer->len = room.size;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    struct connection *connection = stream->data;
    if (size < 0) {
        connection_fail(connection, STATUS_CLOSED, "%s",
                        size == UV_EOF ? "the other side closed it" : uv_strerror((int)size));
        return;
    }
    metric_add(&net_bytes_received, (uint64_t)size);
    if (size == 0 || connection->state == CONNECTION_REFUSING) {
        return;
    }
    connection->silent_ticks = 0;
    frame_reader_filled(&connection->reader, (size_t)size);
    take_bytes(connection);
}

/* --- life ------------------------------------------------------------------------------------- */

struct connection *connection_new(const struct connection_options *options)
{
    struct connection *connection = net_allocate(sizeof *connection);
    /* All but the buffer, which is large and written before it is read. */
    memset(connection, 0, offsetof(struct connection, buffer));
    connection->options = *options;
    static const struct frame_memory MEMORY = { .take = receive_take, .give = receive_give };
    frame_reader_init(&connection->reader, connection->buffer, sizeof connection->buffer, &MEMORY);
    int code = uv_tcp_init(options->loop, &connection->tcp);
    ASSERT(code == 0);
    code = uv_timer_init(options->loop, &connection->timer);
    ASSERT(code == 0);
    code = uv_idle_init(options->loop, &connection->idle);
    ASSERT(code == 0);
    connection->open_handles = 3;
    connection->idle.data = connection;
    connection->tcp.data = connection;
    connection->timer.data = connection;
    connection->state = CONNECTION_DIALLING;
    code = uv_timer_start(&connection->timer, on_tick, options->hello_timeout_ms, 0);
    ASSERT(code == 0);
    return connection;
}

/* Small frames leave at once, and the kernel holds little that later ones would wait behind. */
static int tune(struct connection *connection)
{
    int code = uv_tcp_nodelay(&connection->tcp, 1);
    uv_os_fd_t descriptor = -1;
    if (code == 0) {
        code = uv_fileno((const uv_handle_t *)&connection->tcp, &descriptor);
    }
    int unsent = CONNECTION_UNSENT_BYTES;
    if (code == 0 &&
        setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) != 0) {
        code = uv_translate_sys_error(errno);
    }
    return code;
}

static void start_greeting(struct connection *connection)
{
    connection->state = CONNECTION_GREETING;
    int code = tune(connection);
    if (code == 0) {
        code = uv_read_start((uv_stream_t *)&connection->tcp, on_room, on_read);
    }
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
    }
}

void connection_accept(struct connection *connection, uv_stream_t *listener)
{
    connection->accepted = true;
    int code = uv_accept(listener, (uv_stream_t *)&connection->tcp);
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
        return;
    }
    start_greeting(connection);
}

static void on_connected(uv_connect_t *request, int code)
{
    struct connection *connection = request->data;
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "cannot connect: %s", uv_strerror(code));
        return;
    }
    start_greeting(connection);
    if (connection->state == CONNECTION_GREETING) {
        connection->options.handler->on_connect(connection);
    }
}

void connection_dial(struct connection *connection, const struct sockaddr *address)
{
    connection->connect.data = connection;
    int code = uv_tcp_connect(&connection->connect, &connection->tcp, address, on_connected);
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "cannot connect: %s", uv_strerror(code));
    }
}

void connection_greet(struct connection *connection, const struct hello *hello)
{
    uint8_t head[HELLO_SIZE_MAX];
    struct bytes bytes = { .data = head, .size = hello_encode(head, hello) };
    enum status status = connection_send(connection, FRAME_HELLO, bytes, NULL);
    if (status != STATUS_OK) {
        connection_fail(connection, status, "cannot say hello");
    }
}

void connection_open(struct connection *connection)
{
    if (connection->state != CONNECTION_GREETING) {
        return; /* the answer to the hello failed */
    }
    connection->state = CONNECTION_OPEN;
    connection->was_open = true;
    connection->reader.payload_max = FRAME_BODY_MAX - FRAME_HEAD_MAX;
    /* The first ping at once: it measures the clocks. */
    int code = uv_timer_start(&connection->timer, on_tick, 0, PING_INTERVAL_MS);
    ASSERT(code == 0);
}

void connection_refuse(struct connection *connection, const struct hello_refusal *refusal)
{
    uint8_t head[REFUSAL_SIZE_MAX];
    struct bytes bytes = { .data = head, .size = hello_refusal_encode(head, refusal) };
    enum status status = connection_send(connection, FRAME_REFUSED, bytes, NULL);
    if (status != STATUS_OK) {
        connection_fail(connection, status, "cannot say why it is refused");
        return;
    }
    connection_write_last(connection);
}

void connection_peer_text(const struct connection *connection, char text[ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage socket_address;
    int size = sizeof socket_address;
    struct address address;
    if (uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&socket_address, &size) != 0) {
        (void)snprintf(text, ADDRESS_TEXT_MAX, "unknown");
        return;
    }
    address_from_socket(&socket_address, &address);
    address_format(&address, text);
}
