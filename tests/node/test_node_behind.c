/* test_node_behind.c — nodes that are too far behind: the log they need is cut, a snapshot brings
 * them back. And look-ups at followers. */
#include "base/log_line.h"
#include "ledger/node/wire_admin.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rig *rig_cutting(uint32_t count)
{
    struct sim_options options = { .seed = 11,
                                   .count = count,
                                   .seal_events = 20,
                                   .segment_size = 128 << 10,
                                   .log_keep_bytes = 1 };
    struct rig *rig = rig_new_like(&options);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, sim_cluster_leader(rig->cluster), &command), STATUS_OK);
    return rig;
}

static void pay_many(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct test_command command = payment(9, 10 + rig->next_id, 1000 + rig->next_id);
        assert_int_equal(ask(rig, sim_cluster_leader(rig->cluster), &command), STATUS_OK);
    }
}

static bool same_books(const struct rig *rig, uint32_t at)
{
    uint32_t leader = sim_cluster_leader(rig->cluster);
    return leader != SIM_NODES_MAX && rig->cluster->nodes[at]->alive &&
           node_at(rig, at)->view.applied_index == node_at(rig, leader)->view.applied_index &&
           node_at(rig, at)->view.digest == node_at(rig, leader)->view.digest;
}

static bool catches_up(struct rig *rig, uint32_t at, unsigned seconds)
{
    for (unsigned i = 0; i < 10 * seconds && !same_books(rig, at); i++) {
        sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    }
    return same_books(rig, at);
}

static void test_follower_far_behind(void **state)
{
    (void)state;
    struct rig *rig = rig_cutting(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t away = (leader + 1) % 3;
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_LOST);
    uint64_t had = node_at(rig, leader)->raft_now.last_index;
    pay_many(rig, 300);
    assert_true(node_at(rig, leader)->space.cut_index > had + 100);
    sim_cluster_restart(rig->cluster, away);
    assert_true(catches_up(rig, away, 60));
    assert_true(log_first_index(node_at(rig, away)->options.log) > had + 100);
    assert_int_equal(node_at(rig, away)->config.last.members.count, 3);
    pay_many(rig, 30); /* it takes entries again */
    assert_true(catches_up(rig, away, 10));
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_TORN);
    sim_cluster_restart(rig->cluster, away);
    assert_true(catches_up(rig, away, 10));
    rig_free(rig);
}

/* A new member, too, when the log is cut already. */
static void test_learner_starts_from_a_snapshot(void **state)
{
    (void)state;
    struct rig *rig = rig_cutting(3);
    pay_many(rig, 200);
    rig->cluster->nodes[3] = sim_node_new(rig->cluster, 3);
    sim_node_format(rig->cluster->nodes[3], true, 777);
    sim_cluster_restart(rig->cluster, 3);
    struct admin_request request = { .action = ADMIN_ADD, .id = 4, .address = "127.0.0.1:4" };
    uint8_t payload[ADMIN_REQUEST_SIZE_MAX];
    size_t size = admin_request_encode(payload, &request);
    uint64_t id = send_bytes(rig, sim_cluster_leader(rig->cluster), OPERATION_ADMIN, 0,
                             (struct bytes){ payload, size });
    assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
    assert_true(catches_up(rig, 3, 60));
    sim_cluster_run(rig->cluster, NS_PER_S);
    const struct member *self = node_self(node_at(rig, 3));
    assert_true(self != NULL && self->roles == RAFT_VOTER && self->incarnation == 777);
    rig_free(rig);
}

/* The machine stops at any change of its disk while the snapshot comes in or is switched in. */
static void test_crash_while_a_snapshot_comes(void **state)
{
    (void)state;
    for (uint64_t point = 0; point < 60; point += 4) {
        struct rig *rig = rig_cutting(3);
        uint32_t away = (sim_cluster_leader(rig->cluster) + 1) % 3;
        struct sim_node *sim = rig->cluster->nodes[away];
        sim_cluster_crash(rig->cluster, away, SIM_CRASH_LOST);
        pay_many(rig, 120);
        sim_cluster_restart(rig->cluster, away);
        sim->dying = true;
        sim->disk->stop_at = sim->disk->operations + point + 1;
        for (unsigned i = 0; i < 300 && sim->alive && !same_books(rig, away); i++) {
            sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
        }
        sim->disk->stop_at = 0;
        if (!sim->alive) {
            sim_cluster_restart(rig->cluster, away);
        }
        assert_true(sim->alive);
        assert_true(catches_up(rig, away, 90));
        rig_free(rig);
    }
}

