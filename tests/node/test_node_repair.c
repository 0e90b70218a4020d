/* test_node_repair.c — entries that a disk damaged: asked of the others, written again, never cut;
 * and what a node does without others. */
#include "base/log_line.h"
#include "ledger/node/wire_admin.h"
#include "raft/log/log_internal.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Flips a bit in the body of an entry of a node's log. */
static void damage(const struct rig *rig, uint32_t at, uint64_t index)
{
    const struct log *log = node_at(rig, at)->options.log;
    char path[DISK_PATH_MAX];
    struct error error;
    for (uint32_t i = 0; i < log->live; i++) {
        const struct log_segment *segment = log->segments[i];
        if (index >= segment->first && index < segment->first + segment->count) {
            const uint64_t entry = segment->locations[index - segment->first].offset;
            assert_int_equal(log_path(log, segment->sequence, path, &error), STATUS_OK);
            sim_disk_flip(rig->cluster->nodes[at]->disk, path, entry + RAFT_ENTRY_HEADER_SIZE + 40);
            return;
        }
    }
    fail_msg("the log does not hold it");
}

/* All stop, and it comes back alone, with that entry damaged. */
static void stop_and_damage(struct rig *rig, uint32_t at, uint64_t index)
{
    damage(rig, at, index);
    for (uint32_t i = 0; i < rig->cluster->options.count; i++) {
        sim_cluster_crash(rig->cluster, i, SIM_CRASH_KEPT);
    }
    sim_cluster_restart(rig->cluster, at);
}

/* It alone stops, and comes back with that entry damaged. */
static void restart_damaged(struct rig *rig, uint32_t at, uint64_t index)
{
    damage(rig, at, index);
    sim_cluster_crash(rig->cluster, at, SIM_CRASH_KEPT);
    sim_cluster_restart(rig->cluster, at);
}

static const u128 MARK = (u128)0xABCDEF0123456789ULL << 64 | 77;

/* A few payments, the marked one in the middle; gives its index. */
static uint64_t pay_some(struct rig *rig, uint32_t leader)
{
    uint64_t marked = 0;
    for (uint64_t i = 0; i < 9; i++) {
        struct test_command command = payment(9, 2 + i, i == 4 ? MARK : 1000 + i);
        uint64_t id = send_command(rig, leader, &command);
        assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
        marked = i == 4 ? rig->replies[id].log_index : marked;
    }
    sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
    return marked;
}

static struct rig *rig_paid(uint32_t count, uint64_t *marked)
{
    struct rig *rig = rig_new(count);
    struct test_command command = accounts();
    uint32_t leader = sim_cluster_leader(rig->cluster);
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    *marked = pay_some(rig, leader);
    return rig;
}

static bool readable(const struct rig *rig, uint32_t at, uint64_t index)
{
    struct entry *entry = NULL;
    struct error error;
    if (log_read(node_at(rig, at)->options.log, index, &entry, &error) != STATUS_OK) {
        return false;
    }
    entry_release(entry);
    return true;
}

static bool caught_up(const struct rig *rig, uint32_t at)
{
    uint32_t leader = sim_cluster_leader(rig->cluster);
    return leader != SIM_NODES_MAX &&
           node_at(rig, at)->view.applied_index == node_at(rig, leader)->view.applied_index &&
           node_at(rig, at)->view.digest == node_at(rig, leader)->view.digest;
}

static void test_follower_repairs(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    uint32_t follower = (sim_cluster_leader(rig->cluster) + 1) % 3;
    restart_damaged(rig, follower, marked);
    assert_true(rig->cluster->nodes[follower]->alive);
    assert_int_equal(node_at(rig, follower)->raft_now.first_damaged, marked);
    assert_false(readable(rig, follower, marked));
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node_at(rig, follower)->repair.count, 0);
    assert_int_equal(node_at(rig, follower)->raft_now.first_damaged, 0);
    assert_true(readable(rig, follower, marked));
    assert_true(caught_up(rig, follower));
    rig_free(rig);
}

