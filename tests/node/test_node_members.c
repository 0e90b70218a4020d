/* test_node_members.c — members added, promoted, removed and replaced through admin requests, over
 * production nodes in the simulator. */
#include "base/log_line.h"
#include "base/situation.h"
#include "ledger/node/wire_admin.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct members_view view; /* of the last answer that was OK */

static enum status admin(struct rig *rig, uint32_t at, const struct admin_request *request)
{
    uint8_t payload[ADMIN_REQUEST_SIZE_MAX];
    size_t size = admin_request_encode(payload, request);
    uint64_t id = send_bytes(rig, at, OPERATION_ADMIN, 0, (struct bytes){ payload, size });
    enum status status = wait_for(rig, id)->status;
    if (status == STATUS_OK) {
        assert_int_equal(
            members_view_decode((struct bytes){ rig->payload, rig->payload_size }, &view),
            STATUS_OK);
    } else if (status != STATUS_NOT_LEADER) {
        assert_true(rig->payload_size > 20); /* a sentence */
    }
    return status;
}

static enum status list(struct rig *rig, uint32_t at)
{
    return admin(rig, at, &(struct admin_request){ .action = ADMIN_LIST });
}

static enum status add(struct rig *rig, uint32_t at, uint32_t id)
{
    struct admin_request request = { .action = ADMIN_ADD, .id = id };
    (void)snprintf(request.address, sizeof request.address, "127.0.0.1:%u", id);
    return admin(rig, at, &request);
}

static enum status act(struct rig *rig, uint32_t at, enum admin_action action, uint32_t id)
{
    return admin(rig, at, &(struct admin_request){ .action = action, .id = id });
}

/* A node with a new disk that waits to be added. */
static void install(struct rig *rig, uint32_t at, uint64_t incarnation)
{
    struct sim_cluster *cluster = rig->cluster;
    if (cluster->nodes[at] == NULL) {
        cluster->nodes[at] = sim_node_new(cluster, at);
    }
    sim_node_format(cluster->nodes[at], true, incarnation);
    sim_cluster_restart(cluster, at);
    assert_true(cluster->nodes[at]->alive);
}

static uint32_t leader_of(const struct rig *rig)
{
    return sim_cluster_leader(rig->cluster);
}

/* Until the list is committed and not joint, with that many voters among so many members. */
static void settle(struct rig *rig, uint32_t voters, uint32_t members)
{
    uint64_t limit_ns = rig->cluster->now_ns + 20 * NS_PER_S;
    for (;;) {
        sim_cluster_run(rig->cluster, 20 * NS_PER_MS);
        assert_true(rig->cluster->now_ns < limit_ns);
        uint32_t leader = leader_of(rig);
        if (leader == SIM_NODES_MAX || list(rig, leader) != STATUS_OK) {
            continue;
        }
        uint32_t found = 0;
        bool joint = false;
        for (uint32_t i = 0; i < view.count; i++) {
            found += view.members[i].roles == RAFT_VOTER;
            joint = joint || (view.members[i].roles & RAFT_VOTER_OLD) != 0;
        }
        if (view.committed && !joint && found == voters && view.count == members) {
            return;
        }
    }
}

static uint64_t sequence = 1;

static void pay(struct rig *rig)
{
    uint64_t limit_ns = rig->cluster->now_ns + 20 * NS_PER_S;
    sequence++;
    struct test_command command = payment(9, sequence, 1000 + sequence);
    for (;;) {
        uint32_t leader = leader_of(rig);
        if (leader != SIM_NODES_MAX && ask(rig, leader, &command) == STATUS_OK) {
            return;
        }
        assert_true(rig->cluster->now_ns < limit_ns);
        sim_cluster_run(rig->cluster, 20 * NS_PER_MS);
    }
}

static struct rig *rig_with_books(uint32_t count)
{
    struct rig *rig = rig_new(count);
    struct test_command command = accounts();
    sequence = 1;
    assert_int_equal(ask(rig, leader_of(rig), &command), STATUS_OK);
    return rig;
}

