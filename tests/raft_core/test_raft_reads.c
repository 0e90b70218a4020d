/* Reads at followers; test_raft_core.c has those at a leader. */
#include "one_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A follower of node 2 in term 3. */
static void start_follower(struct one_node *node)
{
    one_start(node, 3, 3, NULL, 0, 0);
    one_receive(node, one_message(RAFT_HEARTBEAT, 2, 3));
}

static struct raft_message answer_to(const struct raft_message *question, uint64_t index)
{
    struct raft_message answer = one_message(RAFT_READ_RESULT, 2, 3);
    answer.read_round = question->read_round;
    answer.commit_index = index;
    return answer;
}

static void a_follower_asks_its_leader(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    assert_int_equal(one_read(&node, 1), STATUS_NOT_LEADER); /* whom? */
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 3));
    assert_int_equal(one_read(&node, 7), STATUS_OK);
    const struct raft_message *question = one_sent(&node, RAFT_READ, 2);
    assert_non_null(question);
    assert_int_equal(question->after_write, 0);
    one_receive(&node, answer_to(question, 12));
    assert_int_equal(node.update.read_count, 1);
    assert_int_equal(node.update.reads[0].read_id, 7);
    assert_int_equal(node.update.reads[0].index, 12); /* it will have that much some time */
    one_stop(&node);
}

static void pitfall_11_a_read_takes_no_answer_to_an_earlier_question(void **state)
{
    (void)state;
    struct one_node node;
    start_follower(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK);
    struct raft_message first = answer_to(one_sent(&node, RAFT_READ, 2), 5);
    assert_int_equal(one_read(&node, 2), STATUS_OK); /* came after the question had left */
    assert_null(one_sent(&node, RAFT_READ, 2));
    assert_int_equal(one_read(&node, 3), STATUS_OK);
    one_receive(&node, first);
    assert_int_equal(node.update.read_count, 1);
    assert_int_equal(node.update.reads[0].read_id, 1);
    struct raft_message second = answer_to(one_sent(&node, RAFT_READ, 2), 9);
    one_receive(&node, first); /* again */
    assert_int_equal(node.update.read_count, 0);
    second.from = 3; /* not of the leader */
    one_receive(&node, second);
    assert_int_equal(node.update.read_count, 0);
    second.from = 2;
    one_receive(&node, second);
    assert_int_equal(node.update.read_count, 2);
    assert_int_equal(node.update.reads[1].index, 9);
    one_stop(&node);
}

/* The same term and leader, the first question of each process. */
static void answers_to_an_earlier_process_fit_no_question(void **state)
{
    (void)state;
    uint64_t rounds[2];
    for (uint64_t i = 0; i < 2; i++) {
        struct one_node node;
        start_follower(&node);
        node.options.seed = 100 + i;
        struct raft_start start = { .now_ns = node.now_ns,
                                    .term = 3,
                                    .config = *raft_config(node.raft) };
        one_restart(&node, &start);
        one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 3));
        assert_int_equal(one_read(&node, 1), STATUS_OK);
        rounds[i] = one_sent(&node, RAFT_READ, 2)->read_round;
        one_stop(&node);
    }
    assert_true(rounds[0] > rounds[1] + 1000 || rounds[1] > rounds[0] + 1000);
}

static void a_follower_refuses_reads_when_its_leader_changes_or_is_silent(void **state)
{
    (void)state;
    struct one_node node;
    start_follower(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK);
    assert_int_equal(one_read(&node, 2), STATUS_OK);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 3, 4));
    assert_int_equal(node.update.read_count, 2);
    assert_int_equal(node.update.reads[1].index, 0);

    assert_int_equal(one_read(&node, 3), STATUS_OK);
    uint64_t round = one_sent(&node, RAFT_READ, 3)->read_round;
    assert_int_equal(one_read(&node, 4), STATUS_OK);
    node.now_ns += ELECTION_MS / 2 * MS;
    one_receive(&node, one_message(RAFT_HEARTBEAT, 3, 4)); /* heard, but the question is lost */
    node.now_ns += (ELECTION_MS / 2 * MS) - 1;
    one_tick(&node, 0);
    assert_int_equal(node.update.read_count, 0);
    assert_true(raft_deadline_ns(node.raft) <= node.now_ns + 1);
    node.now_ns++;
    one_tick(&node, 0);
    assert_int_equal(node.update.read_count, 1);
    assert_int_equal(node.update.reads[0].read_id, 3);
    assert_int_equal(node.update.reads[0].index, 0);
    assert_true(one_sent(&node, RAFT_READ, 3)->read_round > round); /* the next one asks anew */
    one_tick_deadline(&node);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE);
    assert_int_equal(one_read(&node, 5), STATUS_NOT_LEADER);
    one_stop(&node);
}

