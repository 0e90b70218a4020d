/* Where requests go when servers answer, refuse, move, fall silent or go away, and what is known
 * when the client gives up. */
#include "ledger/store/records.h"
#include "tests/client/client_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

/* Two of three servers are gone. The one that is left still leads its term, but says that it has
 * not heard from a majority: what it has stays there, and nothing new is sent. */
static void test_a_leader_without_a_majority(void **state)
{
    (void)state;
    static struct seen sent;
    static struct seen read;
    static struct seen held;
    lead(1, 5);
    fake_down(1);
    fake_down(2);
    submit(&sent);
    submit_for(OPERATION_LOOK_UP_ACCOUNTS, false, 1000, &read);
    pass_ms(CLIENT_POLL_MS);
    assert_true(world.serving);
    fake_answer_status(0, 0, 5);
    assert_false(world.serving);
    submit_for(OPERATION_CREATE_TRANSFERS, false, 700, &held);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(0, 0, 5);
    assert_int_equal(fake_commands_count(0), 2);
    pass_ms(900 - CLIENT_POLL_MS - CLIENT_SEARCH_MS);
    assert_int_equal(sent.status, STATUS_LEADER_LOST);
    assert_non_null(strstr(sent.text, "may have taken"));
    assert_int_equal(read.status, STATUS_NO_LEADER);
    assert_int_equal(held.status, STATUS_NO_LEADER); /* never sent: known not to be applied */
    assert_non_null(strstr(held.text, "nothing was applied"));
}

static void test_a_leader_that_finds_its_majority_again(void **state)
{
    (void)state;
    static struct seen first;
    static struct seen second;
    static struct seen held;
    lead(1, 5);
    submit(&second);
    submit(&first);
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, 0, 5);
    fake_answer_status(1, 1, 5); /* hearsay of the same term */
    assert_false(world.serving);
    submit(&held);
    /* It answers what it has, and names itself there: that is no claim to serve. */
    answer(0, (struct reply){ .status = STATUS_OK, .leader = 1, .term = 5 });
    assert_int_equal(first.status, STATUS_OK);
    assert_int_equal(first.count, 1);
    assert_false(world.serving);
    assert_int_equal(fake_commands_count(0), 2);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(0, 1, 5);
    assert_true(world.serving);
    assert_int_equal(fake_commands_count(0), 3); /* the held one; nothing is sent twice */
    assert_int_equal(fake_command(0)->command.sequence, 3);
    assert_int_equal(second.count, 0);
}

/* The next leader gets what the one without a majority has not answered. */
static void test_a_leader_without_a_majority_is_followed_by_another(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    struct command_header first = fake_command(0)->command;
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, 0, 5);
    pass_ms(CLIENT_SEARCH_MS);
    fake_answer_status(1, 2, 6);
    assert_true(world.serving);
    assert_memory_equal(&fake_command(1)->command, &first, sizeof first);
    answer(1, (struct reply){ .status = STATUS_OK, .leader = 2, .term = 6 });
    assert_int_equal(seen.status, STATUS_OK);
    assert_int_equal(seen.count, 1);
}

/* A read's deadline passes at the server first. */
static void test_a_read_that_the_server_gives_up(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit_for(OPERATION_LOOK_UP_ACCOUNTS, false, 1000, &seen);
    answer(0, (struct reply){ .status = STATUS_TIMEOUT, .leader = 1, .term = 5 });
    assert_int_equal(seen.status, STATUS_TIMEOUT);
    submit_for(OPERATION_LOOK_UP_ACCOUNTS, false, 1000, &seen);
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, 0, 5);
    answer(0, (struct reply){ .status = STATUS_TIMEOUT, .leader = 1, .term = 5 });
    assert_int_equal(seen.status, STATUS_NO_LEADER);
}

