/* node_rig.c — asking and waiting. */
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_reply(void *context, uint32_t client, uint32_t node, const struct reply *reply,
                     struct bytes payload)
{
    struct rig *rig = context;
    (void)client;
    (void)node;
    assert_true(reply->id < REPLIES_MAX && !rig->answered[reply->id]); /* one answer each */
    rig->answered[reply->id] = true;
    rig->replies[reply->id] = *reply;
    rig->payload_size = payload.size < PAYLOAD_MAX ? payload.size : PAYLOAD_MAX;
    memcpy(rig->payload, payload.data, rig->payload_size);
    rig->count++;
}

struct rig *rig_new_like(const struct sim_options *like)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    struct sim_options options = *like;
    options.on_reply = on_reply;
    options.context = rig;
    rig->cluster = sim_cluster_new(&options);
    while (sim_cluster_leader(rig->cluster) == SIM_NODES_MAX) {
        sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    }
    sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    return rig;
}

struct rig *rig_new(uint32_t count)
{
    struct sim_options options = { .seed = 5,
                                   .count = count,
                                   .seal_events = 1000,
                                   .segment_size = 4 << 20,
                                   .disk_reserve_bytes = 1000 };
    return rig_new_like(&options);
}

void rig_free(struct rig *rig)
{
    sim_cluster_free(rig->cluster);
    free(rig);
}

struct node *node_at(const struct rig *rig, uint32_t at)
{
    return rig->cluster->nodes[at]->node;
}

uint64_t send_bytes(struct rig *rig, uint32_t at, unsigned operation, unsigned flags,
                    struct bytes payload)
{
    struct request request = { .id = rig->next_id++,
                               .timeout_ns = 60 * NS_PER_S,
                               .operation = (uint16_t)operation,
                               .flags = (uint16_t)flags };
    sim_cluster_request(rig->cluster, 0, at, &request, payload);
    return request.id;
}

uint64_t send_command(struct rig *rig, uint32_t at, const struct test_command *command)
{
    return send_bytes(rig, at, command->header.operation, 0, test_command_bytes(command));
}

const struct reply *wait_for(struct rig *rig, uint64_t id)
{
    uint64_t limit_ns = rig->cluster->now_ns + 10 * NS_PER_S;
    while (!rig->answered[id] && rig->cluster->now_ns < limit_ns) {
        sim_cluster_step(rig->cluster, limit_ns);
    }
    assert_true(rig->answered[id]);
    return &rig->replies[id];
}

enum status ask(struct rig *rig, uint32_t at, const struct test_command *command)
{
    return wait_for(rig, send_command(rig, at, command))->status;
}

struct test_command accounts(void)
{
    struct test_command command = test_command_new(OPERATION_CREATE_ACCOUNTS, 9, 1);
    test_add_account(&command, PAYER);
    test_add_account(&command, PAYEE);
    return command;
}

struct test_command payment(u128 client, uint64_t sequence, u128 id)
{
    struct test_command command = test_command_new(OPERATION_CREATE_TRANSFERS, client, sequence);
    test_add_transfer(&command, id, PAYER, PAYEE);
    return command;
}

struct test_command look_up(void)
{
    struct test_command command = test_command_new(OPERATION_LOOK_UP_ACCOUNTS, 0, 0);
    test_add_id(&command, PAYEE);
    test_add_id(&command, 12345);
    return command;
}

void hand_over(struct rig *rig, uint32_t at, unsigned operation, struct bytes payload)
{
    struct request request = { .id = rig->next_id++,
                               .timeout_ns = 60 * NS_PER_S,
                               .operation = (uint16_t)operation };
    uint8_t head[REQUEST_HEAD_SIZE];
    request_encode(head, &request);
    struct bus_handler handler = node_bus_handler(node_at(rig, at));
    uint64_t connection = sim_bus_connection(rig->cluster, 0, at);
    handler.on_client_frame(handler.context, connection, FRAME_REQUEST,
                            (struct bytes){ head, sizeof head }, payload);
}
