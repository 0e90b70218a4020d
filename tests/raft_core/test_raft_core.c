/* Elections, leadership and reads of one node; test_raft_log.c has the rest. The numbers are those
 * of the catalogue of pitfalls: bugs that other implementations had. */
#include "one_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct raft_message vote_request(enum raft_message_kind kind, uint32_t from, uint64_t term,
                                        uint64_t last_index, uint64_t last_term)
{
    struct raft_message message = one_message(kind, from, term);
    message.last_index = last_index;
    message.last_term = last_term;
    return message;
}

static void pitfall_3_a_pre_vote_grant_echoes_the_term_asked_for(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 4, NULL, 0, 0);
    one_receive(&node, vote_request(RAFT_PRE_VOTE, 2, 9, 0, 0));
    const struct raft_message *answer = one_sent(&node, RAFT_PRE_VOTE_RESULT, 2);
    assert_non_null(answer);
    assert_true(answer->granted);
    assert_int_equal(answer->term, 9);
    assert_int_equal(one_status(&node).term, 4); /* and changes nothing here */
    assert_int_equal(node.update.write_sequence, 0);
    one_stop(&node);
}

static void pitfall_4_a_pre_vote_refusal_brings_a_laggard_to_the_term(void **state)
{
    (void)state;
    static const uint64_t LONG_LOG[] = { 1, 1, 1, 1 };
    struct one_node voter; /* high term, short log */
    one_start(&voter, 3, 8, NULL, 0, 0);
    one_receive(&voter, vote_request(RAFT_PRE_VOTE, 2, 6, 4, 1));
    const struct raft_message *refusal = one_sent(&voter, RAFT_PRE_VOTE_RESULT, 2);
    assert_false(refusal->granted);
    assert_int_equal(refusal->term, 8);
    one_stop(&voter);

    struct one_node laggard; /* low term, long log */
    one_start(&laggard, 3, 5, LONG_LOG, 4, 0);
    one_tick_deadline(&laggard);
    assert_int_equal(one_sent(&laggard, RAFT_PRE_VOTE, 2)->term, 6);
    one_receive(&laggard, one_message(RAFT_PRE_VOTE_RESULT, 2, 8));
    assert_int_equal(one_status(&laggard).term, 8);
    one_tick_deadline(&laggard);
    assert_int_equal(one_sent(&laggard, RAFT_PRE_VOTE, 2)->term, 9);
    one_stop(&laggard);
}

static void pitfall_5_stepping_down_in_the_same_term_keeps_the_vote(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    one_tick(&node, (uint64_t)2 * ELECTION_MS); /* hears nobody: CheckQuorum */
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(one_status(&node).term, 1);
    assert_int_equal(one_status(&node).voted_for, 1);
    one_receive(&node, vote_request(RAFT_VOTE, 3, 1, 0, 0));
    assert_int_equal(one_status(&node).voted_for, 1);
    assert_false(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_stop(&node);
}

static void a_refused_candidate_keeps_its_vote_too(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    one_tick_deadline(&node);
    struct raft_message answer = one_message(RAFT_PRE_VOTE_RESULT, 2, 4);
    answer.granted = true;
    one_receive(&node, answer);
    assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
    one_receive(&node, one_message(RAFT_VOTE_RESULT, 2, 4));
    assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
    one_receive(&node, one_message(RAFT_VOTE_RESULT, 3, 4));
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(one_status(&node).voted_for, 1);
    one_stop(&node);
}

static void pitfall_6_a_leader_of_the_past_is_told(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 7, NULL, 0, 0);
    one_receive_append(&node, 2, 5, 0, 0, NULL, 0);
    const struct raft_message *answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_int_equal(answer->term, 7);
    assert_true(answer->rejected);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 5));
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT_RESULT, 2)->term, 7);
    assert_int_equal(one_status(&node).leader, 0);
    one_stop(&node);

    one_start(&node, 3, 0, NULL, 0, 0); /* and steps down when it hears */
    one_lead(&node);
    struct raft_message newer = one_message(RAFT_APPEND_RESULT, 3, 7);
    newer.rejected = true;
    one_receive(&node, newer);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(one_status(&node).term, 7);
    assert_true(node.update.hard_state && node.update.role_changed);
    one_stop(&node);
}

