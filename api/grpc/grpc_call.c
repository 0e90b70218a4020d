/* Calls: their life apart from streams, and answers. */
#include "api/grpc/grpc_conn.h"
#include "base/assert.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { FREE_CALLS_MAX = 4096 }; /* kept for reuse by one server */

/* --- the server ------------------------------------------------------------------------------ */

struct grpc_server_config grpc_server_config_default(const struct grpc_server_ops *ops,
                                                     void *context)
{
    return (struct grpc_server_config){
        .ops = ops,
        .context = context,
        .streams_max = GRPC_STREAMS_MAX,
        .request_bytes_max = CLIENT_BYTES_MAX,
        .request_timeout_ns = REQUEST_TIMEOUT_DEFAULT_MS * NS_PER_MS,
        .greeting_timeout_ns = HELLO_TIMEOUT_MS * NS_PER_MS,
        .keepalive_idle_ns = GRPC_KEEPALIVE_IDLE_MS * NS_PER_MS,
        .keepalive_timeout_ns = GRPC_KEEPALIVE_TIMEOUT_MS * NS_PER_MS,
        .ping_interval_min_ns = GRPC_PING_INTERVAL_MIN_MS * NS_PER_MS,
        .drain_notice_ns = GRPC_DRAIN_NOTICE_MS * NS_PER_MS,
        .drain_grace_ns = GRPC_DRAIN_GRACE_MS * NS_PER_MS,
    };
}

struct grpc_server *grpc_server_new(const struct grpc_server_config *config)
{
    ASSERT(config->ops->route != NULL && config->ops->on_message != NULL);
    ASSERT(config->ops->on_cancelled != NULL);
    struct grpc_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->config = *config;
    server->received.limit = config->request_bytes_max;
    TAILQ_INIT(&server->free_streams);
    TAILQ_INIT(&server->free_calls);
    return server;
}

void grpc_server_free(struct grpc_server *server)
{
    ASSERT(server->counters.connections_open == 0);
    ASSERT(server->counters.calls_open == 0);
    ASSERT(server->received.used == 0);
    while (!TAILQ_EMPTY(&server->free_streams)) {
        struct grpc_stream *stream = TAILQ_FIRST(&server->free_streams);
        TAILQ_REMOVE(&server->free_streams, stream, link);
        grpc_metadata_free(&stream->trailers);
        free(stream);
    }
    while (!TAILQ_EMPTY(&server->free_calls)) {
        struct grpc_call *call = TAILQ_FIRST(&server->free_calls);
        TAILQ_REMOVE(&server->free_calls, call, link);
        grpc_metadata_free(&call->metadata);
        free(call);
    }
    free(server);
}

struct grpc_server_counters grpc_server_counters(const struct grpc_server *server)
{
    return server->counters;
}

/* --- life ------------------------------------------------------------------------------------ */

struct grpc_call *grpc_call_new(struct grpc_server *server)
{
    struct grpc_call *call = TAILQ_FIRST(&server->free_calls);
    if (call != NULL) {
        TAILQ_REMOVE(&server->free_calls, call, link);
        server->free_calls_count--;
        memset(call, 0, offsetof(struct grpc_call, metadata));
    } else {
        call = calloc(1, sizeof *call);
        ASSERT(call != NULL);
    }
    grpc_metadata_clear(&call->metadata);
    call->magic = GRPC_CALL_MAGIC;
    call->server = server;
    call->deadline_ns = UINT64_MAX;
    return call;
}

void grpc_call_release(struct grpc_call *call)
{
    ASSERT(call->magic == GRPC_CALL_MAGIC);
    struct grpc_server *server = call->server;
    if (call->stream != NULL) {
        call->stream->call = NULL;
    }
    if (call->given) {
        server->counters.calls_open--;
    }
    if (call->conn != NULL && call->given) {
        call->conn->calls_open--;
        TAILQ_REMOVE(&call->conn->calls, call, link);
    }
    if (call->queued) {
        TAILQ_REMOVE(&call->conn->cancelled, call, cancelled_link);
    }
    call->magic = 0;
    if (server->free_calls_count == FREE_CALLS_MAX) {
        grpc_metadata_free(&call->metadata);
        free(call);
        return;
    }
    TAILQ_INSERT_HEAD(&server->free_calls, call, link);
    server->free_calls_count++;
}

void grpc_call_give(struct grpc_call *call)
{
    if (!call->given) {
        call->given = true;
        call->conn->calls_open++;
        call->server->counters.calls_open++;
        call->server->counters.calls_total++;
        TAILQ_INSERT_TAIL(&call->conn->calls, call, link);
    }
}

