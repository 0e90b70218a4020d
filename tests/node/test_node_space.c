/* test_node_space.c — full disks: who refuses, who goes on, who hands over; and the log's head. */
#include "base/log_line.h"
#include "base/situation.h"
#include "ledger/node/wire_admin.h"
#include "sim/sim_faults.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Small segments; nothing is sealed unless asked for. */
static struct rig *rig_small(uint32_t count, uint32_t seal_events, uint64_t log_keep_bytes)
{
    struct sim_options options = { .seed = 8,
                                   .count = count,
                                   .seal_events = seal_events,
                                   .segment_size = 128 << 10,
                                   .disk_reserve_bytes = 0,
                                   .log_keep_bytes = log_keep_bytes };
    struct rig *rig = rig_new_like(&options);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, sim_cluster_leader(rig->cluster), &command), STATUS_OK);
    return rig;
}

enum { NEVER_SEALED = 1 << 14 };

static struct test_command next_payment(struct rig *rig)
{
    return payment(9, 10 + rig->next_id, 1000 + rig->next_id);
}

static enum status pay(struct rig *rig, uint32_t at)
{
    struct test_command command = next_payment(rig);
    return ask(rig, at, &command);
}

static bool full(const struct rig *rig, uint32_t at)
{
    return node_disk_full(node_at(rig, at));
}

/* The leader's writes until these nodes' disks have met their end. */
static void fill(struct rig *rig, uint32_t leader, const uint32_t *nodes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rig->cluster->nodes[nodes[i]]->disk->space_bytes = 0;
    }
    for (unsigned i = 0; i < 400; i++) {
        bool all = true;
        for (uint32_t n = 0; n < count; n++) {
            all = all && full(rig, nodes[n]);
        }
        if (all) {
            return;
        }
        enum status status = pay(rig, leader);
        assert_true(status == STATUS_OK || status == STATUS_NO_SPACE);
    }
    fail();
}

static void free_disks(struct rig *rig)
{
    for (uint32_t i = 0; i < 3 && rig->cluster->nodes[i] != NULL; i++) {
        rig->cluster->nodes[i]->disk->space_bytes = UINT64_MAX;
    }
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
}

static void test_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_small(1, NEVER_SEALED, 0);
    fill(rig, 0, (uint32_t[]){ 0 }, 1);
    assert_int_equal(pay(rig, 0), STATUS_NO_SPACE);
    assert_true(rig->payload_size > 20);
    struct test_command reads = look_up();
    assert_int_equal(ask(rig, 0, &reads), STATUS_OK);
    assert_true(node_at(rig, 0)->raft_now.role == RAFT_LEADER);
    free_disks(rig);
    assert_false(full(rig, 0));
    assert_int_equal(pay(rig, 0), STATUS_OK);
    rig_free(rig);
}

/* What had been taken and not proposed is refused when the disk is found full. */
static void test_batches_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_small(1, NEVER_SEALED, 0);
    struct node *node = node_at(rig, 0);
    struct test_command command = next_payment(rig);
    hand_over(rig, 0, command.header.operation, test_command_bytes(&command));
    assert_non_null(node->making);
    __atomic_store_n(&node->log_full, true, __ATOMIC_RELEASE);
    node_flush(node);
    assert_null(node->making);
    assert_int_equal(node->queued_count, 0);
    assert_int_equal(wait_for(rig, rig->next_id - 1)->status, STATUS_NO_SPACE);
    rig_free(rig);
}

/* One follower of two without room holds nobody up, and catches up when it has some. */
static void test_one_follower(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, NEVER_SEALED, 0);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t short_of_room = (leader + 1) % 3;
    fill(rig, leader, (uint32_t[]){ short_of_room }, 1);
    for (unsigned i = 0; i < 400; i++) { /* its log has no room at all by then */
        assert_int_equal(pay(rig, leader), STATUS_OK);
    }
    assert_true(node_peer(node_at(rig, leader), short_of_room + 1)->disk_full);
    assert_true(node_at(rig, short_of_room)->raft_now.last_index + 50 <
                node_at(rig, leader)->raft_now.last_index);
    assert_false(node_at(rig, short_of_room)->writer_stage.taken_count > 0);
    free_disks(rig);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node_at(rig, short_of_room)->view.applied_index,
                     node_at(rig, leader)->view.applied_index);
    rig_free(rig);
}

/* A new leader learns how far the log of one without room goes, so that it can tell it what is
 * committed; and the two do not ask and answer all the time. */
