#include "raft/net/connection_write_uv.h"

#include "base/assert.h"
#include "raft/net/net_metrics.h"

enum { WRITE_PARTS_MAX = 4 * OUT_FRAME_PARTS_MAX };

static void on_written(uv_write_t *request, int code);

static void end_in_flight(struct connection *connection, bool sent)
{
    struct out_frame *frame = connection->in_flight;
    connection->in_flight = NULL;
    while (frame != NULL) {
        struct out_frame *next = frame->next;
        if (sent) {
            metric_add(&net_frames_sent, 1);
            metric_add(&net_bytes_sent, frame->wire_size);
        }
        out_queue_done(&connection->queue, frame);
        frame = next;
    }
}

/* Takes frames until the write is large enough; returns the number of parts. */
static unsigned gather(struct connection *connection, uv_buf_t parts[WRITE_PARTS_MAX])
{
    unsigned count = 0;
    size_t size = 0;
    struct out_frame **link = &connection->in_flight;
    while (size < CONNECTION_WRITE_BYTES && count + OUT_FRAME_PARTS_MAX <= WRITE_PARTS_MAX) {
        struct out_frame *frame = out_queue_take(&connection->queue);
        if (frame == NULL) {
            break;
        }
        frame->next = NULL;
        *link = frame;
        link = &frame->next;
        struct bytes bytes[OUT_FRAME_PARTS_MAX];
        uint32_t added = out_frame_parts(frame, bytes);
        for (uint32_t i = 0; i < added; i++) {
            union { /* libuv's buffers serve reading too, so they are not const */
                const uint8_t *lent;
                char *base;
            } data = { .lent = bytes[i].data };
            parts[count].base = data.base;
            parts[count].len = bytes[i].size;
            count++;
        }
        size += frame->wire_size;
    }
    return count;
}

static void on_shut_down(uv_shutdown_t *request, int code)
{
    struct connection *connection = request->handle->data;
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
    }
    /* Else the other side's end of file closes it, or the timer of the greeting. */
}

/* Moves the parts behind what has been written; returns the first that is left. */
static unsigned skip_written(uv_buf_t *parts, unsigned count, size_t written)
{
    unsigned first = 0;
    while (first < count && written >= parts[first].len) {
        written -= parts[first].len;
        first++;
    }
    if (first < count) {
        parts[first].base += written;
        parts[first].len -= written;
    }
    return first;
}

static void flush_later(struct connection *connection);

static void flush(struct connection *connection)
{
    if (connection->in_flight != NULL || connection->state == CONNECTION_CLOSING) {
        return;
    }
    uv_buf_t parts[WRITE_PARTS_MAX];
    unsigned count = gather(connection, parts);
    if (count == 0) {
        return;
    }
    /* Most writes end at once: they need no callback and no look at writability. */
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    int written = uv_try_write(stream, parts, count);
    if (written < 0 && written != UV_EAGAIN) {
        end_in_flight(connection, false);
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(written));
        return;
    }
    unsigned first = skip_written(parts, count, written > 0 ? (size_t)written : 0);
    if (first == count) {
        end_in_flight(connection, true);
        flush_later(connection);
        return;
    }
    int code = uv_write(&connection->write, stream, parts + first, count - first, on_written);
    if (code != 0) {
        end_in_flight(connection, false);
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
    }
}

static void on_idle(uv_idle_t *idle)
{
    int code = uv_idle_stop(idle);
    ASSERT(code == 0);
    flush(idle->data);
}

static void flush_later(struct connection *connection)
{
    if (!out_queue_empty(&connection->queue) && connection->in_flight == NULL &&
        connection->state != CONNECTION_CLOSING) {
        int code = uv_idle_start(&connection->idle, on_idle);
        ASSERT(code == 0);
    }
}

static void on_written(uv_write_t *request, int code)
{
    struct connection *connection = request->handle->data;
    end_in_flight(connection, code == 0);
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
        return;
    }
    flush(connection);
}

enum status connection_send(struct connection *connection, enum frame_kind kind, struct bytes head,
                            const struct bus_payload *payload)
{
    if (connection->state != CONNECTION_GREETING && connection->state != CONNECTION_OPEN) {
        return STATUS_CLOSED;
    }
    enum status status = out_queue_put(&connection->queue, kind, head, payload);
    if (status != STATUS_OK) {
        metric_add(&net_queue_full, 1);
        return status;
    }
    flush_later(connection);
    return STATUS_OK;
}

void connection_write_last(struct connection *connection)
{
    flush(connection);
    /* libuv orders a shutdown behind the writes that it has, and a greeting is one write. */
    ASSERT(out_queue_empty(&connection->queue));
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    connection->state = CONNECTION_REFUSING;
    int code = uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut_down);
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
    }
}
