/* What a cluster client does when servers answer, refuse, move, fall silent or go away. The test
 * plays the three servers (fake_link.h) and the clock. */
#include "api/client/client_internal.h"
#include "ledger/store/records.h"
#include "tests/client/fake_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINKS = 3, ANSWERS_MAX = 8 };
#define CLUSTER ((u128)0xC1)

struct seen {
    uint32_t count;
    enum status status;
    uint64_t log_index;
    char text[CLIENT_TEXT_MAX];
};

static struct {
    uv_loop_t loop;
    uint64_t now_ns;
    struct cluster_client *client;
    bool serving;
    uint32_t serving_changes;
    bool closed;
} world;

static uint64_t world_ns(void *context)
{
    (void)context;
    return world.now_ns;
}

static uint64_t world_u64(void *context)
{
    (void)context;
    return 0x1234;
}

static void on_serving(void *context, bool serving)
{
    (void)context;
    world.serving = serving;
    world.serving_changes++;
}

static void on_answer(void *context, const struct cluster_answer *answer)
{
    struct seen *seen = context;
    seen->count++;
    seen->status = answer->status;
    seen->log_index = answer->log_index;
    (void)snprintf(seen->text, sizeof seen->text, "%s", answer->text);
}

static int set_up(void **state)
{
    (void)state;
    fake_reset();
    memset(&world, 0, sizeof world);
    world.now_ns = 1000 * NS_PER_S;
    assert_int_equal(uv_loop_init(&world.loop), 0);
    struct superblock_member members[LINKS] = { { 1, "a:1" }, { 2, "b:2" }, { 3, "c:3" } };
    struct cluster_client_options options = {
        .loop = &world.loop,
        .clock = { world_ns, world_ns, NULL },
        .entropy = { world_u64, NULL },
        .members = members,
        .member_count = LINKS,
        .cluster = CLUSTER,
        .on_serving = on_serving,
    };
    struct error error;
    assert_int_equal(cluster_client_open(&options, &world.client, &error), STATUS_OK);
    assert_int_equal(fake_links_count, LINKS);
    return 0;
}

static void on_closed(void *context)
{
    (void)context;
    world.closed = true;
}

static void close_client(void)
{
    cluster_client_close(world.client, on_closed, NULL);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_true(world.closed);
    world.client = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    if (world.client != NULL) {
        close_client();
    }
    assert_int_equal(uv_loop_close(&world.loop), 0);
    return 0;
}

static void pass_ms(uint64_t ms)
{
    world.now_ns += ms * NS_PER_MS;
    client_tick(world.client);
}

/* All three are connected and say that `leader` leads. */
static void lead(uint32_t leader, uint64_t term)
{
    for (uint32_t i = 0; i < LINKS; i++) {
        if (!fake_links[i].up) {
            fake_up(i, CLUSTER, i + 1);
        }
        fake_answer_status(i, leader, term);
    }
}

static uint64_t submit_for(enum operation operation, bool stale, uint64_t timeout_ms,
                           struct seen *seen)
{
    struct cluster_request request = {
        .operation = operation,
        .bytes = calloc(1, COMMAND_HEADER_SIZE + operation_event_size(operation)),
        .count = 1,
        .stale = stale,
        .deadline_ns = world.now_ns + timeout_ms * NS_PER_MS,
        .callback = on_answer,
        .context = seen,
    };
    uint64_t handle = 0;
    assert_non_null(request.bytes);
    memset(seen, 0, sizeof *seen);
    assert_int_equal(cluster_client_submit(world.client, &request, &handle), STATUS_OK);
    return handle;
}

static uint64_t submit(struct seen *seen)
{
    return submit_for(OPERATION_CREATE_TRANSFERS, false, 1000, seen);
}

/* Answers the latest command on a link. */
static void answer(uint32_t link, struct reply reply)
{
    static const uint8_t result[RESULT_SIZE];
    struct fake_sent *sent = fake_command(link);
    assert_non_null(sent);
    sent->answered = true;
    reply.id = sent->request.id;
    if (reply.status == STATUS_OK) {
        reply.count = 1;
    }
    fake_reply(link, &reply, result, reply.status == STATUS_OK ? sizeof result : 0);
}

static void test_finds_the_leader_and_answers(void **state)
{
    (void)state;
    static struct seen seen;
    assert_false(cluster_client_serving(world.client));
    submit(&seen);
    lead(2, 5);
    assert_true(world.serving);
    assert_int_equal(cluster_client_leader(world.client), 2);
    assert_null(fake_command(0));
    assert_int_equal(fake_command(1)->command.count, 1);
    assert_int_equal(fake_command(1)->command.sequence, 1);
    assert_true(fake_command(1)->command.client != 0);
    answer(1, (struct reply){ .status = STATUS_OK, .leader = 2, .term = 5, .log_index = 77 });
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.status, STATUS_OK);
    assert_int_equal(seen.log_index, 77);
}

