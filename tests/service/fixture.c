#include "tests/service/fixture.h"

#include "api/grpc/grpc_conn.h"
#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t fixture_now_ns;
struct service *fixture_service;
struct cluster_client *fixture_cluster;

static uv_loop_t loop;
static struct grpc_server *server;
static struct grpc_conn *conn;
static struct grpc_client *client;

static uint64_t now(void *context)
{
    (void)context;
    return fixture_now_ns;
}

static uint64_t entropy(void *context)
{
    (void)context;
    return 0x77;
}

static void nothing(void *context)
{
    (void)context;
}

int fixture_set_up(void **state)
{
    (void)state;
    fake_reset();
    fixture_now_ns = 1000 * NS_PER_S;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct clock clock = { now, now, NULL };
    struct service_options options = { clock, "1.2.3" };
    fixture_service = service_new(&options);
    struct superblock_member members[FIXTURE_LINKS] = { { 1, "a:1" }, { 2, "b:2" }, { 3, "c:3" } };
    struct cluster_client_options client_options = {
        .loop = &loop,
        .clock = clock,
        .entropy = { entropy, NULL },
        .members = members,
        .member_count = FIXTURE_LINKS,
        .on_serving = service_on_serving,
        .context = fixture_service,
    };
    struct error error;
    assert_int_equal(cluster_client_open(&client_options, &fixture_cluster, &error), STATUS_OK);
    service_set_client(fixture_service, fixture_cluster);
    struct grpc_server_config config = grpc_server_config_default(service_ops(), fixture_service);
    server = grpc_server_new(&config);
    struct grpc_conn_shell shell = { nothing, NULL };
    conn = grpc_conn_new(server, &shell, fixture_now_ns);
    struct grpc_client_config grpc_config = { .authority = "test", .wants_write = nothing };
    client = grpc_client_new(&grpc_config, fixture_now_ns);
    fixture_pump();
    return 0;
}

int fixture_tear_down(void **state)
{
    (void)state;
    grpc_client_free(client, "torn down by the test");
    grpc_conn_free(conn);
    cluster_client_close(fixture_cluster, nothing, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    grpc_server_free(server);
    assert_int_equal(service_calls_open(fixture_service), 0);
    service_free(fixture_service);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

void fixture_pump(void)
{
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    for (bool moved = true; moved;) {
        moved = false;
        while (grpc_client_has_output(client)) {
            size_t size = grpc_client_output(client, bytes, sizeof bytes);
            assert_int_equal(grpc_conn_receive(conn, bytes, size, fixture_now_ns), STATUS_OK);
            moved = moved || size > 0;
        }
        while (grpc_conn_has_output(conn)) {
            size_t size = grpc_conn_output(conn, bytes, sizeof bytes);
            assert_int_equal(grpc_client_receive(client, bytes, size, fixture_now_ns), STATUS_OK);
            moved = moved || size > 0;
        }
    }
}

void fixture_pass_ms(uint64_t ms)
{
    fixture_now_ns += ms * NS_PER_MS;
    client_host_tick(fixture_cluster);
    grpc_conn_tick(conn, fixture_now_ns);
    fixture_pump();
}

void fixture_pass_ms_late(uint64_t ms)
{
    fixture_now_ns += ms * NS_PER_MS;
    grpc_conn_tick(conn, fixture_now_ns);
    client_host_tick(fixture_cluster);
    fixture_pump();
}

void fixture_replies_full(bool full)
{
    conn->queued.limit = full ? 0 : CONNECTION_QUEUE_BYTES_MAX;
}

void fixture_lead(uint32_t leader)
{
    for (uint32_t i = 0; i < FIXTURE_LINKS; i++) {
        if (!fake_links[i].up) {
            fake_up(i, FIXTURE_CLUSTER, i + 1);
        }
        fake_answer_status(i, leader, 5);
    }
    fixture_pump();
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_message(void *context, struct bytes message)
{
    struct call *call = context;
    assert_true(call->messages_count < CALL_MESSAGES_MAX);
    call->messages[call->messages_count++] = grpc_buffer_copy(message.data, message.size);
}

static void on_end(void *context, const struct grpc_end *end)
{
    struct call *call = context;
    assert_false(call->ended);
    call->ended = true;
    call->code = end->code;
    assert_true(end->text.size < sizeof call->text);
    assert_true(end->details.size <= sizeof call->details);
    if (end->text.size > 0) {
        memcpy(call->text, end->text.data, end->text.size);
    }
    if (end->details.size > 0) {
        memcpy(call->details, end->details.data, end->details.size);
    }
    call->details_size = end->details.size;
}

static const struct grpc_client_call_ops OPS = { on_message, on_end };

static void start(struct call *call, const struct grpc_request *request)
{
    memset(call, 0, sizeof *call);
    assert_int_equal(grpc_client_start(client, request, &OPS, call, fixture_now_ns, &call->grpc),
                     STATUS_OK);
    fixture_pump();
}

void call_start(struct call *call, const char *path, const void *message, size_t size,
                const char *const header[2], uint64_t timeout_ms)
{
    struct grpc_request request = {
        .path = path,
        .message = grpc_buffer_copy(message, size),
        .replies_stream = true,
        .deadline_ns = timeout_ms > 0 ? fixture_now_ns + timeout_ms * NS_PER_MS : 0,
    };
    struct grpc_header headers[1];
    if (header != NULL) {
        headers[0] = (struct grpc_header){ grpc_text(header[0]), grpc_text(header[1]) };
        request.headers = headers;
        request.headers_count = 1;
    }
    start(call, &request);
}

void call_open(struct call *call, const char *path)
{
    struct grpc_request request = { .path = path, .more = true, .replies_stream = true };
    start(call, &request);
}

void call_send(struct call *call, const void *message, size_t size)
{
    assert_int_equal(grpc_client_send(call->grpc, grpc_buffer_copy(message, size)), STATUS_OK);
    fixture_pump();
}

void call_free(struct call *call)
{
    for (uint32_t i = 0; i < call->messages_count; i++) {
        grpc_buffer_free(call->messages[i]);
    }
    call->messages_count = 0;
}
