/* One stream: nghttp2's callbacks note what came, dispatch gives it to the service. */
#include "api/grpc/grpc_conn.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FREE_STREAMS_MAX = 4096, /* kept for reuse by one server */
    PING_SIZE = 8,
};

/* --- life ------------------------------------------------------------------------------------ */

static void queue_drained(struct grpc_sender *sender)
{
    struct grpc_stream *stream =
        (struct grpc_stream *)(void *)((char *)sender - offsetof(struct grpc_stream, sender));
    ASSERT(stream->magic == GRPC_STREAM_MAGIC);
    if (stream->call != NULL && stream->call->method->kind != GRPC_UNARY) {
        stream->drained = true;
        grpc_stream_mark_ready(stream);
    }
}

struct grpc_stream *grpc_stream_new(struct grpc_conn *conn, int32_t id)
{
    struct grpc_server *server = conn->server;
    struct grpc_stream *stream = TAILQ_FIRST(&server->free_streams);
    if (stream != NULL) {
        TAILQ_REMOVE(&server->free_streams, stream, link);
        server->free_streams_count--;
        /* Everything but the text that the trailers own starts from zero. */
        memset(stream, 0, offsetof(struct grpc_stream, trailers));
    } else {
        stream = malloc(sizeof *stream);
        ASSERT(stream != NULL);
        memset(stream, 0, sizeof *stream);
    }
    grpc_metadata_clear(&stream->trailers);
    stream->magic = GRPC_STREAM_MAGIC;
    stream->id = id;
    stream->conn = conn;
    stream->call = grpc_call_new(server);
    stream->call->conn = conn;
    stream->call->stream = stream;
    stream->sender = (struct grpc_sender){ .http2 = &conn->http2,
                                           .stream_id = id,
                                           .drained = queue_drained,
                                           .queue = { .budget = &conn->queued } };
    TAILQ_INSERT_TAIL(&conn->streams, stream, link);
    return stream;
}

static void drop_messages(struct grpc_stream *stream)
{
    while (stream->messages_first != NULL) {
        struct grpc_buffer *message = stream->messages_first;
        stream->messages_first = message->next;
        grpc_reader_release(&stream->conn->received, message);
    }
    stream->messages_last = NULL;
    grpc_reader_close(&stream->reader);
}

void grpc_stream_close(struct grpc_stream *stream)
{
    struct grpc_conn *conn = stream->conn;
    struct grpc_server *server = conn->server;
    if (stream->call != NULL) {
        if (stream->call->given) {
            grpc_call_cancel(stream->call, GRPC_CANCEL_CLIENT);
        } else {
            grpc_call_release(stream->call);
        }
    }
    drop_messages(stream);
    grpc_queue_clear(&stream->sender.queue);
    if (stream->ready) {
        TAILQ_REMOVE(&conn->ready, stream, ready_link);
    }
    TAILQ_REMOVE(&conn->streams, stream, link);
    stream->magic = 0;
    if (server->free_streams_count == FREE_STREAMS_MAX) {
        grpc_metadata_free(&stream->trailers);
        free(stream);
        return;
    }
    TAILQ_INSERT_HEAD(&server->free_streams, stream, link);
    server->free_streams_count++;
}

void grpc_stream_mark_ready(struct grpc_stream *stream)
{
    if (!stream->ready) {
        stream->ready = true;
        TAILQ_INSERT_TAIL(&stream->conn->ready, stream, ready_link);
    }
}

/* --- nghttp2's callbacks --------------------------------------------------------------------- */

static struct grpc_stream *stream_of(nghttp2_session *session, int32_t id)
{
    struct grpc_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    ASSERT(stream == NULL || stream->magic == GRPC_STREAM_MAGIC);
    return stream;
}

