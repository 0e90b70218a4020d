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
    int code =
        uv_write(&connection->write, (uv_stream_t *)&connection->tcp, parts, count, on_written);
    if (code != 0) {
        end_in_flight(connection, false);
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
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
    flush(connection);
    return STATUS_OK;
}

void connection_write_last(struct connection *connection)
{
    /* libuv orders a shutdown behind the writes that it has, and a greeting is one write. */
    ASSERT(connection->queue.small.head == NULL && connection->queue.large.head == NULL);
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    connection->state = CONNECTION_REFUSING;
    int code = uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut_down);
    if (code != 0) {
        connection_fail(connection, STATUS_CLOSED, "%s", uv_strerror(code));
    }
}
