#include "base/metrics.h"
#include "net_rig.h"
#include "raft/net/net_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct expected {
    struct rig *rig;
    uint32_t id;
    uint32_t frames;
};

static bool frames_came(void *context)
{
    const struct expected *expected = context;
    return expected->rig->nodes[expected->id].frames >= expected->frames;
}

static bool clocks_came(void *context)
{
    const struct rig_node *node = context;
    return node->clocks >= 2;
}

static void three_nodes_meet_and_talk(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 3);
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 1, 10), STATUS_CLOSED);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    static const size_t SIZES[] = {
        1, 31, 4064, 65000, 65536, 70000, 300000, 1048576, 2097152, 100
    };
    enum { COUNT = sizeof SIZES / sizeof SIZES[0] };
    for (uint32_t from = 1; from <= 3; from++) {
        for (uint32_t to = 1; to <= 3; to++) {
            for (uint64_t i = 0; i < COUNT && from != to; i++) {
                uint64_t sequence = from == 1 || (from == 2 && to == 3) ? i : i + COUNT;
                assert_int_equal(rig_send(&rig, from, to, FRAME_RAFT, sequence, SIZES[i]),
                                 STATUS_OK);
            }
        }
    }
    for (uint32_t id = 1; id <= 3; id++) {
        struct expected expected = { .rig = &rig, .id = id, .frames = 2U * COUNT };
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, frames_came, &expected));
        /* The first pings leave at once. One machine, one clock: the measure is wrong by half a
         * round trip at most, however slow that was; the rest is for a clock that is being set. */
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, clocks_came, &rig.nodes[id]));
        const int64_t bound_ns = (int64_t)(rig.nodes[id].round_trip_ns / 2 + NS_PER_S / 2);
        assert_true(rig.nodes[id].clock_offset_ns < bound_ns &&
                    rig.nodes[id].clock_offset_ns > -bound_ns);
    }
    rig_stop(&rig);
}

static void entries_travel_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(rig_send_entries(&rig, 1, 2, i * 100, 1, 0), STATUS_OK);
        assert_int_equal(rig_send_entries(&rig, 1, 2, i * 100 + 1, RAFT_MESSAGE_ENTRIES_MAX, 128),
                         STATUS_OK);
        assert_int_equal(rig_send_entries(&rig, 1, 2, i * 100 + 70, 1, RAFT_ENTRY_BODY_MAX),
                         STATUS_OK);
    }
    struct expected expected = { .rig = &rig, .id = 2, .frames = 30 };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frames_came, &expected));
    assert_int_equal(rig.nodes[2].out_of_order, 0);
    rig_stop(&rig);
}

static bool small_came(void *context)
{
    const struct rig *rig = context;
    return rig->nodes[2].small_frames > 0;
}

static void heartbeats_overtake_entries(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    uint64_t sent = 0;
    for (uint64_t i = 1; i <= 24; i++) {
        assert_int_equal(rig_send_entries(&rig, 1, 2, i, 1, 1024 * 1024), STATUS_OK);
        sent++;
    }
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 100, 0), STATUS_OK);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, small_came, &rig));
    /* Behind at most what was being written and what the kernel held. */
    assert_true(rig.nodes[2].small_after_bytes <= 12ULL * 1024 * 1024);
    struct expected expected = { .rig = &rig, .id = 2, .frames = (uint32_t)sent };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frames_came, &expected));
    assert_int_equal(rig.nodes[2].out_of_order, 0);
    rig_stop(&rig);
}

static uint32_t released;

static void release(void *context, void *data)
{
    assert_ptr_equal(context, data);
    released++;
}

/* A queue is bounded, and everything that was taken is let go in the end. */
static void full_queue_is_busy(void **state)
{
    (void)state;
    static uint8_t payload[1024 * 1024];
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    struct bus *bus = net_bus(rig.nodes[1].net);
    const struct bus_payload owned = { .bytes = { .data = payload, .size = sizeof payload },
                                       .release = release,
                                       .release_context = payload };
    struct bytes head = { .data = payload, .size = RIG_HEAD_SIZE };
    uint64_t full = metric_value(&net_queue_full);
    uint32_t taken = 0;
    released = 0;
    /* The loop does not run meanwhile, so that nothing leaves but what the kernel takes at once. */
    while (bus->ops->send_peer(bus, 2, FRAME_RAFT, head, &owned) == STATUS_OK) {
        taken++;
        assert_true(taken < 40);
    }
    assert_true(taken >= 30 - CONNECTION_QUEUE_SMALL_BYTES / (1024 * 1024));
    assert_true(metric_value(&net_queue_full) == full + 1);
    assert_int_equal(bus->ops->send_peer(bus, 2, FRAME_RAFT, head, &owned), STATUS_BUSY);
    assert_int_equal(released, 0);
    /* Small frames still have room. */
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 7, 0), STATUS_OK);
    rig_stop_node(&rig, 1);
    assert_int_equal(released, taken);
    rig_stop(&rig);
}

static bool connected_again(void *context)
{
    struct rig *rig = context;
    return rig_all_connected(rig) && rig->nodes[1].state_changes >= 4;
}

static bool node_one_lost_two(void *context)
{
    const struct rig *rig = context;
    return !rig->nodes[1].connected[2];
}