static bool same_books(const struct rig *rig, uint32_t a, uint32_t b)
{
    return node_at(rig, a)->view.applied_index == node_at(rig, b)->view.applied_index &&
           node_at(rig, a)->view.digest == node_at(rig, b)->view.digest;
}

/* --- adding ------------------------------------------------------------------------------------
 */

static void test_first_list_binds(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    settle(rig, 3, 3);
    assert_int_equal(view.features_on, FENLU_FEATURES);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(view.members[i].incarnation == rig->cluster->nodes[i]->superblock.incarnation);
        assert_true(view.members[i].heard);
    }
    uint32_t follower = (leader_of(rig) + 1) % 3;
    assert_int_equal(list(rig, follower), STATUS_OK); /* anybody answers that */
    assert_int_equal(view.count, 3);
    assert_int_equal(add(rig, follower, 4), STATUS_NOT_LEADER);
    rig_free(rig);
}

static void test_added_learner_becomes_voter(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    install(rig, 3, 777);
    assert_int_equal(node_at(rig, 3)->config.last.members.count, 0);
    struct test_command read = look_up();
    assert_int_equal(ask(rig, 3, &read), STATUS_NOT_LEADER);
    assert_int_equal(add(rig, leader_of(rig), 4), STATUS_OK);
    assert_int_equal(view.members[3].roles, RAFT_LEARNER);
    assert_int_equal(add(rig, leader_of(rig), 4), STATUS_OK); /* asked again: nothing changes */
    settle(rig, 4, 4);
    assert_true(view.members[3].incarnation == 777);
    pay(rig);
    sim_cluster_run(rig->cluster, 500 * NS_PER_MS);
    assert_true(same_books(rig, leader_of(rig), 3));
    rig_free(rig);
}

/* One whose machine is not there stays a learner and holds nobody up. */
static void test_learner_that_is_away(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    assert_int_equal(add(rig, leader_of(rig), 4), STATUS_OK);
    settle(rig, 3, 4);
    assert_int_equal(act(rig, leader_of(rig), ADMIN_PROMOTE, 4), STATUS_PRECONDITION);
    pay(rig);
    install(rig, 3, 777);
    settle(rig, 4, 4);
    rig_free(rig);
}

