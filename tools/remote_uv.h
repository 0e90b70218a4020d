/* remote_uv.h — a tool's connection to a gRPC target: connects, connects again, starts calls.
 *
 * Targets are tried in turn. While nothing is connected calls end with UNAVAILABLE at once; what to
 * do about an answer (send the same ids again, give up) is the tool's own.
 * Threads  the loop's. Callbacks never run inside remote_call.
 */
#pragma once

#include "api/grpc/grpc_message.h"
#include "base/error.h"

#include <uv.h>

struct remote;

struct remote_options {
    uv_loop_t *loop;
    const char *targets;     /* HOST:PORT,HOST:PORT,… */
    const char *tls_ca_file; /* NULL: plain h2c */
};

struct remote_answer {
    enum grpc_code code;
    char text[ERROR_TEXT_MAX]; /* grpc-message, when code is not OK */
    struct bytes message;      /* the reply; valid during the callback */
};

typedef void (*remote_callback)(void *context, const struct remote_answer *answer);

STATUS_MUST_USE enum status remote_open(const struct remote_options *options,
                                        struct remote **remote, struct error *error);
/* What is under way ends with UNAVAILABLE; the memory is gone when the loop has run on. */
void remote_close(struct remote *remote);
/* Takes the message in any case. */
void remote_call(struct remote *remote, const char *path, struct grpc_buffer *message,
                 uint64_t timeout_ns, remote_callback callback, void *context);

/* A call with any number of replies, and no deadline. */
struct remote_stream {
    const char *path;
    const char *read; /* the metadata fenlu-read; NULL or "leader": none */
    void (*on_message)(void *context, struct bytes message);
    remote_callback on_end; /* `message` of the answer is empty */
    void *context;
};
/* Takes the message in any case. */
void remote_stream(struct remote *remote, const struct remote_stream *stream,
                   struct grpc_buffer *message);

/* The flags --target and --tls-ca, for tables of tools. */
#define REMOTE_FLAGS(options)                                                                      \
    { .name = "target",                                                                            \
      .kind = FLAG_TEXT,                                                                           \
      .target = &(options).targets,                                                                \
      .value = "ADDR[,ADDR]",                                                                      \
      .required = true,                                                                            \
      .help = "gRPC addresses, tried in turn: HOST:PORT." },                                       \
    {                                                                                              \
        .name = "tls-ca", .kind = FLAG_TEXT, .target = &(options).tls_ca_file, .value = "FILE",    \
        .help = "Speaks TLS and trusts the PEM authorities in FILE; plain h2c without it."         \
    }