static void killed_peer_comes_back(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 3);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    uint64_t redials = metric_value(&net_redials);
    rig_stop_node(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, node_one_lost_two, &rig));
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 1, 10), STATUS_CLOSED);
    rig_run(&rig, 300);
    rig_start_node(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, connected_again, &rig));
    assert_true(metric_value(&net_redials) > redials);
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 1, 10), STATUS_OK);
    struct expected expected = { .rig = &rig, .id = 2, .frames = 1 };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frames_came, &expected));
    rig_stop(&rig);
}

struct refusal {
    enum net_refused reason;
    uint64_t before;
};

static bool was_refused(void *context)
{
    const struct refusal *refusal = context;
    return net_refused_value(refusal->reason) > refusal->before;
}

/* Node 2 starts and is turned away, as often as it tries. */
static void start_refused(struct rig *rig, enum net_refused reason)
{
    struct refusal refusal = { .reason = reason, .before = net_refused_value(reason) };
    rig_start_node(rig, 2);
    assert_true(rig_until(rig, RIG_PATIENCE_MS, was_refused, &refusal));
    rig_run(rig, 1000);
    assert_false(rig->nodes[1].connected[2] || rig->nodes[2].connected[1]);
}

/* A node that was formatted anew under an old id is not let in again; nor is one of elsewhere. */
static void other_identity_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 3);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    rig_stop_node(&rig, 2);
    rig.nodes[2].identity.incarnation = 99;
    start_refused(&rig, NET_REFUSED_INCARNATION);
    rig_stop_node(&rig, 2);
    rig.nodes[2].identity.incarnation = 1002;
    rig.nodes[2].identity.cluster++;
    start_refused(&rig, NET_REFUSED_CLUSTER);
    rig_stop_node(&rig, 2);
    rig.nodes[2].identity.cluster--;
    rig_start_node(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    rig_stop(&rig);
}

static void set_address(struct superblock *identity, uint32_t member, const char *text)
{
    char *address = identity->members[member].address;
    (void)snprintf(address, MEMBER_ADDRESS_MAX, "%s", text);
}

static void start_errors_are_clear(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    struct superblock identity = rig.nodes[1].identity;
    struct net_options options = {
        .loop = &rig.loop, .clock = clock_os(), .entropy = entropy_os(), .identity = &identity
    };
    struct net *net = NULL;
    struct error error;
    assert_int_equal(net_start(&options, &net, &error), STATUS_IO);
    assert_non_null(strstr(error.text, identity.members[0].address));
    assert_non_null(strstr(error.text, "in use"));
    assert_non_null(strstr(error.text, "--members"));

    set_address(&identity, 0, "no such host:1");
    assert_int_equal(net_start(&options, &net, &error), STATUS_INVALID);
    set_address(&identity, 0, "name.invalid:7400");
    assert_int_not_equal(net_start(&options, &net, &error), STATUS_OK);
    assert_non_null(strstr(error.text, "cannot resolve name.invalid:7400"));
    set_address(&identity, 0, "192.0.2.1:7400");
    assert_int_equal(net_start(&options, &net, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "192.0.2.1:7400"));
    set_address(&identity, 1, "127.0.0.1:0");
    assert_int_equal(net_start(&options, &net, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "port 0"));
    assert_null(net);
    rig_stop(&rig);
}

static void port_zero_binds_any(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    rig.nodes[1].identity.member_count = 1;
    set_address(&rig.nodes[1].identity, 0, "[::1]:0");
    struct net_options options = { .loop = &rig.loop,
                                   .clock = clock_os(),
                                   .entropy = entropy_os(),
                                   .identity = &rig.nodes[1].identity };
    struct error error;
    if (net_start(&options, &rig.nodes[1].net, &error) != STATUS_OK) {
        set_address(&rig.nodes[1].identity, 0, "127.0.0.1:0"); /* no IPv6 here */
        assert_int_equal(net_start(&options, &rig.nodes[1].net, &error), STATUS_OK);
    }
    assert_true(net_port(rig.nodes[1].net) != 0);
    rig_stop(&rig);
}

/* Others reach it at its address among the members: through something that stands there. */
static void it_listens_elsewhere_when_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    struct superblock identity = rig.nodes[1].identity;
    struct net_options options = { .loop = &rig.loop,
                                   .clock = clock_os(),
                                   .entropy = entropy_os(),
                                   .identity = &identity,
                                   .listen = "127.0.0.1:0" };
    struct net *net = NULL;
    struct error error;
    assert_int_equal(net_start(&options, &net, &error), STATUS_OK);
    assert_true(net_port(net) != 0 && net_port(net) != rig.ports[0]);
    net_stop(net, NULL, NULL);
    options.listen = identity.members[0].address; /* node 1 has it */
    assert_int_equal(net_start(&options, &net, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "--listen"));
    options.listen = "nowhere";
    assert_int_equal(net_start(&options, &net, &error), STATUS_INVALID);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_meet_and_talk),
        cmocka_unit_test(entries_travel_in_order),
        cmocka_unit_test(heartbeats_overtake_entries),
        cmocka_unit_test(full_queue_is_busy),
        cmocka_unit_test(killed_peer_comes_back),
        cmocka_unit_test(other_identity_is_refused),
        cmocka_unit_test(start_errors_are_clear),
        cmocka_unit_test(port_zero_binds_any),
        cmocka_unit_test(it_listens_elsewhere_when_told),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
