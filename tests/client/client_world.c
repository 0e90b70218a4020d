#include "tests/client/client_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct client_world world;

static uint64_t world_ns(void *context)
{
    (void)context;
    return world.now_ns;
}

static uint64_t world_u64(void *context)
{
    (void)context;
    return 0x1234;
}

static void on_serving(void *context, bool serving)
{
    (void)context;
    world.serving = serving;
    world.serving_changes++;
}

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct seen *seen = context;
    seen->count++;
    seen->status = answer->status;
    seen->log_index = answer->log_index;
    (void)snprintf(seen->text, sizeof seen->text, "%s", answer->text);
}

int set_up(void **state)
{
    (void)state;
    fake_reset();
    memset(&world, 0, sizeof world);
    world.now_ns = 1000 * NS_PER_S;
    assert_int_equal(uv_loop_init(&world.loop), 0);
    struct superblock_member members[LINKS] = { { 1, "a:1" }, { 2, "b:2" }, { 3, "c:3" } };
    struct cluster_client_options options = {
        .loop = &world.loop,
        .clock = { world_ns, world_ns, NULL },
        .entropy = { world_u64, NULL },
        .members = members,
        .member_count = LINKS,
        .cluster = CLUSTER,
        .on_serving = on_serving,
    };
    struct error error;
    assert_int_equal(cluster_client_open(&options, &world.client, &error), STATUS_OK);
    assert_int_equal(fake_links_count, LINKS);
    return 0;
}

static void on_closed(void *context)
{
    (void)context;
    world.closed = true;
}

void close_client(void)
{
    cluster_client_close(world.client, on_closed, NULL);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_true(world.closed);
    world.client = NULL;
}

int tear_down(void **state)
{
    (void)state;
    if (world.client != NULL) {
        close_client();
    }
    assert_int_equal(uv_loop_close(&world.loop), 0);
    return 0;
}

void pass_ms(uint64_t ms)
{
    world.now_ns += ms * NS_PER_MS;
    client_host_tick(world.client);
}

void lead(uint32_t leader, uint64_t term)
{
    for (uint32_t i = 0; i < LINKS; i++) {
        if (!fake_links[i].up) {
            fake_up(i, CLUSTER, i + 1);
        }
        fake_answer_status(i, leader, term);
    }
}

struct cluster_request request_of(struct seen *seen)
{
    struct cluster_request request = {
        .operation = OPERATION_CREATE_TRANSFERS,
        .bytes = calloc(1, COMMAND_HEADER_SIZE + EVENT_SIZE), /* an id is smaller */
        .count = 1,
        .deadline_ns = world.now_ns + NS_PER_S,
        .callback = on_answer,
        .context = seen,
    };
    assert_non_null(request.bytes);
    memset(seen, 0, sizeof *seen);
    return request;
}

uint64_t submit_for(enum operation operation, bool stale, uint64_t timeout_ms, struct seen *seen)
{
    struct cluster_request request = request_of(seen);
    uint64_t handle = 0;
    request.operation = operation;
    request.stale = stale;
    request.deadline_ns = world.now_ns + timeout_ms * NS_PER_MS;
    assert_int_equal(cluster_client_submit(world.client, &request, &handle), STATUS_OK);
    return handle;
}

uint64_t submit(struct seen *seen)
{
    return submit_for(OPERATION_CREATE_TRANSFERS, false, 1000, seen);
}

void answer(uint32_t link, struct reply reply)
{
    static const uint8_t result[RESULT_SIZE];
    struct fake_sent *sent = fake_command(link);
    assert_non_null(sent);
    sent->answered = true;
    reply.id = sent->request.id;
    if (reply.status == STATUS_OK) {
        reply.count = 1;
    }
    fake_reply(link, &reply, result, reply.status == STATUS_OK ? sizeof result : 0);
}
