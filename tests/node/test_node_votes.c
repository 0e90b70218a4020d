/* test_node_votes.c — books that differ: the one that a majority contradicts stops, and without a
 * majority nobody writes. */
#include "base/cursor.h"
#include "base/log_line.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ENOUGH = 2 * VOTE_EVERY_ENTRIES };

static uint64_t next_payment = 1000;

static enum status pay(struct rig *rig)
{
    struct test_command command = payment(9, next_payment, next_payment);
    next_payment++;
    return ask(rig, sim_cluster_leader(rig->cluster), &command);
}

/* So many that each node passes a point, and time for them to tell one another. */
static void pay_some(struct rig *rig)
{
    for (unsigned i = 0; i < ENOUGH; i++) {
        assert_int_equal(pay(rig), STATUS_OK);
    }
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
}

static struct rig *rig_agreed(uint32_t count)
{
    struct rig *rig = rig_new(count);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, sim_cluster_leader(rig->cluster), &command), STATUS_OK);
    pay_some(rig);
    for (uint32_t at = 0; at < count; at++) {
        assert_true(node_at(rig, at)->votes.agreed_index > 0);
        assert_int_equal(node_at(rig, at)->votes.open_index, 0);
    }
    return rig;
}

/* One more in a balance, as a flipped bit makes it. */
static void spoil(struct rig *rig, uint32_t at, uint64_t amount)
{
    struct delta *delta = store_delta(node_at(rig, at)->options.store);
    delta_batch_begin(delta);
    struct account *account = delta_account(delta, PAYEE);
    assert_non_null(account);
    delta_account_change(delta, account);
    account->user_data_64 += amount;
    delta_batch_end(delta);
    rig->cluster->nodes[at]->spoiled = true;
}

static bool is_down(const struct rig *rig, uint32_t at)
{
    return rig->cluster->nodes[at]->life == SIM_DOWN;
}

static void stops_alone(bool spoiled_leads)
{
    struct rig *rig = rig_agreed(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t wrong = spoiled_leads ? leader : (leader + 1) % 3;
    spoil(rig, wrong, 1);
    pay_some(rig);
    sim_cluster_run(rig->cluster, 5 * NS_PER_S);
    for (uint32_t at = 0; at < 3; at++) {
        assert_int_equal(is_down(rig, at), at == wrong);
    }
    assert_int_equal(rig->cluster->nodes[wrong]->fatal_status, STATUS_CORRUPT);
    pay_some(rig);                            /* the others go on */
    sim_cluster_restart(rig->cluster, wrong); /* only its memory was wrong */
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    pay_some(rig);
    const struct votes *votes = &node_at(rig, wrong)->votes;
    assert_true(votes->agreed_index + ENOUGH > node_at(rig, wrong)->view.applied_index);
    assert_int_equal(votes->open_index, 0);
    rig_free(rig);
}

static void test_follower_that_differs_stops(void **state)
{
    (void)state;
    stops_alone(false);
}

static void test_leader_that_differs_stops(void **state)
{
    (void)state;
    stops_alone(true);
}

/* What it told last is far behind what the others tell by now, and compared no more. */
static void test_what_a_stopped_node_told_stops_nobody(void **state)
{
    (void)state;
    struct rig *rig = rig_agreed(3);
    uint32_t wrong = (sim_cluster_leader(rig->cluster) + 1) % 3;
    spoil(rig, wrong, 1);
    pay_some(rig);
    sim_cluster_run(rig->cluster, 5 * NS_PER_S);
    assert_true(is_down(rig, wrong));
    for (unsigned i = 0; i < (VOTE_POINTS_FINE + 2) * VOTE_EVERY_ENTRIES; i++) {
        assert_int_equal(pay(rig), STATUS_OK);
    }
    sim_cluster_run(rig->cluster, 2 * VOTE_OPEN_WAIT_NS);
    assert_int_equal(pay(rig), STATUS_OK);
    const struct node *leader = node_at(rig, sim_cluster_leader(rig->cluster));
    assert_int_equal(leader->votes.open_index, 0);
    rig_free(rig);
}

/* The voters have not told the point yet, and one that is no member says something else. */
static void test_who_does_not_vote_stops_nobody(void **state)
{
    (void)state;
    enum { STRANGER = 9 };
    struct rig *rig = rig_agreed(3);
    struct node *node = node_at(rig, sim_cluster_leader(rig->cluster));
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        node->peers[i].votes.count = 0;
    }
    node->votes.agreed_index = 0;
    uint8_t head[8 + 24];
    struct writer writer = writer_init(head, sizeof head);
    write_u64(&writer, 1 | 1 << 16); /* version 1, one point */
    write_u64(&writer, node->votes.newest_index);
    write_u128(&writer, 1);
    struct bus_handler handler = node_bus_handler(node);
    handler.on_peer_frame(handler.context, STRANGER, FRAME_VOTES,
                          (struct bytes){ head, sizeof head }, (struct bytes){ head, 0 });
    assert_int_equal(node_peer(node, STRANGER)->votes.count, 1);
    sim_cluster_run(rig->cluster, VOTE_OPEN_WAIT_NS + 3 * NS_PER_S / 2);
    assert_int_equal(pay(rig), STATUS_OK);
    rig_free(rig);
}

