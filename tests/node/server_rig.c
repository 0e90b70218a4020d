#include "tests/node/server_rig.h"

#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/wire_admin.h"
#include "tests/ledger_store/folder.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PULSE_MS = 20 };

static void ok(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), error->text);
    }
}

/* --- waiting --- */

static void on_pulse(uv_timer_t *timer)
{
    (void)timer;
}

static void patience(struct server_rig *rig)
{
    rig->deadline_ns = uv_hrtime() + (uint64_t)RIG_PATIENCE_S * NS_PER_S;
}

static void turn(struct server_rig *rig)
{
    int alive = uv_run(&rig->loop, UV_RUN_ONCE);
    assert_true(alive != 0);
    if (uv_hrtime() > rig->deadline_ns) {
        fail_msg("nothing came of it within %d s", RIG_PATIENCE_S);
    }
}

void server_rig_wait(struct server_rig *rig, uint32_t open)
{
    patience(rig);
    while (rig->open > open) {
        turn(rig);
    }
    if (rig->failed > 0) {
        fail_msg("%u requests failed, the last: %s", rig->failed, rig->failure);
    }
}

void server_rig_run(struct server_rig *rig, uint64_t ms)
{
    uint64_t until_ns = uv_hrtime() + ms * NS_PER_MS;
    patience(rig);
    uv_update_time(&rig->loop);
    assert_int_equal(uv_timer_start(&rig->pulse, on_pulse, ms, PULSE_MS), 0);
    while (uv_hrtime() < until_ns) {
        turn(rig);
    }
}

void server_rig_until(struct server_rig *rig, const bool *flag)
{
    patience(rig);
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
        turn(rig);
    }
}

/* --- servers --- */

static void node_folder(const struct server_rig *rig, uint32_t at, char path[DISK_PATH_MAX])
{
    char name[16];
    struct error error;
    (void)snprintf(name, sizeof name, "node%u", at + 1);
    ok(disk_join(path, rig->folder, name, &error), &error);
}

void server_rig_start(struct server_rig *rig, uint32_t at)
{
    char path[DISK_PATH_MAX];
    struct error error;
    struct server_options options;
    assert_null(rig->servers[at]);
    node_folder(rig, at, path);
    server_options_default(&options);
    options.loop = &rig->loop;
    options.data_folder = path;
    options.cache_bytes = 8 << 20;
    /* Patient: to open one server stops the loop of all, and sanitizers are slow. */
    options.election_timeout_ms = 4000;
    options.heartbeat_ms = 100;
    options.disk_reserve_bytes = 1;
    options.log_keep_bytes = 64 << 10;
    options.scrub_bytes_per_s = rig->scrub_bytes_per_s;
    ok(server_start(&options, &rig->servers[at], &error), &error);
    rig->running++;
}

static void on_stopped(void *context)
{
    struct server_rig *rig = context;
    rig->running--;
}

void server_rig_stop(struct server_rig *rig, uint32_t at)
{
    uint32_t left = rig->running - 1;
    server_stop(rig->servers[at], on_stopped, rig);
    rig->servers[at] = NULL;
    patience(rig);
    while (rig->running > left) {
        turn(rig);
    }
}

/* --- requests --- */

static void note_answer(struct server_rig *rig, enum status status, const char *text)
{
    rig->open--;
    if (status != STATUS_OK) {
        rig->failed++;
        (void)snprintf(rig->failure, sizeof rig->failure, "%s: %s", status_name(status), text);
    }
}

static void on_answer(void *context, const struct cluster_answer *answer)
{
    note_answer(context, answer->status, answer->text);
}

static uint64_t request_deadline_ns(void)
{
    return uv_hrtime() + (uint64_t)RIG_PATIENCE_S * NS_PER_S;
}

void server_rig_submit(struct server_rig *rig, enum operation operation, const void *events,
                       uint32_t count)
{
    size_t size = (size_t)count * operation_event_size(operation);
    uint8_t *bytes = malloc(COMMAND_HEADER_SIZE + size);
    assert_non_null(bytes);
    memcpy(bytes + COMMAND_HEADER_SIZE, events, size);
    struct cluster_request request = { .operation = operation,
                                       .bytes = bytes,
                                       .count = count,
                                       .deadline_ns = request_deadline_ns(),
                                       .callback = on_answer,
                                       .context = rig };
    uint64_t handle = 0;
    enum status status = cluster_client_submit(rig->client, &request, &handle);
    assert_int_equal(status, STATUS_OK);
    rig->open++;
}

