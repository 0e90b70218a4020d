/* grpc_socket_uv.h — a TCP stream on a libuv loop, with or without TLS, that moves bytes between
 * the kernel and a sans-I/O connection. What listener and channel share. Internal to api/grpc.
 *
 * hub     one per listener or channel: the read buffer, and the sockets that have something to
 *         write. They are flushed once per turn of the loop, just before it waits, so all answers
 *         of a turn leave in one write. At most one uv_write per socket is in flight.
 * Thread  the loop's.
 */
#pragma once

#include "api/grpc/tls.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

TAILQ_HEAD(grpc_socket_list, grpc_socket);

struct grpc_hub {
    uv_loop_t *loop;
    uv_prepare_t prepare;
    struct grpc_socket_list dirty;
    uint8_t *read_buffer;  /* GRPC_READ_BUFFER_SIZE */
    uint8_t *plain_buffer; /* under TLS: what was decrypted, or is to be encrypted */
    uint8_t *spare;        /* NULL, or a write buffer for the next socket that flushes */
    void (*closed)(void *context);
    void *context;
};

void grpc_hub_open(struct grpc_hub *hub, uv_loop_t *loop);
/* After its sockets are closed. `closed` runs when libuv has let go of it. */
void grpc_hub_close(struct grpc_hub *hub, void (*closed)(void *context), void *context);

struct grpc_socket_ops {
    /* Plaintext from the peer. PROTOCOL: write what output there is, then close. */
    enum status (*receive)(void *owner, const uint8_t *data, size_t size);
    /* Writes at most `room` bytes of output; 0 when there is none. */
    size_t (*output)(void *owner, uint8_t *into, size_t room);
    /* True when the stream should be closed after what has been pulled. */
    bool (*done)(void *owner);
    /* The last call; the socket's memory is the owner's again. */
    void (*closed)(void *owner, const struct error *why);
};

struct grpc_socket {
    uv_tcp_t tcp;
    uv_write_t write;
    struct grpc_hub *hub;
    const struct grpc_socket_ops *ops;
    void *owner;
    struct tls *tls; /* NULL, or this socket's */
    uint8_t *out;    /* NULL while nothing waits */
    size_t out_size;
    size_t out_sent;
    bool writing;
    bool dirty;
    bool closing;
    bool reading;
    TAILQ_ENTRY(grpc_socket) dirty_link;
    struct error why;
};

/* The TCP handle is initialised, not yet connected or accepted. `tls` is moved in. */
void grpc_socket_init(struct grpc_socket *socket, struct grpc_hub *hub,
                      const struct grpc_socket_ops *ops, void *owner, struct tls *tls);
/* Once connected. */
void grpc_socket_start(struct grpc_socket *socket);
/* There is output: flushed at the end of this turn. */
void grpc_socket_wants_write(struct grpc_socket *socket);
/* Closes now, what is unsent is lost. A second close keeps the first reason. */
void grpc_socket_close(struct grpc_socket *socket, enum status status, const char *reason);
