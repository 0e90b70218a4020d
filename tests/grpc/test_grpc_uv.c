/* Listener and channel over loopback, with and without TLS. */
#include "api/grpc/grpc_channel_uv.h"
#include "api/grpc/grpc_listener_uv.h"
#include "base/limits.h"
#include "tests/grpc/certificate.h"
#include "tests/grpc/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    struct echo echo;
    struct grpc_listener *listener;
    struct grpc_channel *channel;
    struct tls_context *server_tls, *client_tls;
    uint32_t connected, channels_closed, listeners_closed, drained;
    struct error why;
};

static void on_connected(void *context)
{
    ((struct world *)context)->connected++;
}

static void on_channel_closed(void *context, const struct error *why)
{
    struct world *world = context;
    world->channels_closed++;
    world->why = *why;
    world->channel = NULL;
}

static void on_listener_closed(void *context)
{
    ((struct world *)context)->listeners_closed++;
}

static void on_drained(void *context)
{
    ((struct world *)context)->drained++;
}

static struct address loopback(uint16_t port)
{
    return (struct address){ .host = "127.0.0.1", .port = port };
}

static void must_run(struct world *world, const uint32_t *until, uint32_t value)
{
    for (int i = 0; *until < value; i++) {
        assert_true(i < 100000);
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
}

static void open_channel(struct world *world, const struct address *address)
{
    struct error error;
    struct grpc_channel_config config = grpc_channel_config_default(address);
    config.tls = world->client_tls;
    config.on_connected = on_connected;
    config.on_closed = on_channel_closed;
    config.context = world;
    if (grpc_channel_open(&world->loop, &config, &world->channel, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void open_world(struct world *world, const struct certificate *certificate)
{
    memset(world, 0, sizeof *world);
    struct error error;
    assert_int_equal(uv_loop_init(&world->loop), 0);
    echo_init(&world->echo);
    if (certificate != NULL) {
        struct tls_config server = { .server = true,
                                     .certificate_file = certificate->certificate_file,
                                     .key_file = certificate->key_file,
                                     .alpn = "h2" };
        struct tls_config client = { .ca_file = certificate->certificate_file, .alpn = "h2" };
        assert_int_equal(tls_context_new(&server, &world->server_tls, &error), STATUS_OK);
        assert_int_equal(tls_context_new(&client, &world->client_tls, &error), STATUS_OK);
    }
    struct address address = loopback(0);
    struct grpc_listener_config config = grpc_listener_config_default(world->echo.server, &address);
    config.tls = world->server_tls;
    config.connections_max = 2;
    if (grpc_listener_open(&world->loop, &config, &world->listener, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_true(grpc_listener_address(world->listener)->port > 0);
    open_channel(world, grpc_listener_address(world->listener));
}

static void close_world(struct world *world)
{
    if (world->channel != NULL) {
        grpc_channel_close(world->channel);
    }
    grpc_listener_close(world->listener, on_listener_closed, world);
    must_run(world, &world->listeners_closed, 1);
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    assert_null(world->channel);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    echo_close(&world->echo);
    if (world->server_tls != NULL) {
        tls_context_free(world->server_tls);
        tls_context_free(world->client_tls);
    }
}

static void start(struct world *world, const char *path, const void *data, size_t size,
                  struct outcome *outcome)
{
    struct grpc_request request = { .path = path, .message = grpc_buffer_copy(data, size) };
    assert_int_equal(grpc_channel_start(world->channel, &request, &OUTCOME_OPS, outcome, NULL),
                     STATUS_OK);
}

static void exchange(const struct certificate *certificate)
{
    static struct world world;
    open_world(&world, certificate);
    struct outcome small = { 0 };
    struct outcome large = { 0 };
    uint8_t *data = malloc(GRPC_MESSAGE_MAX);
    for (size_t i = 0; i < GRPC_MESSAGE_MAX; i++) {
        data[i] = (uint8_t)(i * 2654435761U >> 11);
    }
    start(&world, "/test.Echo/Unary", "hi", 2, &small); /* before the connection stands */
    must_run(&world, &small.ends, 1);
    assert_int_equal(world.connected, 1);
    assert_int_equal(small.code, GRPC_OK);
    for (uint32_t i = 1; i <= 3; i++) {
        start(&world, "/test.Echo/Unary", data, GRPC_MESSAGE_MAX, &large);
        must_run(&world, &large.ends, i);
        assert_int_equal(large.code, GRPC_OK);
        assert_int_equal(large.last_size, GRPC_MESSAGE_MAX);
        assert_memory_equal(large.last, data, GRPC_MESSAGE_MAX);
    }
    for (int i = 0; i < 50; i++) {
        start(&world, "/test.Echo/Unary", "hi", 2, &small);
    }
    must_run(&world, &small.ends, 51);
    assert_int_equal(small.code, GRPC_OK);
    outcome_free(&small);
    outcome_free(&large);
    free(data);
    close_world(&world);
}

static void test_plain(void **state)
{
    (void)state;
    exchange(NULL);
}

static void test_tls(void **state)
{
    (void)state;
    struct certificate certificate;
    certificate_make(&certificate);
    exchange(&certificate);
    certificate_remove(&certificate);
}

/* A plain client at a TLS port, and the other way round, are turned away. */
static void test_tls_mismatch(void **state)
{
    (void)state;
    static struct world world;
    struct certificate certificate;
    certificate_make(&certificate);
    open_world(&world, &certificate);
    struct tls_context *tls = world.client_tls;
    struct outcome outcome = { 0 };
    start(&world, "/test.Echo/Unary", "hi", 2, &outcome);
    must_run(&world, &outcome.ends, 1);
    grpc_channel_close(world.channel);
    must_run(&world, &world.channels_closed, 1);
    world.client_tls = NULL;
    open_channel(&world, grpc_listener_address(world.listener));
    start(&world, "/test.Echo/Unary", "hi", 2, &outcome);
    must_run(&world, &world.channels_closed, 2);
    assert_int_equal(outcome.ends, 2);
    assert_int_equal(outcome.code, GRPC_UNAVAILABLE);
    world.client_tls = tls;
    outcome_free(&outcome);
    close_world(&world);
    certificate_remove(&certificate);
}

static void test_port_in_use(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world, NULL);
    struct error error;
    struct grpc_listener *second = NULL;
    struct grpc_listener_config config =
        grpc_listener_config_default(world.echo.server, grpc_listener_address(world.listener));
    assert_int_not_equal(grpc_listener_open(&world.loop, &config, &second, &error), STATUS_OK);
    char text[ADDRESS_TEXT_MAX];
    address_format(grpc_listener_address(world.listener), text);
    assert_non_null(strstr(error.text, text));
    assert_non_null(strstr(error.text, "in use"));
    close_world(&world);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world, NULL);
    struct address gone = *grpc_listener_address(world.listener);
    grpc_channel_close(world.channel);
    must_run(&world, &world.channels_closed, 1);
    grpc_listener_close(world.listener, on_listener_closed, &world);
    must_run(&world, &world.listeners_closed, 1);
    struct outcome outcome = { 0 };
    open_channel(&world, &gone);
    start(&world, "/test.Echo/Unary", "hi", 2, &outcome);
    must_run(&world, &world.channels_closed, 2);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_UNAVAILABLE);
    assert_true(outcome.not_processed);
    assert_non_null(strstr(world.why.text, "refused"));
    assert_int_equal(uv_run(&world.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    echo_close(&world.echo);
}

static void test_too_many_connections(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world, NULL);
    struct grpc_channel *first = world.channel;
    must_run(&world, &world.connected, 1);
    open_channel(&world, grpc_listener_address(world.listener));
    must_run(&world, &world.connected, 2);
    struct grpc_channel *second = world.channel;
    open_channel(&world, grpc_listener_address(world.listener));
    must_run(&world, &world.channels_closed, 1);
    struct outcome outcome = { 0 };
    world.channel = first;
    start(&world, "/test.Echo/Unary", "hi", 2, &outcome);
    must_run(&world, &outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_free(&outcome);
    grpc_channel_close(second);
    must_run(&world, &world.channels_closed, 2);
    world.channel = first;
    close_world(&world);
}

static void test_drain(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world, NULL);
    struct outcome outcome = { 0 };
    start(&world, "/test.Echo/Hold", "hi", 2, &outcome);
    must_run(&world, &world.echo.messages, 1);
    grpc_listener_drain(world.listener, on_drained, &world);
    for (int i = 0; i < 20; i++) {
        (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(world.drained, 0);
    echo_release(&world.echo);
    must_run(&world, &world.drained, 1);
    must_run(&world, &world.channels_closed, 1);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_free(&outcome);
    close_world(&world);
}

static void test_deadline(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world, NULL);
    struct clock clock = clock_os();
    struct outcome outcome = { 0 };
    uint64_t begun_ns = clock_mono_ns(&clock);
    struct grpc_request request = { .path = "/test.Echo/Hold",
                                    .deadline_ns = begun_ns + 50 * NS_PER_MS,
                                    .message = grpc_buffer_new(1) };
    assert_int_equal(grpc_channel_start(world.channel, &request, &OUTCOME_OPS, &outcome, NULL),
                     STATUS_OK);
    must_run(&world, &outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_DEADLINE_EXCEEDED);
    assert_true(clock_mono_ns(&clock) - begun_ns >= 49 * NS_PER_MS);
    outcome_free(&outcome);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),          cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_mismatch),   cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_nobody_listens), cmocka_unit_test(test_too_many_connections),
        cmocka_unit_test(test_drain),          cmocka_unit_test(test_deadline),
    };
    return cmocka_run_group_tests_name("grpc_uv", tests, NULL, NULL);
}