static void test_new_leader_learns_of_a_full_follower(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, NEVER_SEALED, 0);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t full_one = (leader + 1) % 3;
    uint32_t next = (leader + 2) % 3;
    fill(rig, leader, (uint32_t[]){ full_one }, 1);
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(pay(rig, leader), STATUS_OK);
    }
    sim_cluster_crash(rig->cluster, leader, SIM_CRASH_KEPT);
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    assert_int_equal(sim_cluster_leader(rig->cluster), next);
    const struct raft_status *now = &node_at(rig, full_one)->raft_now;
    assert_true(now->last_index + 50 < node_at(rig, next)->raft_now.last_index);
    assert_int_equal(node_at(rig, next)->raft_now.members[full_one].match_index, now->last_index);
    assert_int_equal(now->commit_index, now->last_index);
    uint64_t before = situation_count(SITUATION_node_append_taken_empty);
    sim_cluster_run(rig->cluster, NS_PER_S);
    uint64_t heartbeats = NS_PER_S / node_at(rig, next)->options.heartbeat_interval_ns;
    assert_in_range(situation_count(SITUATION_node_append_taken_empty) - before, 1, heartbeats);
    rig_free(rig);
}

/* Two of three without room: writers are refused, reads are served, and the two still elect. */
static void test_majority(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, NEVER_SEALED, 0);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t a = (leader + 1) % 3;
    uint32_t b = (leader + 2) % 3;
    fill(rig, leader, (uint32_t[]){ a, b }, 2);
    sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
    assert_int_equal(pay(rig, leader), STATUS_NO_SPACE);
    struct test_command reads = look_up();
    assert_int_equal(ask(rig, leader, &reads), STATUS_OK);
    sim_cluster_crash(rig->cluster, leader, SIM_CRASH_LOST);
    for (unsigned i = 0; i < 100 && sim_cluster_leader(rig->cluster) == SIM_NODES_MAX; i++) {
        sim_cluster_run(rig->cluster, 50 * NS_PER_MS);
    }
    uint32_t next = sim_cluster_leader(rig->cluster);
    assert_true(next == a || next == b);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(ask(rig, next, &reads), STATUS_OK); /* its first entry was committed */
    assert_int_equal(pay(rig, next), STATUS_NO_SPACE);
    sim_cluster_restart(rig->cluster, leader);
    free_disks(rig);
    assert_int_equal(pay(rig, sim_cluster_leader(rig->cluster)), STATUS_OK);
    rig_free(rig);
}

/* The leader of these full nodes is made to believe that they have room, until nothing fits into
 * their logs. */
static void fill_logs(struct rig *rig, uint32_t leader, uint32_t a, uint32_t b)
{
    const uint64_t cost = log_cost(COMMAND_HEADER_SIZE + EVENT_SIZE);
    fill(rig, leader, (uint32_t[]){ a, b }, 2);
    for (unsigned i = 0; i < 400; i++) {
        if (!node_has_log_room(node_at(rig, a), cost) &&
            !node_has_log_room(node_at(rig, b), cost)) {
            sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
            assert_int_equal(node_at(rig, a)->raft_now.last_index,
                             node_at(rig, b)->raft_now.last_index);
            return;
        }
        node_peer_meet(node_at(rig, leader), a + 1)->disk_full = false;
        node_peer_meet(node_at(rig, leader), b + 1)->disk_full = false;
        struct test_command command = next_payment(rig);
        hand_over(rig, leader, command.header.operation, test_command_bytes(&command));
        node_flush(node_at(rig, leader));
        sim_cluster_run(rig->cluster, 20 * NS_PER_MS);
    }
    fail();
}

static enum status add_member(struct rig *rig, uint32_t leader, uint32_t id)
{
    struct admin_request request = { .action = ADMIN_ADD, .id = id };
    (void)snprintf(request.address, sizeof request.address, "127.0.0.1:%u", id);
    uint8_t payload[ADMIN_REQUEST_SIZE_MAX];
    size_t size = admin_request_encode(payload, &request);
    uint64_t asked = send_bytes(rig, leader, OPERATION_ADMIN, 0, (struct bytes){ payload, size });
    return wait_for(rig, asked)->status;
}

static bool is_voter(const struct rig *rig, uint32_t leader, uint32_t id)
{
    uint32_t at = node_member_at(node_at(rig, leader), id);
    const struct raft_status *now = &node_at(rig, leader)->raft_now;
    return at < now->member_count && now->members[at].roles == RAFT_VOTER && now->config_committed;
}

/* The two have no room for anything, and lose their leader. The next one commits in its term all
 * the same, so reads are answered, and a member with an empty disk is the way out. */