void grpc_call_cancel(struct grpc_call *call, enum grpc_cancel reason)
{
    ASSERT(call->given && !call->cancelled);
    call->stream->call = NULL;
    call->stream = NULL;
    call->cancelled = true;
    call->queued = true;
    call->reason = reason;
    call->server->counters.calls_cancelled++;
    TAILQ_INSERT_TAIL(&call->conn->cancelled, call, cancelled_link);
}

static void check(const struct grpc_call *call)
{
    ASSERT(call->magic == GRPC_CALL_MAGIC);
    ASSERT(call->given);
}

const struct grpc_method *grpc_call_method(const struct grpc_call *call)
{
    check(call);
    return call->method;
}

uint64_t grpc_call_deadline_ns(const struct grpc_call *call)
{
    check(call);
    return call->deadline_ns;
}

const struct grpc_metadata *grpc_call_metadata(const struct grpc_call *call)
{
    check(call);
    return &call->metadata;
}

void *grpc_call_context(const struct grpc_call *call)
{
    check(call);
    return call->context;
}

void grpc_call_set_context(struct grpc_call *call, void *context)
{
    check(call);
    call->context = context;
}

size_t grpc_call_unsent(const struct grpc_call *call)
{
    check(call);
    return call->stream == NULL ? 0 : call->stream->sender.queue.bytes;
}

void grpc_call_set_low(struct grpc_call *call, size_t bytes)
{
    check(call);
    ASSERT(call->method->kind != GRPC_UNARY);
    if (call->stream != NULL) {
        call->stream->sender.low = bytes;
    }
}

/* --- answers --------------------------------------------------------------------------------- */

static void add(struct grpc_metadata *trailers, const char *name, struct bytes value)
{
    enum status status = grpc_metadata_add(trailers, grpc_text(name), value);
    ASSERT(status == STATUS_OK);
}

/* Cuts at a character's first byte, so that what is left is UTF-8 if it was. */
static struct bytes cut(struct bytes text)
{
    if (text.size > GRPC_STATUS_TEXT_MAX) {
        text.size = GRPC_STATUS_TEXT_MAX;
        while (text.size > 0 && (text.data[text.size] & 0xC0) == 0x80) {
            text.size--;
        }
    }
    return text;
}

static void write_trailers(struct grpc_metadata *trailers, const struct grpc_answer *answer)
{
    char digits[2] = { (char)('0' + (unsigned)answer->code / 10),
                       (char)('0' + (unsigned)answer->code % 10) };
    ASSERT((unsigned)answer->code <= 99);
    size_t skip = answer->code < 10 ? 1 : 0;
    add(trailers, "grpc-status",
        (struct bytes){ (const uint8_t *)digits + skip, sizeof digits - skip });
    if (answer->text.size > 0) {
        char encoded[3 * GRPC_STATUS_TEXT_MAX];
        size_t size = grpc_percent_encode(cut(answer->text), encoded);
        add(trailers, "grpc-message", (struct bytes){ (const uint8_t *)encoded, size });
    }
    if (answer->details.size > 0 && answer->details.size <= GRPC_STATUS_DETAILS_MAX) {
        char encoded[(GRPC_STATUS_DETAILS_MAX * 4 + 2) / 3];
        size_t size = grpc_base64_encode(answer->details, encoded);
        add(trailers, "grpc-status-details-bin", (struct bytes){ (const uint8_t *)encoded, size });
    }
    for (size_t i = 0; i < answer->headers_count; i++) {
        enum status status =
            grpc_metadata_add(trailers, answer->headers[i].name, answer->headers[i].value);
        ASSERT(status == STATUS_OK); /* what a service adds is small and its own */
    }
}

enum { LEADING_HEADERS = 2 };

static void leading_headers(nghttp2_nv headers[LEADING_HEADERS], const char *http_status)
{
    headers[0] = grpc_http2_header(grpc_text(":status"), grpc_text(http_status));
    headers[1] = grpc_http2_header(grpc_text("content-type"), grpc_text("application/grpc"));
}

/* The answer begins with the first message. */
static void submit_response(struct grpc_stream *stream)
{
    nghttp2_nv headers[LEADING_HEADERS];
    leading_headers(headers, "200");
    nghttp2_data_provider provider = grpc_http2_provider(&stream->sender);
    grpc_http2_check(nghttp2_submit_response(stream->conn->http2.session, stream->id, headers,
                                             LEADING_HEADERS, &provider));
    stream->streaming = true;
}