static bool says(const struct rig *rig, const char *words)
{
    return memmem(rig->payload, rig->payload_size, words, strlen(words)) != NULL;
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static void test_refusals(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    uint32_t leader = leader_of(rig);
    settle(rig, 3, 3);
    struct admin_request taken = { .action = ADMIN_ADD, .id = 7 };
    memcpy(taken.address, "127.0.0.1:2", 12);
    assert_int_equal(admin(rig, leader, &taken), STATUS_EXISTS);
    assert_true(says(rig, "127.0.0.1:2 is the address of member 2"));
    taken.id = 1;
    memcpy(taken.address, "127.0.0.1:9", 12);
    assert_int_equal(admin(rig, leader, &taken), STATUS_EXISTS);
    assert_true(says(rig, "member 1 is there already, at 127.0.0.1:1") &&
                says(rig, "remove it first"));
    taken.id = 7;
    memcpy(taken.address, "127.0.0.1:0", 12);
    assert_int_equal(admin(rig, leader, &taken), STATUS_INVALID);
    memcpy(taken.address, "127.0.0.1", 10);
    assert_int_equal(admin(rig, leader, &taken), STATUS_INVALID);
    assert_int_equal(act(rig, leader, ADMIN_REMOVE, 8), STATUS_NOT_FOUND);
    assert_true(says(rig, "no member 8") && says(rig, "the members are 1, 2, 3"));
    assert_true(says(rig, "nothing is left to do") && says(rig, "fenlu admin member list"));
    assert_int_equal(act(rig, leader, ADMIN_PROMOTE, 8), STATUS_NOT_FOUND);
    assert_true(says(rig, "the members are 1, 2, 3") && says(rig, "fenlu admin member add"));
    assert_int_equal(act(rig, leader, ADMIN_TRANSFER, 8), STATUS_NOT_FOUND);
    assert_int_equal(act(rig, leader, ADMIN_PROMOTE, 1), STATUS_OK); /* it is a voter */
    uint64_t id = send_bytes(rig, leader, OPERATION_ADMIN, 0, (struct bytes){ NULL, 0 });
    assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    rig_free(rig);
}

static void test_change_under_way(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    uint32_t leader = leader_of(rig);
    settle(rig, 3, 3);
    for (uint32_t i = 0; i < 3; i++) {
        if (i != leader) { /* nothing is committed any more */
            sim_bus_block(rig->cluster, i, leader, true);
        }
    }
    assert_int_equal(add(rig, leader, 4), STATUS_OK);
    assert_false(view.committed);
    assert_int_equal(add(rig, leader, 5), STATUS_BUSY);
    assert_int_equal(act(rig, leader, ADMIN_REMOVE, 1), STATUS_BUSY);
    rig_free(rig);
}

static void test_removal_that_would_lose_the_majority(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    uint32_t leader = leader_of(rig);
    uint32_t away = (leader + 1) % 3;
    uint32_t other = (leader + 2) % 3;
    settle(rig, 3, 3);
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_KEPT);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(leader_of(rig), leader);
    assert_int_equal(act(rig, leader, ADMIN_REMOVE, other + 1), STATUS_PRECONDITION);
    assert_int_equal(act(rig, leader, ADMIN_REMOVE, away + 1), STATUS_OK);
    settle(rig, 2, 2);
    rig_free(rig);
    rig = rig_with_books(1);
    settle(rig, 1, 1);
    assert_int_equal(act(rig, 0, ADMIN_REMOVE, 1), STATUS_PRECONDITION);
    rig_free(rig);
}

/* --- removing and replacing --------------------------------------------------------------------
 */

static void test_removed_leader_hands_over(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    uint32_t leader = leader_of(rig);
    settle(rig, 3, 3);
    assert_int_equal(act(rig, leader, ADMIN_REMOVE, leader + 1), STATUS_OK);
    settle(rig, 2, 2);
    assert_int_not_equal(leader_of(rig), leader);
    pay(rig);
    uint64_t term = node_at(rig, leader_of(rig))->raft_now.term;
    sim_cluster_run(rig->cluster, 5 * NS_PER_S); /* the one that is gone disturbs nobody */
    assert_int_equal(node_at(rig, leader_of(rig))->raft_now.term, term);
    struct test_command command = look_up();
    uint64_t id = send_bytes(rig, leader, OPERATION_LOOK_UP_ACCOUNTS, REQUEST_STALE_READ,
                             test_command_bytes(&command));
    assert_int_equal(wait_for(rig, id)->status, STATUS_NOT_LEADER);
    assert_null(node_self(node_at(rig, leader)));
    rig_free(rig);
}

/* However it came to be alone: it hands over to nobody and is not waited for. */
static void test_added_node_that_is_left_alone_drains(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(1);
    install(rig, 1, 777);
    assert_int_equal(add(rig, 0, 2), STATUS_OK);
    settle(rig, 2, 2);
    assert_int_equal(act(rig, leader_of(rig), ADMIN_REMOVE, 1), STATUS_OK);
    settle(rig, 1, 1);
    assert_int_equal(leader_of(rig), 1);
    pay(rig);
    node_drain(node_at(rig, 1));
    sim_cluster_run(rig->cluster, 200 * NS_PER_MS);
    assert_true(node_idle(node_at(rig, 1)));
    rig_free(rig);
}

