/* grpc_http2.h — what the server's and the client's side of a connection share over nghttp2:
 * options, the first frames, pulling output, sending a stream's messages and trailers.
 *
 * Internal to api/grpc. nghttp2's rule that its send and receive functions are never called from
 * its callbacks holds because callbacks only note what happened; the side dispatches afterwards.
 * DATA goes from the message to the write buffer with one copy (NGHTTP2_DATA_FLAG_NO_COPY).
 * Errors  what nghttp2 cannot go on after sets `failed`; the connection must then be closed.
 */
#pragma once

#include "api/grpc/grpc_message.h"
#include "api/grpc/grpc_metadata.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

struct grpc_http2 {
    nghttp2_session *session;
    const uint8_t *pending; /* the rest of what nghttp2 gave and did not fit */
    size_t pending_size;
    uint8_t *into; /* while output is pulled: room for the caller's bytes */
    size_t room;
    size_t used;
    bool paused; /* a DATA frame was written, and there may be more */
    bool failed;
};

/* The sending half of one stream. Owned by the stream, valid as long as nghttp2 knows it. */
struct grpc_sender {
    struct grpc_http2 *http2;
    int32_t stream_id;
    bool ended;                     /* no message will follow those in the queue */
    bool deferred;                  /* nghttp2 waits to be told of more */
    struct grpc_metadata *trailers; /* sent after the last message, or NULL */
    /* The queue has come down to `low` bytes; may be NULL. */
    void (*drained)(struct grpc_sender *sender);
    size_t low;
    struct grpc_queue queue;
};

/* Options and callbacks that both sides need; the side adds its own callbacks and frees both. */
void grpc_http2_prepare(nghttp2_session_callbacks **callbacks, nghttp2_option **option);
/* The SETTINGS that open a connection, and its receive window. A client passes 0. */
void grpc_http2_greet(struct grpc_http2 *http2, uint32_t streams_max);
/* Writes at most `room` bytes (at least GRPC_WRITE_BUFFER_SIZE / 2), returns how many; less than
 * half of the room means that there is no more now. */
size_t grpc_http2_output(struct grpc_http2 *http2, uint8_t *into, size_t room);
bool grpc_http2_has_output(const struct grpc_http2 *http2);

/* What nghttp2 gives as a header's name or value; valid during its callback. */
struct bytes grpc_http2_text(nghttp2_rcbuf *text);
nghttp2_nv grpc_http2_header(struct bytes name, struct bytes value);
/* The provider of DATA for a sender. */
nghttp2_data_provider grpc_http2_provider(struct grpc_sender *sender);
/* Tells nghttp2 of new messages, or of the end. */
void grpc_http2_resume(struct grpc_sender *sender);
/* A value of nghttp2 that is an error only when memory runs out or when we misuse it. */
void grpc_http2_check(int result);
