#include "base/crc32c.h"
#include "base/random.h"
#include "net_rig.h"
#include "raft/net/greeting.h"
#include "raft/net/net_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* Each case changes a hello that would be taken. */
struct refused_case {
    void (*spoil)(struct hello *hello);
    enum refusal_reason reason;
    enum net_refused metric;
    const char *text; /* in the refusal */
};

static void other_cluster(struct hello *hello)
{
    hello->cluster = u128_make(0x0123456789ABCDEF, 7);
}

static void no_cluster(struct hello *hello)
{
    hello->cluster = 0;
}

static void other_addressee(struct hello *hello)
{
    hello->to_node = 3;
}

static void unknown_node(struct hello *hello)
{
    hello->node = 8;
}

static void own_node(struct hello *hello)
{
    hello->node = 1;
}

static void other_incarnation(struct hello *hello)
{
    hello->incarnation = 5;
}

static void other_addressed_incarnation(struct hello *hello)
{
    hello->to_incarnation = 5;
}

static void newer_protocol(struct hello *hello)
{
    hello->version_min = PROTOCOL_VERSION_MAX + 1;
    hello->version_max = PROTOCOL_VERSION_MAX + 2;
}

static void client_of_other_cluster(struct hello *hello)
{
    hello->role = HELLO_CLIENT;
    hello->node = 0;
    hello->cluster = 1;
}

static const struct refused_case CASES[] = {
    { other_cluster, REFUSAL_CLUSTER, NET_REFUSED_CLUSTER,
      "cluster 01234567-89ab-cdef-0000-000000000007, expected "
      "00000000-0000-00c1-0000-0000000057e5" },
    { no_cluster, REFUSAL_CLUSTER, NET_REFUSED_CLUSTER, "--members" },
    { other_addressee, REFUSAL_NODE, NET_REFUSED_NODE, "this is node 1, not node 3" },
    { unknown_node, REFUSAL_NODE, NET_REFUSED_NODE, "node 8 at \"\" is no member" },
    { own_node, REFUSAL_NODE, NET_REFUSED_NODE, "node 1" },
    { other_incarnation, REFUSAL_INCARNATION, NET_REFUSED_INCARNATION, "0000000000000005" },
    { other_incarnation, REFUSAL_INCARNATION, NET_REFUSED_INCARNATION,
      "fenlu admin member replace --id 2" },
    { other_addressed_incarnation, REFUSAL_INCARNATION, NET_REFUSED_INCARNATION,
      "0000000000000005" },
    { newer_protocol, REFUSAL_VERSION, NET_REFUSED_VERSION, "versions 3 to 4" },
    { client_of_other_cluster, REFUSAL_CLUSTER, NET_REFUSED_CLUSTER, "another cluster" },
};

static void wrong_hellos_are_refused_with_reasons(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint64_t refused = net_refused_value(CASES[i].metric);
        struct hello hello = rig_hello(&rig, 2, 1);
        CASES[i].spoil(&hello);
        int socket = stranger_connect(&rig, 1);
        stranger_hello(socket, &hello);
        uint8_t bytes[FRAME_HEADER_SIZE + REFUSAL_SIZE_MAX];
        struct frame_header header;
        assert_true(stranger_frame(&rig, socket, bytes, sizeof bytes, &header));
        assert_int_equal(header.kind, FRAME_REFUSED);
        struct hello_refusal refusal;
        struct bytes head = { .data = bytes + FRAME_HEADER_SIZE, .size = header.head_size };
        assert_int_equal(hello_refusal_decode(head, &refusal), STATUS_OK);
        assert_int_equal(refusal.reason, CASES[i].reason);
        if (strstr(refusal.text, CASES[i].text) == NULL) {
            fail_msg("case %zu: %s", i, refusal.text);
        }
        assert_true(net_refused_value(CASES[i].metric) == refused + 1);
        assert_true(stranger_closed(&rig, socket, RIG_PATIENCE_MS));
        assert_int_equal(close(socket), 0);
    }
    /* None of it disturbed the real peer. */
    assert_true(rig_all_connected(&rig));
    assert_int_equal(rig.nodes[1].state_changes, 1);
    rig_stop(&rig);
}

/* Sends bytes as a first message; they must lead to a close, counted as a broken protocol. */
static void expect_cut(struct rig *rig, const void *data, size_t size)
{
    uint64_t refused = net_refused_value(NET_REFUSED_PROTOCOL);
    int socket = stranger_connect(rig, 1);
    stranger_send(socket, data, size);
    assert_true(stranger_closed(rig, socket, RIG_PATIENCE_MS));
    assert_true(net_refused_value(NET_REFUSED_PROTOCOL) == refused + 1);
    assert_int_equal(close(socket), 0);
}

