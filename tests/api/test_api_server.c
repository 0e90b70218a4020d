/* An API node on real sockets: gRPC in front, behind it a server that the test plays over the
 * cluster port (raft/net). From start to a graceful stop. */
#include "api/api_uv.h"
#include "api/grpc/grpc_channel_uv.h"
#include "base/metrics.h"
#include "ledger/node/wire.h"
#include "ledger/store/records.h"
#include "raft/net/net_uv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

enum { WAIT_MS = 30000 };
#define CLUSTER u128_make(0xAB, 0xCD)

static struct {
    uv_loop_t loop;
    struct net *net;
    struct api_server *api;
    struct grpc_channel *channel;
    struct superblock_member member;
    uint64_t held_id; /* a request that is not answered yet */
    uint64_t held_client;
    bool holds; /* does not answer commands */
    bool replied;
    enum grpc_code code;
    uint8_t message[256];
    size_t message_size;
    bool channel_closed;
    bool api_done;
    bool net_done;
} world;

/* --- the server that the test plays ----------------------------------------------------------- */

static void answer(uint64_t client, uint64_t id, const void *payload, size_t size, uint32_t count)
{
    struct reply reply = { .id = id, .leader = 1, .term = 3, .log_index = 9, .count = count };
    uint8_t head[REPLY_HEAD_SIZE];
    reply_encode(head, &reply);
    struct bus_payload bytes = { .bytes = { payload, size } };
    struct bus *bus = net_bus(world.net);
    assert_int_equal(bus->ops->send_client(bus, client, FRAME_REPLY,
                                           (struct bytes){ head, sizeof head }, &bytes),
                     STATUS_OK);
}

static void answer_transfer(uint64_t client, uint64_t id)
{
    struct result result = { 300, 1, 0 };
    answer(client, id, &result, sizeof result, 1);
}

static void on_client_frame(void *context, uint64_t client, enum frame_kind kind, struct bytes head,
                            struct bytes payload)
{
    (void)context;
    struct request request;
    assert_int_equal(kind, FRAME_REQUEST);
    assert_int_equal(request_decode(head, &request), STATUS_OK);
    if (request.operation == OPERATION_STATUS) {
        struct node_status status = { .cluster = CLUSTER, .node = 1, .leader = 1, .term = 3 };
        uint8_t bytes[NODE_STATUS_SIZE];
        node_status_encode(bytes, &status);
        answer(client, request.id, bytes, sizeof bytes, 0);
        return;
    }
    if (request.operation == OPERATION_ADMIN) { /* of a release before there were lists */
        return;
    }
    assert_int_equal(payload.size, COMMAND_HEADER_SIZE + EVENT_SIZE);
    if (world.holds) {
        world.held_id = request.id;
        world.held_client = client;
    } else {
        answer_transfer(client, request.id);
    }
}

