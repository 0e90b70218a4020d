/* grpc_client_internal.h — the objects behind grpc_client.h. Internal to api/grpc.
 *
 * Callbacks of nghttp2 note what came in client->ready; dispatch calls the caller's functions when
 * nghttp2 has returned. A call whose stream is closed stays until its on_end has run.
 */
#pragma once

#include "api/grpc/grpc_client.h"
#include "api/grpc/grpc_http2.h"

#include <sys/queue.h>

enum { GRPC_CLIENT_CALL_MAGIC = 0x67726363 };

TAILQ_HEAD(grpc_client_call_list, grpc_client_call);

struct grpc_client_call {
    uint32_t magic;
    int32_t stream_id; /* 0 once the stream is closed */
    struct grpc_client *client;
    const struct grpc_client_call_ops *ops; /* NULL after cancelling */
    void *context;
    uint64_t deadline_ns;
    TAILQ_ENTRY(grpc_client_call) link;
    TAILQ_ENTRY(grpc_client_call) ready_link;
    bool ready;
    bool replies_stream;
    bool closed; /* on_end is due */
    bool not_processed;
    bool sent;        /* the request's headers went out */
    bool status_seen; /* grpc-status came */
    bool failed_here; /* `code` and `text` are ours and stand */
    uint32_t http_status;
    uint32_t header_list_size;
    uint32_t messages_count;
    enum grpc_code code;
    const char *text; /* of failed_here */
    struct grpc_reader reader;
    struct grpc_buffer *messages_first, *messages_last;
    struct grpc_sender sender;
    struct grpc_metadata trailers;
};

struct grpc_client {
    struct grpc_http2 http2;
    struct grpc_client_config config;
    char *authority;
    bool leaving; /* GOAWAY came: no new calls */
    bool broken;
    bool refused; /* on_capacity is due */
    bool dispatching;
    uint32_t streams_open;
    uint32_t calls_open;
    int32_t last_stream_id; /* of GOAWAY: later streams were not processed */
    uint64_t now_ns;
    uint64_t received_ns;
    uint64_t pinged_ns;
    uint64_t earliest_ns;
    struct grpc_budget received;
    struct grpc_budget queued;
    struct grpc_client_call_list calls;
    struct grpc_client_call_list ready;
    struct grpc_client_call_list free_calls;
    uint32_t free_calls_count;
};

/* grpc_client_call.c */
void grpc_client_callbacks(nghttp2_session_callbacks *callbacks);
void grpc_client_mark_ready(struct grpc_client_call *call);
/* Hands over what came; when the stream is closed, ends and releases the call. */
void grpc_client_call_dispatch(struct grpc_client_call *call);
/* Ends the call here: on_end with this, and the stream is reset. */
void grpc_client_call_fail(struct grpc_client_call *call, enum grpc_code code, const char *text);
void grpc_client_call_release(struct grpc_client_call *call);