static size_t make_frame(uint8_t *out, enum frame_kind kind, size_t head_size, size_t payload_size)
{
    uint8_t *head = out + FRAME_HEADER_SIZE;
    memset(head, 1, head_size + payload_size);
    frame_encode(out, kind, (struct bytes){ head, head_size }, (uint32_t)payload_size,
                 crc32c(head + head_size, payload_size), 0);
    return FRAME_HEADER_SIZE + head_size + payload_size;
}

static void garbage_is_cut(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    static const char HTTP[] = "GET / HTTP/1.1\r\nHost: ledger-1:7400\r\nAccept: */*\r\n\r\n";
    expect_cut(&rig, HTTP, sizeof HTTP - 1);
    struct random random;
    random_init(&random, 4);
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)random_u64(&random);
    }
    expect_cut(&rig, bytes, sizeof bytes);
    /* Sound frames that have no place before a hello. */
    expect_cut(&rig, bytes, make_frame(bytes, FRAME_RAFT, 100, 0));
    expect_cut(&rig, bytes, make_frame(bytes, FRAME_PING, 8, 0));
    expect_cut(&rig, bytes, make_frame(bytes, FRAME_REFUSED, 4, 0));
    expect_cut(&rig, bytes, make_frame(bytes, FRAME_HELLO, HELLO_SIZE - 1, 0));
    expect_cut(&rig, bytes, make_frame(bytes, FRAME_HELLO, HELLO_SIZE, 100));
    rig_stop(&rig);
}

static int greeted_client(struct rig *rig)
{
    int socket = stranger_connect(rig, 1);
    struct hello hello = rig_hello(rig, 0, 1);
    stranger_hello(socket, &hello);
    uint8_t bytes[FRAME_HEADER_SIZE + HELLO_SIZE_MAX];
    struct frame_header header;
    assert_true(stranger_frame(rig, socket, bytes, sizeof bytes, &header));
    assert_int_equal(header.kind, FRAME_HELLO);
    return socket;
}

static void clients_that_break_the_protocol_are_cut(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    static const struct {
        enum frame_kind kind;
        size_t head_size;
        size_t payload_size;
        size_t damage_at; /* 0: none */
    } BAD[] = {
        { FRAME_RAFT, 100, 0, 0 },    { FRAME_SNAPSHOT, 100, 0, 0 },
        { FRAME_REPAIR, 100, 0, 0 },  { FRAME_HELLO, HELLO_SIZE, 0, 0 },
        { FRAME_VOTES, 100, 0, 0 },   { FRAME_PING, 7, 0, 0 },
        { FRAME_PONG, 16, 0, 0 },     { FRAME_REFUSED, 4, 0, 0 },
        { FRAME_REQUEST, 9, 50, 40 }, { FRAME_REQUEST, 9, 50, 60 },
    };
    for (uint32_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        uint64_t refused = net_refused_value(NET_REFUSED_PROTOCOL);
        int socket = greeted_client(&rig);
        assert_int_equal(rig.nodes[1].clients_opened, i + 1);
        uint8_t bytes[512];
        size_t size = make_frame(bytes, BAD[i].kind, BAD[i].head_size, BAD[i].payload_size);
        bytes[BAD[i].damage_at] ^= BAD[i].damage_at != 0;
        stranger_send(socket, bytes, size);
        assert_true(stranger_closed(&rig, socket, RIG_PATIENCE_MS));
        assert_int_equal(rig.nodes[1].clients_closed, i + 1);
        assert_true(net_refused_value(NET_REFUSED_PROTOCOL) == refused + 1);
        assert_int_equal(close(socket), 0);
    }
    assert_int_equal(rig.nodes[1].client_frames, 0);
    rig_stop(&rig);
}

static bool client_gone(void *context)
{
    const struct rig *rig = context;
    return rig->nodes[1].clients_closed == 1;
}

static void half_a_frame_then_close(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    uint8_t bytes[100000];
    int stranger = stranger_connect(&rig, 1);
    (void)make_frame(bytes, FRAME_HELLO, HELLO_SIZE, 0);
    stranger_send(stranger, bytes, 40);
    int client = greeted_client(&rig);
    size_t size = make_frame(bytes, FRAME_REQUEST, 10, sizeof bytes - 100);
    stranger_send(client, bytes, size / 2);
    rig_run(&rig, 50);
    assert_int_equal(close(stranger), 0);
    assert_int_equal(close(client), 0);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, client_gone, &rig));
    assert_int_equal(rig.nodes[1].client_frames, 0);
    rig_stop(&rig);
}

static void silent_strangers_are_closed(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    rig.hello_timeout_ms = 500;
    rig_start_node(&rig, 1);
    uint64_t refused = net_refused_value(NET_REFUSED_SILENT);
    const uint64_t start_ns = uv_hrtime();
    int socket = stranger_connect(&rig, 1);
    assert_true(stranger_closed(&rig, socket, RIG_PATIENCE_MS));
    assert_true(uv_hrtime() - start_ns >= 500 * NS_PER_MS);
    assert_true(net_refused_value(NET_REFUSED_SILENT) == refused + 1);
    assert_int_equal(close(socket), 0);
    rig_stop(&rig);
}

