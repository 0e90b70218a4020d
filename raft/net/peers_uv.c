#include "base/assert.h"
#include "base/log_line.h"
#include "raft/net/memory.h"
#include "raft/net/net_parts_uv.h"

#include <stdlib.h>
#include <string.h>

void net_peer_changed(struct net_peer *peer, const char *reason)
{
    struct net *net = peer->net;
    bool connected = peer->outgoing && peer->incoming != NULL;
    if (connected == peer->connected) {
        return;
    }
    peer->connected = connected;
    if (connected) {
        peer->gate = (struct log_gate){ 0 };
        log_line(LOG_INFO, "peer_connected", LOG_UINT("node", net->identity.node),
                 LOG_UINT("peer", peer->node), LOG_END);
    } else if (!net->stopping) {
        log_line(LOG_WARN, "peer_disconnected", LOG_UINT("node", net->identity.node),
                 LOG_UINT("peer", peer->node), LOG_TEXT("reason", reason), LOG_END);
    }
    const struct bus_handler *handler = &net->options.handler;
    if (handler->on_peer_state != NULL) {
        handler->on_peer_state(handler->context, peer->node, connected);
    }
}

void net_peer_greeted(struct net_peer *peer, const struct hello *hello)
{
    const struct bus_handler *handler = &peer->net->options.handler;
    peer->incarnation = hello->incarnation;
    if (handler->on_peer_hello != NULL) {
        handler->on_peer_hello(handler->context, peer->node, hello->incarnation, hello->features);
    }
    /* The handler may have set other members. */
    if (!peer->dropped) {
        net_peer_changed(peer, "");
    }
}

static void say(struct dialer *dialer, struct hello *hello)
{
    const struct net_peer *peer = dialer->options.owner;
    net_say(peer->net, peer, hello);
}

static bool check(struct dialer *dialer, const struct hello *hello, struct hello_refusal *refusal)
{
    const struct net_peer *peer = dialer->options.owner;
    struct greeting_rules rules = net_rules(peer->net, peer);
    return greeting_check(&rules, hello, refusal);
}

static void on_open(struct dialer *dialer, const struct hello *hello)
{
    struct net_peer *peer = dialer->options.owner;
    peer->outgoing = true;
    net_peer_greeted(peer, hello);
}

static void on_frame(struct dialer *dialer, const struct frame *frame)
{
    (void)frame;
    dialer_fail(dialer, STATUS_PROTOCOL, "a peer sent a frame where only answers belong");
}

static void on_clock(struct dialer *dialer, int64_t offset_ns, uint64_t round_trip_ns)
{
    const struct net_peer *peer = dialer->options.owner;
    const struct bus_handler *handler = &peer->net->options.handler;
    handler->on_peer_clock(handler->context, peer->node, offset_ns, round_trip_ns);
}

static void on_failure(struct dialer *dialer, const struct error *error, bool was_open)
{
    struct net_peer *peer = dialer->options.owner;
    uint64_t held;
    bool expected = error->status == STATUS_CLOSED || error->status == STATUS_TIMEOUT;
    if (!was_open && log_gate_pass(&peer->gate, clock_mono_ns(&peer->net->options.clock), &held)) {
        char address[ADDRESS_TEXT_MAX];
        address_format(&dialer->address, address);
        log_line(expected ? LOG_WARN : LOG_ERROR, "peer_unreachable",
                 LOG_UINT("node", peer->net->identity.node), LOG_UINT("peer", peer->node),
                 LOG_TEXT("address", address), LOG_TEXT("reason", error->text),
                 LOG_UINT("held_back", held), LOG_END);
    }
    peer->outgoing = false;
    net_peer_changed(peer, error->text);
}

static void on_stopped(struct dialer *dialer)
{
    struct net_peer *peer = dialer->options.owner;
    struct net *net = peer->net;
    ASSERT(net->dialers_running > 0 && peer->dropped);
    net->dialers_running--;
    peer->dialling = false;
    net_peer_free_if_idle(peer);
    net_end_if_idle(net);
}

static const struct dialer_handler DIALER_HANDLER = {
    .say = say,
    .check = check,
    .on_open = on_open,
    .on_frame = on_frame,
    .on_clock = on_clock,
    .on_failure = on_failure,
    .on_stopped = on_stopped,
};

/* --- life ------------------------------------------------------------------------------------- */

struct net_peer *net_peer_new(struct net *net, uint32_t node, const struct address *address)
{
    struct net_peer *peer = net_allocate(sizeof *peer);
    memset(peer, 0, sizeof *peer);
    peer->net = net;
    peer->node = node;
    peer->dialling = true;
    const struct dialer_options options = {
        .loop = net->options.loop,
        .clock = net->options.clock,
        .seed = entropy_u64(&net->options.entropy),
        .hello_timeout_ms = net->hello_timeout_ms,
        .silence_ms = PEER_SILENCE_MS,
        .handler = &DIALER_HANDLER,
        .owner = peer,
    };
    dialer_start(&peer->dialer, &options, address);
    net->dialers_running++;
    TAILQ_INSERT_TAIL(&net->peers, peer, link);
    return peer;
}

void net_peer_free_if_idle(struct net_peer *peer)
{
    if (peer->dropped && !peer->dialling && peer->accepted_count == 0) {
        free(peer);
    }
}

void net_peer_cut(struct net_peer *peer, const char *reason)
{
    if (peer->dialer.connection != NULL) {
        dialer_fail(&peer->dialer, STATUS_CLOSED, reason);
    }
    if (peer->incoming != NULL) {
        connection_fail(peer->incoming->connection, STATUS_CLOSED, "%s", reason);
    }
}

void net_peer_drop(struct net_peer *peer, const char *reason)
{
    ASSERT(!peer->dropped);
    struct accepted *incoming = peer->incoming;
    peer->outgoing = false;
    peer->incoming = NULL;
    peer->dropped = true;
    TAILQ_REMOVE(&peer->net->peers, peer, link);
    net_peer_changed(peer, reason);
    if (incoming != NULL) {
        connection_fail(incoming->connection, STATUS_CLOSED, "%s", reason);
    }
    dialer_stop(&peer->dialer);
}