static void pitfall_16_logs_compare_by_term_first(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 2, 2 };
    static const struct {
        uint64_t last_index;
        uint64_t last_term;
        bool granted;
    } CASES[] = { { 3, 2, true },  { 4, 2, true },  { 2, 2, false }, { 1, 3, true },
                  { 9, 1, false }, { 3, 1, false }, { 3, 3, true },  { 0, 0, false } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct one_node node;
        one_start(&node, 3, 3, TERMS, 3, 0);
        one_receive(&node,
                    vote_request(RAFT_PRE_VOTE, 2, 5, CASES[i].last_index, CASES[i].last_term));
        assert_int_equal(one_sent(&node, RAFT_PRE_VOTE_RESULT, 2)->granted, CASES[i].granted);
        one_receive(&node, vote_request(RAFT_VOTE, 2, 5, CASES[i].last_index, CASES[i].last_term));
        assert_int_equal(one_sent(&node, RAFT_VOTE_RESULT, 2)->granted, CASES[i].granted);
        one_stop(&node);
    }
}

static void a_vote_leaves_after_it_is_written_and_is_given_once(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    one_receive(&node, vote_request(RAFT_VOTE, 2, 5, 0, 0));
    assert_true(node.update.hard_state);
    assert_int_equal(node.update.term, 5);
    assert_int_equal(node.update.voted_for, 2);
    assert_int_equal(one_sent(&node, RAFT_VOTE_RESULT, 2)->after_write, node.update.write_sequence);
    one_receive(&node, vote_request(RAFT_VOTE, 2, 5, 0, 0)); /* again: still waits */
    assert_int_equal(one_sent(&node, RAFT_VOTE_RESULT, 2)->after_write, 1);
    assert_int_equal(node.update.write_sequence, 0);
    one_receive(&node, vote_request(RAFT_VOTE, 3, 5, 0, 0));
    assert_false(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_written_all(&node);
    one_receive(&node, vote_request(RAFT_VOTE, 2, 5, 0, 0));
    assert_true(one_sent(&node, RAFT_VOTE_RESULT, 2)->granted);
    assert_int_equal(one_sent(&node, RAFT_VOTE_RESULT, 2)->after_write, 0);
    one_stop(&node);
}

static void a_candidacy_leaves_after_its_term_is_written(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    one_tick_deadline(&node);
    assert_int_equal(one_sent(&node, RAFT_PRE_VOTE, 3)->after_write, 0);
    assert_int_equal(node.update.write_sequence, 0);
    struct raft_message answer = one_message(RAFT_PRE_VOTE_RESULT, 2, 4);
    answer.granted = true;
    one_receive(&node, answer);
    assert_int_equal(node.update.write_sequence, 1);
    assert_int_equal(one_sent(&node, RAFT_VOTE, 3)->after_write, 1);
    one_stop(&node);
}

static void a_follower_that_hears_its_leader_refuses_votes(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 3));
    one_receive(&node, vote_request(RAFT_PRE_VOTE, 3, 4, 0, 0));
    assert_false(one_sent(&node, RAFT_PRE_VOTE_RESULT, 3)->granted);
    one_receive(&node, vote_request(RAFT_VOTE, 3, 4, 0, 0));
    assert_false(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    assert_int_equal(one_status(&node).term, 3); /* not even the term moves */

    struct raft_message transfer = vote_request(RAFT_VOTE, 3, 4, 0, 0);
    transfer.transfer = true;
    one_receive(&node, transfer);
    assert_true(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_stop(&node);

    one_start(&node, 3, 3, NULL, 0, 0); /* a leader unheard for a timeout protects nobody */
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 3));
    node.now_ns += ELECTION_MS * MS;
    one_receive(&node, vote_request(RAFT_VOTE, 3, 4, 0, 0));
    assert_true(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_stop(&node);
}