static void on_client(void *context, uint64_t client)
{
    (void)context;
    (void)client;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_wake(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until `done` or too long. */
static void run_until(bool (*done)(void))
{
    uv_timer_t timer;
    uint64_t end_ms = uv_now(&world.loop) + WAIT_MS;
    uv_timer_init(&world.loop, &timer);
    uv_timer_start(&timer, on_wake, 10, 10);
    while (!done()) {
        assert_true(uv_now(&world.loop) < end_ms);
        uv_run(&world.loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&world.loop, UV_RUN_NOWAIT);
}

static bool is_serving(void)
{
    return api_server_serving(world.api);
}

static bool has_reply(void)
{
    return world.replied;
}

static bool is_held(void)
{
    return world.held_id != 0;
}

static bool is_api_done(void)
{
    return world.api_done;
}

static bool is_net_done(void)
{
    return world.net_done;
}

static bool is_channel_closed(void)
{
    return world.channel_closed;
}

static void set_done(void *context)
{
    *(bool *)context = true;
}

static void on_channel_closed(void *context, const struct error *why)
{
    (void)context;
    (void)why;
    world.channel_closed = true;
    world.channel = NULL;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static struct api_server_options options_of(const char *address)
{
    struct error error;
    struct api_server_options options = {
        .loop = &world.loop,
        .clock = clock_os(),
        .entropy = entropy_os(),
        .members = &world.member,
        .member_count = 1,
        .version = "test",
        .drain_grace_ns = 3 * NS_PER_S,
    };
    assert_int_equal(address_parse(address, &options.address, &error), STATUS_OK);
    return options;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    assert_int_equal(uv_loop_init(&world.loop), 0);
    struct superblock identity = {
        .cluster = CLUSTER,
        .node = 1,
        .incarnation = 5,
        .member_count = 1,
        .members = { { 1, "127.0.0.1:0" } },
    };
    struct net_options options = {
        .loop = &world.loop,
        .clock = clock_os(),
        .entropy = entropy_os(),
        .identity = &identity,
        .handler = { .on_client_open = on_client,
                     .on_client_frame = on_client_frame,
                     .on_client_close = on_client },
    };
    struct error error = { 0 };
    assert_int_equal(net_start(&options, &world.net, &error), STATUS_OK);
    world.member.id = 1;
    (void)snprintf(world.member.address, sizeof world.member.address, "127.0.0.1:%u",
                   net_port(world.net));
    struct api_server_options api_options = options_of("127.0.0.1:0");
    assert_int_equal(api_server_start(&api_options, &world.api, &error), STATUS_OK);
    struct grpc_channel_config config = grpc_channel_config_default(api_server_address(world.api));
    config.on_closed = on_channel_closed;
    assert_int_equal(grpc_channel_open(&world.loop, &config, &world.channel, &error), STATUS_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!world.api_done) {
        api_server_stop(world.api, set_done, &world.api_done);
        run_until(is_api_done);
    }
    if (world.channel != NULL) {
        grpc_channel_close(world.channel);
        run_until(is_channel_closed);
    }
    net_stop(world.net, set_done, &world.net_done);
    run_until(is_net_done);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    return 0;
}

static void on_message(void *context, struct bytes message)
{
    (void)context;
    assert_true(message.size <= sizeof world.message);
    memcpy(world.message, message.data, message.size);
    world.message_size = message.size;
}

static void on_end(void *context, const struct grpc_end *end)
{
    (void)context;
    world.code = end->code;
    world.replied = true;
}

static void post_transfer(void)
{
    static const struct grpc_client_call_ops OPS = { on_message, on_end };
    struct grpc_request request = {
        .path = "/fenlu.v1.Ledger/CreateTransfers",
        .message = grpc_buffer_copy("\x0A\x02\x20\x07", 4),
    };
    world.replied = false;
    assert_int_equal(grpc_channel_start(world.channel, &request, &OPS, NULL, NULL), STATUS_OK);
}

static void expect_result(void)
{
    static const uint8_t EXPECTED[] = { 0x0A, 5, 0x08, 0xAC, 2, 0x10, 1, 0x10, 9 };
    assert_int_equal(world.code, GRPC_OK);
    assert_int_equal(world.message_size, sizeof EXPECTED);
    assert_memory_equal(world.message, EXPECTED, sizeof EXPECTED);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void test_a_transfer(void **state)
{
    (void)state;
    run_until(is_serving);
    post_transfer();
    run_until(has_reply);
    expect_result();
}

/* It need not be serving yet: the call waits within its deadline. */
static void test_a_transfer_before_the_leader_is_known(void **state)
{
    (void)state;
    post_transfer();
    run_until(has_reply);
    expect_result();
}

static bool has_counted(void)
{
    static char text[256 * 1024];
    assert_true(metrics_print(text, sizeof text) < sizeof text);
    return strstr(text, "\nfenlu_grpc_connections 1\n") != NULL &&
           strstr(text, "\nfenlu_grpc_calls_total 1\n") != NULL &&
           strstr(text, "\nfenlu_grpc_calls_open 0\n") != NULL;
}

static void test_counters_become_metrics(void **state)
{
    (void)state;
    post_transfer();
    run_until(has_reply);
    run_until(has_counted);
}

static void test_a_call_under_way_ends_before_the_stop(void **state)
{
    (void)state;
    run_until(is_serving);
    world.holds = true;
    post_transfer();
    run_until(is_held);
    api_server_stop(world.api, set_done, &world.api_done);
    answer_transfer(world.held_client, world.held_id);
    run_until(has_reply);
    expect_result();
    run_until(is_api_done);
}

static void test_a_call_that_is_never_answered_does_not_stop_the_stop(void **state)
{
    (void)state;
    run_until(is_serving);
    world.holds = true;
    post_transfer();
    run_until(is_held);
    api_server_stop(world.api, set_done, &world.api_done);
    run_until(is_api_done);
    run_until(has_reply);
    assert_int_not_equal(world.code, GRPC_OK);
}

static void test_a_port_in_use(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX];
    address_format(api_server_address(world.api), text);
    struct api_server_options options = options_of(text);
    struct api_server *second = NULL;
    struct error error = { 0 };
    assert_int_not_equal(api_server_start(&options, &second, &error), STATUS_OK);
    assert_null(second);
    assert_non_null(strstr(error.text, text));
}

static void test_a_key_without_a_certificate(void **state)
{
    (void)state;
    struct api_server_options options = options_of("127.0.0.1:0");
    struct api_server *second = NULL;
    struct error error = { 0 };
    options.key_file = "key.pem";
    assert_int_equal(api_server_start(&options, &second, &error), STATUS_INVALID);
    options.certificate_file = "/nowhere/certificate.pem";
    assert_int_not_equal(api_server_start(&options, &second, &error), STATUS_OK);
    assert_non_null(strstr(error.text, "/nowhere/certificate.pem"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_transfer),
        CASE(test_a_transfer_before_the_leader_is_known),
        CASE(test_counters_become_metrics),
        CASE(test_a_call_under_way_ends_before_the_stop),
        CASE(test_a_call_that_is_never_answered_does_not_stop_the_stop),
        CASE(test_a_port_in_use),
        CASE(test_a_key_without_a_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
