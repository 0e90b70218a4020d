/* net_parts_uv.h — the inside of net_uv.h, shared by its files:
 *
 *   net_uv.c       start, stop, the bus
 *   peers_uv.c     the connections that this node dials, and what is known about each peer
 *   listener_uv.c  the connections that it accepts: from peers and from clients
 *
 * Ends when nothing is left that the loop could call: the listener is closed, no accepted
 * connection and no dialer lives (net_end_if_idle).
 */
#pragma once

#include "raft/net/dialer_uv.h"
#include "raft/net/greeting.h"
#include "raft/net/net_metrics.h"
#include "raft/net/net_uv.h"

/* Lets a log line through once in a while and counts the others. */
struct log_gate {
    uint64_t opens_ns;
    uint64_t held;
};

struct accepted {
    struct net *net;
    struct connection *connection;
    uint64_t id;           /* its slot is id % CONNECTIONS_MAX */
    enum hello_role role;  /* 0 until its hello was accepted */
    struct net_peer *peer; /* HELLO_PEER */
    bool refused;
    char from[ADDRESS_TEXT_MAX];
};

struct net_peer {
    struct net *net;
    uint32_t node;
    uint64_t incarnation; /* as first seen; 0: not seen yet */
    struct dialer dialer;
    bool outgoing;             /* the dialled connection is open */
    struct accepted *incoming; /* the newest accepted one, or NULL */
    bool connected;            /* what the handler was told */
    struct log_gate gate;
};

struct net {
    struct bus bus;
    struct net_options options;
    struct superblock identity;
    uint16_t port;
    uint32_t hello_timeout_ms;
    uv_tcp_t listener;
    bool listener_closed;
    struct accepted *accepted[CONNECTIONS_MAX];
    uint32_t accepted_count;
    struct log_gate gates[NET_REFUSED_END];
    struct net_peer peers[RAFT_MEMBERS_MAX];
    uint32_t peer_count;
    uint32_t dialers_running;
    bool stopping;
    void (*done)(void *context);
    void *done_context;
};

/* True when a line may be written; *held is then the number of lines held back before it. */
bool log_gate_pass(struct log_gate *gate, uint64_t now_ns, uint64_t *held);

struct net_peer *net_find_peer(struct net *net, uint32_t node);
void net_peers_start(struct net *net, const struct address addresses[]);
void net_peers_stop(struct net *net);
/* `outgoing` or `incoming` changed: tells the handler when that changes the whole. */
void net_peer_changed(struct net_peer *peer, const char *reason);
/* What the hello to this peer, or a hello from it, must hold against; NULL: from no member. */
struct greeting_rules net_rules(const struct net *net, const struct net_peer *peer);
/* The hello of this node to somebody. */
void net_say(const struct net *net, const struct net_peer *peer, struct hello *hello);

STATUS_MUST_USE enum status net_listen(struct net *net, const struct address *address,
                                       struct error *error);
void net_listener_stop(struct net *net);
STATUS_MUST_USE enum status net_send_client(struct bus *bus, uint64_t client, enum frame_kind kind,
                                            struct bytes head, const struct bus_payload *payload);

void net_end_if_idle(struct net *net);
