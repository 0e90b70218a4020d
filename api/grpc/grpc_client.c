/* The client's connection: starting calls, input, output, time. */
#include "api/grpc/grpc_client_internal.h"
#include "base/assert.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

struct grpc_client *grpc_client_new(const struct grpc_client_config *config, uint64_t now_ns)
{
    struct grpc_client *client = calloc(1, sizeof *client);
    ASSERT(client != NULL);
    client->config = *config;
    client->authority = strdup(config->authority);
    ASSERT(client->authority != NULL);
    client->now_ns = now_ns;
    client->received_ns = now_ns;
    client->earliest_ns = UINT64_MAX;
    client->last_stream_id = INT32_MAX;
    client->received.limit = CLIENT_BYTES_MAX;
    client->queued.limit = CLIENT_BYTES_MAX;
    TAILQ_INIT(&client->calls);
    TAILQ_INIT(&client->ready);
    TAILQ_INIT(&client->free_calls);

    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    grpc_http2_prepare(&callbacks, &option);
    grpc_client_callbacks(callbacks);
    grpc_http2_check(
        nghttp2_session_client_new2(&client->http2.session, callbacks, client, option));
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    grpc_http2_greet(&client->http2, 0);
    return client;
}

static void dispatch(struct grpc_client *client)
{
    ASSERT(!client->dispatching);
    client->dispatching = true;
    while (!TAILQ_EMPTY(&client->ready)) {
        struct grpc_client_call *call = TAILQ_FIRST(&client->ready);
        TAILQ_REMOVE(&client->ready, call, ready_link);
        call->ready = false;
        if (call->ops != NULL) {
            grpc_client_call_dispatch(call);
        }
        if (call->ops == NULL && call->stream_id == 0) {
            grpc_client_call_release(call);
        }
    }
    client->dispatching = false;
    if (client->refused && client->config.on_capacity != NULL && grpc_client_capacity(client) > 0) {
        client->refused = false;
        client->config.on_capacity(client->config.context);
    }
}

void grpc_client_free(struct grpc_client *client, const char *reason)
{
    ASSERT(!client->dispatching);
    client->leaving = true;
    struct grpc_client_call *call;
    TAILQ_FOREACH(call, &client->calls, link)
    {
        if (!call->closed && !call->failed_here) {
            call->failed_here = true;
            call->code = GRPC_UNAVAILABLE;
            call->text = reason;
            call->not_processed = !call->sent;
            grpc_client_mark_ready(call);
        }
        call->stream_id = 0;
    }
    dispatch(client);
    while (!TAILQ_EMPTY(&client->calls)) {
        grpc_client_call_release(TAILQ_FIRST(&client->calls));
    }
    nghttp2_session_del(client->http2.session);
    while (!TAILQ_EMPTY(&client->free_calls)) {
        call = TAILQ_FIRST(&client->free_calls);
        TAILQ_REMOVE(&client->free_calls, call, link);
        grpc_metadata_free(&call->trailers);
        free(call);
    }
    ASSERT(client->received.used == 0);
    ASSERT(client->queued.used == 0);
    free(client->authority);
    free(client);
}

