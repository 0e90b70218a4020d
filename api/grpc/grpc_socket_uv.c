#include "api/grpc/grpc_socket_uv.h"

#include "base/assert.h"
#include "base/limits.h"

#include <stdlib.h>

enum {
    TLS_OVERHEAD_MAX = 16 * 1024, /* of a write buffer's records, and of a handshake's flight */
    ROUNDS_MAX = 16,              /* writes of one socket in one turn of the loop */
    OUT_SIZE = GRPC_WRITE_BUFFER_SIZE + TLS_OVERHEAD_MAX,
};

static void flush(struct grpc_socket *socket);

/* --- the hub --------------------------------------------------------------------------------- */

static void on_prepare(uv_prepare_t *prepare)
{
    struct grpc_hub *hub = prepare->data;
    while (!TAILQ_EMPTY(&hub->dirty)) {
        struct grpc_socket *socket = TAILQ_FIRST(&hub->dirty);
        TAILQ_REMOVE(&hub->dirty, socket, dirty_link);
        socket->dirty = false;
        flush(socket);
    }
}

void grpc_hub_open(struct grpc_hub *hub, uv_loop_t *loop)
{
    hub->loop = loop;
    hub->spare = NULL;
    TAILQ_INIT(&hub->dirty);
    hub->read_buffer = malloc(GRPC_READ_BUFFER_SIZE);
    hub->plain_buffer = malloc(GRPC_READ_BUFFER_SIZE);
    ASSERT(hub->read_buffer != NULL && hub->plain_buffer != NULL);
    int result = uv_prepare_init(loop, &hub->prepare);
    ASSERT(result == 0);
    hub->prepare.data = hub;
    result = uv_prepare_start(&hub->prepare, on_prepare);
    ASSERT(result == 0);
    /* A hub does not keep its loop alive: sockets do. */
    uv_unref((uv_handle_t *)&hub->prepare);
}

static void on_hub_closed(uv_handle_t *handle)
{
    struct grpc_hub *hub = handle->data;
    free(hub->read_buffer);
    free(hub->plain_buffer);
    free(hub->spare);
    hub->closed(hub->context);
}

void grpc_hub_close(struct grpc_hub *hub, void (*closed)(void *context), void *context)
{
    ASSERT(TAILQ_EMPTY(&hub->dirty));
    hub->closed = closed;
    hub->context = context;
    uv_close((uv_handle_t *)&hub->prepare, on_hub_closed);
}

/* Most flushes end within the turn, so one buffer serves all sockets; a socket whose write has to
 * wait keeps it. */
static void take_buffer(struct grpc_socket *socket)
{
    struct grpc_hub *hub = socket->hub;
    socket->out = hub->spare != NULL ? hub->spare : malloc(OUT_SIZE);
    ASSERT(socket->out != NULL);
    hub->spare = NULL;
}

static void give_buffer_back(struct grpc_socket *socket)
{
    if (socket->hub->spare == NULL) {
        socket->hub->spare = socket->out;
    } else {
        free(socket->out);
    }
    socket->out = NULL;
}

/* --- closing --------------------------------------------------------------------------------- */

static void on_socket_closed(uv_handle_t *handle)
{
    struct grpc_socket *socket = handle->data;
    if (socket->tls != NULL) {
        tls_free(socket->tls);
        socket->tls = NULL;
    }
    give_buffer_back(socket);
    socket->ops->closed(socket->owner, &socket->why);
}

void grpc_socket_close(struct grpc_socket *socket, enum status status, const char *reason)
{
    if (socket->closing) {
        return;
    }
    socket->closing = true;
    (void)error_set(&socket->why, status, "%s", reason);
    if (socket->dirty) {
        TAILQ_REMOVE(&socket->hub->dirty, socket, dirty_link);
        socket->dirty = false;
    }
    uv_close((uv_handle_t *)&socket->tcp, on_socket_closed);
}

static void close_uv(struct grpc_socket *socket, int result)
{
    grpc_socket_close(socket, STATUS_CLOSED,
                      result == UV_EOF ? "the peer closed the connection" : uv_strerror(result));
}

/* --- output ---------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int result)
{
    struct grpc_socket *socket = write->data;
    socket->writing = false;
    socket->out_size = 0;
    if (result != 0 && result != UV_ECANCELED) {
        close_uv(socket, result);
    }
    if (!socket->closing) {
        grpc_socket_wants_write(socket);
    }
}

/* Fills the write buffer; false when there is nothing to write. */
static bool fill(struct grpc_socket *socket)
{
    if (socket->out == NULL) {
        take_buffer(socket);
    }
    socket->out_sent = 0;
    if (socket->tls == NULL) {
        socket->out_size = socket->ops->output(socket->owner, socket->out, GRPC_WRITE_BUFFER_SIZE);
        return socket->out_size > 0;
    }
    struct error error;
    if (tls_ready(socket->tls) && tls_output_size(socket->tls) == 0) {
        size_t size =
            socket->ops->output(socket->owner, socket->hub->plain_buffer, GRPC_WRITE_BUFFER_SIZE);
        if (tls_write(socket->tls, socket->hub->plain_buffer, size, &error) != STATUS_OK) {
            grpc_socket_close(socket, error.status, error.text);
            return false;
        }
    }
    socket->out_size = tls_output(socket->tls, socket->out, OUT_SIZE);
    return socket->out_size > 0;
}

