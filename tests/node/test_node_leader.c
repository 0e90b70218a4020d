/* test_node_leader.c — three nodes: followers, and a leader that loses its leadership. */
#include "base/log_line.h"
#include "tests/base/panic.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void isolate(struct rig *rig, uint32_t at)
{
    for (uint32_t i = 0; i < 3; i++) {
        sim_bus_block(rig->cluster, at, i, i != at);
        sim_bus_block(rig->cluster, i, at, i != at);
    }
}

static void test_follower_refuses_but_reads_stale(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    struct test_command command = accounts();
    uint64_t id = send_command(rig, follower, &command);
    assert_int_equal(wait_for(rig, id)->status, STATUS_NOT_LEADER);
    assert_int_equal(rig->replies[id].leader, leader + 1);
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
    struct test_command reads = look_up();
    assert_int_equal(ask(rig, follower, &reads), STATUS_NOT_LEADER);
    id = send_bytes(rig, follower, OPERATION_LOOK_UP_ACCOUNTS, REQUEST_STALE_READ,
                    test_command_bytes(&reads));
    assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
    assert_int_equal(rig->replies[id].count, 1);
    rig_free(rig);
}

static void test_leadership_loss(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    isolate(rig, leader);
    struct test_command proposed = payment(9, 2, 100);
    struct test_command reads = look_up();
    uint64_t write_id = send_command(rig, leader, &proposed);
    uint64_t read_id = send_command(rig, leader, &reads);
    /* proposed, durable here, and never committed: the outcome is unknown to this node */
    assert_int_equal(wait_for(rig, write_id)->status, STATUS_LEADER_LOST);
    assert_int_equal(wait_for(rig, read_id)->status, STATUS_NOT_LEADER);
    assert_int_equal(ask(rig, leader, &proposed), STATUS_NOT_LEADER);
    assert_int_equal(node_at(rig, leader)->queued_count, 0);
    sim_cluster_run(rig->cluster, NS_PER_S);
    uint32_t next = sim_cluster_leader(rig->cluster);
    assert_int_not_equal(next, leader);
    assert_int_equal(ask(rig, next, &proposed), STATUS_OK);
    struct result result;
    memcpy(&result, rig->payload, sizeof result);
    assert_int_equal(result.status, TRANSFER_STATUS_CREATED);
    rig_free(rig);
}

/* A leader that wakes from a long pause finds out that it is deposed in the step of its own next
 * proposal: what flies is LEADER_LOST, what waits behind it is NOT_LEADER, each once. */
static void test_leadership_lost_by_proposing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct node *node = node_at(rig, leader);
    uint64_t first = rig->next_id;
    static struct transfer transfers[BATCH_EVENTS_MAX];
    static uint8_t bytes[COMMAND_HEADER_SIZE + sizeof transfers];
    struct test_command command = payment(9, 1, 1);
    command.header.count = BATCH_EVENTS_MAX;
    memcpy(bytes, &command.header, COMMAND_HEADER_SIZE);
    for (uint32_t i = 0; i < 3; i++) { /* three batches */
        hand_over(rig, leader, OPERATION_CREATE_TRANSFERS, (struct bytes){ bytes, sizeof bytes });
    }
    rig->cluster->now_ns += NS_PER_S;
    node_flush(node);
    assert_int_equal(node->raft_now.role, RAFT_FOLLOWER);
    assert_int_equal(node->queued_count, 0);
    sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    assert_int_equal(rig->count, 3);
    assert_int_equal(rig->replies[first].status, STATUS_LEADER_LOST);
    assert_int_equal(rig->replies[first + 1].status, STATUS_NOT_LEADER);
    assert_int_equal(rig->replies[first + 2].status, STATUS_NOT_LEADER);
    rig_free(rig);
}

static void ring_nobody(void *context)
{
    (void)context;
}

/* Who shall take over cannot at first: its disk is busy, and the transfer is given up. A node that
 * is about to stop tries again. */
static void test_drain_tries_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t heir = (leader + 1) % 3;
    struct test_command command = accounts();
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    sim_cluster_crash(rig->cluster, (leader + 2) % 3, SIM_CRASH_LOST);
    struct node_host *host = &node_at(rig, heir)->options.host;
    void (*ring_writer)(void *context) = host->ring_writer;
    host->ring_writer = ring_nobody;
    command = payment(9, 2, 100);
    (void)send_command(rig, leader, &command);
    sim_cluster_run(rig->cluster, 20 * NS_PER_MS);
    node_drain(node_at(rig, leader));
    assert_true(node_at(rig, leader)->raft_now.transferring);
    sim_cluster_run(rig->cluster, 3 * node_at(rig, leader)->options.election_timeout_ns);
    assert_int_equal(node_at(rig, leader)->raft_now.role, RAFT_LEADER);
    host->ring_writer = ring_writer;
    ring_writer(host->context);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(sim_cluster_leader(rig->cluster), heir);
    rig_free(rig);
}