uint32_t grpc_client_capacity(const struct grpc_client *client)
{
    if (client->leaving || client->broken || client->http2.failed) {
        return 0;
    }
    uint32_t allowed = nghttp2_session_get_remote_settings(client->http2.session,
                                                           NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return allowed > client->streams_open ? allowed - client->streams_open : 0;
}

uint32_t grpc_client_calls_open(const struct grpc_client *client)
{
    return client->calls_open;
}

static struct grpc_client_call *new_call(struct grpc_client *client)
{
    struct grpc_client_call *call = TAILQ_FIRST(&client->free_calls);
    if (call != NULL) {
        TAILQ_REMOVE(&client->free_calls, call, link);
        client->free_calls_count--;
        memset(call, 0, offsetof(struct grpc_client_call, trailers));
    } else {
        call = calloc(1, sizeof *call);
        ASSERT(call != NULL);
    }
    grpc_metadata_clear(&call->trailers);
    call->magic = GRPC_CLIENT_CALL_MAGIC;
    call->client = client;
    call->deadline_ns = UINT64_MAX;
    TAILQ_INSERT_TAIL(&client->calls, call, link);
    return call;
}

enum { REQUEST_HEADERS = 7 };

static nghttp2_nv named(const char *name, const char *value)
{
    return grpc_http2_header(grpc_text(name), grpc_text(value));
}

static int32_t submit(struct grpc_client_call *call, const struct grpc_request *request)
{
    struct grpc_client *client = call->client;
    nghttp2_nv headers[REQUEST_HEADERS + GRPC_METADATA_MAX];
    size_t count = 0;
    headers[count++] = named(":method", "POST");
    headers[count++] = named(":scheme", client->config.tls ? "https" : "http");
    headers[count++] = named(":path", request->path);
    headers[count++] = named(":authority", client->authority);
    headers[count++] = named("te", "trailers");
    headers[count++] = named("content-type", "application/grpc");
    char timeout[GRPC_TIMEOUT_TEXT_MAX];
    if (call->deadline_ns != UINT64_MAX) {
        uint64_t now_ns = client->now_ns;
        uint64_t left_ns = call->deadline_ns > now_ns ? call->deadline_ns - now_ns : 1;
        struct bytes value = { (const uint8_t *)timeout, grpc_timeout_format(left_ns, timeout) };
        headers[count] = grpc_http2_header(grpc_text("grpc-timeout"), value);
        headers[count++].flags = NGHTTP2_NV_FLAG_NO_INDEX; /* differs from call to call */
    }
    for (size_t i = 0; i < request->headers_count; i++) {
        headers[count++] = grpc_http2_header(request->headers[i].name, request->headers[i].value);
    }
    nghttp2_data_provider provider = grpc_http2_provider(&call->sender);
    return nghttp2_submit_request(client->http2.session, NULL, headers, count, &provider, call);
}

enum status grpc_client_start(struct grpc_client *client, const struct grpc_request *request,
                              const struct grpc_client_call_ops *ops, void *context,
                              uint64_t now_ns, struct grpc_client_call **call_out)
{
    ASSERT(request->headers_count <= GRPC_METADATA_MAX);
    ASSERT(request->message != NULL || request->more);
    ASSERT(request->reply_max <= GRPC_MESSAGE_MAX);
    client->now_ns = now_ns > client->now_ns ? now_ns : client->now_ns;
    if (client->leaving || client->broken || client->http2.failed) {
        return STATUS_CLOSED;
    }
    if (grpc_client_capacity(client) == 0) {
        client->refused = true;
        return STATUS_BUSY;
    }
    struct grpc_client_call *call = new_call(client);
    call->sender = (struct grpc_sender){ .http2 = &client->http2,
                                         .ended = !request->more,
                                         .queue = { .budget = &client->queued } };
    if (request->message != NULL && !grpc_queue_put(&call->sender.queue, request->message)) {
        grpc_client_call_release(call);
        client->refused = true;
        return STATUS_BUSY;
    }
    call->ops = ops;
    call->context = context;
    call->replies_stream = request->replies_stream;
    call->deadline_ns = request->deadline_ns == 0 ? UINT64_MAX : request->deadline_ns;
    grpc_reader_init(&call->reader, request->reply_max == 0 ? GRPC_MESSAGE_MAX : request->reply_max,
                     &client->received);
    call->stream_id = submit(call, request);
    ASSERT(call->stream_id > 0); /* 2^30 calls on one connection are out of reach of its lifetime */
    call->sender.stream_id = call->stream_id;
    client->streams_open++;
    client->calls_open++;
    if (call->deadline_ns < client->earliest_ns) {
        client->earliest_ns = call->deadline_ns;
    }
    client->config.wants_write(client->config.context);
    if (call_out != NULL) {
        *call_out = call;
    }
    return STATUS_OK;
}

enum status grpc_client_send(struct grpc_client_call *call, struct grpc_buffer *message)
{
    ASSERT(call->magic == GRPC_CLIENT_CALL_MAGIC);
    ASSERT(!call->sender.ended);
    if (call->stream_id == 0 || call->failed_here) {
        grpc_buffer_free(message);
        return STATUS_OK;
    }
    if (!grpc_queue_put(&call->sender.queue, message)) {
        grpc_buffer_free(message);
        return STATUS_BUSY;
    }
    grpc_http2_resume(&call->sender);
    call->client->config.wants_write(call->client->config.context);
    return STATUS_OK;
}

void grpc_client_end_sending(struct grpc_client_call *call)
{
    ASSERT(call->magic == GRPC_CLIENT_CALL_MAGIC);
    call->sender.ended = true;
    if (call->stream_id != 0 && !call->failed_here) {
        grpc_http2_resume(&call->sender);
        call->client->config.wants_write(call->client->config.context);
    }
}

void grpc_client_cancel(struct grpc_client_call *call)
{
    ASSERT(call->magic == GRPC_CLIENT_CALL_MAGIC);
    ASSERT(call->ops != NULL);
    struct grpc_client *client = call->client;
    bool reset = call->stream_id != 0 && !call->failed_here;
    call->ops = NULL;
    client->calls_open--;
    if (reset) {
        grpc_http2_check(nghttp2_submit_rst_stream(client->http2.session, NGHTTP2_FLAG_NONE,
                                                   call->stream_id, NGHTTP2_CANCEL));
        client->config.wants_write(client->config.context);
    }
    call->failed_here = true;
    /* Inside dispatch the call may be in use; otherwise its stream's end releases it. */
    if (call->stream_id == 0 && !client->dispatching) {
        grpc_client_call_release(call);
    }
}

/* --- input, output, time --------------------------------------------------------------------- */

enum status grpc_client_receive(struct grpc_client *client, const uint8_t *data, size_t size,
                                uint64_t now_ns)
{
    client->now_ns = now_ns;
    client->received_ns = now_ns;
    client->pinged_ns = 0;
    if (client->broken || client->http2.failed) {
        return STATUS_PROTOCOL;
    }
    ssize_t used = nghttp2_session_mem_recv(client->http2.session, data, size);
    if (used < 0) {
        client->broken = true;
        (void)nghttp2_session_terminate_session(client->http2.session, NGHTTP2_PROTOCOL_ERROR);
    }
    dispatch(client);
    if (grpc_client_has_output(client)) {
        client->config.wants_write(client->config.context);
    }
    return client->broken ? STATUS_PROTOCOL : STATUS_OK;
}

size_t grpc_client_output(struct grpc_client *client, uint8_t *into, size_t room)
{
    size_t used = grpc_http2_output(&client->http2, into, room);
    dispatch(client);
    return used;
}

bool grpc_client_has_output(const struct grpc_client *client)
{
    return grpc_http2_has_output(&client->http2);
}

static void expire_calls(struct grpc_client *client)
{
    if (client->now_ns < client->earliest_ns) {
        return;
    }
    client->earliest_ns = UINT64_MAX;
    struct grpc_client_call *call;
    TAILQ_FOREACH(call, &client->calls, link)
    {
        if (call->ops == NULL) {
            continue;
        }
        if (call->deadline_ns <= client->now_ns) {
            grpc_client_call_fail(call, GRPC_DEADLINE_EXCEEDED,
                                  status_text(STATUS_TIMEOUT_UNKNOWN));
        } else if (call->deadline_ns < client->earliest_ns) {
            client->earliest_ns = call->deadline_ns;
        }
    }
}

static uint64_t silence_ends_ns(const struct grpc_client *client)
{
    if (client->config.keepalive_idle_ns == 0 || client->calls_open == 0) {
        return UINT64_MAX;
    }
    return client->pinged_ns != 0 ? client->pinged_ns + client->config.keepalive_timeout_ns
                                  : client->received_ns + client->config.keepalive_idle_ns;
}

void grpc_client_tick(struct grpc_client *client, uint64_t now_ns)
{
    client->now_ns = now_ns;
    if (client->broken || client->http2.failed) {
        return;
    }
    expire_calls(client);
    if (now_ns >= silence_ends_ns(client)) {
        if (client->pinged_ns != 0) {
            client->http2.failed = true;
        } else {
            client->pinged_ns = now_ns;
            grpc_http2_check(nghttp2_submit_ping(client->http2.session, NGHTTP2_FLAG_NONE, NULL));
        }
        client->config.wants_write(client->config.context);
    }
    dispatch(client);
}

uint64_t grpc_client_next_ns(const struct grpc_client *client)
{
    if (client->broken || client->http2.failed) {
        return UINT64_MAX;
    }
    uint64_t silence_ns = silence_ends_ns(client);
    return silence_ns < client->earliest_ns ? silence_ns : client->earliest_ns;
}

bool grpc_client_done(const struct grpc_client *client)
{
    if (client->http2.failed) {
        return true;
    }
    if (grpc_client_has_output(client)) {
        return false;
    }
    return client->broken || nghttp2_session_want_read(client->http2.session) == 0;
}
