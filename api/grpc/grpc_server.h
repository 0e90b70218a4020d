/* grpc_server.h — generic gRPC, server side, sans-I/O: bytes in → calls, answers → bytes out.
 *
 * Knows HTTP/2 and gRPC, nothing of ledgers or protobuf: a message is bytes. Time is an input
 * (monotonic nanoseconds); there is no clock, socket or thread inside. One thread uses a server,
 * its connections and its calls.
 *
 * server  what the connections of a process share: the service's functions, limits, budgets.
 * conn    one HTTP/2 connection. The shell (grpc_listener_uv.h) feeds it and pulls its output.
 * call    one request that the service has been given. It belongs to the service until the service
 *         finishes it, exactly once, whatever became of the stream: when the client is gone or the
 *         deadline has passed, the service is told (on_cancelled), and its answer goes nowhere.
 *         So a call may outlive its stream and its connection, and counts against the limits of
 *         its connection until finished: resetting streams does not buy a client more work.
 *
 * Order   a connection calls the service only from grpc_conn_receive, _tick, _output and _free,
 *         never from inside grpc_call_*; the service may call grpc_call_* from anywhere.
 * Errors  of clients are answered here; what breaks a connection is the status of _receive.
 * Rules   grpc/doc/PROTOCOL-HTTP2.md, statuscodes.md; RFC 9113.
 */
#pragma once

#include "api/grpc/grpc_headers.h"
#include "api/grpc/grpc_message.h"
#include "api/grpc/grpc_metadata.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc_server;
struct grpc_conn;
struct grpc_call;

/* --- the service ----------------------------------------------------------------------------- */

enum grpc_method_kind {
    GRPC_UNARY,         /* one request, one reply */
    GRPC_SERVER_STREAM, /* one request, any number of replies */
    GRPC_BIDI,          /* any number of both */
};

struct grpc_method {
    enum grpc_method_kind kind;
    uint32_t request_max; /* bytes of one request message */
    const void *row;      /* the service's own */
};

enum grpc_cancel {
    GRPC_CANCEL_CLIENT,   /* the client reset the stream, or its connection is gone */
    GRPC_CANCEL_DEADLINE, /* the deadline passed; the client has been answered so */
};

struct grpc_server_ops {
    /* The method at "/package.Service/Method", or NULL: the client gets UNIMPLEMENTED. A look-up
     * and nothing else. The method must live as long as the server. */
    const struct grpc_method *(*route)(void *context, struct bytes path);
    /* A request message; its bytes are valid during this function. For GRPC_UNARY and
     * GRPC_SERVER_STREAM exactly once, when the request is complete. */
    void (*on_message)(void *context, struct grpc_call *call, struct bytes message);
    /* GRPC_BIDI: the client will send no more. May be NULL when the service has no such method. */
    void (*on_half_close)(void *context, struct grpc_call *call);
    /* At most once, and not after grpc_call_finish. The call is still to be finished. */
    void (*on_cancelled)(void *context, struct grpc_call *call, enum grpc_cancel reason);
    /* What a streaming call has to send has come down to its low mark (grpc_call_set_low; 0 at
     * first): a good time for more. May be NULL. */
    void (*on_writable)(void *context, struct grpc_call *call);
    /* Writes grpc-status-details-bin for a request that is answered here and not by the service,
     * and returns its size; `method` is NULL when the request names none. May be NULL: no
     * details. */
    size_t (*details)(void *context, const struct grpc_method *method, enum status why,
                      const char *text, uint8_t out[GRPC_STATUS_DETAILS_MAX]);
};

/* --- the server ------------------------------------------------------------------------------ */

struct grpc_server_config {
    const struct grpc_server_ops *ops;
    void *context;                 /* handed to every function of ops */
    uint32_t streams_max;          /* open at once on one connection */
    size_t request_bytes_max;      /* of requests being received, over all connections */
    uint64_t request_timeout_ns;   /* for unary calls whose client names no deadline */
    uint64_t greeting_timeout_ns;  /* for an accepted stranger's first SETTINGS */
    uint64_t keepalive_idle_ns;    /* silence before a PING */
    uint64_t keepalive_timeout_ns; /* silence after it before the connection closes */
    uint64_t ping_interval_min_ns; /* faster pings without traffic are strikes */
    uint64_t drain_notice_ns;
    uint64_t drain_grace_ns;
};

/* The numbers of base/limits.h. */
struct grpc_server_config grpc_server_config_default(const struct grpc_server_ops *ops,
                                                     void *context);

