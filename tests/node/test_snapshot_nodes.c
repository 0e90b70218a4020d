/* test_snapshot_nodes.c — real nodes: one that was away too long catches up by a snapshot, while
 * the others go on, change their leader and cut their logs. */
#include "base/log_line.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 200, AWAY = 600, NODES = 3 };

/* Short logs: whoever is away for AWAY payments is sent a snapshot. */
static struct rig *rig_short_logs(uint64_t seed)
{
    struct sim_options options = { .seed = seed,
                                   .count = NODES,
                                   .seal_events = SEAL_EVENTS,
                                   .segment_size = 64 << 10,
                                   .disk_reserve_bytes = 0,
                                   .log_keep_bytes = 16 << 10 };
    struct rig *rig = rig_new_like(&options);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, sim_cluster_leader(rig->cluster), &command), STATUS_OK);
    return rig;
}

/* Asks whoever leads until it is done; the ids make repeating safe. */
static void pay(struct rig *rig)
{
    struct test_command command = payment(9, 10 + rig->next_id, 1000 + rig->next_id);
    uint64_t limit_ns = rig->cluster->now_ns + 20 * NS_PER_S;
    while (rig->cluster->now_ns < limit_ns) {
        uint32_t leader = sim_cluster_leader(rig->cluster);
        if (leader < NODES) {
            uint64_t id = send_command(rig, leader, &command);
            uint64_t wait_ns = rig->cluster->now_ns + 300 * NS_PER_MS;
            while (!rig->answered[id] && rig->cluster->now_ns < wait_ns) {
                sim_cluster_step(rig->cluster, wait_ns);
            }
            if (rig->answered[id] && rig->replies[id].status == STATUS_OK) {
                return;
            }
        }
        sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    }
    fail();
}

static void pay_many(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pay(rig);
    }
}

static uint64_t cut_index(const struct rig *rig, uint32_t at)
{
    return node_at(rig, at)->space.cut_index;
}

static bool caught_up(const struct rig *rig, uint32_t at)
{
    const struct sim_node *node = rig->cluster->nodes[at];
    uint32_t leader = sim_cluster_leader(rig->cluster);
    return node->alive && leader < NODES &&
           node_at(rig, at)->view.applied_index + 5 >= node_at(rig, leader)->view.applied_index;
}

static void wait_caught_up(struct rig *rig, uint32_t at)
{
    for (unsigned i = 0; i < 300 && !caught_up(rig, at); i++) {
        sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    }
    assert_true(caught_up(rig, at));
}

static void check_equal(struct rig *rig)
{
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    const struct machine_view *first = &node_at(rig, 0)->view;
    for (uint32_t i = 1; i < NODES; i++) {
        const struct machine_view *other = &node_at(rig, i)->view;
        assert_int_equal(other->applied_index, first->applied_index);
        assert_true(other->digest == first->digest);
        assert_int_equal(other->transfers, first->transfers);
    }
}

/* Down for so long that the others' logs begin later than its own ends. */
static uint32_t leave_behind(struct rig *rig)
{
    uint32_t away = (sim_cluster_leader(rig->cluster) + 1) % NODES;
    uint64_t last = node_at(rig, away)->raft_now.last_index;
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_KEPT);
    pay_many(rig, AWAY);
    sim_cluster_run(rig->cluster, NS_PER_S);
    for (uint32_t i = 0; i < NODES; i++) {
        assert_true(i == away || cut_index(rig, i) > last);
    }
    return away;
}

static void it_catches_up_under_load(void **state)
{
    (void)state;
    struct rig *rig = rig_short_logs(4);
    uint32_t away = leave_behind(rig);
    uint64_t runs = rig->cluster->nodes[away]->run;
    sim_cluster_restart(rig->cluster, away);
    unsigned paid = 0;
    while (!caught_up(rig, away) && paid < 3000) {
        pay(rig);
        paid++;
    }
    assert_true(caught_up(rig, away));
    assert_true(paid > 10);
    assert_true(rig->cluster->nodes[away]->run > runs + 1); /* it opened again, with the snapshot */
    assert_true(node_at(rig, away)->view.checkpoint_index > AWAY / 2);
    check_equal(rig);
    rig_free(rig);
}

/* Leaders come and go, and the receiver crashes now and then. */
static void it_catches_up_through_trouble(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 22; seed++) {
        struct rig *rig = rig_short_logs(seed);
        uint32_t away = leave_behind(rig);
        sim_cluster_restart(rig->cluster, away);
        for (unsigned i = 0; i < 12; i++) {
            sim_cluster_run(rig->cluster, random_below(&rig->cluster->random, 400) * NS_PER_MS);
            uint32_t leader = sim_cluster_leader(rig->cluster);
            bool receiver = random_chance(&rig->cluster->random, 1, 2) || leader == SIM_NODES_MAX;
            uint32_t at = receiver ? away : leader;
            enum sim_crash crash = (enum sim_crash)random_below(&rig->cluster->random, 3);
            if (rig->cluster->nodes[at]->alive) {
                sim_cluster_crash(rig->cluster, at, crash);
                sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
                sim_cluster_restart(rig->cluster, at);
            }
            pay_many(rig, 10);
        }
        wait_caught_up(rig, away);
        check_equal(rig);
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_catches_up_under_load),
        cmocka_unit_test(it_catches_up_through_trouble),
    };
    log_configure(getenv("FENLU_VERBOSE") != NULL ? LOG_INFO : LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