/* The entry is needed to go on: until somebody has it, the node waits, and does not lead. */
static void test_nobody_answers_for_a_while(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    stop_and_damage(rig, follower, marked);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node_at(rig, follower)->repair.count, 1);
    assert_int_not_equal(node_at(rig, follower)->raft_now.role, RAFT_LEADER);
    assert_true(node_at(rig, follower)->view.applied_index < marked);
    sim_cluster_restart(rig->cluster, leader);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(sim_cluster_leader(rig->cluster), leader); /* the other one could not */
    assert_int_equal(node_at(rig, follower)->repair.count, 0);
    assert_true(caught_up(rig, follower));
    rig_free(rig);
}

/* Damage that a read meets in a running leader: another follower has the entry. */
static void test_found_by_a_read(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    struct test_command command = accounts();
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t away = (leader + 1) % 3;
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_LOST);
    uint64_t marked = pay_some(rig, leader);
    struct node *node = node_at(rig, leader);
    damage(rig, leader, marked);
    while (node->cache.first <= marked) { /* only the log has it */
        struct entry **slot = &node->cache.entries[node->cache.first++ % ENTRY_CACHE_MAX];
        node->cache.bytes -= entry_size(&(*slot)->header);
        entry_release(*slot);
        *slot = NULL;
    }
    sim_cluster_restart(rig->cluster, away); /* and asks for it */
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node->repair.count, 0);
    assert_true(readable(rig, leader, marked));
    assert_int_equal(sim_cluster_leader(rig->cluster), leader);
    assert_true(caught_up(rig, away));
    rig_free(rig);
}

static void test_found_by_the_scrubber(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    uint32_t follower = (sim_cluster_leader(rig->cluster) + 1) % 3;
    damage(rig, follower, marked);
    for (unsigned i = 0; i < 600 && !readable(rig, follower, marked); i++) {
        sim_cluster_run(rig->cluster, NS_PER_S);
    }
    assert_true(readable(rig, follower, marked));
    assert_int_equal(node_at(rig, follower)->repair.count, 0);
    rig_free(rig);
}

static void test_crash_at_every_point_of_a_repair(void **state)
{
    (void)state;
    for (uint64_t point = 1; point < 12; point++) {
        uint64_t marked = 0;
        struct rig *rig = rig_paid(3, &marked);
        uint32_t follower = (sim_cluster_leader(rig->cluster) + 1) % 3;
        struct sim_node *sim = rig->cluster->nodes[follower];
        restart_damaged(rig, follower, marked);
        sim->dying = true;
        sim->disk->stop_at = sim->disk->operations + point;
        sim_cluster_run(rig->cluster, 2 * NS_PER_S);
        if (!sim->alive) {
            sim_cluster_restart(rig->cluster, follower);
        }
        sim->disk->stop_at = 0;
        sim_cluster_run(rig->cluster, 3 * NS_PER_S);
        assert_true(sim->alive);
        assert_true(readable(rig, follower, marked));
        assert_true(caught_up(rig, follower));
        rig_free(rig);
    }
}

/* Without others an acknowledged entry cannot be had again: refused, and nothing is cut. */
static void test_alone_it_is_refused(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(1, &marked);
    stop_and_damage(rig, 0, marked);
    assert_int_equal(rig->cluster->nodes[0]->life, SIM_REFUSED);
    assert_non_null(strstr(rig->cluster->nodes[0]->refusal, "backup"));
    rig_free(rig);
}

/* Nobody else has the entry, and it is met damaged in a running leader: who leads on must not be
 * the one that can not give it to the others. */
static void test_leader_gives_up_what_it_lost(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    const uint32_t leader = sim_cluster_leader(rig->cluster);
    for (uint32_t i = 0; i < 3; i++) {
        if (i != leader) {
            sim_cluster_crash(rig->cluster, i, SIM_CRASH_KEPT);
        }
    }
    struct test_command command = payment(9, 11, MARK + 9);
    (void)send_command(rig, leader, &command);
    sim_cluster_run(rig->cluster, 20 * NS_PER_MS);
    const uint64_t alone = node_at(rig, leader)->raft_now.durable_index;
    assert_true(alone > node_at(rig, leader)->raft_now.commit_index);
    assert_int_equal(node_at(rig, leader)->raft_now.role, RAFT_LEADER);
    damage(rig, leader, alone);
    node_entry_damaged(node_at(rig, leader), alone);
    assert_int_equal(node_at(rig, leader)->raft_now.role, RAFT_FOLLOWER);
    assert_int_equal(node_at(rig, leader)->raft_now.first_damaged, alone);
    sim_cluster_heal(rig->cluster);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_not_equal(sim_cluster_leader(rig->cluster), leader);
    assert_int_equal(node_at(rig, leader)->repair.count, 0);
    assert_int_equal(node_at(rig, leader)->raft_now.first_damaged, 0);
    assert_true(caught_up(rig, leader));
    rig_free(rig);
}