static void a_leader_that_hears_no_quorum_steps_down(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    for (uint32_t i = 0; i < 20; i++) {
        one_tick(&node, HEARTBEAT_MS);
        assert_non_null(one_sent(&node, RAFT_HEARTBEAT, 3));
        one_answer_heartbeat(&node, 2);
    }
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_tick(&node, ELECTION_MS - 1);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_tick(&node, 1);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_NOT_LEADER);
    one_stop(&node);
}

static void pitfall_10_reads_wait_for_an_entry_of_the_own_term(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1 };
    struct one_node node;
    one_start(&node, 3, 1, TERMS, 2, 1);
    one_elect(&node);
    assert_int_equal(one_read(&node, 50), STATUS_OK);
    one_tick(&node, HEARTBEAT_MS);
    one_answer_heartbeat(&node, 2);
    assert_int_equal(node.update.read_count, 0);
    one_written_all(&node);
    one_receive_match(&node, 2, 3); /* the no-op is committed: now a round begins */
    assert_int_equal(node.update.commit_index, 3);
    assert_int_equal(node.update.read_count, 0);
    one_answer_heartbeat(&node, 2);
    assert_int_equal(node.update.read_count, 1);
    assert_int_equal(node.update.reads[0].read_id, 50);
    assert_int_equal(node.update.reads[0].index, 3);
    one_stop(&node);
}

static void pitfall_11_a_read_is_confirmed_by_a_round_that_began_after_it(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK); /* starts a round at once */
    struct raft_message first = one_message(RAFT_HEARTBEAT_RESULT, 2, 1);
    first.read_round = one_sent(&node, RAFT_HEARTBEAT, 2)->read_round;
    assert_int_equal(one_read(&node, 2), STATUS_OK); /* too late for that one */
    assert_null(one_sent(&node, RAFT_HEARTBEAT, 2));
    assert_int_equal(one_read(&node, 3), STATUS_OK);
    one_receive(&node, first);
    assert_int_equal(node.update.read_count, 1);
    assert_int_equal(node.update.reads[0].read_id, 1);
    struct raft_message second = first;
    second.read_round = one_sent(&node, RAFT_HEARTBEAT, 2)->read_round; /* and the next begins */
    assert_true(second.read_round > first.read_round);
    one_receive(&node, first); /* a late duplicate says nothing */
    first.from = 3;
    one_receive(&node, first);
    assert_int_equal(node.update.read_count, 0);
    one_receive(&node, second);
    assert_int_equal(node.update.read_count, 2);
    assert_int_equal(node.update.reads[1].read_id, 3);
    one_stop(&node);
}

static void a_lost_round_is_repeated_by_the_next_heartbeat(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK);
    assert_int_equal(one_read(&node, 2), STATUS_OK);
    one_tick(&node, HEARTBEAT_MS); /* its round covers both */
    one_answer_heartbeat(&node, 3);
    assert_int_equal(node.update.read_count, 2);
    one_stop(&node);
}

static void reads_are_refused_when_leadership_ends(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    assert_int_equal(one_read(&node, 1), STATUS_NOT_LEADER);
    one_lead(&node);
    assert_int_equal(one_read(&node, 1), STATUS_OK);
    assert_int_equal(one_read(&node, 2), STATUS_OK);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 3, 2));
    assert_int_equal(node.update.read_count, 2);
    assert_int_equal(node.update.reads[0].index, 0);
    assert_int_equal(node.update.reads[1].read_id, 2);
    assert_int_equal(node.update.reads[1].index, 0);
    one_stop(&node);
}

