/* test_node_fetch.c — entries that are not in memory any more: read by a stage of their own, so
 * that a disk that takes its time holds up nothing but what needs it. */
#include "base/log_line.h"
#include "base/situation.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAYMENTS = 300, LOOKS = 400, ASKED = 100, ANSWERS = 8 };

static void pay(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct test_command command = payment(9, 10 + rig->next_id, 1000 + rig->next_id);
        assert_int_equal(ask(rig, sim_cluster_leader(rig->cluster), &command), STATUS_OK);
    }
}

static void start_again(struct rig *rig, uint32_t at)
{
    sim_cluster_crash(rig->cluster, at, SIM_CRASH_LOST);
    sim_cluster_restart(rig->cluster, at);
}

static bool applied_all(const struct rig *rig, uint32_t at)
{
    const struct node *node = node_at(rig, at);
    return node->view.applied_index == node->raft_now.last_index;
}

static void wait_for_leader(struct rig *rig)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        uint32_t leader = sim_cluster_leader(rig->cluster);
        if (leader != SIM_NODES_MAX && applied_all(rig, leader)) {
            return;
        }
        sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    }
    fail();
}

/* Three nodes, of which `away` is down; the others have started again and remember no entry. */
static struct rig *rig_cold(uint32_t *away)
{
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    *away = (leader + 1) % 3;
    sim_cluster_crash(rig->cluster, *away, SIM_CRASH_LOST);
    pay(rig, PAYMENTS);
    start_again(rig, leader);
    start_again(rig, (leader + 2) % 3);
    wait_for_leader(rig);
    leader = sim_cluster_leader(rig->cluster);
    assert_true(node_at(rig, leader)->cache.first > PAYMENTS);
    return rig;
}

static bool catches_up(struct rig *rig, uint32_t at)
{
    uint32_t leader = sim_cluster_leader(rig->cluster);
    for (unsigned i = 0; i < LOOKS; i++) {
        if (node_at(rig, at)->view.digest == node_at(rig, leader)->view.digest) {
            return applied_all(rig, at);
        }
        sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    }
    return false;
}

/* The leader's disk does not answer while a follower needs what only the disk has. */
static void test_leader_stays_while_its_reads_hang(void **state)
{
    (void)state;
    uint32_t away = 0;
    struct rig *rig = rig_cold(&away);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct sim_node *sim = rig->cluster->nodes[leader];
    uint64_t term = node_at(rig, leader)->raft_now.term;
    sim->reads_hang_until_ns = rig->cluster->now_ns + 10 * NS_PER_S;
    sim_cluster_restart(rig->cluster, away);
    for (unsigned i = 0; i < 80; i++) {
        sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
        assert_int_equal(sim_cluster_leader(rig->cluster), leader);
        assert_true(node_at(rig, leader)->fetching.count > 0 || i < 5);
        pay(rig, 1);
    }
    assert_int_equal(node_at(rig, leader)->raft_now.term, term);
    assert_true(node_at(rig, away)->view.applied_index < PAYMENTS);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_true(catches_up(rig, away));
    assert_int_equal(node_at(rig, leader)->raft_now.term, term);
    assert_int_equal(node_at(rig, leader)->fetching.count, 0);
    rig_free(rig);
}

/* A start, too: a node takes part while what it has to apply cannot be read yet. */
static void test_takes_part_before_it_has_applied(void **state)
{
    (void)state;
    uint32_t away = 0;
    struct rig *rig = rig_cold(&away);
    sim_cluster_restart(rig->cluster, away);
    assert_true(catches_up(rig, away));
    for (uint32_t at = 0; at < 3; at++) {
        start_again(rig, at);
        rig->cluster->nodes[at]->reads_hang_until_ns = rig->cluster->now_ns + 10 * NS_PER_S;
    }
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    assert_int_not_equal(leader, SIM_NODES_MAX);
    uint64_t term = node_at(rig, leader)->raft_now.term;
    uint64_t commit = node_at(rig, leader)->raft_now.commit_index;
    assert_true(commit > PAYMENTS && node_at(rig, leader)->view.applied_index == 0);
    sim_cluster_run(rig->cluster, 6 * NS_PER_S);
    assert_int_equal(node_at(rig, leader)->raft_now.term, term);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    for (uint32_t at = 0; at < 3; at++) {
        assert_true(catches_up(rig, at));
    }
    pay(rig, 3);
    rig_free(rig);
}

/* What comes behind entries that are being read waits for them: nothing is refused, nothing sent
 * twice. */
static void test_messages_keep_their_order(void **state)
{
    (void)state;
    uint32_t away = 0;
    struct rig *rig = rig_cold(&away);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    rig->cluster->stage_delay_max_ns[SIM_FETCHER] = 4 * NS_PER_MS;
    situation_reset();
    sim_cluster_restart(rig->cluster, away);
    uint64_t behind = node_at(rig, leader)->raft_now.last_index;
    while (node_at(rig, away)->raft_now.last_index < behind) {
        pay(rig, 1); /* hot ones, meanwhile */
    }
    pay(rig, 10);
    assert_true(catches_up(rig, away));
    assert_true(situation_count(SITUATION_node_fetched_for_a_follower) > 5);
    assert_int_equal(situation_count(SITUATION_raft_append_repeated), 0);
    assert_int_equal(node_at(rig, leader)->fetching.count, 0);
    rig_free(rig);
}

/* --- what peers ask for ------------------------------------------------------------------------
 */

static void ask_for_entry(struct rig *rig, uint32_t at, uint32_t from, uint64_t index)
{
    uint8_t head[24] = { 1, 1 }; /* version, REPAIR_ASK */
    memcpy(head + 8, &index, sizeof index);
    struct bus_handler handler = node_bus_handler(node_at(rig, at));
    handler.on_peer_frame(handler.context, from + 1, FRAME_REPAIR,
                          (struct bytes){ head, sizeof head }, (struct bytes){ head, 0 });
}

static void test_questions_are_bounded(void **state)
{
    (void)state;
    uint32_t away = 0;
    struct rig *rig = rig_cold(&away);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t other = 3 - leader - away;
    struct node *node = node_at(rig, leader);
    rig->cluster->nodes[leader]->reads_hang_until_ns = rig->cluster->now_ns + 2 * NS_PER_S;
    assert_int_equal(node->fetching.count, 0);
    for (unsigned round = 0; round < 5; round++) { /* at any time, on a disk that hangs */
        for (uint64_t i = 0; i < ASKED; i++) {
            ask_for_entry(rig, leader, away, 2 + i);
        }
        assert_int_equal(node->fetching.count, ANSWERS);
        sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
    }
    ask_for_entry(rig, leader, other, 2); /* another one has its own */
    assert_int_equal(node->fetching.count, ANSWERS + 1);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node->fetching.count, 0);
    /* Of what is in memory, so many a time. */
    uint64_t hot = node->cache.first;
    assert_non_null(entry_cache_find(&node->cache, hot));
    uint64_t before = rig->cluster->counts.packets;
    for (unsigned i = 0; i < ASKED; i++) {
        ask_for_entry(rig, leader, other, hot);
    }
    assert_true(rig->cluster->counts.packets - before <= ANSWERS);
    assert_true(rig->cluster->counts.packets > before);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_stays_while_its_reads_hang),
        cmocka_unit_test(test_takes_part_before_it_has_applied),
        cmocka_unit_test(test_messages_keep_their_order),
        cmocka_unit_test(test_questions_are_bounded),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
