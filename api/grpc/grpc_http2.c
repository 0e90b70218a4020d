#include "api/grpc/grpc_http2.h"

#include "base/assert.h"
#include "base/limits.h"

#include <string.h>

enum {
    FRAME_HEADER = 9,
    FRAME_MAX = FRAME_HEADER + 16384, /* nghttp2 makes no larger DATA frame */
    SETTINGS_ENTRIES_MAX = 32,        /* that a peer may send in one frame */
    ACKS_QUEUED_MAX = 256, /* answers to PING and SETTINGS that a peer may leave unread */
};

static ssize_t read_messages(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                             size_t length, uint32_t *flags, nghttp2_data_source *source,
                             void *user_data)
{
    (void)buffer;
    (void)user_data;
    struct grpc_sender *sender = source->ptr;
    size_t size = sender->queue.bytes < length ? sender->queue.bytes : length;
    bool last = sender->ended && size == sender->queue.bytes;
    if (size == 0 && !last) {
        sender->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (size > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    }
    if (last) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    if (last && sender->trailers != NULL) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv headers[GRPC_METADATA_MAX];
        const struct grpc_metadata *trailers = sender->trailers;
        for (uint32_t i = 0; i < trailers->count; i++) {
            struct grpc_header header = grpc_metadata_at(trailers, i);
            headers[i] = grpc_http2_header(header.name, header.value);
        }
        grpc_http2_check(nghttp2_submit_trailer(session, stream_id, headers, trailers->count));
    }
    return (ssize_t)size;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t length, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)user_data;
    struct grpc_sender *sender = source->ptr;
    struct grpc_http2 *http2 = sender->http2;
    ASSERT(frame->data.padlen == 0);
    ASSERT(http2->room - http2->used >= FRAME_HEADER + length);
    memcpy(http2->into + http2->used, head, FRAME_HEADER);
    http2->used += FRAME_HEADER;
    size_t before = sender->queue.bytes;
    grpc_queue_copy(&sender->queue, http2->into + http2->used, length);
    http2->used += length;
    http2->paused = true;
    if (before > sender->low && sender->queue.bytes <= sender->low && sender->drained != NULL) {
        sender->drained(sender);
    }
    /* Back to grpc_http2_output, which looks at the room before the next frame. */
    return NGHTTP2_ERR_PAUSE;
}

void grpc_http2_prepare(nghttp2_session_callbacks **callbacks, nghttp2_option **option)
{
    grpc_http2_check(nghttp2_session_callbacks_new(callbacks));
    nghttp2_session_callbacks_set_send_data_callback(*callbacks, send_data);
    grpc_http2_check(nghttp2_option_new(option));
    /* We give credit back ourselves: per stream when a message has left our budget. */
    nghttp2_option_set_no_auto_window_update(*option, 1);
    /* Closed streams are of use for priorities only. */
    nghttp2_option_set_no_closed_streams(*option, 1);
    nghttp2_option_set_max_settings(*option, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_max_outbound_ack(*option, ACKS_QUEUED_MAX);
#if FENLU_NGHTTP2_RESET_RATE_LIMIT
    nghttp2_option_set_stream_reset_rate_limit(*option, GRPC_RESETS_BURST_MAX,
                                               GRPC_RESETS_PER_SECOND);
#endif
}

void grpc_http2_greet(struct grpc_http2 *http2, uint32_t streams_max)
{
    bool server = nghttp2_session_check_server_session(http2->session) != 0;
    nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADER_LIST_MAX },
        { server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
          server ? streams_max : 0 },
    };
    grpc_http2_check(nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, entries,
                                             sizeof entries / sizeof entries[0]));
    grpc_http2_check(nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0,
                                                           GRPC_CONNECTION_WINDOW));
}

/* Copies what is pending, as far as there is room. */
static void copy_pending(struct grpc_http2 *http2)
{
    size_t part = http2->room - http2->used;
    part = part < http2->pending_size ? part : http2->pending_size;
    if (part > 0) {
        memcpy(http2->into + http2->used, http2->pending, part);
        http2->used += part;
        http2->pending += part;
        http2->pending_size -= part;
    }
}

size_t grpc_http2_output(struct grpc_http2 *http2, uint8_t *into, size_t room)
{
    ASSERT(room >= GRPC_WRITE_BUFFER_SIZE / 2);
    http2->into = into;
    http2->room = room;
    http2->used = 0;
    copy_pending(http2);
    while (!http2->failed && http2->pending_size == 0 && room - http2->used >= FRAME_MAX) {
        http2->paused = false;
        ssize_t size = nghttp2_session_mem_send(http2->session, &http2->pending);
        if (size < 0) {
            http2->failed = true;
            break;
        }
        if (size == 0 && !http2->paused) {
            break;
        }
        http2->pending_size = (size_t)size;
        copy_pending(http2);
    }
    http2->into = NULL;
    return http2->used;
}

bool grpc_http2_has_output(const struct grpc_http2 *http2)
{
    return !http2->failed &&
           (http2->pending_size > 0 || nghttp2_session_want_write(http2->session) != 0);
}

struct bytes grpc_http2_text(nghttp2_rcbuf *text)
{
    nghttp2_vec vector = nghttp2_rcbuf_get_buf(text);
    return (struct bytes){ vector.base, vector.len };
}

nghttp2_nv grpc_http2_header(struct bytes name, struct bytes value)
{
    /* nghttp2 takes pointers to non-const bytes and does not write through them. */
    union {
        const uint8_t *borrowed;
        uint8_t *given;
    } name_text = { .borrowed = name.data }, value_text = { .borrowed = value.data };
    return (nghttp2_nv){ .name = name_text.given,
                         .value = value_text.given,
                         .namelen = name.size,
                         .valuelen = value.size,
                         .flags = NGHTTP2_NV_FLAG_NONE };
}

nghttp2_data_provider grpc_http2_provider(struct grpc_sender *sender)
{
    return (nghttp2_data_provider){ .source.ptr = sender, .read_callback = read_messages };
}

void grpc_http2_resume(struct grpc_sender *sender)
{
    if (sender->deferred) {
        sender->deferred = false;
        grpc_http2_check(nghttp2_session_resume_data(sender->http2->session, sender->stream_id));
    }
}

void grpc_http2_check(int result)
{
    ASSERT(result == 0);
}