/* Its disk is lost; another one takes its id under a new incarnation. */
static void test_replace_under_the_same_id(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    settle(rig, 3, 3);
    uint32_t lost = (leader_of(rig) + 1) % 3;
    sim_cluster_crash(rig->cluster, lost, SIM_CRASH_LOST);
    pay(rig);
    assert_int_equal(act(rig, leader_of(rig), ADMIN_REMOVE, lost + 1), STATUS_OK);
    settle(rig, 2, 2);
    install(rig, lost, 4242);
    assert_int_equal(add(rig, leader_of(rig), lost + 1), STATUS_OK);
    settle(rig, 3, 3);
    assert_true(view.members[lost].incarnation == 4242);
    pay(rig);
    sim_cluster_run(rig->cluster, 500 * NS_PER_MS);
    assert_true(same_books(rig, leader_of(rig), lost));
    rig_free(rig);
}

/* It stayed connected, so no new hello says which data folder it runs on: the one of before does.
 */
static void test_added_again_while_connected(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    install(rig, 3, 777);
    assert_int_equal(add(rig, leader_of(rig), 4), STATUS_OK);
    settle(rig, 4, 4);
    assert_int_equal(act(rig, leader_of(rig), ADMIN_REMOVE, 4), STATUS_OK);
    settle(rig, 3, 3);
    assert_int_equal(add(rig, leader_of(rig), 4), STATUS_OK);
    assert_true(view.members[3].incarnation == 0);
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    assert_int_equal(list(rig, leader_of(rig)), STATUS_OK);
    assert_true(view.members[3].incarnation == 777);
    settle(rig, 4, 4);
    rig_free(rig);
}

/* And one that left before it was bound was not the one that was meant. */
static void test_added_again_and_gone_before_it_is_bound(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    settle(rig, 3, 3);
    struct node *node = node_at(rig, leader_of(rig));
    struct bus_handler handler = node_bus_handler(node);
    handler.on_peer_hello(node, 4, 777, FENLU_FEATURES);
    handler.on_peer_state(node, 4, true);
    assert_true(node_peer(node, 4)->incarnation == 777);
    node->space.unwritten_cost += UINT64_C(1) << 40; /* no room: nothing is bound */
    struct members *members = &node->config.last.members;
    members->members[members->count++] =
        (struct member){ .id = 4, .roles = RAFT_LEARNER, .priority = RAFT_PRIORITY_DEFAULT };
    handler.on_peer_state(node, 4, false);
    assert_null(node_peer(node, 4));
    members->count--;
    node->space.unwritten_cost -= UINT64_C(1) << 40;
    rig_free(rig);
}

/* Nothing is said, and nothing counted, before the change is proposed. */
static void test_promotion_is_told_once(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    install(rig, 3, 777);
    assert_int_equal(add(rig, leader_of(rig), 4), STATUS_OK);
    struct node *node = node_at(rig, leader_of(rig));
    const uint64_t much = UINT64_C(1) << 40;
    for (unsigned i = 0; i < 200 && node->config.last.members.members[3].incarnation == 0; i++) {
        sim_cluster_run(rig->cluster, NS_PER_MS);
    }
    assert_true(node->config.last.members.members[3].incarnation == 777);
    assert_int_equal(node->config.last.members.members[3].roles, RAFT_LEARNER);
    node->space.unwritten_cost += much; /* the log has no room for one more list */
    uint64_t before = situation_count(SITUATION_node_learner_promoted);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(situation_count(SITUATION_node_learner_promoted), before);
    assert_int_equal(act(rig, leader_of(rig), ADMIN_REMOVE, 4), STATUS_NO_SPACE);
    node->space.unwritten_cost -= much;
    settle(rig, 4, 4);
    assert_int_equal(situation_count(SITUATION_node_learner_promoted), before + 1);
    rig_free(rig);
}

/* A node whose disk is empty is not the one that the list means. */
static void test_empty_disk_under_the_old_id_is_not_heard(void **state)
{
    (void)state;
    struct rig *rig = rig_with_books(3);
    settle(rig, 3, 3);
    uint32_t lost = (leader_of(rig) + 1) % 3;
    sim_cluster_crash(rig->cluster, lost, SIM_CRASH_LOST);
    sim_node_format(rig->cluster->nodes[lost], false, 5555);
    sim_cluster_restart(rig->cluster, lost);
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    assert_int_equal(node_at(rig, lost)->raft_now.last_index, 0);
    pay(rig); /* the others go on */
    rig_free(rig);
}

