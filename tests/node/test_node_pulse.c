/* test_node_pulse.c — three nodes: holds expire without anybody asking, by one pulse, also under
 * the next leader. */
#include "base/log_line.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HOLDS = 3 };

/* With the two accounts, and holds of one that end after so many seconds. */
static struct rig *rig_with_holds(uint32_t timeout_s, uint32_t *leader)
{
    struct rig *rig = rig_new(3);
    *leader = sim_cluster_leader(rig->cluster);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, *leader, &command), STATUS_OK);
    sim_cluster_run(rig->cluster, NS_PER_S); /* what a new leader has to do is done */
    struct test_command holds = test_command_new(OPERATION_CREATE_TRANSFERS, 9, 2);
    for (uint32_t i = 0; i < HOLDS; i++) {
        test_add_transfer(&holds, 100 + i, PAYER, PAYEE);
        holds.events.transfers[i].flags = TRANSFER_PENDING;
        holds.events.transfers[i].timeout = timeout_s;
    }
    assert_int_equal(ask(rig, *leader, &holds), STATUS_OK);
    struct result result;
    memcpy(&result, rig->payload, sizeof result);
    assert_int_equal(result.status, TRANSFER_STATUS_CREATED);
    return rig;
}

static uint64_t pending_of_payee(struct rig *rig, uint32_t at)
{
    struct test_command reads = look_up();
    assert_int_equal(ask(rig, at, &reads), STATUS_OK);
    struct account account;
    memcpy(&account, rig->payload, sizeof account);
    return (uint64_t)account.credits_pending;
}

static uint64_t last_index(const struct rig *rig, uint32_t at)
{
    return node_at(rig, at)->raft_now.last_index;
}

static void test_holds_expire_by_one_pulse(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_holds(2, &leader);
    const uint64_t before = last_index(rig, leader);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(pending_of_payee(rig, leader), HOLDS);
    assert_int_equal(last_index(rig, leader), before); /* nothing is due */
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    assert_int_equal(pending_of_payee(rig, leader), 0);
    assert_int_equal(last_index(rig, leader), before + 1);
    for (uint32_t at = 0; at < 3; at++) {
        assert_true(node_at(rig, at)->view.next_due_ns == UINT64_MAX);
        assert_true(node_at(rig, at)->view.digest == node_at(rig, leader)->view.digest);
    }
    rig_free(rig);
}

static void test_the_next_leader_goes_on(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_holds(10, &leader);
    for (uint32_t i = 0; i < 3; i++) {
        sim_bus_block(rig->cluster, leader, i, i != leader);
        sim_bus_block(rig->cluster, i, leader, i != leader);
    }
    sim_cluster_run(rig->cluster, 5 * NS_PER_S);
    const uint32_t next = sim_cluster_leader(rig->cluster);
    assert_int_not_equal(next, leader);
    assert_int_equal(pending_of_payee(rig, next), HOLDS);
    sim_cluster_run(rig->cluster, 7 * NS_PER_S);
    assert_int_equal(pending_of_payee(rig, next), 0);
    assert_int_equal(node_at(rig, leader)->view.accounts, 2); /* alone it has expired none */
    assert_true(node_at(rig, leader)->view.next_due_ns != UINT64_MAX);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_expire_by_one_pulse),
        cmocka_unit_test(test_the_next_leader_goes_on),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