static void test_majority_without_log_room(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, NEVER_SEALED, 0);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t a = (leader + 1) % 3;
    uint32_t b = (leader + 2) % 3;
    fill_logs(rig, leader, a, b);
    sim_cluster_crash(rig->cluster, leader, SIM_CRASH_LOST);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    uint32_t next = sim_cluster_leader(rig->cluster);
    assert_true(next == a || next == b);
    struct test_command reads = look_up();
    assert_int_equal(ask(rig, next, &reads), STATUS_OK);
    assert_int_equal(pay(rig, next), STATUS_NO_SPACE);
    rig->cluster->nodes[3] = sim_node_new(rig->cluster, 3);
    sim_node_format(rig->cluster->nodes[3], true, 777);
    sim_cluster_restart(rig->cluster, 3);
    assert_int_equal(add_member(rig, next, 4), STATUS_OK);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_true(is_voter(rig, next, 4) || is_voter(rig, 3, 4));
    rig_free(rig);
}

static void test_leader_hands_over(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, NEVER_SEALED, 0);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    rig->cluster->nodes[leader]->disk->space_bytes = 0;
    uint32_t now = leader;
    for (unsigned i = 0; i < 600 && now == leader; i++) {
        enum status status = pay(rig, leader);
        assert_true(status == STATUS_OK || status == STATUS_NO_SPACE ||
                    status == STATUS_NOT_LEADER || status == STATUS_LEADER_LOST);
        uint32_t found = sim_cluster_leader(rig->cluster);
        now = found != SIM_NODES_MAX ? found : now;
    }
    assert_int_not_equal(now, leader);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(pay(rig, sim_cluster_leader(rig->cluster)), STATUS_OK);
    rig_free(rig);
}

/* The reserve is heeded before the disk is full: the same hand-over. */
static void test_reserve(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    node_set_disk_free(node_at(rig, leader), 999);
    sim_cluster_run(rig->cluster, NS_PER_S);
    uint32_t next = sim_cluster_leader(rig->cluster);
    assert_int_not_equal(next, leader);
    node_set_disk_free(node_at(rig, next), 999);
    sim_cluster_run(rig->cluster, NS_PER_S);
    uint32_t last = sim_cluster_leader(rig->cluster);
    assert_true(last != next && last != leader);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, last, &command), STATUS_NO_SPACE); /* a majority has none */
    rig_free(rig);
}

/* --- the head of the log -----------------------------------------------------------------------
 */

static uint64_t first_index(const struct rig *rig, uint32_t at)
{
    return log_first_index(node_at(rig, at)->options.log);
}

static void test_head_is_cut(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, 20, 16 << 10);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(pay(rig, leader), STATUS_OK);
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(first_index(rig, i) > 100);
        assert_true(node_at(rig, i)->space.cut_index <= node_at(rig, i)->view.checkpoint_index);
    }
    for (uint32_t i = 0; i < 3; i++) { /* and a restart does not miss what is gone */
        sim_cluster_crash(rig->cluster, i, SIM_CRASH_TORN);
        sim_cluster_restart(rig->cluster, i);
    }
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    assert_int_equal(pay(rig, sim_cluster_leader(rig->cluster)), STATUS_OK);
    rig_free(rig);
}

/* A follower that is away keeps the leader's log whole, as far as log_keep_bytes go. */
static void test_follower_that_is_away_is_waited_for(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, 20, 1 << 30);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t away = (leader + 1) % 3;
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_LOST);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(pay(rig, leader), STATUS_OK);
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_true(node_at(rig, leader)->view.checkpoint_index > 100);
    assert_true(node_at(rig, leader)->space.cut_index < 20);
    sim_cluster_restart(rig->cluster, away);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node_at(rig, away)->view.applied_index,
                     node_at(rig, leader)->view.applied_index);
    assert_true(node_at(rig, leader)->space.cut_index > 100); /* nobody needs it any more */
    rig_free(rig);
}

static void test_bounded_wait(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, 20, 16 << 10);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    sim_cluster_crash(rig->cluster, (leader + 1) % 3, SIM_CRASH_LOST);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(pay(rig, leader), STATUS_OK);
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    uint64_t cut = node_at(rig, leader)->space.cut_index;
    uint64_t last = node_at(rig, leader)->raft_now.last_index;
    assert_true(cut > 60 && cut < last - 40); /* 16 KiB are some 60 entries of a payment */
    rig_free(rig);
}

