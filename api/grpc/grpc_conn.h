/* grpc_conn.h — the objects behind grpc_server.h. Internal to api/grpc.
 *
 * A stream lives from nghttp2's begin-headers to its stream-close callback. A call lives from the
 * same begin to grpc_call_finish. While both live they point at each other; whoever goes first cuts
 * the link. Until a call is `given` to the service it is the stream's and goes with it.
 * Callbacks of nghttp2 only note: streams in conn->ready and calls in conn->cancelled wait for
 * grpc_conn_dispatch, which runs when nghttp2 has returned.
 *
 * stream   HEADERS → BODY → (END_STREAM) → given → answered → closed; an error skips ahead.
 */
#pragma once

#include "api/grpc/grpc_http2.h"
#include "api/grpc/grpc_server.h"

#include <sys/queue.h>

/* What marks the PING between the two GOAWAYs of a drain. */
#define GRPC_DRAIN_PING                                                                            \
    {                                                                                              \
        'd', 'r', 'a', 'i', 'n', 'i', 'n', 'g'                                                     \
    }

enum { GRPC_STREAM_MAGIC = 0x67727374, GRPC_CALL_MAGIC = 0x6772636c };

TAILQ_HEAD(grpc_stream_list, grpc_stream);
TAILQ_HEAD(grpc_call_list, grpc_call);

/* What is wrong with a request's headers; the first in this order is answered. */
enum grpc_fault {
    GRPC_FAULT_NONE,
    GRPC_FAULT_HEADERS_TOO_LARGE,
    GRPC_FAULT_CONTENT_TYPE,
    GRPC_FAULT_TIMEOUT,
    GRPC_FAULT_BINARY,
    GRPC_FAULT_METHOD,
    GRPC_FAULT_ENCODING,
    GRPC_FAULT_PATH,
    GRPC_FAULT_COUNT,
};

struct grpc_call {
    uint32_t magic;
    bool given;     /* the service has seen it */
    bool cancelled; /* in conn->cancelled, or told */
    bool queued;    /* in conn->cancelled */
    enum grpc_cancel reason;
    struct grpc_server *server;
    struct grpc_conn *conn;     /* NULL once the connection is gone */
    struct grpc_stream *stream; /* NULL once the stream is gone or answered for us */
    const struct grpc_method *method;
    uint64_t deadline_ns;
    void *context;
    TAILQ_ENTRY(grpc_call) link;           /* in conn->calls while given and conn lives */
    TAILQ_ENTRY(grpc_call) cancelled_link; /* in conn->cancelled */
    struct grpc_metadata metadata;
};

struct grpc_stream {
    uint32_t magic;
    int32_t id;
    struct grpc_conn *conn;
    struct grpc_call *call; /* NULL once finished */
    TAILQ_ENTRY(grpc_stream) link;
    TAILQ_ENTRY(grpc_stream) ready_link;
    bool ready;        /* in conn->ready */
    bool remote_ended; /* END_STREAM came */
    bool half_close_told;
    bool drained;   /* on_writable is due */
    bool answered;  /* an answer that ends the stream was submitted */
    bool streaming; /* response headers were submitted */
    bool content_type_seen, post_seen, timeout_seen;
    uint32_t faults; /* bits of enum grpc_fault */
    uint32_t header_list_size;
    uint64_t timeout_ns;
    enum grpc_read read_failure; /* GRPC_READ_MORE, or what ended the reading */
    uint32_t messages_count;
    struct grpc_reader reader;
    struct grpc_buffer *messages_first, *messages_last; /* complete, for the service */
    struct grpc_sender sender;
    struct grpc_metadata trailers;
};

struct grpc_server {
    struct grpc_server_config config;
    struct grpc_server_counters counters;
    struct grpc_budget received; /* bytes of requests, over all connections */
    /* Kept for reuse; linked by `link`. */
    struct grpc_stream_list free_streams;
    struct grpc_call_list free_calls;
    uint32_t free_streams_count, free_calls_count;
};

enum grpc_conn_state {
    GRPC_CONN_OPEN,
    GRPC_CONN_NOTICE,  /* first GOAWAY sent; streams still come */
    GRPC_CONN_LEAVING, /* second GOAWAY sent; streams end */
    GRPC_CONN_BROKEN,  /* the peer or nghttp2 failed; output what there is */
};

struct grpc_conn {
    struct grpc_http2 http2;
    struct grpc_server *server;
    struct grpc_conn_shell shell;
    enum grpc_conn_state state;
    bool greeted; /* the client's SETTINGS came */
    bool dispatching;
    bool draining_ping_answered;
    uint32_t ping_strikes;
    uint64_t now_ns;
    uint64_t received_ns;  /* last input */
    uint64_t pinged_ns;    /* our unanswered PING, or 0 */
    uint64_t ping_came_ns; /* the client's last PING */
    uint64_t state_ns;     /* when `state` began */
    uint64_t earliest_ns;  /* no deadline of a call is before this */
    uint32_t calls_open;   /* given and not finished */
    struct grpc_budget received;
    struct grpc_budget queued;
    struct grpc_stream_list streams;
    struct grpc_stream_list ready;
    struct grpc_call_list calls;
    struct grpc_call_list cancelled;
};

/* grpc_request.c: header by header, then all of them. */
struct grpc_stream *grpc_stream_new(struct grpc_conn *conn, int32_t id);
void grpc_request_header(struct grpc_stream *stream, struct bytes name, struct bytes value);
/* Checks, routes, starts the deadline; answers what is wrong. */
void grpc_request_headers_done(struct grpc_stream *stream);

/* grpc_stream.c: nghttp2's callbacks, and giving messages to the service. */
void grpc_stream_callbacks(nghttp2_session_callbacks *callbacks);
void grpc_stream_mark_ready(struct grpc_stream *stream);
void grpc_stream_dispatch(struct grpc_stream *stream);
/* Forgets the stream; nghttp2 no longer knows it. */
void grpc_stream_close(struct grpc_stream *stream);

/* grpc_call.c */
struct grpc_call *grpc_call_new(struct grpc_server *server);
/* Back to the pool. */
void grpc_call_release(struct grpc_call *call);
/* Marks a call as the service's. */
void grpc_call_give(struct grpc_call *call);
/* Cuts the call from its stream and has the service told. */
void grpc_call_cancel(struct grpc_call *call, enum grpc_cancel reason);
/* Answers on the wire without the service, with the gRPC code of `why`: a call that was given is
 * cancelled. */
void grpc_stream_fail(struct grpc_stream *stream, unsigned http_status, enum status why,
                      const char *text);

/* grpc_conn.c */
void grpc_conn_wants_write(struct grpc_conn *conn);
