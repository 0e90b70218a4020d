/* test_node.c — what a node alone answers. */
#include "base/log_line.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_write_and_read(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = accounts();
    const struct reply *reply = wait_for(rig, send_command(rig, 0, &command));
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->count, 2);
    assert_int_equal(reply->leader, 1);
    assert_int_equal(reply->log_index, 3); /* behind the term's first entry and the members */
    assert_int_equal(rig->payload_size, 2 * sizeof(struct result));
    struct result results[2];
    memcpy(results, rig->payload, sizeof results);
    assert_int_equal(results[0].status, ACCOUNT_STATUS_CREATED);
    assert_int_equal(results[1].timestamp, reply->timestamp);
    assert_int_equal(results[0].timestamp, reply->timestamp - 1);
    command = payment(9, 2, 100);
    uint64_t written_at = wait_for(rig, send_command(rig, 0, &command))->log_index;
    command = look_up();
    reply = wait_for(rig, send_command(rig, 0, &command));
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->count, 1); /* the other id is nobody's */
    assert_true(reply->log_index >= written_at);
    struct account account;
    memcpy(&account, rig->payload, sizeof account);
    assert_true(account.id == PAYEE && account.credits_posted == 1);
    rig_free(rig);
}

static void test_retry(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, 0, &command), STATUS_OK);
    command = payment(9, 2, 100);
    uint64_t first_index = wait_for(rig, send_command(rig, 0, &command))->log_index;
    struct result first;
    memcpy(&first, rig->payload, sizeof first);
    sim_cluster_crash(rig->cluster, 0, SIM_CRASH_LOST);
    sim_cluster_restart(rig->cluster, 0);
    sim_cluster_run(rig->cluster, NS_PER_S);
    const struct reply *reply = wait_for(rig, send_command(rig, 0, &command));
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->log_index, first_index);
    assert_memory_equal(rig->payload, &first, sizeof first);
    rig_free(rig);
}

static void test_malformed_requests(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command good = accounts();
    struct bytes whole = test_command_bytes(&good);
    for (size_t size = 0; size < whole.size; size += 8) { /* every truncation */
        uint64_t id =
            send_bytes(rig, 0, OPERATION_CREATE_ACCOUNTS, 0, (struct bytes){ whole.data, size });
        assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    }
    uint64_t id = send_bytes(rig, 0, OPERATION_CREATE_TRANSFERS, 0, whole); /* says otherwise */
    assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    id = send_bytes(rig, 0, 31, 0, whole);
    assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    struct test_command bad = good;
    bad.header.version++;
    assert_int_equal(ask(rig, 0, &bad), STATUS_INVALID);
    bad = good;
    bad.header.reserved[2] = 1;
    assert_int_equal(ask(rig, 0, &bad), STATUS_INVALID);
    uint8_t longer[sizeof good + 8] = { 0 };
    memcpy(longer, whole.data, whole.size);
    id = send_bytes(rig, 0, OPERATION_CREATE_ACCOUNTS, 0, (struct bytes){ longer, whole.size + 8 });
    assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    /* a head that is none is dropped: there is no id to answer to */
    struct bus_handler handler = node_bus_handler(node_at(rig, 0));
    uint64_t count = rig->count;
    handler.on_client_frame(handler.context, 1, FRAME_REQUEST, (struct bytes){ longer, 7 }, whole);
    sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    assert_int_equal(rig->count, count);
    assert_int_equal(node_at(rig, 0)->queued_count, 0);
    assert_int_equal(ask(rig, 0, &good), STATUS_OK);
    rig_free(rig);
}

static void test_bounds(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, 0, &command), STATUS_OK);
    rig->cluster->nodes[0]->paused_until_ns = rig->cluster->now_ns + NS_PER_S;
    uint64_t first = rig->next_id;
    uint64_t over = 100;
    for (uint64_t i = 0; i < REQUESTS_QUEUED_MAX + over; i++) {
        struct test_command next = i % 2 == 0 ? payment(9, 10 + i, 1000 + i) : look_up();
        hand_over(rig, 0, next.header.operation, test_command_bytes(&next));
    }
    assert_int_equal(node_at(rig, 0)->queued_count, REQUESTS_QUEUED_MAX);
    node_flush(node_at(rig, 0));
    wait_for(rig, rig->next_id - 1);
    while (node_at(rig, 0)->queued_count > 0) {
        sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    }
    sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    uint64_t busy = 0;
    for (uint64_t id = first; id < rig->next_id; id++) {
        assert_true(rig->answered[id]);
        busy += rig->replies[id].status == STATUS_BUSY;
        assert_true(rig->replies[id].status == STATUS_BUSY || rig->replies[id].status == STATUS_OK);
    }
    assert_int_equal(busy, over);
    assert_int_equal(node_at(rig, 0)->queued_bytes, 0);
    rig_free(rig);
}

