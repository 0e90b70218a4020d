#include "raft/net/net_uv.h"

#include "base/assert.h"
#include "raft/core/members.h"
#include "raft/net/memory.h"
#include "raft/net/net_parts_uv.h"

#include <stdlib.h>
#include <string.h>

/* One line per reason in this time. */
static const uint64_t LOG_GATE_NS = 10 * NS_PER_S;

bool log_gate_pass(struct log_gate *gate, uint64_t now_ns, uint64_t *held)
{
    if (now_ns < gate->opens_ns) {
        gate->held++;
        return false;
    }
    *held = gate->held;
    gate->held = 0;
    gate->opens_ns = now_ns + LOG_GATE_NS;
    return true;
}

/* A stranger's is not held against it: what we know of it may be of the life before. */
static uint64_t known_incarnation(const struct net_peer *peer)
{
    if (peer->expected != 0) {
        return peer->expected;
    }
    return peer->listed ? peer->incarnation : 0;
}

struct greeting_rules net_rules(const struct net *net, const struct net_peer *peer)
{
    return (struct greeting_rules){
        .cluster = net->identity.cluster,
        .node = net->identity.node,
        .incarnation = net->identity.incarnation,
        .from_node = peer != NULL ? peer->node : 0,
        .from_incarnation = peer != NULL ? known_incarnation(peer) : 0,
        .config_index = net->config_index,
    };
}

void net_say(const struct net *net, const struct net_peer *peer, struct hello *hello)
{
    *hello = (struct hello){
        .cluster = net->identity.cluster,
        .role = HELLO_PEER,
        .node = net->identity.node,
        .to_node = peer != NULL ? peer->node : 0,
        .incarnation = net->identity.incarnation,
        .to_incarnation = peer != NULL ? known_incarnation(peer) : 0,
        .version_min = PROTOCOL_VERSION_MIN,
        .version_max = PROTOCOL_VERSION_MAX,
        .features = net->options.features != 0 ? net->options.features : FENLU_FEATURES,
        .wall_ns = clock_wall_ns(&net->options.clock),
        .config_index = net->config_index,
    };
    memcpy(hello->address, net->own_address, sizeof hello->address);
}

static enum status send_peer(struct bus *bus, uint32_t node, enum frame_kind kind,
                             struct bytes head, const struct bus_payload *payload)
{
    struct net *net = (void *)bus;
    struct net_peer *peer = net_find_peer(net, node);
    return peer != NULL ? dialer_send(&peer->dialer, kind, head, payload) : STATUS_CLOSED;
}

static const struct bus_ops OPS = { .send_peer = send_peer,
                                    .send_client = net_send_client,
                                    .set_members = net_set_members };

enum status net_start(const struct net_options *options, struct net **net, struct error *error)
{
    ASSERT(options->identity->incarnation != 0 && options->identity->node != 0);
    ASSERT(options->identity->member_count <= RAFT_MEMBERS_MAX);
    struct address own;
    TRY(net_roster_check(options->identity, &own, error));
    if (options->listen != NULL) {
        TRY(address_parse(options->listen, &own, error));
    }
    net_metrics_register();
    struct net *made = net_allocate(sizeof *made);
    memset(made, 0, sizeof *made);
    made->bus.ops = &OPS;
    made->options = *options;
    made->identity = *options->identity;
    made->options.identity = &made->identity;
    made->hello_timeout_ms =
        options->hello_timeout_ms != 0 ? options->hello_timeout_ms : (uint32_t)HELLO_TIMEOUT_MS;
    TAILQ_INIT(&made->peers);
    enum status status = net_listen(made, &own, error);
    if (status != STATUS_OK) {
        net_stop(made, NULL, NULL);
        return status;
    }
    net_roster_start(made);
    *net = made;
    return STATUS_OK;
}

struct bus *net_bus(struct net *net)
{
    return &net->bus;
}

uint16_t net_port(const struct net *net)
{
    return net->port;
}

void net_end_if_idle(struct net *net)
{
    if (!net->stopping || !net->listener_closed || net->accepted_count > 0 ||
        net->dialers_running > 0) {
        return;
    }
    void (*done)(void *context) = net->done;
    void *context = net->done_context;
    free(net);
    if (done != NULL) {
        done(context);
    }
}

void net_stop(struct net *net, void (*done)(void *context), void *context)
{
    ASSERT(!net->stopping);
    net->stopping = true;
    net->done = done;
    net->done_context = context;
    net_listener_stop(net);
    net_roster_stop(net);
}