/* A crash in the middle of making a spare, and then the disk is full: what is needed is there. */
static void test_spare_cut_off(void **state)
{
    (void)state;
    struct rig *rig = rig_small(1, NEVER_SEALED, 0);
    struct sim_disk *disk = rig->cluster->nodes[0]->disk;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(pay(rig, 0), STATUS_OK);
    }
    uint64_t applied = node_at(rig, 0)->view.applied_index;
    sim_cluster_crash(rig->cluster, 0, SIM_CRASH_KEPT);
    assert_true(sim_begin_segment(disk) > 0);
    disk->space_bytes = 64 << 10;
    sim_cluster_restart(rig->cluster, 0);
    assert_true(rig->cluster->nodes[0]->alive);
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    assert_true(node_at(rig, 0)->view.applied_index >= applied);
    struct test_command read = look_up();
    assert_int_equal(ask(rig, 0, &read), STATUS_OK);
    rig_free(rig);
}

static void ring_nobody(void *context)
{
    (void)context;
}

/* A disk that neither takes a write nor refuses it: the others commit, but nobody is answered. */
static void test_leader_whose_disk_hangs_hands_over(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct test_command command = accounts();
    node_at(rig, leader)->options.host.ring_writer = ring_nobody;
    uint64_t id = send_command(rig, leader, &command);
    sim_cluster_run(rig->cluster, 10 * node_at(rig, leader)->options.election_timeout_ns);
    assert_int_not_equal(node_at(rig, leader)->raft_now.role, RAFT_LEADER);
    assert_int_equal(wait_for(rig, id)->status, STATUS_LEADER_LOST);
    uint32_t next = sim_cluster_leader(rig->cluster);
    assert_int_not_equal(next, SIM_NODES_MAX);
    assert_int_not_equal(next, leader);
    struct test_command read = look_up();
    assert_int_equal(ask(rig, next, &read), STATUS_OK);
    rig_free(rig);
}

static uint64_t send_with(struct rig *rig, uint32_t at, const struct test_command *command,
                          uint64_t timeout_ns)
{
    struct request request = { .id = rig->next_id++,
                               .timeout_ns = timeout_ns,
                               .operation = command->header.operation };
    sim_cluster_request(rig->cluster, 0, at, &request, test_command_bytes(command));
    return request.id;
}

/* Nobody waits for a disk that hangs longer than he said, and what he is told leaves it open: the
 * one write is committed by the others, the second is not even proposed yet. */
static void test_writes_that_wait_for_a_disk_expire(void **state)
{
    (void)state;
    struct rig *rig = rig_small(3, NEVER_SEALED, 0);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct node *node = node_at(rig, leader);
    void (*ring_writer)(void *context) = node->options.host.ring_writer;
    node->options.host.ring_writer = ring_nobody;
    const uint64_t patience_ns = node->options.election_timeout_ns;
    struct test_command first = payment(9, 2, 1000);
    struct test_command second = payment(9, 3, 1001);
    uint64_t flying = send_with(rig, leader, &first, patience_ns);
    sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    uint64_t making = send_with(rig, leader, &second, patience_ns);
    sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
    assert_non_null(node->flying.head);
    assert_non_null(node->making);
    sim_cluster_run(rig->cluster, 2 * patience_ns);
    assert_int_equal(node->raft_now.role, RAFT_LEADER);
    assert_true(rig->answered[flying] && rig->answered[making]);
    assert_int_equal(rig->replies[flying].status, STATUS_TIMEOUT_UNKNOWN);
    assert_int_equal(rig->replies[making].status, STATUS_TIMEOUT_UNKNOWN);
    assert_int_equal(node->queued_count, 2); /* they are under way all the same */
    node->options.host.ring_writer = ring_writer;
    ring_writer(node->options.host.context);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node->queued_count, 0);
    assert_int_equal(ask(rig, leader, &first), STATUS_OK); /* the first answer, once more */
    assert_int_equal(ask(rig, leader, &second), STATUS_OK);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_batches_are_refused),
        cmocka_unit_test(test_one_follower),
        cmocka_unit_test(test_new_leader_learns_of_a_full_follower),
        cmocka_unit_test(test_majority),
        cmocka_unit_test(test_majority_without_log_room),
        cmocka_unit_test(test_leader_hands_over),
        cmocka_unit_test(test_leader_whose_disk_hangs_hands_over),
        cmocka_unit_test(test_writes_that_wait_for_a_disk_expire),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_spare_cut_off),
        cmocka_unit_test(test_head_is_cut),
        cmocka_unit_test(test_follower_that_is_away_is_waited_for),
        cmocka_unit_test(test_bounded_wait),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