static void a_refusal_is_passed_on(void **state)
{
    (void)state;
    struct one_node node;
    start_follower(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK);
    one_receive(&node, answer_to(one_sent(&node, RAFT_READ, 2), 0));
    assert_int_equal(node.update.read_count, 1);
    assert_int_equal(node.update.reads[0].index, 0);
    one_stop(&node);
}

static void reads_at_a_follower_are_bounded(void **state)
{
    (void)state;
    struct one_node node;
    start_follower(&node);
    for (uint32_t i = 0; i < RAFT_READS_MAX; i++) {
        assert_int_equal(one_read(&node, i), STATUS_OK);
    }
    assert_int_equal(one_read(&node, RAFT_READS_MAX), STATUS_BUSY);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 3, 4));
    assert_int_equal(node.update.read_count, RAFT_READS_MAX);
    one_stop(&node);
}

/* --- the leader's side --- */

static struct raft_message question(uint32_t from, uint64_t term, uint64_t round)
{
    struct raft_message message = one_message(RAFT_READ, from, term);
    message.read_round = round;
    return message;
}

static void a_leader_answers_after_a_round_that_began_later(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK); /* a round is under way */
    one_receive(&node, question(3, 1, 500));
    assert_null(one_sent(&node, RAFT_READ_RESULT, 3));
    one_receive(&node, question(3, 1, 500)); /* came twice */
    one_answer_heartbeat(&node, 2);
    assert_int_equal(node.update.read_count, 1);
    assert_null(one_sent(&node, RAFT_READ_RESULT, 3)); /* that round began before */
    one_answer_heartbeat(&node, 2);
    const struct raft_message *answer = one_sent(&node, RAFT_READ_RESULT, 3);
    assert_int_equal(answer->commit_index, 1);
    assert_int_equal(answer->read_round, 500);
    assert_int_equal(one_sent_count(&node, RAFT_READ_RESULT, 3), 1);
    one_stop(&node);
}

/* Late, on a network that repeats and reorders: the newer question stays the one that is answered.
 * Numbers that are lower by far are of a process that began anew. */
static void a_late_question_does_not_take_the_place_of_a_newer_one(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    one_receive(&node, question(3, 1, UINT64_C(1) << 40));
    one_receive(&node, question(3, 1, (UINT64_C(1) << 40) - 1));
    one_answer_heartbeat(&node, 2);
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 3)->read_round, UINT64_C(1) << 40);
    one_receive(&node, question(3, 1, UINT64_C(1) << 40));
    one_receive(&node, question(3, 1, 500));
    for (unsigned i = 0; i < 3 && one_sent(&node, RAFT_READ_RESULT, 3) == NULL; i++) {
        one_answer_heartbeat(&node, 2);
    }
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 3)->read_round, 500);
    one_stop(&node);
}

static void pitfall_10_a_question_waits_for_an_entry_of_the_own_term(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1 };
    struct one_node node;
    one_start(&node, 3, 1, TERMS, 2, 1);
    one_elect(&node);
    one_receive(&node, question(2, 2, 8));
    one_answer_heartbeat(&node, 2);
    assert_null(one_sent(&node, RAFT_READ_RESULT, 2));
    one_written_all(&node);
    one_receive_match(&node, 2, 3);
    one_answer_heartbeat(&node, 2);
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 2)->commit_index, 3);
    one_stop(&node);
}

static void who_does_not_lead_refuses(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    one_receive(&node, question(3, 3, 8));
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 3)->read_round, 8);
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 3)->commit_index, 0);
    one_receive(&node, question(3, 2, 9)); /* of the past: it learns the term */
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 3)->term, 3);
    one_stop(&node);

    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    one_receive(&node, question(9, 1, 8)); /* no member, so nobody confirms for it */
    assert_int_equal(one_sent(&node, RAFT_READ_RESULT, 9)->commit_index, 0);
    one_receive(&node, question(3, 1, 8));
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 2)); /* deposed: 3 notices itself */
    assert_null(one_sent(&node, RAFT_READ_RESULT, 3));
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_asks_its_leader),
        cmocka_unit_test(pitfall_11_a_read_takes_no_answer_to_an_earlier_question),
        cmocka_unit_test(answers_to_an_earlier_process_fit_no_question),
        cmocka_unit_test(a_follower_refuses_reads_when_its_leader_changes_or_is_silent),
        cmocka_unit_test(a_refusal_is_passed_on),
        cmocka_unit_test(reads_at_a_follower_are_bounded),
        cmocka_unit_test(a_leader_answers_after_a_round_that_began_later),
        cmocka_unit_test(a_late_question_does_not_take_the_place_of_a_newer_one),
        cmocka_unit_test(pitfall_10_a_question_waits_for_an_entry_of_the_own_term),
        cmocka_unit_test(who_does_not_lead_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
