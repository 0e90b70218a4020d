/* connection_uv.h — one TCP connection: frames in, frames out, pings, silence.
 *
 * States
 *   DIALLING   connecting              -> GREETING, CLOSING
 *   GREETING   one HELLO is awaited    -> OPEN (connection_open), REFUSING, CLOSING
 *   OPEN       frames both ways        -> CLOSING
 *   REFUSING   REFUSED is on its way; what comes in is thrown away -> CLOSING
 *   CLOSING    on_close comes, then the memory is gone
 *
 * Writing: what is queued in one turn of the loop goes out together at the start of the next, which
 * does not wait; at most one write is in flight.
 * Silence: with silence_ms > 0 an open connection from which nothing came for that long is closed.
 *          It is counted in ticks of PING_INTERVAL_MS, so that a process which was stopped does not
 *          find everybody silent when it goes on.
 * Reentrancy: callbacks may call anything here; on_close never comes from inside such a call.
 * Memory   connection_new gives it; it frees itself after on_close. Threads  the loop's.
 */
#pragma once

#include "base/address.h"
#include "base/clock.h"
#include "base/error.h"
#include "raft/net/frame_reader.h"
#include "raft/net/out_queue.h"

#include <uv.h>

enum connection_state {
    CONNECTION_DIALLING,
    CONNECTION_GREETING,
    CONNECTION_OPEN,
    CONNECTION_REFUSING,
    CONNECTION_CLOSING,
};

struct connection;

struct connection_handler {
    /* A dialled connection is there: say hello. Not for accepted ones. */
    void (*on_connect)(struct connection *connection);
    /* The one HELLO; answer with connection_open, connection_refuse or connection_fail. */
    void (*on_hello)(struct connection *connection, const struct hello *hello);
    /* RAFT, REQUEST, REPLY, SNAPSHOT, REPAIR of an open connection; bytes are valid during the
     * call. */
    void (*on_frame)(struct connection *connection, const struct frame *frame);
    /* A ping was answered; as bus_handler.on_peer_clock. */
    void (*on_clock)(struct connection *connection, int64_t offset_ns, uint64_t round_trip_ns);
    /* The last call. `was_open`: it had been opened. */
    void (*on_close)(struct connection *connection, const struct error *error, bool was_open);
};

struct connection_options {
    uv_loop_t *loop;
    struct clock clock;
    uint32_t hello_timeout_ms; /* for connecting and greeting together */
    uint32_t silence_ms;
    bool pings; /* the dialling side */
    const struct connection_handler *handler;
    void *owner;
};

struct connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_idle_t idle; /* runs while something waits to be flushed */
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uint32_t open_handles; /* of tcp, timer and idle */
    struct connection_options options;
    enum connection_state state;
    bool was_open;
    bool accepted;
    struct error error; /* why it closes */
    struct frame_reader reader;
    struct out_queue queue;
    struct out_frame *in_flight; /* being written, linked by next */
    uint32_t silent_ticks;
    uint8_t buffer[CONNECTION_READ_BUFFER_SIZE];
};

struct connection *connection_new(const struct connection_options *options);
/* Takes the connection that waits at `listener`; a failure comes as on_close. */
void connection_accept(struct connection *connection, uv_stream_t *listener);
void connection_dial(struct connection *connection, const struct sockaddr *address);

/* BUSY: the queue is full. CLOSED: not connected, or closing. */
STATUS_MUST_USE enum status connection_send(struct connection *connection, enum frame_kind kind,
                                            struct bytes head, const struct bus_payload *payload);
/* Says hello; a failure to queue it closes the connection. */
void connection_greet(struct connection *connection, const struct hello *hello);
/* The hello was accepted: frames may come. */
void connection_open(struct connection *connection);
/* Tells the other side why, then closes. */
void connection_refuse(struct connection *connection, const struct hello_refusal *refusal);
/* Closes, once; later calls change nothing. */
void connection_fail(struct connection *connection, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "HOST:PORT" of the other side, or "unknown" when it is gone already. */
void connection_peer_text(const struct connection *connection, char text[ADDRESS_TEXT_MAX]);
