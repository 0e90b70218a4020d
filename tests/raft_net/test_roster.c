/* test_roster.c — members that come, go, move and are replaced; strangers; pieces of snapshots. */
#include "net_rig.h"
#include "raft/core/members.h"
#include "raft/net/greeting.h"
#include "raft/net/net_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    struct rig *rig;
    uint32_t a;
    uint32_t b;
};

static bool pair_connected(void *context)
{
    const struct pair *pair = context;
    return pair->rig->nodes[pair->a].connected[pair->b] &&
           pair->rig->nodes[pair->b].connected[pair->a];
}

static bool pair_parted(void *context)
{
    const struct pair *pair = context;
    return !pair->rig->nodes[pair->a].connected[pair->b] &&
           !pair->rig->nodes[pair->b].connected[pair->a];
}

static bool frame_came(void *context)
{
    const struct pair *pair = context;
    return pair->rig->nodes[pair->b].frames > 0;
}

/* Starts a node whose data folder names nobody but itself. */
static void start_alone(struct rig *rig, uint32_t id)
{
    struct superblock *identity = &rig->nodes[id].identity;
    identity->members[0] = identity->members[id - 1];
    identity->member_count = 1;
    rig_start_node(rig, id);
}

/* Only node 1 knows of node 2; that is enough for both directions. */
static void new_member_is_dialled_and_answers(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    start_alone(&rig, 1);
    start_alone(&rig, 2);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[1].hellos, 0);
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 1, 10), STATUS_CLOSED);
    rig_set_members(&rig, 1, "12", 5);
    struct pair pair = { .rig = &rig, .a = 1, .b = 2 };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, pair_connected, &pair));
    assert_int_equal(rig_send(&rig, 2, 1, FRAME_RAFT, 1, 10), STATUS_OK);
    pair = (struct pair){ .rig = &rig, .a = 2, .b = 1 };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frame_came, &pair));
    assert_true(rig.nodes[1].hellos >= 2 && rig.nodes[2].hellos >= 2);
    assert_true(rig.nodes[1].incarnation == 1002 && rig.nodes[2].incarnation == 1001);
    assert_true(rig.nodes[1].features == FENLU_FEATURES);
    rig_stop(&rig);
}

/* Who was removed is still heard while it lives, and not dialled when it is gone. */
static void removed_member_is_not_dialled_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 3);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    rig_set_members(&rig, 1, "12", 5);
    rig_set_members(&rig, 2, "12", 5);
    rig_run(&rig, 50);
    assert_true(rig_all_connected(&rig));
    struct pair to_removed = { .rig = &rig, .a = 1, .b = 3 };
    assert_int_equal(rig_send(&rig, 1, 3, FRAME_RAFT, 1, 10), STATUS_OK);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frame_came, &to_removed));
    rig_stop_node(&rig, 3);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, pair_parted, &to_removed));
    rig_run(&rig, 100);
    uint64_t redials = metric_value(&net_redials);
    rig_run(&rig, 700);
    assert_int_equal(metric_value(&net_redials), redials);
    assert_int_equal(rig_send(&rig, 1, 3, FRAME_RAFT, 1, 10), STATUS_CLOSED);
    /* The same while it is away already. */
    rig_stop_node(&rig, 2);
    rig_set_members(&rig, 1, "1", 6);
    rig_run(&rig, 100);
    redials = metric_value(&net_redials);
    rig_run(&rig, 700);
    assert_int_equal(metric_value(&net_redials), redials);
    rig_stop(&rig);
}

/* A node that lags does not know the newest member, which leads maybe. */
static void strangers_are_heard_and_answered(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    rig_set_members(&rig, 1, "12", 5);
    rig_set_members(&rig, 2, "12", 5);
    rig_start_node(&rig, 3);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    assert_int_equal(rig_send(&rig, 1, 3, FRAME_RAFT, 1, 10), STATUS_OK);
    assert_int_equal(rig_send(&rig, 3, 2, FRAME_RAFT, 1, 10), STATUS_OK);
    struct pair there = { .rig = &rig, .a = 1, .b = 3 };
    struct pair back = { .rig = &rig, .a = 3, .b = 2 };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frame_came, &there));
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, frame_came, &back));
    /* Entering the list changes nothing for what is connected. */
    uint32_t changes = rig.nodes[1].state_changes;
    rig_set_members(&rig, 1, "123", 6);
    rig_run(&rig, 200);
    assert_int_equal(rig.nodes[1].state_changes, changes);
    rig_stop(&rig);
}

