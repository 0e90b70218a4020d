/* One call of a client: nghttp2's callbacks, and how what came becomes an end. */
#include "api/grpc/grpc_client_internal.h"
#include "base/assert.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum { FREE_CALLS_MAX = 4096, HEADER_OVERHEAD = 32 };

void grpc_client_mark_ready(struct grpc_client_call *call)
{
    if (!call->ready) {
        call->ready = true;
        TAILQ_INSERT_TAIL(&call->client->ready, call, ready_link);
    }
}

static void drop_messages(struct grpc_client_call *call)
{
    while (call->messages_first != NULL) {
        struct grpc_buffer *message = call->messages_first;
        call->messages_first = message->next;
        grpc_reader_release(&call->client->received, message);
    }
    call->messages_last = NULL;
    grpc_reader_close(&call->reader);
}

void grpc_client_call_release(struct grpc_client_call *call)
{
    struct grpc_client *client = call->client;
    ASSERT(call->stream_id == 0);
    drop_messages(call);
    grpc_queue_clear(&call->sender.queue);
    if (call->ready) {
        TAILQ_REMOVE(&client->ready, call, ready_link);
    }
    TAILQ_REMOVE(&client->calls, call, link);
    call->magic = 0;
    if (client->free_calls_count == FREE_CALLS_MAX) {
        grpc_metadata_free(&call->trailers);
        free(call);
        return;
    }
    TAILQ_INSERT_HEAD(&client->free_calls, call, link);
    client->free_calls_count++;
}

void grpc_client_call_fail(struct grpc_client_call *call, enum grpc_code code, const char *text)
{
    if (!call->failed_here && !call->closed) {
        call->failed_here = true;
        call->code = code;
        call->text = text;
        if (call->stream_id != 0) {
            struct grpc_client *client = call->client;
            grpc_http2_check(nghttp2_submit_rst_stream(client->http2.session, NGHTTP2_FLAG_NONE,
                                                       call->stream_id, NGHTTP2_CANCEL));
            client->config.wants_write(client->config.context);
        }
        grpc_client_mark_ready(call);
    }
}

/* --- nghttp2's callbacks --------------------------------------------------------------------- */

static struct grpc_client_call *call_of(nghttp2_session *session, int32_t id)
{
    struct grpc_client_call *call = nghttp2_session_get_stream_user_data(session, id);
    ASSERT(call == NULL || call->magic == GRPC_CLIENT_CALL_MAGIC);
    return call;
}

static uint32_t decimal(const uint8_t *text, size_t size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size && i < 3; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value;
}

static void note_header(struct grpc_client_call *call, struct bytes name, struct bytes value)
{
    call->header_list_size += (uint32_t)(name.size + value.size + HEADER_OVERHEAD);
    bool fits = call->header_list_size <= 2 * GRPC_HEADER_LIST_MAX;
    if (grpc_text_equal(name, ":status")) {
        call->http_status = decimal(value.data, value.size);
    } else if (grpc_text_equal(name, "grpc-status")) {
        uint32_t code = decimal(value.data, value.size);
        call->status_seen = true;
        call->code = code <= GRPC_UNAUTHENTICATED ? (enum grpc_code)code : GRPC_UNKNOWN;
    } else if (fits && !grpc_text_equal(name, "content-type")) {
        fits = grpc_metadata_add(&call->trailers, name, value) == STATUS_OK;
    }
    if (!fits) {
        grpc_client_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "the reply's headers are too large");
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)flags;
    (void)user_data;
    struct grpc_client_call *call = call_of(session, frame->hd.stream_id);
    if (call != NULL && !call->failed_here && frame->hd.type == NGHTTP2_HEADERS) {
        note_header(call, grpc_http2_text(name), grpc_http2_text(value));
    }
    return 0;
}

static void append(struct grpc_client_call *call, struct grpc_buffer *message)
{
    if (call->messages_last == NULL) {
        call->messages_first = message;
    } else {
        call->messages_last->next = message;
    }
    call->messages_last = message;
    call->messages_count++;
    grpc_client_mark_ready(call);
}

static void note_messages(struct grpc_client_call *call, struct bytes input)
{
    while (input.size > 0 && !call->failed_here) {
        struct grpc_buffer *message = NULL;
        switch (grpc_reader_take(&call->reader, &input, &message)) {
        case GRPC_READ_MORE:
            return;
        case GRPC_READ_MESSAGE:
            append(call, message);
            break;
        case GRPC_READ_COMPRESSED:
            grpc_client_call_fail(call, GRPC_INTERNAL, "the reply is compressed");
            return;
        case GRPC_READ_TOO_LARGE:
            grpc_client_call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                                  "the reply is larger than this client takes");
            return;
        case GRPC_READ_BUSY:
            grpc_client_call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                                  "too many bytes of replies wait in this client");
            return;
        default:
            UNREACHABLE();
        }
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *user_data)
{
    (void)flags;
    (void)user_data;
    grpc_http2_check(nghttp2_session_consume_connection(session, size));
    struct grpc_client_call *call = call_of(session, stream_id);
    if (call != NULL && !call->failed_here) {
        note_messages(call, (struct bytes){ data, size });
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct grpc_client *client = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->leaving = true;
        client->last_stream_id = frame->goaway.last_stream_id;
    }
    return 0;
}

