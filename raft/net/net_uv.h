/* net_uv.h — the bus over TCP and libuv, and the dialling side that API nodes use.
 *
 * Connections between members: each member dials every other one and sends only on what it dialled;
 * what it accepted from a peer it only reads (and answers pings). So a pair has two connections and
 * no rule for who wins. Hello is checked both ways: cluster, ids, incarnations (a member whose
 * incarnation differs from that of the list, or else from the one seen before, is refused, and the
 * log says what to do), versions.
 * Strangers: a node that is not in the list but belongs to the cluster is heard, and dialled at the
 * address it says, while it keeps its connection to us; RAFT_MEMBERS_MAX of them.
 * Reconnects wait 50 ms doubling to 2 s, each with jitter. Garbage, a wrong cluster or a stranger's
 * hello closes the connection with one rate-limited log line and a count in the metrics.
 * Bounds: CONNECTIONS_MAX accepted, CONNECTION_QUEUE_BYTES_MAX unsent each, HELLO_TIMEOUT_MS.
 * Threads  the loop's (the one that runs uv_run).
 */
#pragma once

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"
#include "raft/log/superblock.h"
#include "raft/net/bus.h"

#include <uv.h>

struct net;

struct net_options {
    uv_loop_t *loop;
    struct clock clock;
    struct entropy entropy;
    const struct superblock *identity; /* cluster, node, incarnation, members; copied */
    const char *listen;                /* HOST:PORT; NULL: this node's address among the members */
    uint64_t features; /* said in hellos: what this release understands; 0: FENLU_FEATURES */
    struct bus_handler handler;
    uint32_t hello_timeout_ms; /* 0: HELLO_TIMEOUT_MS */
};

/* Binds `listen`, or the address of this node's entry among the identity's members (port 0: any,
 * see net_port), and starts dialling the others, until bus_ops.set_members says who they are. After
 * a failure the loop must run once more to free what it holds, as after net_stop. */
STATUS_MUST_USE enum status net_start(const struct net_options *options, struct net **net,
                                      struct error *error);
struct bus *net_bus(struct net *net);
uint16_t net_port(const struct net *net);
/* Closes everything, once; what is queued is dropped. The handler still hears of clients and peers
 * that close; then `done` (may be NULL) is called from the loop, the memory of `net` is gone. */
void net_stop(struct net *net, void (*done)(void *context), void *context);

/* --- one dialled connection as a client ------------------------------------------------------- */
struct link;

struct link_handler {
    /* `hello` is the server's; the link is usable from here on. */
    void (*on_open)(void *context, const struct hello *hello);
    void (*on_frame)(void *context, enum frame_kind kind, struct bytes head, struct bytes payload);
    /* Closed, refused or never connected: `error` says why. The link dials again by itself (same
     * back-off as peers) unless link_close was called. */
    void (*on_close)(void *context, const struct error *error);
    void *context;
};

struct link_options {
    uv_loop_t *loop;
    struct clock clock;
    struct entropy entropy;
    const char *address; /* HOST:PORT; copied */
    u128 cluster;        /* 0: accept the server's */
    uint64_t incarnation;
    struct link_handler handler;
};

STATUS_MUST_USE enum status link_start(const struct link_options *options, struct link **link,
                                       struct error *error);
/* BUSY, CLOSED as bus.h; payload as bus.h. */
STATUS_MUST_USE enum status link_send(struct link *link, enum frame_kind kind, struct bytes head,
                                      const struct bus_payload *payload);
/* Ends the link, once: the handler is not called any more, `done` (may be NULL) is, from the loop.
 */
void link_close(struct link *link, void (*done)(void *context), void *context);