void server_rig_snapshot(struct server_rig *rig)
{
    struct admin_request request = { .action = ADMIN_SNAPSHOT };
    uint64_t handle = 0;
    enum status status =
        cluster_client_admin(rig->client, &request, request_deadline_ns(), on_answer, rig, &handle);
    assert_int_equal(status, STATUS_OK);
    rig->open++;
}

static void on_rows(void *context, const struct cluster_member_status *rows, uint32_t count)
{
    struct server_rig *rig = context;
    assert_int_equal(count, RIG_SERVERS);
    memcpy(rig->rows, rows, sizeof rig->rows);
    rig->rows_came = true;
}

void server_rig_look(struct server_rig *rig)
{
    rig->rows_came = false;
    enum status status = cluster_client_status(rig->client, NS_PER_S, on_rows, rig);
    assert_int_equal(status, STATUS_OK);
    patience(rig);
    uint64_t until_ns = uv_hrtime() + (uint64_t)PULSE_MS * NS_PER_MS;
    while (!rig->rows_came || uv_hrtime() < until_ns) { /* who is away is told at once */
        turn(rig);
    }
}

/* --- life --- */

/* Free loopback ports, held until all are known. */
static void choose_ports(struct server_rig *rig)
{
    int held[RIG_SERVERS];
    for (uint32_t i = 0; i < RIG_SERVERS; i++) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(held[i] >= 0);
        assert_int_equal(bind(held[i], (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(getsockname(held[i], (struct sockaddr *)&address, &size), 0);
        rig->members[i].id = i + 1;
        (void)snprintf(rig->members[i].address, MEMBER_ADDRESS_MAX, "127.0.0.1:%u",
                       ntohs(address.sin_port));
    }
    for (uint32_t i = 0; i < RIG_SERVERS; i++) {
        (void)close(held[i]);
    }
}

static void format(struct server_rig *rig)
{
    struct entropy entropy = entropy_os();
    struct superblock identity = { .cluster = rig->cluster, .member_count = RIG_SERVERS };
    memcpy(identity.members, rig->members, sizeof rig->members);
    for (uint32_t i = 0; i < RIG_SERVERS; i++) {
        char path[DISK_PATH_MAX];
        struct error error;
        identity.node = i + 1;
        node_folder(rig, i, path);
        ok(data_folder_format(&rig->disk, path, &identity, &entropy, &error), &error);
    }
}

void server_rig_prepare(struct server_rig *rig)
{
    *rig = (struct server_rig){ .disk = disk_os(), .cluster = 77, .scrub_bytes_per_s = 256 << 20 };
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(uv_timer_init(&rig->loop, &rig->pulse), 0);
    assert_int_equal(uv_timer_start(&rig->pulse, on_pulse, PULSE_MS, PULSE_MS), 0);
    folder_make(rig->folder);
    choose_ports(rig);
    format(rig);
}

void server_rig_begin(struct server_rig *rig)
{
    struct error error;
    for (uint32_t i = 0; i < RIG_SERVERS; i++) {
        server_rig_start(rig, i);
    }
    struct cluster_client_options options = { .loop = &rig->loop,
                                              .clock = clock_os(),
                                              .entropy = entropy_os(),
                                              .members = rig->members,
                                              .member_count = RIG_SERVERS,
                                              .cluster = rig->cluster };
    ok(cluster_client_open(&options, &rig->client, &error), &error);
    patience(rig);
    while (!cluster_client_serving(rig->client)) {
        turn(rig);
    }
}

void server_rig_open(struct server_rig *rig)
{
    server_rig_prepare(rig);
    server_rig_begin(rig);
}

static void on_client_closed(void *context)
{
    struct server_rig *rig = context;
    rig->client_closed = true;
}

void server_rig_close(struct server_rig *rig)
{
    cluster_client_close(rig->client, on_client_closed, rig);
    patience(rig);
    while (!rig->client_closed) {
        turn(rig);
    }
    for (uint32_t i = 0; i < RIG_SERVERS; i++) {
        if (rig->servers[i] != NULL) {
            server_rig_stop(rig, i);
        }
    }
    uv_close((uv_handle_t *)&rig->pulse, NULL);
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    folder_remove(rig->folder);
}