static void strangers_are_bounded(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    int sockets[RAFT_MEMBERS_MAX + 1];
    uint8_t bytes[FRAME_HEADER_SIZE + HELLO_SIZE_MAX + REFUSAL_SIZE_MAX];
    struct frame_header header;
    for (uint32_t i = 0; i <= RAFT_MEMBERS_MAX; i++) {
        struct hello hello = rig_hello(&rig, 10 + i, 1);
        (void)snprintf(hello.address, sizeof hello.address, "127.0.0.1:1");
        sockets[i] = stranger_connect(&rig, 1);
        stranger_hello(sockets[i], &hello);
        assert_true(stranger_frame(&rig, sockets[i], bytes, sizeof bytes, &header));
        assert_int_equal(header.kind, i < RAFT_MEMBERS_MAX ? FRAME_HELLO : FRAME_REFUSED);
    }
    assert_int_equal(close(sockets[0]), 0); /* makes room */
    rig_run(&rig, 100);
    struct hello hello = rig_hello(&rig, 99, 1);
    (void)snprintf(hello.address, sizeof hello.address, "127.0.0.1:1");
    sockets[0] = stranger_connect(&rig, 1);
    stranger_hello(sockets[0], &hello);
    assert_true(stranger_frame(&rig, sockets[0], bytes, sizeof bytes, &header));
    assert_int_equal(header.kind, FRAME_HELLO);
    for (uint32_t i = 0; i <= RAFT_MEMBERS_MAX; i++) {
        assert_int_equal(close(sockets[i]), 0);
    }
    rig_stop(&rig);
}

static bool incarnation_refused(void *context)
{
    const uint64_t *before = context;
    return net_refused_value(NET_REFUSED_INCARNATION) > *before;
}

static void other_incarnation_than_listed_is_cut(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    struct pair pair = { .rig = &rig, .a = 1, .b = 2 };
    uint64_t refused = net_refused_value(NET_REFUSED_INCARNATION);
    rig.listed_incarnation[2] = 77;
    rig_set_members(&rig, 1, "12", 5);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, pair_parted, &pair));
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, incarnation_refused, &refused));
    rig_run(&rig, 500);
    assert_true(pair_parted(&pair));
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 1, 10), STATUS_CLOSED);
    rig.listed_incarnation[2] = 1002;
    rig_set_members(&rig, 1, "12", 6);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, pair_connected, &pair));
    rig_stop(&rig);
}

/* Node 1 was away while node 2 was replaced, and node 2 knows the newer list. */
static void older_list_gives_way(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    start_alone(&rig, 1);
    start_alone(&rig, 2);
    rig.listed_incarnation[2] = 77;
    rig_set_members(&rig, 2, "12", 9);
    rig_set_members(&rig, 1, "12", 5);
    struct pair pair = { .rig = &rig, .a = 1, .b = 2 };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, pair_connected, &pair));
    /* It stays so when the list catches up. */
    rig.listed_incarnation[2] = 1002;
    uint32_t changes = rig.nodes[1].state_changes;
    rig_set_members(&rig, 1, "12", 9);
    rig_run(&rig, 200);
    assert_int_equal(rig.nodes[1].state_changes, changes);
    rig_stop(&rig);
}

static void moved_member_is_dialled_where_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    uint16_t port = rig.ports[1];
    struct pair pair = { .rig = &rig, .a = 1, .b = 2 };
    rig.ports[1] = rig.ports[2];
    rig_set_members(&rig, 1, "12", 5);
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_RAFT, 1, 10), STATUS_CLOSED);
    rig_run(&rig, 300);
    assert_false(rig.nodes[1].connected[2]);
    rig.ports[1] = port;
    rig_set_members(&rig, 1, "12", 6);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, pair_connected, &pair));
    rig_stop(&rig);
}

static bool snapshot_came(void *context)
{
    const struct rig *rig = context;
    return rig->nodes[2].snapshot_frames > 0;
}

/* Pieces of a snapshot take a quarter of the queue and leave behind entries that came later. */
static void snapshots_do_not_stand_in_the_way(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 2);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, rig_all_connected, &rig));
    uint32_t taken = 0;
    while (rig_send(&rig, 1, 2, FRAME_SNAPSHOT, taken, SNAPSHOT_CHUNK_SIZE) == STATUS_OK) {
        taken++;
        assert_true(taken < 40);
    }
    assert_in_range(taken, 5, CONNECTION_QUEUE_SNAPSHOT_BYTES / SNAPSHOT_CHUNK_SIZE);
    uint64_t sent = 0;
    for (uint64_t i = 1; i <= 12; i++) {
        assert_int_equal(rig_send_entries(&rig, 1, 2, i, 1, 1024 * 1024), STATUS_OK);
        sent += RAFT_ENTRY_HEADER_SIZE + 1024 * 1024;
    }
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_SNAPSHOT, 100, 10), STATUS_BUSY);
    assert_int_equal(rig_send(&rig, 1, 2, FRAME_SNAPSHOT, 100, 0), STATUS_OK); /* a request */
    rig.nodes[2].snapshot_frames = 0;
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, snapshot_came, &rig));
    while (rig.nodes[2].snapshot_frames < taken + 1) {
        rig_run(&rig, 5);
    }
    assert_int_equal(rig.nodes[2].payload_bytes, sent);
    assert_int_equal(rig.nodes[2].out_of_order, 0);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_member_is_dialled_and_answers),
        cmocka_unit_test(removed_member_is_not_dialled_again),
        cmocka_unit_test(strangers_are_heard_and_answered),
        cmocka_unit_test(strangers_are_bounded),
        cmocka_unit_test(other_incarnation_than_listed_is_cut),
        cmocka_unit_test(older_list_gives_way),
        cmocka_unit_test(moved_member_is_dialled_where_it_is),
        cmocka_unit_test(snapshots_do_not_stand_in_the_way),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