static void test_no_space(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = accounts();
    struct test_command reads = look_up();
    node_set_disk_free(node_at(rig, 0), 999);
    assert_int_equal(ask(rig, 0, &command), STATUS_NO_SPACE);
    assert_true(rig->payload_size > 0); /* says which limit */
    assert_int_equal(ask(rig, 0, &reads), STATUS_OK);
    node_set_disk_free(node_at(rig, 0), 1000);
    assert_int_equal(ask(rig, 0, &command), STATUS_OK);
    rig_free(rig);
}

/* A seal that meets a full disk goes on by itself when there is room, whatever the log does. */
static void test_seal_meets_full_disk(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct node *node = node_at(rig, 0);
    __atomic_store_n(&node->seal_full, true, __ATOMIC_RELEASE);
    assert_true(node_disk_full(node));
    assert_false(node_writer_step(node)); /* room in the log says nothing about the seal */
    assert_true(node_disk_full(node));
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_false(node_disk_full(node));
    rig_free(rig);
}

static void test_expired_read(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = look_up();
    struct request request = { .id = rig->next_id++, .timeout_ns = 0, .operation = 64 };
    sim_cluster_request(rig->cluster, 0, 0, &request, test_command_bytes(&command));
    assert_int_equal(wait_for(rig, request.id)->status, STATUS_TIMEOUT);
    request = (struct request){ .id = rig->next_id++, .timeout_ns = UINT64_MAX, .operation = 64 };
    sim_cluster_request(rig->cluster, 0, 0, &request, test_command_bytes(&command));
    assert_int_equal(wait_for(rig, request.id)->status, STATUS_OK);
    rig_free(rig);
}

static void test_status(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, 0, &command), STATUS_OK);
    node_set_disk_free(node_at(rig, 0), 5000);
    uint64_t id = send_bytes(rig, 0, OPERATION_STATUS, 0, (struct bytes){ NULL, 0 });
    assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
    assert_int_equal(rig->replies[id].leader, 1);
    struct node_status status;
    assert_int_equal(node_status_decode((struct bytes){ rig->payload, rig->payload_size }, &status),
                     STATUS_OK);
    assert_true(status.cluster == u128_make(7, 7));
    assert_int_equal(status.node, 1);
    assert_int_equal(status.leader, 1);
    assert_int_equal(status.role, RAFT_LEADER);
    assert_int_equal(status.last_index, 3);
    assert_int_equal(status.commit_index, 3);
    assert_int_equal(status.applied_index, 3);
    assert_int_equal(status.checkpoint_index, 0);
    assert_int_equal(status.accounts, 2);
    assert_int_equal(status.disk_free_bytes, 5000);
    assert_int_equal(status.member_roles, RAFT_VOTER);
    assert_int_equal(status.priority, RAFT_PRIORITY_DEFAULT);
    assert_true(status.incarnation != 0);
    assert_int_equal(status.config_index, 2); /* the first list binds incarnations */
    assert_int_equal(status.features_on, FENLU_FEATURES);
    assert_int_equal(status.first_index, 1);
    assert_false(status.disk_full);
    rig_free(rig);
}

/* Under load the commit index is always ahead of what is applied: the leader serves all the same.
 */
static void test_serving_under_load(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct node *node = node_at(rig, 0);
    assert_true(node_serving(node));
    rig->cluster->stage_delay_max_ns[SIM_MACHINE] = 50 * NS_PER_MS;
    struct test_command command = accounts();
    (void)send_command(rig, 0, &command);
    while (node->view.applied_index >= node->raft_now.commit_index) {
        sim_cluster_step(rig->cluster, UINT64_MAX);
    }
    assert_true(node_serving(node));
    rig_free(rig);
}

static void test_drain_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    struct test_command command = accounts();
    uint64_t id = send_command(rig, 0, &command);
    while (node_at(rig, 0)->queued_count == 0) {
        sim_cluster_step(rig->cluster, UINT64_MAX);
    }
    node_drain(node_at(rig, 0));
    assert_false(node_idle(node_at(rig, 0)));
    struct test_command late = payment(9, 2, 100);
    assert_int_equal(ask(rig, 0, &late), STATUS_SHUTTING_DOWN);
    assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
    assert_true(node_idle(node_at(rig, 0)));
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),     cmocka_unit_test(test_retry),
        cmocka_unit_test(test_malformed_requests), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_space),           cmocka_unit_test(test_seal_meets_full_disk),
        cmocka_unit_test(test_expired_read),       cmocka_unit_test(test_status),
        cmocka_unit_test(test_serving_under_load), cmocka_unit_test(test_drain_alone),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