static uint64_t seal(struct rig *rig, uint32_t at, uint32_t id)
{
    struct admin_request request = { .action = ADMIN_SNAPSHOT, .id = id };
    uint8_t payload[ADMIN_REQUEST_SIZE_MAX];
    size_t size = admin_request_encode(payload, &request);
    uint64_t asked = send_bytes(rig, at, OPERATION_ADMIN, 0, (struct bytes){ payload, size });
    return wait_for(rig, asked)->status == STATUS_OK ? rig->replies[asked].log_index : 0;
}

/* An operator has the ledger sealed and a snapshot of it taken, whatever is due. */
static void test_operator_seals(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    struct test_command command = accounts();
    assert_true(seal(rig, leader, 0) > 0); /* nothing is in the books yet */
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    pay_many(rig, 5);
    assert_int_equal(seal(rig, follower, 0), 0); /* the leader's is meant */
    uint64_t index = seal(rig, leader, 0);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_true(index > 5 && node_at(rig, leader)->view.checkpoint_index == index);
    struct snapshot_source_view view;
    snapshot_source_view(node_at(rig, leader)->keeper.source, &view);
    assert_int_equal(view.state, SOURCE_READY);
    assert_int_equal(view.index, index);
    assert_int_equal(seal(rig, follower, follower + 1), index);
    pay_many(rig, 5);
    sim_cluster_crash(rig->cluster, leader, SIM_CRASH_LOST);
    sim_cluster_restart(rig->cluster, leader);
    assert_int_equal(node_at(rig, leader)->fed_index, index);
    assert_true(catches_up(rig, leader, 10));
    rig_free(rig);
}

/* --- look-ups at followers ---------------------------------------------------------------------
 */

static void test_follower_reads(void **state)
{
    (void)state;
    struct rig *rig = rig_cutting(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    struct test_command command = look_up();
    for (unsigned i = 0; i < 20; i++) { /* each sees the payment before it */
        pay_many(rig, 1);
        uint64_t id = send_bytes(rig, follower, OPERATION_LOOK_UP_ACCOUNTS, REQUEST_FOLLOWER_READ,
                                 test_command_bytes(&command));
        assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
        struct account account;
        memcpy(&account, rig->payload, sizeof account);
        assert_true(account.credits_posted == i + 1);
    }
    assert_int_equal(ask(rig, follower, &command), STATUS_NOT_LEADER); /* it was not asked to */
    uint64_t id = send_bytes(rig, leader, OPERATION_LOOK_UP_ACCOUNTS, REQUEST_FOLLOWER_READ,
                             test_command_bytes(&command));
    assert_int_equal(wait_for(rig, id)->status, STATUS_OK); /* a leader does what it always does */
    /* without a leader nobody can say what is new enough */
    for (uint32_t i = 0; i < 3; i++) {
        sim_bus_block(rig->cluster, i, follower, i != follower);
        sim_bus_block(rig->cluster, follower, i, i != follower);
    }
    id = send_bytes(rig, follower, OPERATION_LOOK_UP_ACCOUNTS, REQUEST_FOLLOWER_READ,
                    test_command_bytes(&command));
    assert_int_equal(wait_for(rig, id)->status, STATUS_NOT_LEADER);
    assert_int_equal(node_at(rig, follower)->queued_count, 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower_far_behind),
        cmocka_unit_test(test_learner_starts_from_a_snapshot),
        cmocka_unit_test(test_crash_while_a_snapshot_comes),
        cmocka_unit_test(test_operator_seals),
        cmocka_unit_test(test_follower_reads),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
