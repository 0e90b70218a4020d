#include "tools/remote_uv.h"

#include "api/grpc/grpc_channel_uv.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TARGETS_MAX = 16, RECONNECT_MS = 100, CONNECT_TIMEOUT_MS = 3000 };

struct remote {
    struct remote_options options;
    struct address targets[TARGETS_MAX];
    uint32_t target_count;
    uint32_t target;
    struct tls_context *tls;
    struct grpc_channel *channel; /* NULL between connections */
    uv_timer_t reconnect;
    bool closing;
    bool timer_closed;
};

struct remote_request {
    struct remote *remote;
    remote_callback callback;
    void *context;
    void (*on_message)(void *context, struct bytes message); /* of a stream; else NULL */
    struct grpc_buffer *reply;
};

static enum status parse_targets(struct remote *remote, struct error *error)
{
    const char *at = remote->options.targets;
    while (*at != '\0') {
        char text[ADDRESS_HOST_MAX + 16];
        size_t size = strcspn(at, ",");
        if (size >= sizeof text || remote->target_count == TARGETS_MAX) {
            return error_set(error, STATUS_TOO_LARGE, "at most %d addresses", TARGETS_MAX);
        }
        memcpy(text, at, size);
        text[size] = '\0';
        TRY(address_parse(text, &remote->targets[remote->target_count++], error));
        at += size;
        at += *at == ',' ? 1 : 0;
    }
    return remote->target_count > 0 ? STATUS_OK : error_set(error, STATUS_INVALID, "no address");
}

static void on_reconnect(uv_timer_t *timer);

static void reconnect_later(struct remote *remote)
{
    int result = uv_timer_start(&remote->reconnect, on_reconnect, RECONNECT_MS, 0);
    ASSERT(result == 0);
}

static void free_when_closed(struct remote *remote)
{
    if (remote->closing && remote->timer_closed && remote->channel == NULL) {
        if (remote->tls != NULL) {
            tls_context_free(remote->tls);
        }
        free(remote);
    }
}

static void on_closed(void *context, const struct error *why)
{
    (void)why;
    struct remote *remote = context;
    remote->channel = NULL;
    remote->target = (remote->target + 1) % remote->target_count;
    if (remote->closing) {
        free_when_closed(remote);
    } else {
        reconnect_later(remote);
    }
}

static enum status connect_channel(struct remote *remote, struct error *error)
{
    struct grpc_channel_config config =
        grpc_channel_config_default(&remote->targets[remote->target]);
    config.tls = remote->tls;
    config.clock = clock_os();
    config.connect_timeout_ns = CONNECT_TIMEOUT_MS * NS_PER_MS;
    config.on_closed = on_closed;
    config.context = remote;
    return grpc_channel_open(remote->options.loop, &config, &remote->channel, error);
}

static void on_reconnect(uv_timer_t *timer)
{
    struct remote *remote = timer->data;
    struct error error;
    if (connect_channel(remote, &error) != STATUS_OK) {
        remote->channel = NULL;
        reconnect_later(remote);
    }
}

enum status remote_open(const struct remote_options *options, struct remote **remote_out,
                        struct error *error)
{
    struct remote *remote = calloc(1, sizeof *remote);
    ASSERT(remote != NULL);
    remote->options = *options;
    enum status status = parse_targets(remote, error);
    if (status == STATUS_OK && options->tls_ca_file != NULL) {
        struct tls_config tls = { .ca_file = options->tls_ca_file, .alpn = "h2" };
        status = tls_context_new(&tls, &remote->tls, error);
    }
    if (status == STATUS_OK) {
        status = connect_channel(remote, error);
    }
    if (status != STATUS_OK) {
        if (remote->tls != NULL) {
            tls_context_free(remote->tls);
        }
        free(remote);
        return status;
    }
    int result = uv_timer_init(options->loop, &remote->reconnect);
    ASSERT(result == 0);
    remote->reconnect.data = remote;
    *remote_out = remote;
    return STATUS_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct remote *remote = handle->data;
    remote->timer_closed = true;
    free_when_closed(remote);
}

void remote_close(struct remote *remote)
{
    remote->closing = true;
    uv_close((uv_handle_t *)&remote->reconnect, on_timer_closed);
    if (remote->channel != NULL) {
        grpc_channel_close(remote->channel);
    }
}

static void on_message(void *context, struct bytes message)
{
    struct remote_request *request = context;
    if (request->on_message != NULL) {
        request->on_message(request->context, message);
    } else if (request->reply == NULL) {
        request->reply = grpc_buffer_copy(message.data, message.size);
    }
}

static void on_end(void *context, const struct grpc_end *end)
{
    struct remote_request *request = context;
    struct remote_answer answer = { .code = end->code };
    if (end->code == GRPC_OK && request->reply != NULL) {
        answer.message = (struct bytes){ request->reply->data, request->reply->size };
    }
    (void)snprintf(answer.text, sizeof answer.text, "%.*s", (int)end->text.size,
                   (const char *)end->text.data);
    request->callback(request->context, &answer);
    if (request->reply != NULL) {
        grpc_buffer_free(request->reply);
    }
    free(request);
}

/* A call that could not start ends like one that did: from the loop. */
static void on_not_started(uv_handle_t *handle)
{
    struct remote_request *request = handle->data;
    struct remote_answer answer = { .code = GRPC_UNAVAILABLE, .text = "not connected" };
    request->callback(request->context, &answer);
    free(request);
    free(handle);
}

static void end_later(struct remote_request *request)
{
    uv_timer_t *timer = malloc(sizeof *timer);
    ASSERT(timer != NULL);
    int result = uv_timer_init(request->remote->options.loop, timer);
    ASSERT(result == 0);
    timer->data = request;
    uv_close((uv_handle_t *)timer, on_not_started);
}

static struct remote_request *request_new(struct remote *remote, remote_callback callback,
                                          void *context)
{
    struct remote_request *request = calloc(1, sizeof *request);
    ASSERT(request != NULL);
    request->remote = remote;
    request->callback = callback;
    request->context = context;
    return request;
}

static void start(struct remote_request *request, const struct grpc_request *grpc)
{
    static const struct grpc_client_call_ops OPS = { .on_message = on_message, .on_end = on_end };
    struct grpc_channel *channel = request->remote->channel;
    enum status status =
        channel != NULL ? grpc_channel_start(channel, grpc, &OPS, request, NULL) : STATUS_CLOSED;
    if (status != STATUS_OK) {
        grpc_buffer_free(grpc->message);
        end_later(request);
    }
}

void remote_call(struct remote *remote, const char *path, struct grpc_buffer *message,
                 uint64_t timeout_ns, remote_callback callback, void *context)
{
    struct clock clock = clock_os();
    const struct grpc_request grpc = { .path = path,
                                       .deadline_ns = clock_mono_ns(&clock) + timeout_ns,
                                       .message = message };
    start(request_new(remote, callback, context), &grpc);
}

void remote_stream(struct remote *remote, const struct remote_stream *stream,
                   struct grpc_buffer *message)
{
    struct remote_request *request = request_new(remote, stream->on_end, stream->context);
    const bool plain = stream->read == NULL || strcmp(stream->read, "leader") == 0;
    const struct grpc_header header = { grpc_text("fenlu-read"),
                                        grpc_text(plain ? "" : stream->read) };
    const struct grpc_request grpc = { .path = stream->path,
                                       .headers = &header,
                                       .headers_count = plain ? 0 : 1,
                                       .message = message,
                                       .replies_stream = true };
    request->on_message = stream->on_message;
    start(request, &grpc);
}