/* All are different: they stay, and read, and nobody writes. */
static void nobody_is_right(uint32_t count)
{
    struct rig *rig = rig_agreed(count);
    for (uint32_t at = 0; at < count; at++) {
        spoil(rig, at, at);
    }
    for (unsigned i = 0; i < ENOUGH; i++) {
        (void)pay(rig);
    }
    sim_cluster_run(rig->cluster, 3 * NS_PER_S);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    struct test_command read = look_up();
    assert_int_equal(pay(rig), STATUS_PRECONDITION);
    assert_non_null(strstr((const char *)rig->payload, "no majority agrees"));
    assert_int_equal(ask(rig, leader, &read), STATUS_OK);
    struct node_status status;
    node_status(node_at(rig, leader), &status);
    assert_true(status.books_differ);
    assert_true(status.agreed_index > 0);
    rig_free(rig);
}

static void test_three_that_differ_write_no_more(void **state)
{
    (void)state;
    nobody_is_right(3);
}

static void test_two_that_differ_write_no_more(void **state)
{
    (void)state;
    nobody_is_right(2);
}

/* The third one is away: nobody knows who is right until it is back. */
static void test_absent_voter_decides_later(void **state)
{
    (void)state;
    struct rig *rig = rig_agreed(3);
    uint32_t leader = sim_cluster_leader(rig->cluster);
    uint32_t wrong = (leader + 1) % 3;
    uint32_t away = (leader + 2) % 3;
    sim_cluster_crash(rig->cluster, away, SIM_CRASH_KEPT);
    spoil(rig, wrong, 1);
    for (unsigned i = 0; i < ENOUGH; i++) {
        assert_int_equal(pay(rig), STATUS_OK);
    }
    sim_cluster_run(rig->cluster, 2 * NS_PER_S);
    assert_int_equal(pay(rig), STATUS_OK); /* not at once: the third may be slow */
    sim_cluster_run(rig->cluster, 2 * VOTE_OPEN_WAIT_NS);
    assert_int_equal(pay(rig), STATUS_PRECONDITION);
    assert_false(is_down(rig, wrong));
    sim_cluster_restart(rig->cluster, away);
    sim_cluster_run(rig->cluster, 15 * NS_PER_S);
    assert_true(is_down(rig, wrong));
    assert_false(is_down(rig, leader));
    assert_int_equal(pay(rig), STATUS_OK);
    rig_free(rig);
}

static void test_unsound_frames_change_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_agreed(3);
    struct node *node = node_at(rig, 0);
    const struct peer_votes before = node_peer(node, 2)->votes;
    struct bus_handler handler = node_bus_handler(node);
    uint8_t head[VOTES_FRAME_MAX + 24] = { 1 };
    static const struct {
        size_t at;
        uint8_t byte;
        size_t size;
    } BAD[] = {
        { 0, 2, 8 },                              /* version */
        { 1, 1, 8 },                              /* reserved */
        { 2, 1, 8 },                              /* a point that is not there */
        { 4, 1, 8 },                              /* reserved */
        { 2, VOTE_POINTS_TOLD + 1, sizeof head }, /* too many */
        { 2, 1, 32 },                             /* index 0 */
        { 0, 1, 7 },                              /* cut off */
        { 0, 1, 9 },                              /* something left over */
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        uint8_t bad[sizeof head];
        memcpy(bad, head, sizeof bad);
        bad[BAD[i].at] = BAD[i].byte;
        handler.on_peer_frame(handler.context, 2, FRAME_VOTES, (struct bytes){ bad, BAD[i].size },
                              (struct bytes){ head, 0 });
        assert_memory_equal(&node_peer(node, 2)->votes, &before, sizeof before);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower_that_differs_stops),
        cmocka_unit_test(test_leader_that_differs_stops),
        cmocka_unit_test(test_what_a_stopped_node_told_stops_nobody),
        cmocka_unit_test(test_who_does_not_vote_stops_nobody),
        cmocka_unit_test(test_three_that_differ_write_no_more),
        cmocka_unit_test(test_two_that_differ_write_no_more),
        cmocka_unit_test(test_absent_voter_decides_later),
        cmocka_unit_test(test_unsound_frames_change_nothing),
    };
    log_configure(LOG_NONE, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
