/* dialer_uv.h — keeps one connection to one address: resolves, connects, greets, and dials again
 * after every failure, until it is stopped.
 *
 * Waiting: DIAL_WAIT_MIN_MS doubling to DIAL_WAIT_MAX_MS, each cut to between a half and the whole
 * by chance; an opened connection starts it over. Names are resolved anew for each attempt (a
 * member may have moved), numbers never block on a name server.
 * Memory   embedded in its owner, who keeps it until `on_stopped`. Threads  the loop's.
 */
#pragma once

#include "base/entropy.h"
#include "base/random.h"
#include "raft/net/connection_uv.h"

struct dialer;

struct dialer_handler {
    /* The hello to say. */
    void (*say)(struct dialer *dialer, struct hello *hello);
    /* False, with `refusal` set, when the answer is not to be trusted. */
    bool (*check)(struct dialer *dialer, const struct hello *hello, struct hello_refusal *refusal);
    void (*on_open)(struct dialer *dialer, const struct hello *hello);
    void (*on_frame)(struct dialer *dialer, const struct frame *frame);
    void (*on_clock)(struct dialer *dialer, int64_t offset_ns, uint64_t round_trip_ns);
    /* An attempt failed or the connection ended; not after dialer_stop. */
    void (*on_failure)(struct dialer *dialer, const struct error *error, bool was_open);
    /* The last call: the dialer's memory may go. */
    void (*on_stopped)(struct dialer *dialer);
};

struct dialer_options {
    uv_loop_t *loop;
    struct clock clock;
    uint64_t seed; /* of the jitter */
    uint32_t hello_timeout_ms;
    uint32_t silence_ms;
    const struct dialer_handler *handler;
    void *owner;
};

struct dialer {
    struct dialer_options options;
    struct address address;
    struct random random;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    struct connection *connection; /* NULL while resolving or waiting */
    uint32_t wait_ms;
    bool resolving;
    bool dialled; /* once at least */
    bool stopping;
    bool timer_closed;
};

/* Starts with the first attempt in the loop's next turn. */
void dialer_start(struct dialer *dialer, const struct dialer_options *options,
                  const struct address *address);
/* CLOSED while not open, BUSY when its queue is full. */
STATUS_MUST_USE enum status dialer_send(struct dialer *dialer, enum frame_kind kind,
                                        struct bytes head, const struct bus_payload *payload);
/* Ends the connection because of what came over it; dials again. */
void dialer_fail(struct dialer *dialer, enum status status, const char *text);
/* on_stopped comes from the loop; no other callback after this call. */
void dialer_stop(struct dialer *dialer);