static void test_follows_a_hint_with_the_same_sequence(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    struct command_header first = fake_command(0)->command;
    answer(0, (struct reply){ .status = STATUS_NOT_LEADER, .leader = 3, .term = 6 });
    assert_int_equal(seen.count, 0);
    assert_memory_equal(&fake_command(2)->command, &first, sizeof first);
    answer(2, (struct reply){ .status = STATUS_OK, .leader = 3, .term = 6 });
    assert_int_equal(seen.status, STATUS_OK);
    assert_int_equal(seen.count, 1);
}

static void test_retries_after_a_cut_with_the_same_sequence(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    struct command_header first = fake_command(0)->command;
    fake_down(0);
    assert_false(world.serving);
    assert_int_equal(seen.count, 0);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(1, 1, 5); /* has not noticed yet */
    assert_false(world.serving);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(1, 2, 6);
    assert_true(world.serving);
    assert_memory_equal(&fake_command(1)->command, &first, sizeof first);
    answer(1, (struct reply){ .status = STATUS_OK, .leader = 2, .term = 6 });
    assert_int_equal(seen.status, STATUS_OK);
}

/* Only the connection broke: the same server still leads. */
static void test_retries_on_a_new_connection(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    struct command_header first = fake_command(0)->command;
    uint64_t first_id = fake_command(0)->request.id;
    fake_down(0);
    fake_up(0, CLUSTER, 1);
    assert_true(world.serving); /* as far as anybody knows */
    assert_memory_equal(&fake_command(0)->command, &first, sizeof first);
    assert_true(fake_command(0)->request.id != first_id);
    answer(0, (struct reply){ .status = STATUS_OK, .leader = 1, .term = 5 });
    assert_int_equal(seen.status, STATUS_OK);
}

static void test_an_answer_counts_only_from_who_was_asked(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    struct reply reply = { .id = fake_command(0)->request.id, .count = 1 };
    uint8_t result[RESULT_SIZE] = { 0 };
    fake_reply(1, &reply, result, sizeof result);
    assert_int_equal(seen.count, 0);
    fake_reply(0, &reply, result, sizeof result);
    assert_int_equal(seen.count, 1);
}

static void test_no_leader_is_known_not_applied(void **state)
{
    (void)state;
    static struct seen seen;
    fake_up(0, CLUSTER, 1);
    fake_answer_status(0, 0, 9);
    submit(&seen);
    pass_ms(899);
    assert_int_equal(seen.count, 0);
    pass_ms(1); /* the deadline less a tenth */
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.status, STATUS_NO_LEADER);
    assert_string_equal(seen.text, "no leader was reachable (1 of 3 servers connected); nothing "
                                   "was applied, try again later");
}

static void test_a_lost_leader_leaves_the_outcome_unknown(void **state)
{
    (void)state;
    static struct seen write;
    static struct seen read;
    lead(1, 5);
    submit(&write);
    submit_for(OPERATION_LOOK_UP_ACCOUNTS, false, 1000, &read);
    fake_down(0);
    fake_down(1);
    pass_ms(1000);
    assert_int_equal(write.status, STATUS_LEADER_LOST);
    assert_non_null(strstr(write.text, "may have taken"));
    assert_int_equal(read.status, STATUS_NO_LEADER);
}

/* The leader itself says that it lost a majority after it took the request. */
static void test_a_leader_that_steps_down(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    answer(0, (struct reply){ .status = STATUS_LEADER_LOST, .leader = 0, .term = 5 });
    assert_int_equal(seen.count, 0);
    assert_false(world.serving);
    pass_ms(1000);
    assert_int_equal(seen.status, STATUS_LEADER_LOST);
}

static void test_hearsay_about_a_leader_that_stepped_down(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    answer(0, (struct reply){ .status = STATUS_NOT_LEADER, .leader = 0, .term = 5 });
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(1, 1, 5);
    assert_false(world.serving);
    assert_int_equal(fake_commands_count(0), 1);
    fake_answer_status(0, 1, 6); /* it leads again */
    assert_true(world.serving);
    assert_int_equal(fake_commands_count(0), 2);
}

static void test_a_leader_that_does_not_answer(void **state)
{
    (void)state;
    static struct seen write;
    static struct seen read;
    lead(1, 5);
    submit(&write);
    submit_for(OPERATION_LOOK_UP_TRANSFERS, false, 1000, &read);
    pass_ms(450);
    pass_ms(450);
    assert_int_equal(write.status, STATUS_TIMEOUT_UNKNOWN);
    assert_int_equal(read.status, STATUS_TIMEOUT);
}

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
        if (fake_links[0].sent[i].request.operation != OPERATION_STATUS) {
            assert_true(fake_links[0].sent[i].command.sequence > last);
            last = fake_links[0].sent[i].command.sequence;
        }
    }
    assert_int_equal(last, 2);
}

static void test_a_silent_leader_is_left_for_the_next(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit_for(OPERATION_CREATE_TRANSFERS, false, 9000, &seen);
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(1, 1, 5);
    fake_answer_status(2, 1, 5);
    assert_true(world.serving);
    pass_ms(CLIENT_SILENT_MS);
    assert_false(world.serving);
    fake_answer_status(2, 3, 6);
    assert_true(world.serving);
    assert_int_equal(fake_command(2)->command.sequence, 1);
    /* The first one wakes up: its answer is to an attempt that was given up. */
    answer(0, (struct reply){ .status = STATUS_NOT_LEADER, .leader = 3, .term = 6 });
    assert_int_equal(seen.count, 0);
    answer(2, (struct reply){ .status = STATUS_OK, .leader = 3, .term = 6 });
    assert_int_equal(seen.status, STATUS_OK);
}

