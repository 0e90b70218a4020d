/* test_node_changes.c — pages of the change feed at a node: what they hold, how they wait at the
 * end, what bounds those that wait. */
#include "base/log_line.h"
#include "ledger/core/changes_filter.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct question {
    struct command_header header;
    struct changes_filter filter;
};

static struct question ask_changes(uint64_t after, uint32_t limit, uint32_t wait_ms)
{
    return (struct question){
        .header = { .operation = OPERATION_GET_CHANGES, .version = COMMAND_VERSION, .count = 1 },
        .filter = { .after = after, .limit = limit, .wait_ms = wait_ms },
    };
}

static struct bytes bytes_of(const struct question *question)
{
    return (struct bytes){ (const uint8_t *)question, sizeof *question };
}

static struct rig *rig_with_accounts(uint32_t count, uint32_t *leader)
{
    struct rig *rig = rig_new(count);
    *leader = sim_cluster_leader(rig->cluster);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, *leader, &command), STATUS_OK);
    return rig;
}

static void pay(struct rig *rig, uint32_t leader, u128 id)
{
    struct test_command command = payment(9, (uint64_t)id, id);
    assert_int_equal(ask(rig, leader, &command), STATUS_OK);
}

static struct query_change row_at(const struct rig *rig, uint32_t i)
{
    struct query_change row;
    assert_true((i + 1) * sizeof row <= rig->payload_size);
    memcpy(&row, rig->payload + i * sizeof row, sizeof row);
    return row;
}

/* Waits for a page that has this many rows and the mark, which it gives. */
static struct query_change page(struct rig *rig, uint64_t id, uint32_t rows)
{
    const struct reply *reply = wait_for(rig, id);
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->count, rows + 1);
    assert_int_equal(rig->payload_size, (rows + 1) * sizeof(struct query_change));
    struct query_change mark = row_at(rig, rows);
    assert_true(changes_row_is_mark(&mark));
    return mark;
}

static uint64_t send_question(struct rig *rig, uint32_t at, unsigned flags,
                              const struct question *question)
{
    return send_bytes(rig, at, OPERATION_GET_CHANGES, flags, bytes_of(question));
}

static void test_pages_follow_each_other(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(3, &leader);
    for (uint32_t i = 0; i < 5; i++) {
        pay(rig, leader, 50 + i);
    }
    uint64_t after = 0;
    uint32_t found = 0;
    while (found < 5) {
        struct question question = ask_changes(after, 2, 0);
        uint32_t at = found == 2 ? (leader + 1) % 3 : leader;
        unsigned flags = at == leader ? 0 : REQUEST_FOLLOWER_READ;
        uint64_t id = send_question(rig, at, flags, &question);
        uint32_t rows = found == 4 ? 1 : 2;
        struct query_change mark = page(rig, id, rows);
        for (uint32_t i = 0; i < rows; i++) {
            struct query_change row = row_at(rig, i);
            assert_true(row.transfer.id == 50 + found + i);
            assert_true(row.change.timestamp > after);
            after = row.change.timestamp;
        }
        assert_int_equal(mark.change.timestamp, after);
        assert_true(mark.change.pending_timestamp >= after);
        found += rows;
    }
    struct question question = ask_changes(after, 2, 0);
    assert_int_equal(page(rig, send_question(rig, leader, 0, &question), 0).change.timestamp,
                     after);
    question.filter.after = UINT64_MAX; /* from the future: it stays there */
    assert_int_equal(page(rig, send_question(rig, leader, 0, &question), 0).change.timestamp,
                     UINT64_MAX);
    rig_free(rig);
}

/* Accounts take timestamps, too, and an imported transfer may come below them: the position does
 * not pass the last change. */
static void test_the_position_stays_at_the_last_change(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    struct question question = ask_changes(0, 5, 0);
    assert_int_equal(page(rig, send_question(rig, leader, 0, &question), 0).change.timestamp, 0);
    pay(rig, leader, 50);
    struct test_command more = test_command_new(OPERATION_CREATE_ACCOUNTS, 9, 99);
    test_add_account(&more, 77);
    assert_int_equal(ask(rig, leader, &more), STATUS_OK);
    struct query_change mark = page(rig, send_question(rig, leader, 0, &question), 1);
    struct query_change row = row_at(rig, 0);
    assert_int_equal(mark.change.timestamp, row.change.timestamp);
    assert_true(node_at(rig, leader)->view.timestamp > row.change.timestamp);
    rig_free(rig);
}