/* One HEADERS frame with everything in it ("Trailers-Only"). */
static void submit_trailers_only(struct grpc_stream *stream, unsigned http_status)
{
    char digits[4] = { (char)('0' + http_status / 100), (char)('0' + http_status / 10 % 10),
                       (char)('0' + http_status % 10), '\0' };
    nghttp2_nv headers[LEADING_HEADERS + GRPC_METADATA_MAX];
    leading_headers(headers, digits);
    for (uint32_t i = 0; i < stream->trailers.count; i++) {
        struct grpc_header header = grpc_metadata_at(&stream->trailers, i);
        headers[LEADING_HEADERS + i] = grpc_http2_header(header.name, header.value);
    }
    grpc_http2_check(nghttp2_submit_response(stream->conn->http2.session, stream->id, headers,
                                             LEADING_HEADERS + stream->trailers.count, NULL));
}

static void submit_answer(struct grpc_stream *stream, unsigned http_status,
                          const struct grpc_answer *answer)
{
    ASSERT(!stream->answered);
    stream->answered = true;
    write_trailers(&stream->trailers, answer);
    if (!stream->streaming && stream->sender.queue.bytes == 0) {
        submit_trailers_only(stream, http_status);
    } else {
        stream->sender.ended = true;
        stream->sender.trailers = &stream->trailers;
        if (stream->streaming) {
            grpc_http2_resume(&stream->sender);
        } else {
            submit_response(stream);
        }
    }
    grpc_conn_wants_write(stream->conn);
}

enum status grpc_call_send(struct grpc_call *call, struct grpc_buffer *message)
{
    check(call);
    struct grpc_stream *stream = call->stream;
    if (stream == NULL) {
        grpc_buffer_free(message);
        return STATUS_OK;
    }
    ASSERT(call->method->kind != GRPC_UNARY || stream->sender.queue.bytes == 0);
    if (!grpc_queue_put(&stream->sender.queue, message)) {
        grpc_buffer_free(message);
        return STATUS_BUSY;
    }
    /* A unary reply leaves together with its trailers. */
    if (call->method->kind == GRPC_UNARY) {
        return STATUS_OK;
    }
    if (stream->streaming) {
        grpc_http2_resume(&stream->sender);
    } else {
        submit_response(stream);
    }
    grpc_conn_wants_write(stream->conn);
    return STATUS_OK;
}

void grpc_call_finish(struct grpc_call *call, const struct grpc_answer *answer)
{
    check(call);
    struct grpc_stream *stream = call->stream;
    grpc_call_release(call);
    if (stream == NULL) {
        return;
    }
    if (answer->code != GRPC_OK && !stream->streaming) {
        grpc_queue_clear(&stream->sender.queue);
    }
    submit_answer(stream, 200, answer);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const char *text)
{
    struct grpc_answer answer = { .code = code };
    if (text != NULL) {
        answer.text = grpc_text(text);
    }
    grpc_call_finish(call, &answer);
}

enum status grpc_call_reply(struct grpc_call *call, struct grpc_buffer *message)
{
    TRY(grpc_call_send(call, message));
    grpc_call_finish(call, &(struct grpc_answer){ .code = GRPC_OK });
    return STATUS_OK;
}

void grpc_stream_fail(struct grpc_stream *stream, unsigned http_status, enum status why,
                      const char *text)
{
    struct grpc_conn *conn = stream->conn;
    struct grpc_call *call = stream->call;
    const struct grpc_server_config *config = &conn->server->config;
    enum grpc_code code = status_grpc(why);
    ASSERT(call != NULL && code != GRPC_OK);
    const struct grpc_method *method = call->method;
    conn->server->counters.requests_failed++;
    if (call->given) {
        grpc_call_cancel(call, code == GRPC_DEADLINE_EXCEEDED ? GRPC_CANCEL_DEADLINE
                                                              : GRPC_CANCEL_CLIENT);
    } else {
        grpc_call_release(call);
    }
    if (stream->streaming && stream->sender.queue.bytes > 0) {
        /* A message may be half out: trailers behind it would be taken for its end. */
        stream->answered = true;
        grpc_http2_check(nghttp2_submit_rst_stream(conn->http2.session, NGHTTP2_FLAG_NONE,
                                                   stream->id, NGHTTP2_CANCEL));
        grpc_conn_wants_write(conn);
        return;
    }
    if (!stream->streaming) {
        grpc_queue_clear(&stream->sender.queue);
    }
    struct grpc_answer answer = { .code = code, .text = grpc_text(text) };
    uint8_t details[GRPC_STATUS_DETAILS_MAX];
    if (config->ops->details != NULL) {
        answer.details.data = details;
        answer.details.size = config->ops->details(config->context, method, why, text, details);
    }
    submit_answer(stream, http_status, &answer);
}