struct grpc_server_counters {
    uint64_t connections_open;
    uint64_t calls_total;     /* given to the service */
    uint64_t calls_open;      /* given and not finished */
    uint64_t calls_cancelled; /* of the client's or by a deadline, before they were finished */
    uint64_t streams_refused; /* REFUSED_STREAM, or no budget for the request */
    uint64_t requests_failed; /* answered here, for what was wrong with them */
};

struct grpc_server *grpc_server_new(const struct grpc_server_config *config);
/* After all connections are freed and all calls finished. */
void grpc_server_free(struct grpc_server *server);
struct grpc_server_counters grpc_server_counters(const struct grpc_server *server);

/* --- a call ---------------------------------------------------------------------------------- */

const struct grpc_method *grpc_call_method(const struct grpc_call *call);
/* On the clock of `now_ns`; UINT64_MAX when there is none. */
uint64_t grpc_call_deadline_ns(const struct grpc_call *call);
/* The request's headers: ":path", and metadata as sent (-bin values are valid base64, still
 * encoded). Valid until the call is finished. */
const struct grpc_metadata *grpc_call_metadata(const struct grpc_call *call);
/* A pointer of the service's, NULL at first. */
void *grpc_call_context(const struct grpc_call *call);
void grpc_call_set_context(struct grpc_call *call, void *context);
/* Bytes of replies that have not been sent yet. */
size_t grpc_call_unsent(const struct grpc_call *call);
/* Of a streaming call: on_writable comes when no more than `bytes` are left to be sent. */
void grpc_call_set_low(struct grpc_call *call, size_t bytes);

/* Moves a reply message in (of a streaming call, also many at once: grpc_buffer_framed), whatever
 * comes of it. OK also when the client is gone. BUSY when the
 * client leaves so much unread that CONNECTION_QUEUE_BYTES_MAX is reached; the message is then
 * dropped, and what is left to do is to finish the call. */
enum status grpc_call_send(struct grpc_call *call, struct grpc_buffer *message) STATUS_MUST_USE;

struct grpc_answer {
    enum grpc_code code;
    struct bytes text;    /* grpc-message, cut at GRPC_STATUS_TEXT_MAX */
    struct bytes details; /* grpc-status-details-bin; left out when over GRPC_STATUS_DETAILS_MAX */
    const struct grpc_header *headers; /* more trailers; -bin values already in base64 */
    size_t headers_count;
};

/* Ends the call; the pointer is dead afterwards. */
void grpc_call_finish(struct grpc_call *call, const struct grpc_answer *answer);
/* With a code and a zero-terminated text (NULL: none). */
void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const char *text);
/* With one message and OK. BUSY as grpc_call_send: the message is gone, the call still to be
 * finished, and only the service knows whether the request has had an effect. */
enum status grpc_call_reply(struct grpc_call *call, struct grpc_buffer *message) STATUS_MUST_USE;

/* --- a connection ---------------------------------------------------------------------------- */

struct grpc_conn_shell {
    /* There is output to pull; may be called from anything here, also from grpc_call_*. Only notes
     * it: pulls later. */
    void (*wants_write)(void *context);
    void *context;
};

struct grpc_conn *grpc_conn_new(struct grpc_server *server, const struct grpc_conn_shell *shell,
                                uint64_t now_ns);
/* Calls that are open are cancelled. Not from inside a function of the service. */
void grpc_conn_free(struct grpc_conn *conn);
/* PROTOCOL when the connection cannot go on: pull what output there is (a GOAWAY says why where
 * that is possible), then close. */
enum status grpc_conn_receive(struct grpc_conn *conn, const uint8_t *data, size_t size,
                              uint64_t now_ns) STATUS_MUST_USE;
/* Writes at most `room` bytes, at least GRPC_WRITE_BUFFER_SIZE / 2; returns how many. Call it until
 * grpc_conn_has_output is false. */
size_t grpc_conn_output(struct grpc_conn *conn, uint8_t *into, size_t room);
bool grpc_conn_has_output(const struct grpc_conn *conn);
/* Deadlines, keepalive, drain: to be called when grpc_conn_next_ns has come. */
void grpc_conn_tick(struct grpc_conn *conn, uint64_t now_ns);
uint64_t grpc_conn_next_ns(const struct grpc_conn *conn);
/* Two GOAWAYs, the second after a notice period, then whatever is under way ends. */
void grpc_conn_drain(struct grpc_conn *conn, uint64_t now_ns);
/* Nothing more will come or go: flush what has been pulled, close, free. */
bool grpc_conn_done(const struct grpc_conn *conn);
