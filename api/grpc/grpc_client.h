/* grpc_client.h — generic gRPC, client side of one HTTP/2 connection, sans-I/O.
 *
 * The counterpart of grpc_server.h: requests → bytes out, bytes in → replies. Time is an input.
 * One thread. The shell is grpc_channel_uv.h.
 *
 * A call ends exactly once: with on_end, or with grpc_client_cancel, after which nothing is called
 * any more. Streams are bounded by what the peer allows; beyond, grpc_client_start answers BUSY and
 * the caller queues, until on_capacity.
 * Order   functions of the caller run from grpc_client_receive, _tick, _output and _free, never
 *         from inside grpc_client_start, _send and the like, which may be called from them.
 */
#pragma once

#include "api/grpc/grpc_headers.h"
#include "api/grpc/grpc_message.h"
#include "api/grpc/grpc_metadata.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc_client;
struct grpc_client_call;

/* How a call ended. Borrowed during on_end. */
struct grpc_end {
    enum grpc_code code;
    struct bytes text;    /* decoded */
    struct bytes details; /* grpc-status-details-bin, decoded */
    const struct grpc_metadata *trailers;
    /* The server has certainly not looked at the request: it may be sent again. */
    bool not_processed;
};

struct grpc_client_call_ops {
    /* A reply message; its bytes are valid during this function. */
    void (*on_message)(void *context, struct bytes message);
    /* The call's pointer is dead afterwards. */
    void (*on_end)(void *context, const struct grpc_end *end);
};

struct grpc_request {
    const char *path;                  /* "/package.Service/Method" */
    uint64_t deadline_ns;              /* on the clock of now_ns; 0 or UINT64_MAX is none */
    const struct grpc_header *headers; /* metadata; -bin values already in base64 */
    size_t headers_count;
    struct grpc_buffer *message; /* moved; NULL when a stream begins without one */
    /* More messages will follow (grpc_client_send), until grpc_client_end_sending. */
    bool more;
    /* Any number of replies may come. Otherwise OK without exactly one becomes INTERNAL. */
    bool replies_stream;
    uint32_t reply_max; /* bytes of a reply; 0 is GRPC_MESSAGE_MAX */
};

struct grpc_client_config {
    const char *authority;         /* "host:port" for the :authority header */
    bool tls;                      /* the scheme is https */
    uint64_t keepalive_idle_ns;    /* silence, with calls open, before a PING; 0 is never */
    uint64_t keepalive_timeout_ns; /* silence after it before the connection is given up */
    /* There is output to pull. Only notes it. */
    void (*wants_write)(void *context);
    /* Streams have become free since grpc_client_start answered BUSY. May be NULL. */
    void (*on_capacity)(void *context);
    void *context;
};

struct grpc_client *grpc_client_new(const struct grpc_client_config *config, uint64_t now_ns);
/* Open calls end with UNAVAILABLE and `reason`. Not from inside a function of the caller's. */
void grpc_client_free(struct grpc_client *client, const char *reason);

/* Streams that can be started now; 0 once the server wants the connection to end. */
uint32_t grpc_client_capacity(const struct grpc_client *client);
uint32_t grpc_client_calls_open(const struct grpc_client *client);
/* BUSY: no stream is free. CLOSED: the connection takes no more calls. The message is moved on OK
 * only. call_out may be NULL when the caller will not need it. */
enum status grpc_client_start(struct grpc_client *client, const struct grpc_request *request,
                              const struct grpc_client_call_ops *ops, void *context,
                              uint64_t now_ns, struct grpc_client_call **call_out) STATUS_MUST_USE;
/* Moves a message in, whatever comes of it; BUSY when too much waits to be sent. */
enum status grpc_client_send(struct grpc_client_call *call,
                             struct grpc_buffer *message) STATUS_MUST_USE;
void grpc_client_end_sending(struct grpc_client_call *call);
/* Resets the stream; on_end is not called, the pointer is dead. */
void grpc_client_cancel(struct grpc_client_call *call);

/* PROTOCOL when the connection cannot go on. */
enum status grpc_client_receive(struct grpc_client *client, const uint8_t *data, size_t size,
                                uint64_t now_ns) STATUS_MUST_USE;
size_t grpc_client_output(struct grpc_client *client, uint8_t *into, size_t room);
bool grpc_client_has_output(const struct grpc_client *client);
void grpc_client_tick(struct grpc_client *client, uint64_t now_ns);
uint64_t grpc_client_next_ns(const struct grpc_client *client);
bool grpc_client_done(const struct grpc_client *client);