/* Writes the buffer; true when the kernel took all of it at once. With `later` the rest of this
 * turn belongs to others, and on_written goes on in the next. */
static bool write_out(struct grpc_socket *socket, bool later)
{
    uv_stream_t *stream = (uv_stream_t *)&socket->tcp;
    uv_buf_t buffer = uv_buf_init((char *)socket->out, (unsigned)socket->out_size);
    int written = later ? UV_EAGAIN : uv_try_write(stream, &buffer, 1);
    if (written < 0 && written != UV_EAGAIN) {
        close_uv(socket, written);
        return false;
    }
    socket->out_sent = written < 0 ? 0 : (size_t)written;
    if (socket->out_sent == socket->out_size) {
        socket->out_size = 0;
        return true;
    }
    buffer = uv_buf_init((char *)socket->out + socket->out_sent,
                         (unsigned)(socket->out_size - socket->out_sent));
    socket->write.data = socket;
    socket->writing = true;
    int result = uv_write(&socket->write, stream, &buffer, 1, on_written);
    if (result != 0) {
        socket->writing = false;
        close_uv(socket, result);
    }
    return false;
}

static void flush(struct grpc_socket *socket)
{
    if (!socket->reading || socket->writing || socket->closing) {
        return;
    }
    for (int round = 0; fill(socket); round++) {
        if (!write_out(socket, round == ROUNDS_MAX)) {
            return;
        }
    }
    give_buffer_back(socket);
    if (!socket->closing && socket->ops->done(socket->owner)) {
        grpc_socket_close(socket, STATUS_CLOSED, "the connection ended");
    }
}

void grpc_socket_wants_write(struct grpc_socket *socket)
{
    if (!socket->dirty && !socket->closing) {
        socket->dirty = true;
        TAILQ_INSERT_TAIL(&socket->hub->dirty, socket, dirty_link);
    }
}

/* --- input ----------------------------------------------------------------------------------- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct grpc_socket *socket = handle->data;
    *buffer = uv_buf_init((char *)socket->hub->read_buffer, GRPC_READ_BUFFER_SIZE);
}

static void decrypt(struct grpc_socket *socket, const uint8_t *data, size_t size)
{
    struct error error;
    enum status status = tls_receive(socket->tls, data, size, &error);
    while (status == STATUS_OK && !socket->closing) {
        size_t plain = 0;
        status =
            tls_read(socket->tls, socket->hub->plain_buffer, GRPC_READ_BUFFER_SIZE, &plain, &error);
        if (plain == 0) {
            break;
        }
        if (socket->ops->receive(socket->owner, socket->hub->plain_buffer, plain) != STATUS_OK) {
            break; /* the flush will see that it is done */
        }
    }
    if (status != STATUS_OK) {
        /* An alert may say why: best effort, then close. */
        if (!socket->writing && fill(socket)) {
            (void)write_out(socket, false);
        }
        grpc_socket_close(socket, error.status, error.text);
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct grpc_socket *socket = stream->data;
    if (size < 0) {
        close_uv(socket, (int)size);
        return;
    }
    const uint8_t *data = (const uint8_t *)buffer->base;
    if (socket->tls != NULL) {
        decrypt(socket, data, (size_t)size);
    } else if (socket->ops->receive(socket->owner, data, (size_t)size) != STATUS_OK) {
        int result = uv_read_stop(stream);
        ASSERT(result == 0);
    }
    grpc_socket_wants_write(socket);
}

void grpc_socket_init(struct grpc_socket *socket, struct grpc_hub *hub,
                      const struct grpc_socket_ops *ops, void *owner, struct tls *tls)
{
    *socket = (struct grpc_socket){ .hub = hub, .ops = ops, .owner = owner, .tls = tls };
    int result = uv_tcp_init(hub->loop, &socket->tcp);
    ASSERT(result == 0);
    socket->tcp.data = socket;
}

void grpc_socket_start(struct grpc_socket *socket)
{
    socket->reading = true;
    /* Refused only by a socket that has just died, which the read reports. */
    (void)uv_tcp_nodelay(&socket->tcp, 1);
    int result = uv_read_start((uv_stream_t *)&socket->tcp, on_allocate, on_read);
    if (result != 0) {
        close_uv(socket, result);
        return;
    }
    grpc_socket_wants_write(socket);
}