static bool is_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    if (is_request(frame)) {
        struct grpc_stream *stream = grpc_stream_new(user_data, frame->hd.stream_id);
        grpc_http2_check(
            nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream));
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)flags;
    (void)user_data;
    struct grpc_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL && stream->call != NULL && is_request(frame)) {
        grpc_request_header(stream, grpc_http2_text(name), grpc_http2_text(value));
    }
    return 0;
}

static void note_messages(struct grpc_stream *stream, struct bytes input)
{
    while (input.size > 0 && stream->read_failure == GRPC_READ_MORE) {
        struct grpc_buffer *message = NULL;
        enum grpc_read result = grpc_reader_take(&stream->reader, &input, &message);
        if (result == GRPC_READ_MORE) {
            return;
        }
        if (result != GRPC_READ_MESSAGE) {
            stream->read_failure = result;
            grpc_stream_mark_ready(stream);
            return;
        }
        if (stream->messages_last == NULL) {
            stream->messages_first = message;
        } else {
            stream->messages_last->next = message;
        }
        stream->messages_last = message;
        stream->messages_count++;
        if (stream->call->method->kind == GRPC_BIDI) {
            grpc_stream_mark_ready(stream);
        } else if (stream->messages_count > 1) {
            stream->read_failure = GRPC_READ_MESSAGE; /* one too many */
            grpc_stream_mark_ready(stream);
        }
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *user_data)
{
    (void)flags;
    (void)user_data;
    /* The connection's window is given back at once: held back, streams that each wait for the
     * rest of a message could stop each other for ever. The budget bounds the memory instead. */
    grpc_http2_check(nghttp2_session_consume_connection(session, size));
    struct grpc_stream *stream = stream_of(session, stream_id);
    if (stream == NULL || stream->call == NULL || stream->read_failure != GRPC_READ_MORE) {
        return 0;
    }
    note_messages(stream, (struct bytes){ data, size });
    return 0;
}

static void on_ping(struct grpc_conn *conn, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        static const uint8_t MARK[PING_SIZE] = GRPC_DRAIN_PING;
        if (memcmp(frame->ping.opaque_data, MARK, sizeof MARK) == 0) {
            conn->draining_ping_answered = true;
        }
        return;
    }
    uint64_t interval_ns = conn->server->config.ping_interval_min_ns;
    if (conn->ping_came_ns != 0 && conn->now_ns - conn->ping_came_ns < interval_ns) {
        conn->ping_strikes++;
    }
    conn->ping_came_ns = conn->now_ns;
    if (conn->ping_strikes > GRPC_PING_STRIKES_MAX && conn->state != GRPC_CONN_BROKEN) {
        static const char REASON[] = "too_many_pings";
        nghttp2_session *session = conn->http2.session;
        conn->state = GRPC_CONN_BROKEN;
        conn->state_ns = conn->now_ns;
        grpc_http2_check(nghttp2_submit_goaway(
            session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session),
            NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)REASON, sizeof REASON - 1));
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct grpc_conn *conn = user_data;
    if (frame->hd.type == NGHTTP2_SETTINGS) {
        conn->greeted = true;
        return 0;
    }
    if (frame->hd.type == NGHTTP2_PING) {
        on_ping(conn, frame);
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    struct grpc_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (is_request(frame)) {
        grpc_request_headers_done(stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        stream->remote_ended = true;
        grpc_stream_mark_ready(stream);
    }
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct grpc_conn *conn = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    conn->ping_strikes = 0;
    /* An answer that came before the request was complete: the rest is not wanted. Earlier, the
     * reset would have cancelled the answer. */
    int32_t id = frame->hd.stream_id;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(session, id) == 0) {
        grpc_http2_check(
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR));
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)error_code;
    (void)user_data;
    struct grpc_stream *stream = stream_of(session, stream_id);
    if (stream != NULL) {
        grpc_http2_check(nghttp2_session_set_stream_user_data(session, stream_id, NULL));
        grpc_stream_close(stream);
    }
    return 0;
}