static void reads_are_bounded(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    for (uint32_t i = 0; i < RAFT_READS_MAX; i++) {
        assert_int_equal(one_read(&node, i), STATUS_OK);
    }
    assert_int_equal(one_read(&node, RAFT_READS_MAX), STATUS_BUSY);
    one_tick(&node, HEARTBEAT_MS);
    one_answer_heartbeat(&node, 2);
    assert_int_equal(node.update.read_count, RAFT_READS_MAX);
    one_stop(&node);
}

static void pitfall_33_a_transfer_blocks_proposals_and_ends_in_time(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    assert_int_equal(one_transfer(&node, 2), STATUS_NOT_LEADER);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK);
    assert_int_equal(one_transfer(&node, 2), STATUS_OK);
    assert_null(one_sent(&node, RAFT_TIMEOUT_NOW, 2)); /* it does not have the entry yet */
    assert_int_equal(one_propose(&node, 1, 100), STATUS_BUSY);
    assert_int_equal(one_transfer(&node, 3), STATUS_BUSY);
    one_receive_match(&node, 2, 2);
    assert_non_null(one_sent(&node, RAFT_TIMEOUT_NOW, 2));
    one_tick(&node, HEARTBEAT_MS);
    assert_non_null(one_sent(&node, RAFT_TIMEOUT_NOW, 2)); /* that may have been lost */
    for (uint32_t waited = HEARTBEAT_MS; waited < TRANSFER_MS; waited += HEARTBEAT_MS) {
        assert_true(one_status(&node).transferring);
        one_answer_heartbeat(&node, 2);
        one_tick(&node, HEARTBEAT_MS);
    }
    assert_false(one_status(&node).transferring);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK);
    one_stop(&node);
}

static void a_transfer_to_anybody_takes_the_one_that_has_most(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK);
    one_receive_match(&node, 3, 2);
    assert_int_equal(one_transfer(&node, 0), STATUS_OK);
    assert_non_null(one_sent(&node, RAFT_TIMEOUT_NOW, 3));
    assert_null(one_sent(&node, RAFT_TIMEOUT_NOW, 2));
    one_stop(&node);

    one_start(&node, 1, 0, NULL, 0, 0);
    one_tick_deadline(&node);
    assert_int_equal(one_transfer(&node, 0), STATUS_BUSY); /* nobody there */
    assert_int_equal(one_transfer(&node, 1), STATUS_OK);   /* it is there already */
    one_stop(&node);
}

static void the_target_of_a_transfer_stands_at_once(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 2, NULL, 0, 0);
    one_receive(&node, one_message(RAFT_TIMEOUT_NOW, 3, 1)); /* of the past */
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 2));
    one_receive(&node, one_message(RAFT_TIMEOUT_NOW, 2, 2));
    assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
    assert_int_equal(one_status(&node).term, 3);
    assert_true(one_sent(&node, RAFT_VOTE, 2)->transfer);
    one_stop(&node);
}

static void pitfall_21_alone_a_node_commits_after_its_own_write(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 1, 0, NULL, 0, 0);
    assert_int_equal(one_read(&node, 1), STATUS_NOT_LEADER);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    assert_true(node.update.append_noop && node.update.hard_state);
    assert_int_equal(node.update.commit_index, 0);
    assert_int_equal(one_read(&node, 7), STATUS_OK);
    assert_int_equal(node.update.read_count, 0);
    one_written_all(&node);
    assert_int_equal(node.update.commit_index, 1);
    assert_int_equal(node.update.read_count, 1); /* and nobody else to ask about leadership */
    assert_int_equal(one_propose(&node, 2, 100), STATUS_OK);
    assert_int_equal(node.update.commit_index, 1);
    assert_int_equal(one_read(&node, 8), STATUS_OK);
    assert_int_equal(node.update.reads[0].index, 1);
    one_written_all(&node);
    assert_int_equal(node.update.commit_index, 3);
    one_stop(&node);
}