static void test_refusals(void **state)
{
    (void)state;
    static const enum status FINAL[] = { STATUS_BUSY,      STATUS_NO_SPACE,      STATUS_INVALID,
                                         STATUS_TOO_LARGE, STATUS_UNIMPLEMENTED, STATUS_INTERNAL };
    static struct seen seen;
    lead(1, 5);
    for (size_t i = 0; i < sizeof FINAL / sizeof FINAL[0]; i++) {
        submit(&seen);
        answer(0, (struct reply){ .status = FINAL[i], .leader = 1, .term = 5 });
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.status, FINAL[i]);
        assert_string_equal(seen.text, status_text(FINAL[i]));
    }
}

/* "Busy" says nothing about the attempt before, which may have been applied. */
static void test_a_refusal_of_a_retry_is_not_final(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    fake_down(0);
    fake_answer_status(1, 2, 6);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(1, 2, 6);
    answer(1, (struct reply){ .status = STATUS_BUSY, .leader = 2, .term = 6 });
    assert_int_equal(seen.count, 0);
    pass_ms(CLIENT_HOLD_MS);
    answer(1, (struct reply){ .status = STATUS_NO_SPACE, .leader = 2, .term = 6 });
    assert_int_equal(seen.count, 0);
    pass_ms(1000);
    assert_int_equal(seen.status, STATUS_TIMEOUT_UNKNOWN);
}

static void test_a_server_that_shuts_down(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    answer(0, (struct reply){ .status = STATUS_SHUTTING_DOWN, .leader = 1, .term = 5 });
    assert_false(world.serving);
    assert_int_equal(seen.count, 0);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(1, 2, 6);
    assert_int_equal(fake_command(1)->command.sequence, 1);
}

static void test_an_unsound_answer(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    struct fake_sent *sent = fake_command(0);
    struct reply reply = { .id = sent->request.id, .leader = 1, .term = 5, .count = 2 };
    uint8_t results[2 * RESULT_SIZE] = { 0 };
    fake_reply(0, &reply, results, sizeof results);
    assert_int_equal(seen.status, STATUS_PROTOCOL);
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
    struct cluster_request request = {
        .operation = OPERATION_CREATE_TRANSFERS,
        .bytes = calloc(1, COMMAND_HEADER_SIZE + EVENT_SIZE),
        .count = 1,
        .deadline_ns = world.now_ns + NS_PER_S,
        .callback = on_answer,
        .context = &one,
    };
    uint64_t other = 0;
    assert_non_null(request.bytes);
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

static void test_stale_reads_need_no_leader(void **state)
{
    (void)state;
    static struct seen stale;
    static struct seen strict;
    fake_up(2, CLUSTER, 3);
    fake_answer_status(2, 0, 4);
    submit_for(OPERATION_LOOK_UP_ACCOUNTS, true, 1000, &stale);
    submit_for(OPERATION_LOOK_UP_ACCOUNTS, false, 1000, &strict);
    assert_int_equal(fake_commands_count(2), 1);
    assert_int_equal(fake_command(2)->request.flags, REQUEST_STALE_READ);
    assert_true(fake_command(2)->command.client == 0);
    fake_up(1, CLUSTER, 2);
    fake_answer_status(1, 2, 4);
    assert_int_equal(fake_commands_count(1), 1); /* the strict one; the other is under way */
    struct reply reply = { .id = fake_command(2)->request.id, .status = STATUS_OK, .term = 4 };
    fake_reply(2, &reply, NULL, 0); /* not found */
    assert_int_equal(stale.count, 1);
    assert_int_equal(stale.status, STATUS_OK);
    assert_int_equal(strict.count, 0);
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
        CASE(test_finds_the_leader_and_answers),
        CASE(test_follows_a_hint_with_the_same_sequence),
        CASE(test_retries_after_a_cut_with_the_same_sequence),
        CASE(test_retries_on_a_new_connection),
        CASE(test_an_answer_counts_only_from_who_was_asked),
        CASE(test_no_leader_is_known_not_applied),
        CASE(test_a_lost_leader_leaves_the_outcome_unknown),
        CASE(test_a_leader_that_steps_down),
        CASE(test_hearsay_about_a_leader_that_stepped_down),
        CASE(test_a_leader_that_does_not_answer),
        CASE(test_a_full_connection),
        CASE(test_a_silent_leader_is_left_for_the_next),
        CASE(test_refusals),
        CASE(test_a_refusal_of_a_retry_is_not_final),
        CASE(test_a_server_that_shuts_down),
        CASE(test_an_unsound_answer),
        CASE(test_cancel),
        CASE(test_the_bounds),
        CASE(test_deadlines),
        CASE(test_stale_reads_need_no_leader),
        CASE(test_strangers_are_not_used),
        CASE(test_status_of_members),
        CASE(test_close_completes_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