/* A client that says hello and then nothing more is dead. */
static void silent_clients_are_closed(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    const uint64_t start_ns = uv_hrtime();
    int socket = greeted_client(&rig);
    assert_true(stranger_closed(&rig, socket, RIG_PATIENCE_MS));
    assert_true(uv_hrtime() - start_ns >= (PEER_SILENCE_MS - PING_INTERVAL_MS) * NS_PER_MS);
    assert_int_equal(rig.nodes[1].clients_closed, 1);
    assert_int_equal(close(socket), 0);
    rig_stop(&rig);
}

static void pings_are_answered(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    int socket = greeted_client(&rig);
    uint8_t bytes[FRAME_HEADER_SIZE + 16];
    stranger_send(socket, bytes, make_frame(bytes, FRAME_PING, 8, 0));
    struct frame_header header;
    assert_true(stranger_frame(&rig, socket, bytes, sizeof bytes, &header));
    assert_int_equal(header.kind, FRAME_PONG);
    struct reader reader = reader_init(bytes + FRAME_HEADER_SIZE, header.head_size);
    assert_true(read_u64(&reader) == 0x0101010101010101);
    struct clock clock = clock_os();
    uint64_t wall = read_u64(&reader);
    assert_true(reader_done(&reader));
    assert_true(clock_wall_ns(&clock) - wall < 10 * NS_PER_S);
    assert_int_equal(close(socket), 0);
    rig_stop(&rig);
}

/* One that does not read fills its queue, and nobody else's. */
static void reader_that_sleeps_is_busy(void **state)
{
    (void)state;
    static uint8_t payload[1024 * 1024];
    struct rig rig;
    rig_start(&rig, 1);
    int socket = greeted_client(&rig);
    struct bus *bus = net_bus(rig.nodes[1].net);
    const struct bus_payload copied = { .bytes = { .data = payload, .size = sizeof payload } };
    struct bytes head = { .data = payload, .size = 8 };
    enum status status = STATUS_OK;
    uint32_t taken = 0;
    for (; status == STATUS_OK && taken < 100; taken++) {
        status = bus->ops->send_client(bus, rig.nodes[1].client, FRAME_REPLY, head, &copied);
        rig_run(&rig, 2);
    }
    assert_int_equal(status, STATUS_BUSY);
    assert_true(taken > 20);
    assert_int_equal(bus->ops->send_client(bus, rig.nodes[1].client + 1, FRAME_REPLY, head, NULL),
                     STATUS_CLOSED);
    assert_int_equal(close(socket), 0);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, client_gone, &rig));
    assert_int_equal(bus->ops->send_client(bus, rig.nodes[1].client, FRAME_REPLY, head, NULL),
                     STATUS_CLOSED);
    rig_stop(&rig);
}

/* The port serves so many and no more; who leaves makes room. */
static void connections_are_bounded(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t needed = 2 * CONNECTIONS_MAX + 100;
    if (limit.rlim_max < needed) {
        skip();
    }
    limit.rlim_cur = limit.rlim_cur < needed ? needed : limit.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    static int sockets[CONNECTIONS_MAX];
    struct rig rig;
    rig_start(&rig, 0);
    rig.hello_timeout_ms = 60000;
    rig_start_node(&rig, 1);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        sockets[i] = stranger_connect(&rig, 1);
        if (i % 64 == 63) {
            rig_run(&rig, 5);
        }
    }
    rig_run(&rig, 50);
    uint64_t refused = net_refused_value(NET_REFUSED_LIMIT);
    int socket = stranger_connect(&rig, 1);
    assert_true(stranger_closed(&rig, socket, RIG_PATIENCE_MS));
    assert_int_equal(net_refused_value(NET_REFUSED_LIMIT), refused + 1);
    assert_int_equal(close(socket), 0);
    assert_int_equal(close(sockets[0]), 0);
    rig_run(&rig, 50);
    sockets[0] = greeted_client(&rig);
    assert_int_equal(rig.nodes[1].clients_opened, 1);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        assert_int_equal(close(sockets[i]), 0);
    }
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_hellos_are_refused_with_reasons),
        cmocka_unit_test(garbage_is_cut),
        cmocka_unit_test(clients_that_break_the_protocol_are_cut),
        cmocka_unit_test(half_a_frame_then_close),
        cmocka_unit_test(silent_strangers_are_closed),
        cmocka_unit_test(silent_clients_are_closed),
        cmocka_unit_test(pings_are_answered),
        cmocka_unit_test(reader_that_sleeps_is_busy),
        cmocka_unit_test(connections_are_bounded),
    };
    return cmocka_run_group_tests_name("strangers", tests, NULL, NULL);
}