/* --- crashes -----------------------------------------------------------------------------------
 */

/* Whoever crashes at whichever moment of an addition: it ends, and nobody forgets a member. */
static void test_crash_at_every_point_of_an_addition(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 24; point++) {
        struct rig *rig = rig_with_books(3);
        settle(rig, 3, 3);
        install(rig, 3, 777);
        uint32_t leader = leader_of(rig);
        uint32_t victim = point % 4 == 3 ? leader : point % 4;
        assert_int_equal(add(rig, leader, 4), STATUS_OK);
        sim_cluster_run(rig->cluster, point * 7 * NS_PER_MS / 2);
        sim_cluster_crash(rig->cluster, victim, SIM_CRASH_LOST);
        sim_cluster_run(rig->cluster, 100 * NS_PER_MS);
        sim_cluster_restart(rig->cluster, victim);
        assert_true(rig->cluster->nodes[victim]->alive);
        pay(rig);
        if (list(rig, leader_of(rig)) == STATUS_OK && view.count == 3) {
            (void)add(rig, leader_of(rig), 4); /* cut off: it was never committed */
        }
        settle(rig, 4, 4);
        sim_cluster_run(rig->cluster, NS_PER_S);
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(same_books(rig, leader_of(rig), i));
            assert_int_equal(node_at(rig, i)->config.last.index, view.config_index);
        }
        rig_free(rig);
    }
}

/* All restart after the log was cut: the list comes from the checkpoint. */
static void test_list_survives_the_cut_of_its_entry(void **state)
{
    (void)state;
    struct sim_options options = { .seed = 6,
                                   .count = 3,
                                   .seal_events = 20,
                                   .segment_size = 64 << 10,
                                   .disk_reserve_bytes = 1000,
                                   .log_keep_bytes = 1 };
    struct rig *rig = rig_new_like(&options);
    struct test_command command = accounts();
    sequence = 1;
    assert_int_equal(ask(rig, leader_of(rig), &command), STATUS_OK);
    settle(rig, 3, 3);
    uint64_t index = view.config_index;
    for (unsigned i = 0; i < 120; i++) {
        pay(rig);
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(log_first_index(node_at(rig, i)->options.log) > index); /* really cut */
        assert_true(node_at(rig, i)->space.cut_index > index);
        sim_cluster_crash(rig->cluster, i, SIM_CRASH_LOST);
    }
    for (uint32_t i = 0; i < 3; i++) {
        sim_cluster_restart(rig->cluster, i);
        assert_true(rig->cluster->nodes[i]->alive);
        assert_int_equal(node_at(rig, i)->config.last.index, index);
        assert_int_equal(node_at(rig, i)->config.last.members.count, 3);
    }
    pay(rig);
    settle(rig, 3, 3);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_list_binds),
        cmocka_unit_test(test_added_learner_becomes_voter),
        cmocka_unit_test(test_learner_that_is_away),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_change_under_way),
        cmocka_unit_test(test_removal_that_would_lose_the_majority),
        cmocka_unit_test(test_removed_leader_hands_over),
        cmocka_unit_test(test_added_node_that_is_left_alone_drains),
        cmocka_unit_test(test_replace_under_the_same_id),
        cmocka_unit_test(test_added_again_while_connected),
        cmocka_unit_test(test_added_again_and_gone_before_it_is_bound),
        cmocka_unit_test(test_promotion_is_told_once),
        cmocka_unit_test(test_empty_disk_under_the_old_id_is_not_heard),
        cmocka_unit_test(test_crash_at_every_point_of_an_addition),
        cmocka_unit_test(test_list_survives_the_cut_of_its_entry),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