/* The same when memory has no change any more: what is sealed ends with the accounts' time. */
static void test_the_position_stays_there_when_all_is_sealed(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    const struct node *node = node_at(rig, leader);
    pay(rig, leader, 50);
    const uint64_t index = node->view.applied_index;
    for (u128 id = 1000; node->view.checkpoint_index <= index; id += TEST_EVENTS_MAX) {
        struct test_command more = test_command_new(OPERATION_CREATE_ACCOUNTS, 9, (uint64_t)id);
        for (u128 i = 0; i < TEST_EVENTS_MAX; i++) {
            test_add_account(&more, id + i);
        }
        assert_int_equal(ask(rig, leader, &more), STATUS_OK);
        sim_cluster_run(rig->cluster, NS_PER_S / 100);
        assert_true(id < 1000000);
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    struct question question = ask_changes(0, 5, 0);
    struct query_change mark = page(rig, send_question(rig, leader, 0, &question), 1);
    struct query_change row = row_at(rig, 0);
    assert_true(row.transfer.id == 50);
    assert_int_equal(mark.change.timestamp, row.change.timestamp);
    rig_free(rig);
}

static void test_a_page_waits_for_the_next_change(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    struct node *node = node_at(rig, leader);
    struct question question = ask_changes(0, 5, 5000);
    uint64_t id = send_question(rig, leader, 0, &question);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_false(rig->answered[id]);
    assert_int_equal(node->machine_stage.changes_parked_count, 1);
    assert_null(node->machine_stage.changes_parked.head->query);
    uint64_t before_ns = rig->cluster->now_ns;
    pay(rig, leader, 50);
    page(rig, id, 1);
    assert_true(rig->cluster->now_ns - before_ns < NS_PER_S);
    assert_int_equal(node->machine_stage.changes_parked_count, 0);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node->queued_count, 0);
    assert_int_equal(node->answered_bytes, 0);
    rig_free(rig);
}

static void test_a_wait_ends(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    uint64_t before_ns = rig->cluster->now_ns;
    struct question question = ask_changes(0, 5, 300);
    uint64_t id = send_question(rig, leader, 0, &question);
    page(rig, id, 0);
    uint64_t waited_ns = rig->cluster->now_ns - before_ns;
    assert_true(waited_ns >= 300 * NS_PER_MS && waited_ns < 600 * NS_PER_MS);
    assert_int_equal(node_at(rig, leader)->parked_due_ns, 0);
    rig_free(rig);
}

/* What does not fit wakes the page and moves its position; it goes on waiting. */
static void test_a_filter_moves_the_position(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    struct question question = ask_changes(0, 5, 2000);
    question.filter.account_id = 12345;
    uint64_t id = send_question(rig, leader, 0, &question);
    sim_cluster_run(rig->cluster, NS_PER_S / 10);
    pay(rig, leader, 50);
    pay(rig, leader, 51);
    assert_false(rig->answered[id]);
    sim_cluster_run(rig->cluster, NS_PER_S / 10);
    const struct machine_stage *stage = &node_at(rig, leader)->machine_stage;
    const struct changes_filter *parked =
        (const struct changes_filter *)(const void *)stage->changes_parked.head->events;
    assert_int_equal(parked->after, machine_last_change(stage->machine)); /* not read again */
    struct query_change mark = page(rig, id, 0);
    assert_true(mark.change.timestamp > 0);
    assert_int_equal(mark.change.timestamp, mark.change.pending_timestamp);
    question.filter.account_id = PAYEE;
    id = send_question(rig, leader, 0, &question);
    page(rig, id, 2);
    rig_free(rig);
}

static void test_those_that_wait_are_bounded(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    struct node *node = node_at(rig, leader);
    struct question question = ask_changes(0, 5, 5000);
    uint64_t first = rig->next_id;
    for (uint32_t i = 0; i < CHANGES_PARKED_MAX + 3; i++) {
        hand_over(rig, leader, OPERATION_GET_CHANGES, bytes_of(&question));
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node->machine_stage.changes_parked_count, CHANGES_PARKED_MAX);
    uint32_t busy = 0;
    for (uint32_t i = 0; i < CHANGES_PARKED_MAX + 3; i++) {
        if (rig->answered[first + i]) {
            assert_int_equal(rig->replies[first + i].status, STATUS_BUSY);
            busy++;
        }
    }
    assert_int_equal(busy, 3);
    pay(rig, leader, 50);
    for (uint32_t i = 0; i < CHANGES_PARKED_MAX + 3; i++) {
        const struct reply *reply = wait_for(rig, first + i);
        assert_int_equal(reply->count, reply->status == STATUS_OK ? 2 : 0);
    }
    assert_int_equal(node->queued_count, 0);
    rig_free(rig);
}

static void test_closes_with_pages_that_wait(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    struct question question = ask_changes(0, 5, 5000);
    (void)send_question(rig, leader, 0, &question);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node_at(rig, leader)->machine_stage.changes_parked_count, 1);
    rig_free(rig);
}

static void test_unsound_filters(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_accounts(1, &leader);
    for (uint32_t i = 0; i < 3; i++) {
        struct question question = ask_changes(0, 5, i == 0 ? CHANGES_WAIT_MS_MAX + 1 : 0);
        question.filter.kinds = i == 1 ? QUERY_CHANGE_KINDS + 1 : 0;
        question.filter.reserved[85] = i == 2 ? 1 : 0;
        uint64_t id = send_question(rig, leader, 0, &question);
        assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_follow_each_other),
        cmocka_unit_test(test_the_position_stays_at_the_last_change),
        cmocka_unit_test(test_the_position_stays_there_when_all_is_sealed),
        cmocka_unit_test(test_a_page_waits_for_the_next_change),
        cmocka_unit_test(test_a_wait_ends),
        cmocka_unit_test(test_a_filter_moves_the_position),
        cmocka_unit_test(test_those_that_wait_are_bounded),
        cmocka_unit_test(test_closes_with_pages_that_wait),
        cmocka_unit_test(test_unsound_filters),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