/* An APPEND from the leader to a follower, with one entry behind the follower's last one. */
static void send_forged(struct rig *rig, uint32_t leader, uint32_t follower, uint64_t chain,
                        bool damage_body)
{
    const struct raft_status *now = &node_at(rig, follower)->raft_now;
    struct test_command command = payment(9, 2, 100);
    struct bytes body = test_command_bytes(&command);
    struct entry *entry = entry_new((uint32_t)body.size);
    memset(&entry->header, 0, sizeof entry->header);
    memcpy(entry->body, body.data, body.size);
    entry->header.index = now->last_index + 1;
    entry->header.term = now->term;
    entry->header.timestamp = node_at(rig, follower)->last_timestamp + 1;
    entry->header.kind = ENTRY_COMMANDS;
    entry->header.body_size = (uint32_t)body.size;
    entry_seal(entry, chain);
    entry->body[COMMAND_HEADER_SIZE] ^= damage_body;
    struct raft_entry_info info = { .term = now->term, .size = entry_size(&entry->header) };
    struct raft_message message = { .kind = RAFT_APPEND,
                                    .from = leader + 1,
                                    .to = follower + 1,
                                    .term = now->term,
                                    .prev_index = now->last_index,
                                    .prev_term = now->last_term,
                                    .sequence = 1000,
                                    .entry_count = 1,
                                    .entries = &info };
    uint8_t head[RAFT_MESSAGE_FIXED_SIZE];
    struct writer writer = writer_init(head, sizeof head);
    raft_message_encode(&message, &writer);
    struct bus_handler handler = node_bus_handler(node_at(rig, follower));
    handler.on_peer_frame(
        handler.context, leader + 1, FRAME_RAFT, (struct bytes){ head, sizeof head },
        (struct bytes){ (const uint8_t *)&entry->header, entry_size(&entry->header) });
    entry_release(entry);
}

static void send_other_history(void *context)
{
    struct rig *rig = context;
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t other = (leader + 2) % 3;
    struct sim_node *sim = rig->cluster->nodes[other];
    sim->fatal_expected = STATUS_CORRUPT;
    send_forged(rig, leader, other, sim->node->tail_chain + 1, false);
}

static void test_entries_that_are_not_sound(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    struct sim_node *sim = rig->cluster->nodes[follower];
    uint64_t last = sim->node->raft_now.last_index;
    uint64_t chain = sim->node->tail_chain;
    send_forged(rig, leader, follower, chain, true); /* dropped: the leader sends again */
    assert_int_equal(sim->node->raft_now.last_index, last);
    send_forged(rig, leader, follower, chain, false);
    assert_int_equal(sim->node->raft_now.last_index, last + 1);
    /* another history: this node must not go on */
    assert_true(panics(send_other_history, rig));
    rig_free(rig);
}

/* More entries than the cache holds reach a follower that was away. */
static void test_follower_catches_up(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t follower = (leader + 1) % 3;
    sim_cluster_crash(rig->cluster, follower, SIM_CRASH_LOST);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    rig->cluster->stage_delay_max_ns[SIM_WRITER] = 10 * NS_PER_US;
    rig->cluster->weather.delay_max_ns = 20 * NS_PER_US;
    uint64_t sequence = 2;
    while (node_at(rig, leader)->raft_now.last_index < ENTRY_CACHE_MAX + 1000) {
        command = payment(9, sequence, 100 + sequence);
        sequence++;
        assert_int_equal(ask(rig, leader, &command), STATUS_OK);
    }
    assert_true(node_at(rig, leader)->cache.first > 1000);
    rig->cluster->stage_delay_max_ns[SIM_WRITER] = 20 * NS_PER_MS;
    sim_cluster_restart(rig->cluster, follower);
    sim_cluster_run(rig->cluster, 10 * NS_PER_S);
    assert_int_equal(node_at(rig, follower)->view.applied_index,
                     node_at(rig, leader)->view.applied_index);
    rig_free(rig);
}

static void test_drain_hands_over(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    node_drain(node_at(rig, leader));
    sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    uint32_t next = sim_cluster_leader(rig->cluster);
    assert_true(next != leader && next < 3);
    assert_true(node_idle(node_at(rig, leader)));
    rig_free(rig);
}

static void test_clock_far_from_the_others_hands_over(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct bus_handler handler = node_bus_handler(node_at(rig, leader));
    int64_t ahead_ns = 11 * (int64_t)NS_PER_S;
    uint32_t a = (leader + 1) % 3 + 1;
    uint32_t b = (leader + 2) % 3 + 1;
    handler.on_peer_clock(handler.context, a, ahead_ns, NS_PER_MS);
    assert_int_equal(node_at(rig, leader)->raft_now.transferring, false); /* one against one */
    handler.on_peer_clock(handler.context, b, ahead_ns, 2 * NS_PER_S);    /* too coarse */
    assert_int_equal(node_at(rig, leader)->raft_now.transferring, false);
    handler.on_peer_clock(handler.context, b, INT64_MIN, NS_PER_MS); /* in the middle of the two */
    assert_int_equal(node_at(rig, leader)->raft_now.transferring, false);
    handler.on_peer_clock(handler.context, b, ahead_ns, NS_PER_MS);
    assert_int_equal(node_at(rig, leader)->raft_now.transferring, true);
    sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
    assert_int_not_equal(sim_cluster_leader(rig->cluster), leader);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower_refuses_but_reads_stale),
        cmocka_unit_test(test_leadership_loss),
        cmocka_unit_test(test_drain_tries_again),
        cmocka_unit_test(test_leadership_lost_by_proposing),
        cmocka_unit_test(test_entries_that_are_not_sound),
        cmocka_unit_test(test_follower_catches_up),
        cmocka_unit_test(test_drain_hands_over),
        cmocka_unit_test(test_clock_far_from_the_others_hands_over),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