/* --- lists of members ------------------------------------------------------------------------ */

static uint64_t last_list(const struct rig *rig, uint32_t at)
{
    return node_at(rig, at)->config.last.index;
}

/* Until it has its list again it goes by the one before, so it must not lead; then it starts anew,
 * and goes by the right one. */
static void test_list_of_members_is_repaired(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    const uint32_t follower = (sim_cluster_leader(rig->cluster) + 1) % 3;
    const uint64_t list = last_list(rig, follower);
    const struct sim_node *sim = rig->cluster->nodes[follower];
    assert_true(list != 0);
    stop_and_damage(rig, follower, list);
    assert_true(sim->alive);
    assert_true(last_list(rig, follower) < list);
    assert_int_equal(node_at(rig, follower)->raft_now.first_damaged, list);
    const uint64_t run = sim->run;
    sim_cluster_restart(rig->cluster, (follower + 1) % 3);
    for (unsigned i = 0; i < 300; i++) {
        sim_cluster_run(rig->cluster, 10 * NS_PER_MS);
        assert_true(last_list(rig, follower) == list ||
                    node_at(rig, follower)->raft_now.role == RAFT_FOLLOWER);
    }
    assert_int_equal(sim->run, run + 1);
    assert_int_equal(last_list(rig, follower), list);
    assert_int_equal(node_at(rig, follower)->repair.count, 0);
    assert_true(caught_up(rig, follower));
    rig_free(rig);
}

/* A fourth node, formatted to be added, and added. */
static void join(struct rig *rig, uint32_t at)
{
    struct sim_cluster *cluster = rig->cluster;
    struct admin_request add = { .action = ADMIN_ADD, .id = at + 1 };
    uint8_t payload[ADMIN_REQUEST_SIZE_MAX];
    cluster->nodes[at] = sim_node_new(cluster, at);
    sim_node_format(cluster->nodes[at], true, 777);
    sim_cluster_restart(cluster, at);
    (void)snprintf(add.address, sizeof add.address, "127.0.0.1:%u", at + 1);
    const struct bytes request = { payload, admin_request_encode(payload, &add) };
    const uint64_t id = send_bytes(rig, sim_cluster_leader(cluster), OPERATION_ADMIN, 0, request);
    assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
    sim_cluster_run(cluster, 5 * NS_PER_S);
    const struct member *self = node_self(node_at(rig, at));
    assert_non_null(self);
    assert_int_equal(self->roles, RAFT_VOTER);
}

/* Who was added has no list of the format to go by: with its own lists damaged it knows nobody, but
 * those who know it talk to it, and it asks them. */
static void test_without_any_list_it_asks_who_is_connected(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    const uint32_t added = 3;
    join(rig, added);
    const uint64_t list = last_list(rig, added);
    const uint64_t previous = node_at(rig, added)->config.previous.index;
    assert_true(0 < previous && previous < list);
    damage(rig, added, previous);
    restart_damaged(rig, added, list);
    assert_true(rig->cluster->nodes[added]->alive);
    assert_int_equal(node_at(rig, added)->config.last.members.count, 0);
    assert_int_equal(node_at(rig, added)->repair.count, 2);
    sim_cluster_run(rig->cluster, 5 * NS_PER_S);
    assert_int_equal(node_at(rig, added)->repair.count, 0);
    assert_int_equal(last_list(rig, added), list);
    assert_non_null(node_self(node_at(rig, added)));
    assert_true(caught_up(rig, added));
    rig_free(rig);
}