/* RFC 9113 §7 → gRPC, PROTOCOL-HTTP2.md "HTTP2 Transport Mapping". */
static enum grpc_code code_of_reset(uint32_t error)
{
    switch (error) {
    case NGHTTP2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

/* doc/http-grpc-status-mapping.md: for what answers that is no gRPC server. */
static enum grpc_code code_of_http(uint32_t status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

static void conclude(struct grpc_client_call *call, uint32_t error)
{
    const struct grpc_client *client = call->client;
    if (call->failed_here || call->status_seen) {
        return;
    }
    call->failed_here = true;
    if (call->not_processed || error == NGHTTP2_REFUSED_STREAM ||
        (client->leaving && call->stream_id > client->last_stream_id)) {
        call->code = GRPC_UNAVAILABLE;
        call->text = "the server refused the stream";
        call->not_processed = true;
    } else if (error != NGHTTP2_NO_ERROR) {
        call->code = code_of_reset(error);
        call->text = nghttp2_http2_strerror(error);
    } else if (call->http_status != 200) {
        call->code = code_of_http(call->http_status);
        call->text = "the peer answered with an HTTP error and no grpc-status";
    } else {
        call->code = GRPC_INTERNAL;
        call->text = "the reply ended without a grpc-status";
    }
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    struct grpc_client *client = user_data;
    struct grpc_client_call *call = call_of(session, stream_id);
    client->streams_open--;
    if (call == NULL) {
        return 0;
    }
    grpc_http2_check(nghttp2_session_set_stream_user_data(session, stream_id, NULL));
    conclude(call, error_code);
    call->stream_id = 0;
    call->closed = true;
    if (call->ops == NULL) {
        grpc_client_call_release(call);
    } else {
        grpc_client_mark_ready(call);
    }
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct grpc_client_call *call = call_of(session, frame->hd.stream_id);
        if (call != NULL) {
            call->sent = true;
        }
    }
    return 0;
}

/* A request that could not even be sent: the stream never opened, so no close will be reported. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user_data)
{
    (void)error;
    (void)user_data;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct grpc_client_call *call = call_of(session, frame->hd.stream_id);
        if (call != NULL) {
            call->not_processed = true;
        }
    }
    return 0;
}

void grpc_client_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
}

/* --- to the caller --------------------------------------------------------------------------- */

static void give_messages(struct grpc_client_call *call)
{
    struct grpc_client *client = call->client;
    while (call->messages_first != NULL && call->ops != NULL) {
        struct grpc_buffer *message = call->messages_first;
        call->messages_first = message->next;
        if (call->messages_first == NULL) {
            call->messages_last = NULL;
        }
        if (call->stream_id != 0) {
            grpc_http2_check(nghttp2_session_consume_stream(client->http2.session, call->stream_id,
                                                            GRPC_PREFIX_SIZE + message->size));
        }
        call->ops->on_message(call->context, (struct bytes){ message->data, message->size });
        grpc_reader_release(&client->received, message);
    }
}

static void give_end(struct grpc_client_call *call)
{
    struct grpc_end end = { .code = call->code,
                            .trailers = &call->trailers,
                            .not_processed = call->not_processed };
    char text[GRPC_HEADER_LIST_MAX];
    uint8_t details[GRPC_HEADER_LIST_MAX];
    struct bytes value;
    bool one_missing = call->code == GRPC_OK && !call->replies_stream && call->messages_count != 1;
    if (call->failed_here) {
        end.text = grpc_text(call->text);
    } else if (one_missing || (call->code == GRPC_OK && grpc_reader_partial(&call->reader))) {
        end.code = GRPC_INTERNAL;
        end.text = grpc_text("the reply is not exactly one whole message");
    } else {
        if (grpc_metadata_find(&call->trailers, "grpc-message", &value)) {
            end.text = (struct bytes){ (const uint8_t *)text, grpc_percent_decode(value, text) };
        }
        size_t size;
        if (grpc_metadata_find(&call->trailers, "grpc-status-details-bin", &value) &&
            grpc_base64_decode(value, details, &size)) {
            end.details = (struct bytes){ details, size };
        }
    }
    const struct grpc_client_call_ops *ops = call->ops;
    call->ops = NULL;
    ops->on_end(call->context, &end);
}

void grpc_client_call_dispatch(struct grpc_client_call *call)
{
    bool ended = call->closed || call->failed_here;
    bool only_reply = ended && call->code == GRPC_OK && call->messages_count == 1;
    if (call->replies_stream || only_reply) {
        give_messages(call);
    }
    if (ended && call->ops != NULL) {
        call->client->calls_open--;
        give_end(call);
    }
}