static void pitfall_31_heartbeats_wait_for_no_disk(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 4, 4 };
    struct one_node node;
    one_start(&node, 3, 3, NULL, 0, 0);
    one_receive_append(&node, 2, 4, 0, 0, TERMS, 2); /* a new term and entries, unwritten */
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 1);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 4));
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT_RESULT, 2)->after_write, 0);
    one_stop(&node);

    one_start(&node, 3, 0, NULL, 0, 0);
    one_elect(&node); /* the no-op is not written */
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT, 2)->after_write, 0);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->after_write,
                     0); /* disk and network at once */
    one_stop(&node);
}

static void messages_of_strangers_and_of_second_leaders_are_dropped(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_receive(&node, one_message(RAFT_VOTE_RESULT, 9, 5)); /* an answer nobody asked it for */
    struct raft_message other = one_message(RAFT_HEARTBEAT, 2, 5);
    other.to = 3;
    one_receive(&node, other);
    other.to = 1;
    other.from = 1;
    one_receive(&node, other);
    assert_int_equal(one_status(&node).dropped_messages, 2);
    assert_int_equal(one_status(&node).term, 0);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 5));
    one_receive(&node, one_message(RAFT_HEARTBEAT, 3, 5));
    assert_int_equal(one_status(&node).leader, 2);
    struct raft_message beyond = one_message(RAFT_HEARTBEAT, 2, 5);
    beyond.commit_index = 1;
    one_receive(&node, beyond);
    assert_int_equal(one_status(&node).commit_index, 0);
    assert_int_equal(one_status(&node).dropped_messages, 4);
    one_stop(&node);
}

static void an_operator_can_start_an_election(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    assert_int_equal(one_step(&node, (struct raft_event){ .kind = RAFT_EVENT_CAMPAIGN }),
                     STATUS_OK);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE);
    assert_non_null(one_sent(&node, RAFT_PRE_VOTE, 2));
    assert_string_equal(raft_role_name(RAFT_PRE_CANDIDATE), "pre-candidate");
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitfall_3_a_pre_vote_grant_echoes_the_term_asked_for),
        cmocka_unit_test(pitfall_4_a_pre_vote_refusal_brings_a_laggard_to_the_term),
        cmocka_unit_test(pitfall_5_stepping_down_in_the_same_term_keeps_the_vote),
        cmocka_unit_test(a_refused_candidate_keeps_its_vote_too),
        cmocka_unit_test(pitfall_6_a_leader_of_the_past_is_told),
        cmocka_unit_test(pitfall_16_logs_compare_by_term_first),
        cmocka_unit_test(a_vote_leaves_after_it_is_written_and_is_given_once),
        cmocka_unit_test(a_candidacy_leaves_after_its_term_is_written),
        cmocka_unit_test(a_follower_that_hears_its_leader_refuses_votes),
        cmocka_unit_test(a_leader_that_hears_no_quorum_steps_down),
        cmocka_unit_test(pitfall_10_reads_wait_for_an_entry_of_the_own_term),
        cmocka_unit_test(pitfall_11_a_read_is_confirmed_by_a_round_that_began_after_it),
        cmocka_unit_test(a_lost_round_is_repeated_by_the_next_heartbeat),
        cmocka_unit_test(reads_are_refused_when_leadership_ends),
        cmocka_unit_test(reads_are_bounded),
        cmocka_unit_test(pitfall_33_a_transfer_blocks_proposals_and_ends_in_time),
        cmocka_unit_test(a_transfer_to_anybody_takes_the_one_that_has_most),
        cmocka_unit_test(the_target_of_a_transfer_stands_at_once),
        cmocka_unit_test(pitfall_21_alone_a_node_commits_after_its_own_write),
        cmocka_unit_test(pitfall_31_heartbeats_wait_for_no_disk),
        cmocka_unit_test(messages_of_strangers_and_of_second_leaders_are_dropped),
        cmocka_unit_test(an_operator_can_start_an_election),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
