/* The headers of a request: what is kept, what is checked, what is answered at once. The order of
 * checks follows grpc-go's http2_server.go, which clients are tested against. */
#include "api/grpc/grpc_conn.h"
#include "base/assert.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { ENTRY_OVERHEAD = 32 };

static bool has_prefix(struct bytes text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static void fault(struct grpc_stream *stream, enum grpc_fault kind)
{
    stream->faults |= 1U << kind;
}

/* Several values may be joined with commas (PROTOCOL-HTTP2.md). */
static bool binary_valid(struct bytes value)
{
    uint8_t scratch[GRPC_HEADER_LIST_MAX];
    while (true) {
        const uint8_t *comma = value.size > 0 ? memchr(value.data, ',', value.size) : NULL;
        struct bytes part = value;
        if (comma != NULL) {
            part.size = (size_t)(comma - value.data);
        }
        size_t size;
        if (part.size > sizeof scratch || !grpc_base64_decode(part, scratch, &size)) {
            return false;
        }
        if (comma == NULL) {
            return true;
        }
        value.data += part.size + 1;
        value.size -= part.size + 1;
    }
}

static void keep(struct grpc_stream *stream, struct bytes name, struct bytes value)
{
    if (grpc_metadata_add(&stream->call->metadata, name, value) != STATUS_OK) {
        fault(stream, GRPC_FAULT_HEADERS_TOO_LARGE);
    }
}

static void pseudo_header(struct grpc_stream *stream, struct bytes name, struct bytes value)
{
    if (grpc_text_equal(name, ":path")) {
        const struct grpc_server_config *config = &stream->conn->server->config;
        stream->call->method = config->ops->route(config->context, value);
        keep(stream, name, value);
    } else if (grpc_text_equal(name, ":method")) {
        stream->post_seen = grpc_text_equal(value, "POST");
    }
}

/* "grpc-…" names are the protocol's own and not metadata. */
static void protocol_header(struct grpc_stream *stream, struct bytes name, struct bytes value)
{
    if (grpc_text_equal(name, "grpc-timeout")) {
        stream->timeout_seen = true;
        if (!grpc_timeout_parse(value, &stream->timeout_ns)) {
            fault(stream, GRPC_FAULT_TIMEOUT);
        }
    } else if (grpc_text_equal(name, "grpc-encoding") && !grpc_text_equal(value, "identity")) {
        fault(stream, GRPC_FAULT_ENCODING);
    }
}

void grpc_request_header(struct grpc_stream *stream, struct bytes name, struct bytes value)
{
    stream->header_list_size += (uint32_t)(name.size + value.size + ENTRY_OVERHEAD);
    if (stream->header_list_size > GRPC_HEADER_LIST_MAX) {
        fault(stream, GRPC_FAULT_HEADERS_TOO_LARGE);
        return;
    }
    if (name.size > 0 && name.data[0] == ':') {
        pseudo_header(stream, name, value);
    } else if (has_prefix(name, "grpc-")) {
        protocol_header(stream, name, value);
    } else if (grpc_text_equal(name, "content-type")) {
        stream->content_type_seen = grpc_content_type_valid(value);
    } else if (!grpc_text_equal(name, "te")) {
        if (grpc_name_is_binary(name) && !binary_valid(value)) {
            fault(stream, GRPC_FAULT_BINARY);
        }
        keep(stream, name, value);
    }
}

struct fault_answer {
    unsigned http_status;
    enum status why;
    const char *text;
};

static const struct fault_answer FAULTS[GRPC_FAULT_COUNT] = {
    [GRPC_FAULT_HEADERS_TOO_LARGE] = { 200, STATUS_TOO_LARGE,
                                       "the request's headers are over the limit of 8192 bytes or "
                                       "64 entries" },
    [GRPC_FAULT_CONTENT_TYPE] = { 415, STATUS_INVALID,
                                  "the content-type must be application/grpc" },
    [GRPC_FAULT_TIMEOUT] = { 400, STATUS_MALFORMED, "malformed grpc-timeout" },
    [GRPC_FAULT_BINARY] = { 400, STATUS_MALFORMED, "a -bin header is not base64" },
    [GRPC_FAULT_METHOD] = { 405, STATUS_MALFORMED, "the HTTP method must be POST" },
    [GRPC_FAULT_ENCODING] = { 200, STATUS_UNIMPLEMENTED, "grpc-encoding must be identity" },
    [GRPC_FAULT_PATH] = { 200, STATUS_UNIMPLEMENTED, "unknown method" },
};
_Static_assert(GRPC_HEADER_LIST_MAX == 8192 && GRPC_METADATA_MAX == 64, "the text names both");

static void answer_fault(struct grpc_stream *stream)
{
    unsigned kind = (unsigned)__builtin_ctz(stream->faults);
    ASSERT(kind > GRPC_FAULT_NONE && kind < GRPC_FAULT_COUNT);
    const struct fault_answer *answer = &FAULTS[kind];
    char text[256];
    struct bytes path;
    if (kind == GRPC_FAULT_PATH && grpc_metadata_find(&stream->call->metadata, ":path", &path)) {
        int size = path.size < 200 ? (int)path.size : 200;
        (void)snprintf(text, sizeof text, "%s %.*s", answer->text, size, (const char *)path.data);
    } else {
        (void)snprintf(text, sizeof text, "%s", answer->text);
    }
    if (kind == GRPC_FAULT_ENCODING) {
        enum status status = grpc_metadata_add(&stream->trailers, grpc_text("grpc-accept-encoding"),
                                               grpc_text("identity"));
        ASSERT(status == STATUS_OK);
    }
    grpc_stream_fail(stream, answer->http_status, answer->why, text);
}

static void start_deadline(struct grpc_stream *stream)
{
    struct grpc_conn *conn = stream->conn;
    struct grpc_call *call = stream->call;
    uint64_t timeout_ns = UINT64_MAX;
    if (stream->timeout_seen) {
        timeout_ns = stream->timeout_ns;
    } else if (call->method->kind == GRPC_UNARY) {
        timeout_ns = conn->server->config.request_timeout_ns;
    }
    call->deadline_ns =
        timeout_ns > UINT64_MAX - conn->now_ns ? UINT64_MAX : conn->now_ns + timeout_ns;
    if (call->deadline_ns < conn->earliest_ns) {
        conn->earliest_ns = call->deadline_ns;
    }
}

/* The client may have reset streams whose calls still run: they count. */
static bool over_limit(const struct grpc_conn *conn)
{
    return conn->calls_open >= conn->server->config.streams_max;
}

void grpc_request_headers_done(struct grpc_stream *stream)
{
    struct grpc_conn *conn = stream->conn;
    if (over_limit(conn)) {
        conn->server->counters.streams_refused++;
        stream->answered = true;
        grpc_call_release(stream->call);
        grpc_http2_check(nghttp2_submit_rst_stream(conn->http2.session, NGHTTP2_FLAG_NONE,
                                                   stream->id, NGHTTP2_REFUSED_STREAM));
        return;
    }
    if (!stream->content_type_seen) {
        fault(stream, GRPC_FAULT_CONTENT_TYPE);
    }
    if (!stream->post_seen) {
        fault(stream, GRPC_FAULT_METHOD);
    }
    if (stream->call->method == NULL) {
        fault(stream, GRPC_FAULT_PATH);
    }
    if (stream->faults != 0) {
        answer_fault(stream);
        return;
    }
    if (conn->queued.used > conn->queued.limit / 2) {
        conn->server->counters.streams_refused++;
        grpc_stream_fail(stream, 200, STATUS_BUSY,
                         "too many bytes of replies are unread on this connection");
        return;
    }
    start_deadline(stream);
    if (stream->call->deadline_ns <= conn->now_ns) {
        grpc_stream_fail(stream, 200, STATUS_TIMEOUT, status_text(STATUS_TIMEOUT));
        return;
    }
    ASSERT(stream->call->method->request_max <= GRPC_MESSAGE_MAX);
    grpc_reader_init(&stream->reader, stream->call->method->request_max, &conn->received);
}
