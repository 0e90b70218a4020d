/* The bounds of a cluster client and the ends of its requests: full queues, deadlines, cancel,
 * close; whom it takes for a server; the status of members. */
#include "tests/client/client_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_full_connection(void **state)
{
    (void)state;
    static struct seen seen[3];
    lead(1, 5);
    fake_links[0].busy = true;
    for (uint32_t i = 0; i < 3; i++) {
        submit_for(OPERATION_CREATE_TRANSFERS, false, 1000 - 800 * (i == 2), &seen[i]);
    }
    assert_int_equal(fake_commands_count(0), 0);
    pass_ms(190);
    assert_int_equal(seen[2].status, STATUS_TIMEOUT); /* there was a leader, it never left */
    fake_links[0].busy = false;
    pass_ms(CLIENT_HOLD_MS);
    assert_int_equal(fake_commands_count(0), 2);
    uint64_t last = 0;
    for (uint32_t i = 0; i < fake_links[0].sent_count; i++) { /* in the order of submission */
        if (fake_links[0].sent[i].request.operation < OPERATION_STATUS) {
            assert_true(fake_links[0].sent[i].command.sequence > last);
            last = fake_links[0].sent[i].command.sequence;
        }
    }
    assert_int_equal(last, 2);
}

static void test_cancel(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    fake_links[0].holds = true;
    uint64_t handle = submit(&seen);
    cluster_client_cancel(world.client, handle);
    cluster_client_cancel(world.client, handle); /* nothing is left to cancel */
    answer(0, (struct reply){ .status = STATUS_OK, .leader = 1, .term = 5 });
    pass_ms(1000);
    assert_int_equal(seen.count, 0);
    /* The connection still reads the bytes: they live until it lets go. */
    assert_true(world.client->requests->bytes > 0);
    fake_release(0);
    assert_int_equal(world.client->requests->bytes, 0);
}

static void test_the_bounds(void **state)
{
    (void)state;
    static struct seen seen[CLIENT_REQUESTS_MAX];
    uint64_t handle = 0;
    for (uint32_t i = 0; i < CLIENT_REQUESTS_MAX; i++) {
        handle = submit(&seen[i]);
    }
    static struct seen one;
    struct cluster_request request = request_of(&one);
    uint64_t other = 0;
    assert_int_equal(cluster_client_submit(world.client, &request, &other), STATUS_BUSY);
    cluster_client_cancel(world.client, handle);
    assert_int_equal(cluster_client_submit(world.client, &request, &other), STATUS_OK);
    pass_ms(1000);
    assert_int_equal(one.status, STATUS_NO_LEADER);
    for (uint32_t i = 0; i + 1 < CLIENT_REQUESTS_MAX; i++) {
        assert_int_equal(seen[i].count, 1);
    }
}

/* Deadlines in any order: each request ends at its own, however the heap was shuffled. */
static void test_deadlines(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static struct seen seen[COUNT];
    uint64_t handles[COUNT];
    uint32_t timeouts_ms[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        timeouts_ms[i] = 1 + i * 7919 % 997;
        handles[i] = submit_for(OPERATION_CREATE_TRANSFERS, false, timeouts_ms[i], &seen[i]);
    }
    for (uint32_t i = 0; i < COUNT; i += 3) {
        cluster_client_cancel(world.client, handles[i]);
    }
    for (uint32_t now_ms = 1; now_ms <= 1000; now_ms++) {
        pass_ms(1);
        for (uint32_t i = 0; i < COUNT; i++) {
            bool due = i % 3 != 0 && timeouts_ms[i] * 9 <= now_ms * 10;
            assert_int_equal(seen[i].count, due ? 1 : 0);
        }
    }
}

static void test_strangers_are_not_used(void **state)
{
    (void)state;
    fake_up(0, CLUSTER + 1, 1);
    fake_up(1, CLUSTER, 3); /* not who we meant */
    assert_int_equal(fake_links[0].sent_count, 0);
    assert_int_equal(fake_links[1].sent_count, 0);
    fake_up(2, CLUSTER, 3);
    assert_int_equal(fake_links[2].sent_count, 1);
}

static void on_rows(void *context, const struct cluster_member_status *rows, uint32_t count)
{
    uint32_t *reachable = context;
    assert_int_equal(count, LINKS);
    *reachable = 100;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].member.id, i + 1);
        *reachable += rows[i].reachable ? 1U << i : 0;
        assert_int_equal(rows[i].status.term, rows[i].reachable ? 5 : 0);
    }
}

static void test_status_of_members(void **state)
{
    (void)state;
    static uint32_t rows;
    assert_int_equal(cluster_client_status(world.client, NS_PER_S, on_rows, &rows), STATUS_OK);
    assert_int_equal(rows, 0); /* never from inside the call */
    pass_ms(0);
    assert_int_equal(rows, 100);

    lead(1, 5);
    fake_down(2);
    assert_int_equal(cluster_client_status(world.client, NS_PER_S, on_rows, &rows), STATUS_OK);
    fake_answer_status(0, 1, 5);
    fake_answer_status(1, 1, 5);
    assert_int_equal(rows, 103);

    assert_int_equal(cluster_client_status(world.client, NS_PER_S, on_rows, &rows), STATUS_OK);
    fake_answer_status(0, 1, 5);
    fake_down(1);
    assert_int_equal(rows, 101);

    rows = 0;
    assert_int_equal(cluster_client_status(world.client, NS_PER_S, on_rows, &rows), STATUS_OK);
    pass_ms(999);
    assert_int_equal(rows, 0);
    pass_ms(1);
    assert_int_equal(rows, 100);
}

static void test_close_completes_what_is_under_way(void **state)
{
    (void)state;
    static struct seen sent;
    static struct seen kept;
    lead(1, 5);
    submit(&sent);
    fake_links[0].busy = true;
    submit(&kept);
    close_client();
    assert_int_equal(sent.status, STATUS_LEADER_LOST);
    assert_int_equal(kept.status, STATUS_SHUTTING_DOWN);
    assert_int_equal(sent.count + kept.count, 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_full_connection),
        CASE(test_cancel),
        CASE(test_the_bounds),
        CASE(test_deadlines),
        CASE(test_strangers_are_not_used),
        CASE(test_status_of_members),
        CASE(test_close_completes_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