/* A write's too, and it is under way: neither refused nor sent again behind the caller's back. */
static void test_a_write_that_the_server_gives_up(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    submit(&seen);
    answer(0, (struct reply){ .status = STATUS_TIMEOUT_UNKNOWN, .leader = 1, .term = 5 });
    assert_int_equal(seen.status, STATUS_TIMEOUT_UNKNOWN);
    assert_int_equal(fake_commands_count(0), 1);
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

/* The server had no room for its answer to a poll: the next poll mends it. */
static void test_a_poll_whose_answer_is_lost(void **state)
{
    (void)state;
    lead(1, 5);
    pass_ms(CLIENT_POLL_MS);
    fake_links[0].sent[fake_links[0].sent_count - 1].answered = true; /* never comes */
    uint32_t sent_count = fake_links[0].sent_count;
    pass_ms(CLIENT_SILENT_MS - 1);
    assert_true(world.serving);
    assert_int_equal(fake_links[0].sent_count, sent_count);
    pass_ms(1);
    assert_false(world.serving);
    pass_ms(CLIENT_SEARCH_MS);
    assert_int_equal(fake_links[0].sent_count, sent_count + 1);
    fake_answer_status(0, 1, 5);
    assert_true(world.serving);
}

/* Answers to commands fill the connection, the one to the poll is behind them: that is no silence.
 */
static void test_a_busy_leader_is_not_silent(void **state)
{
    (void)state;
    static struct seen seen[4];
    lead(1, 5);
    for (uint32_t i = 0; i < 4; i++) {
        submit_for(OPERATION_CREATE_TRANSFERS, false, 9000, &seen[i]);
    }
    pass_ms(CLIENT_POLL_MS);
    for (uint32_t i = 0; i < 4; i++) {
        pass_ms(CLIENT_SILENT_MS - 1);
        answer(0, (struct reply){ .status = STATUS_OK, .leader = 1, .term = 5 });
        assert_true(world.serving);
    }
    pass_ms(CLIENT_SILENT_MS);
    assert_false(world.serving);
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
    pass_ms(CLIENT_HOLD_MS); /* an older release does not know what the former leader took */
    answer(1, (struct reply){ .status = STATUS_UNIMPLEMENTED, .leader = 2, .term = 6 });
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

static void read_at_a_follower(struct seen *seen)
{
    struct cluster_request request = request_of(seen);
    uint64_t handle = 0;
    request.operation = OPERATION_LOOK_UP_ACCOUNTS;
    request.follower = true;
    assert_int_equal(cluster_client_submit(world.client, &request, &handle), STATUS_OK);
}

static void test_reads_of_followers(void **state)
{
    (void)state;
    static struct seen seen[6];
    lead(1, 4);
    for (uint32_t i = 0; i < 6; i++) {
        read_at_a_follower(&seen[i]);
    }
    assert_int_equal(fake_commands_count(0), 0);
    assert_true(fake_commands_count(1) > 0 && fake_commands_count(2) > 0);
    assert_int_equal(fake_commands_count(1) + fake_commands_count(2), 6);
    assert_int_equal(fake_command(1)->request.flags, REQUEST_FOLLOWER_READ);
    answer(1, (struct reply){ .status = STATUS_NOT_LEADER, .leader = 1, .term = 4 });
    pass_ms(50);
    assert_int_equal(fake_commands_count(0), 1); /* the follower could not: the leader can */
    fake_down(2);
    fake_down(1);
    pass_ms(50);
    assert_int_equal(fake_commands_count(0), 6);
    read_at_a_follower(&seen[0]);
    assert_int_equal(fake_commands_count(0), 7); /* the only one there is */
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
        CASE(test_a_leader_without_a_majority),
        CASE(test_a_leader_that_finds_its_majority_again),
        CASE(test_a_leader_without_a_majority_is_followed_by_another),
        CASE(test_a_read_that_the_server_gives_up),
        CASE(test_a_write_that_the_server_gives_up),
        CASE(test_hearsay_about_a_leader_that_stepped_down),
        CASE(test_a_leader_that_does_not_answer),
        CASE(test_a_silent_leader_is_left_for_the_next),
        CASE(test_a_poll_whose_answer_is_lost),
        CASE(test_a_busy_leader_is_not_silent),
        CASE(test_refusals),
        CASE(test_a_refusal_of_a_retry_is_not_final),
        CASE(test_a_server_that_shuts_down),
        CASE(test_an_unsound_answer),
        CASE(test_stale_reads_need_no_leader),
        CASE(test_reads_of_followers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