void grpc_stream_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- to the service -------------------------------------------------------------------------- */

static void fail_reading(struct grpc_stream *stream)
{
    char text[160];
    const struct grpc_reader *reader = &stream->reader;
    switch (stream->read_failure) {
    case GRPC_READ_COMPRESSED:
        grpc_stream_fail(stream, 200, STATUS_MALFORMED,
                         "a message is flagged as compressed without a grpc-encoding");
        return;
    case GRPC_READ_TOO_LARGE:
        (void)snprintf(text, sizeof text,
                       "a message of %u bytes is larger than the limit of %u bytes",
                       (unsigned)reader->announced, (unsigned)reader->limit);
        grpc_stream_fail(stream, 200, STATUS_TOO_LARGE, text);
        return;
    case GRPC_READ_BUSY:
        stream->conn->server->counters.streams_refused++;
        (void)snprintf(
            text, sizeof text,
            "no room for a message of %u bytes now: too many requests are being received",
            (unsigned)reader->announced);
        grpc_stream_fail(stream, 200, STATUS_BUSY, text);
        return;
    case GRPC_READ_MESSAGE:
        grpc_stream_fail(stream, 200, STATUS_UNIMPLEMENTED,
                         "the method takes one request message, and more were sent");
        return;
    case GRPC_READ_MORE:
    default:
        UNREACHABLE();
    }
}

static void give_message(struct grpc_stream *stream)
{
    struct grpc_conn *conn = stream->conn;
    struct grpc_call *call = stream->call;
    struct grpc_buffer *message = stream->messages_first;
    stream->messages_first = message->next;
    if (stream->messages_first == NULL) {
        stream->messages_last = NULL;
    }
    if (!stream->remote_ended) {
        grpc_http2_check(nghttp2_session_consume_stream(conn->http2.session, stream->id,
                                                        GRPC_PREFIX_SIZE + message->size));
    }
    const struct grpc_server_config *config = &conn->server->config;
    grpc_call_give(call);
    config->ops->on_message(config->context, call, (struct bytes){ message->data, message->size });
    grpc_reader_release(&conn->received, message);
}

static void dispatch_one_request(struct grpc_stream *stream)
{
    if (!stream->remote_ended || stream->call->given) {
        return;
    }
    if (stream->messages_first == NULL) {
        grpc_stream_fail(stream, 200, STATUS_UNIMPLEMENTED,
                         "the method takes one request message, and none was sent");
        return;
    }
    give_message(stream);
}

static void dispatch_messages(struct grpc_stream *stream)
{
    const struct grpc_server_config *config = &stream->conn->server->config;
    while (stream->call != NULL && stream->messages_first != NULL) {
        give_message(stream);
    }
    if (stream->call != NULL && stream->remote_ended && !stream->half_close_told) {
        stream->half_close_told = true;
        grpc_call_give(stream->call);
        config->ops->on_half_close(config->context, stream->call);
    }
}

void grpc_stream_dispatch(struct grpc_stream *stream)
{
    const struct grpc_server_config *config = &stream->conn->server->config;
    if (stream->call != NULL && stream->drained) {
        stream->drained = false;
        if (config->ops->on_writable != NULL && stream->call->given) {
            config->ops->on_writable(config->context, stream->call);
        }
    }
    if (stream->call != NULL && stream->read_failure != GRPC_READ_MORE) {
        fail_reading(stream);
    }
    if (stream->call != NULL && stream->remote_ended && grpc_reader_partial(&stream->reader)) {
        grpc_stream_fail(stream, 200, STATUS_MALFORMED,
                         "the request ends in the middle of a message");
    }
    if (stream->call != NULL && stream->call->method->kind == GRPC_BIDI) {
        dispatch_messages(stream);
    } else if (stream->call != NULL) {
        dispatch_one_request(stream);
    }
    if (stream->call == NULL) {
        drop_messages(stream);
    }
}
