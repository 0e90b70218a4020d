/* bus.h — the seam for the network: production sends over TCP (net_uv.c), the simulator over a
 * table of delays and cuts.
 *
 * Promises nothing but this: a message arrives whole, from the member it claims to be, or not at
 * all; messages to one destination may be lost, and reordered only across reconnections, except
 * that FRAME_RAFT without payload overtakes what has a payload (a heartbeat does not wait behind
 * entries).
 * Back-pressure: BUSY when the destination's queue is full (the message is dropped: Raft repeats,
 * a client is told), CLOSED when it is not connected. FRAME_SNAPSHOT with a payload is BUSY already
 * when a quarter of the queue is taken, so that a snapshot never stands in the way of entries.
 * Threads  the loop's.
 */
#pragma once

#include "raft/core/entry.h"
#include "raft/net/frame.h"

/* A connected API node, tool or in-process client, as the server sees it. Valid from on_client_open
 * until on_client_close returned. */
struct bus_client {
    uint64_t id; /* unique in this process, never 0 */
};

struct bus_payload {
    /* Either entries (each header and body; the bus takes references of its own) ... */
    struct entry *const *entries;
    uint32_t entry_count;
    /* ... or bytes; with `release` the bus owns them from an OK on and calls it when they are sent
     * or dropped, without it they are copied. */
    struct bytes bytes;
    void (*release)(void *context, void *data);
    void *release_context;
};

struct bus;

struct member; /* raft/core/members.h */

struct bus_ops {
    /* CLOSED also for a node that the bus does not know. */
    enum status (*send_peer)(struct bus *, uint32_t node, enum frame_kind, struct bytes head,
                             const struct bus_payload *payload /* may be NULL */);
    enum status (*send_client)(struct bus *, uint64_t client, enum frame_kind, struct bytes head,
                               const struct bus_payload *payload);
    /* Who the others are from now on (the own entry may be among them): id, address, incarnation
     * (0: any); `config_index` tells which of two lists is the newer one (that of its log entry).
     * Members that are new are dialled. A connection whose incarnation is not the list's is closed.
     * A peer that is not in the list but says hello is heard all the same, and dialled back at the
     * address it gave, for as long as it stays connected: this node's list may be the older one,
     * and who was removed shall hear of it. Not from inside on_peer_state. */
    void (*set_members)(struct bus *, const struct member *members, uint32_t count,
                        uint64_t config_index);
};

struct bus {
    const struct bus_ops *ops;
};

/* What the bus tells the node; bytes are valid during the call. The payload lies right behind the
 * head, so that a message and its entries can be read as one. */
struct bus_handler {
    void (*on_peer_frame)(void *context, uint32_t node, enum frame_kind kind, struct bytes head,
                          struct bytes payload);
    /* Connected (both directions usable) or no longer so. Frames of a direction may come before
     * the other direction is there. NULL: of no interest. */
    void (*on_peer_state)(void *context, uint32_t node, bool connected);
    /* How far the peer's wall clock is ahead of ours, and the round trip it was measured in. */
    void (*on_peer_clock)(void *context, uint32_t node, int64_t offset_ns, uint64_t round_trip_ns);
    /* A hello of a peer was accepted (either direction): which data folder it runs on, and what
     * its release understands. Also from peers that are not in the list. NULL: of no interest. */
    void (*on_peer_hello)(void *context, uint32_t node, uint64_t incarnation, uint64_t features);
    void (*on_client_open)(void *context, uint64_t client);
    void (*on_client_frame)(void *context, uint64_t client, enum frame_kind kind, struct bytes head,
                            struct bytes payload);
    void (*on_client_close)(void *context, uint64_t client);
    void *context;
};
