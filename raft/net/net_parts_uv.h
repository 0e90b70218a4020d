/* net_parts_uv.h — the inside of net_uv.h, shared by its files:
 *
 *   net_uv.c       start, stop, the bus
 *   peers_uv.c     the connections that this node dials, and what is known about each peer
 *   roster_uv.c    who the peers are: the list of members, and strangers that said hello
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

#include <sys/queue.h>

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

/* Lives until its dialer has stopped and no accepted connection refers to it. */
struct net_peer {
    TAILQ_ENTRY(net_peer) link; /* in net->peers until it is dropped */
    struct net *net;
    uint32_t node;
    bool listed;          /* else a stranger, which stays as long as it is connected to us */
    bool dropped;         /* on its way out: nobody finds it, nobody hears of it */
    bool dialling;        /* its dialer has not stopped */
    uint64_t expected;    /* incarnation that the list says; 0: any */
    uint64_t incarnation; /* as first seen; 0: not seen yet */
    struct dialer dialer;
    bool outgoing;             /* the dialled connection is open */
    struct accepted *incoming; /* the newest accepted one, or NULL */
    uint32_t accepted_count;   /* connections that refer to it: incoming, and those it replaced */
    bool connected;            /* what the handler was told */
    struct log_gate gate;
};

TAILQ_HEAD(net_peer_list, net_peer);

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
    struct net_peer_list peers; /* RAFT_MEMBERS_MAX listed, as many strangers, at the most */
    uint64_t config_index;      /* of the list of members */
    bool setting_members;
    char own_address[HELLO_ADDRESS_MAX];
    uint32_t dialers_running;
    bool stopping;
    void (*done)(void *context);
    void *done_context;
};

/* True when a line may be written; *held is then the number of lines held back before it. */
bool log_gate_pass(struct log_gate *gate, uint64_t now_ns, uint64_t *held);

/* --- peers_uv.c --- */

/* A peer that is dialled from now on. */
struct net_peer *net_peer_new(struct net *net, uint32_t node, const struct address *address);
/* Closes what there is between us; the handler hears of it at once, the memory goes later. */
void net_peer_drop(struct net_peer *peer, const char *reason);
/* Frees a dropped peer that nothing refers to any more. */
void net_peer_free_if_idle(struct net_peer *peer);
/* Closes both connections; a listed peer is dialled again. */
void net_peer_cut(struct net_peer *peer, const char *reason);
/* `outgoing` or `incoming` changed: tells the handler when that changes the whole. */
void net_peer_changed(struct net_peer *peer, const char *reason);
/* A hello of this peer was accepted. */
void net_peer_greeted(struct net_peer *peer, const struct hello *hello);

/* --- roster_uv.c --- */

struct net_peer *net_find_peer(struct net *net, uint32_t node);
/* The members of the data folder. INVALID for an address that cannot be meant. */
STATUS_MUST_USE enum status net_roster_check(const struct superblock *identity, struct address *own,
                                             struct error *error);
void net_roster_start(struct net *net);
void net_roster_stop(struct net *net);
void net_set_members(struct bus *bus, const struct member *members, uint32_t count,
                     uint64_t config_index);
/* The peer for a hello from a node that is not in the list; NULL with `refusal` set. */
struct net_peer *net_meet_stranger(struct net *net, const struct hello *hello,
                                   struct hello_refusal *refusal);

/* --- net_uv.c and listener_uv.c --- */

/* What the hello to this peer, or a hello from it, must hold against; NULL: from a stranger. */
struct greeting_rules net_rules(const struct net *net, const struct net_peer *peer);
/* The hello of this node to somebody. */
void net_say(const struct net *net, const struct net_peer *peer, struct hello *hello);

STATUS_MUST_USE enum status net_listen(struct net *net, const struct address *address,
                                       struct error *error);
void net_listener_stop(struct net *net);
STATUS_MUST_USE enum status net_send_client(struct bus *bus, uint64_t client, enum frame_kind kind,
                                            struct bytes head, const struct bus_payload *payload);

void net_end_if_idle(struct net *net);