static void test_alone_without_its_list_it_is_refused(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(1, &marked);
    stop_and_damage(rig, 0, last_list(rig, 0));
    assert_int_equal(rig->cluster->nodes[0]->life, SIM_REFUSED);
    assert_non_null(strstr(rig->cluster->nodes[0]->refusal, "list of members is damaged"));
    assert_non_null(strstr(rig->cluster->nodes[0]->refusal, "backup"));
    rig_free(rig);
}

/* --- answers and reads ----------------------------------------------------------------------- */

/* A forged or wrong answer changes nothing. */
static void test_wrong_answers(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    stop_and_damage(rig, follower, marked);
    struct test_command command = payment(9, 6, MARK + 1);
    struct bytes body = test_command_bytes(&command);
    struct entry *entry = entry_new((uint32_t)body.size);
    memset(&entry->header, 0, sizeof entry->header);
    memcpy(entry->body, body.data, body.size);
    entry->header.index = marked;
    entry->header.term = node_at(rig, follower)->raft_now.term;
    entry->header.kind = ENTRY_COMMANDS;
    entry->header.body_size = (uint32_t)body.size;
    entry_seal(entry, 12345);
    uint8_t head[24] = { 1, 2 };
    memcpy(head + 8, &marked, 8);
    struct bus_handler handler = node_bus_handler(node_at(rig, follower));
    struct bytes payload = { (const uint8_t *)&entry->header, entry_size(&entry->header) };
    for (size_t size = 0; size <= payload.size; size += 8) {
        handler.on_peer_frame(handler.context, leader + 1, FRAME_REPAIR,
                              (struct bytes){ head, sizeof head },
                              (struct bytes){ payload.data, size });
    }
    for (size_t size = 0; size < sizeof head; size++) {
        handler.on_peer_frame(handler.context, leader + 1, FRAME_REPAIR,
                              (struct bytes){ head, size }, payload);
    }
    assert_int_equal(node_at(rig, follower)->repair.under_way, 1);
    sim_node_ring(rig->cluster->nodes[follower], SIM_WRITER);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node_at(rig, follower)->repair.under_way, 0);
    assert_int_equal(node_at(rig, follower)->repair.count, 1);
    assert_int_equal(node_at(rig, follower)->raft_now.first_damaged, marked);
    entry_release(entry);
    rig_free(rig);
}

/* Look-ups whose index the node does not get to end with their time, and nothing of them stays. */
static void test_reads_behind_damage(void **state)
{
    (void)state;
    uint64_t marked = 0;
    struct rig *rig = rig_paid(3, &marked);
    uint32_t follower = (sim_cluster_leader(rig->cluster) + 1) % 3;
    struct test_command command = look_up();
    restart_damaged(rig, follower, marked);
    node_at(rig, follower)->repair.due_ns = UINT64_MAX; /* it does not ask */
    sim_cluster_run(rig->cluster, NS_PER_S);
    for (unsigned i = 0; i < 5; i++) {
        struct request request = { .id = rig->next_id++,
                                   .timeout_ns = NS_PER_S / 2,
                                   .operation = command.header.operation,
                                   .flags = REQUEST_FOLLOWER_READ };
        sim_cluster_request(rig->cluster, 0, follower, &request, test_command_bytes(&command));
        assert_int_equal(wait_for(rig, request.id)->status, STATUS_TIMEOUT);
        assert_null(node_at(rig, follower)->groups_head);
    }
    assert_int_equal(node_at(rig, follower)->queued_count, 0);
    node_at(rig, follower)->repair.due_ns = 0;
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_true(caught_up(rig, follower));
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower_repairs),
        cmocka_unit_test(test_nobody_answers_for_a_while),
        cmocka_unit_test(test_found_by_a_read),
        cmocka_unit_test(test_found_by_the_scrubber),
        cmocka_unit_test(test_crash_at_every_point_of_a_repair),
        cmocka_unit_test(test_alone_it_is_refused),
        cmocka_unit_test(test_leader_gives_up_what_it_lost),
        cmocka_unit_test(test_list_of_members_is_repaired),
        cmocka_unit_test(test_without_any_list_it_asks_who_is_connected),
        cmocka_unit_test(test_alone_without_its_list_it_is_refused),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_reads_behind_damage),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
