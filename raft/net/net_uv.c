#include "raft/net/net_uv.h"

#include "base/assert.h"
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

struct greeting_rules net_rules(const struct net *net, const struct net_peer *peer)
{
    return (struct greeting_rules){
        .cluster = net->identity.cluster,
        .node = net->identity.node,
        .incarnation = net->identity.incarnation,
        .from_member = peer != NULL,
        .from_node = peer != NULL ? peer->node : 0,
        .from_incarnation = peer != NULL ? peer->incarnation : 0,
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
        .to_incarnation = peer != NULL ? peer->incarnation : 0,
        .version_min = PROTOCOL_VERSION_MIN,
        .version_max = PROTOCOL_VERSION_MAX,
        .wall_ns = clock_wall_ns(&net->options.clock),
    };
}

static enum status send_peer(struct bus *bus, uint32_t node, enum frame_kind kind,
                             struct bytes head, const struct bus_payload *payload)
{
    struct net *net = (void *)bus;
    struct net_peer *peer = net_find_peer(net, node);
    ASSERT(peer != NULL);
    return dialer_send(&peer->dialer, kind, head, payload);
}

static const struct bus_ops OPS = { .send_peer = send_peer, .send_client = net_send_client };

/* The addresses of all members; false with `error` set for one that cannot be meant. */
static enum status parse_members(const struct superblock *identity,
                                 struct address addresses[RAFT_MEMBERS_MAX], uint32_t *self,
                                 struct error *error)
{
    *self = identity->member_count;
    for (uint32_t i = 0; i < identity->member_count; i++) {
        const struct superblock_member *member = &identity->members[i];
        TRY(address_parse(member->address, &addresses[i], error));
        if (member->id == identity->node) {
            *self = i;
        } else if (addresses[i].port == 0) {
            return error_set(error, STATUS_INVALID,
                             "member %u has address \"%s\": port 0 cannot be reached; give every "
                             "member a port of its own in --members",
                             (unsigned)member->id, member->address);
        }
    }
    ASSERT(*self < identity->member_count);
    return STATUS_OK;
}

enum status net_start(const struct net_options *options, struct net **net, struct error *error)
{
    ASSERT(options->identity->incarnation != 0 && options->identity->node != 0);
    ASSERT(options->identity->member_count <= RAFT_MEMBERS_MAX);
    struct address addresses[RAFT_MEMBERS_MAX];
    uint32_t self;
    TRY(parse_members(options->identity, addresses, &self, error));
    net_metrics_register();
    struct net *made = net_allocate(sizeof *made);
    memset(made, 0, sizeof *made);
    made->bus.ops = &OPS;
    made->options = *options;
    made->identity = *options->identity;
    made->options.identity = &made->identity;
    made->hello_timeout_ms =
        options->hello_timeout_ms != 0 ? options->hello_timeout_ms : (uint32_t)HELLO_TIMEOUT_MS;
    enum status status = net_listen(made, &addresses[self], error);
    if (status != STATUS_OK) {
        net_stop(made, NULL, NULL);
        return status;
    }
    net_peers_start(made, addresses);
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
    net_peers_stop(net);
}
