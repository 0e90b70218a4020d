/* Who takes part: configurations, learners, removal; test_raft_joining.c has who comes and who is
 * preferred. The numbers are those of the catalogue of pitfalls: bugs that other implementations
 * had. */
#include "one_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t ONES[] = { 1, 1, 1, 1, 1, 1 };

/* Node 1 with a configuration that is committed at index 1, in term 1. */
static void start_with(struct one_node *node, const char *config)
{
    struct raft_start start = { .config = one_config(config), .config_index = 1 };
    one_start_as(node, &start, 1, ONES, 1, 1);
}

static void stand(struct one_node *node)
{
    one_tick_deadline(node);
    assert_int_equal(one_status(node).role, RAFT_PRE_CANDIDATE);
}

static void check_config(const struct one_node *node, const char *text)
{
    struct raft_config config = one_config(text);
    assert_true(config_same(raft_config(node->raft), &config));
}

static void pitfall_1_a_configuration_waits_for_an_entry_of_the_own_term(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_elect(&node);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v 4l"), STATUS_BUSY);
    one_written_all(&node);
    one_receive_match(&node, 2, 2);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v 4l"), STATUS_OK);
    assert_true(node.update.config_changed);
    one_stop(&node);
}

static void one_configuration_is_uncommitted_at_a_time(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_lead(&node);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v 4v"), STATUS_INVALID);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v 4l"), STATUS_OK);
    assert_false(one_status(&node).config_committed);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v"), STATUS_BUSY);
    one_written_all(&node);
    one_receive_match(&node, 2, 3);
    assert_true(one_status(&node).config_committed);
    assert_int_equal(one_status(&node).config_index, 3);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v"), STATUS_OK);
    one_stop(&node);
}

static void a_configuration_is_taken_when_bytes_are_short(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_lead(&node);
    assert_int_equal(one_propose(&node, 1, 999950), STATUS_OK);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_BUSY);
    assert_int_equal(one_propose_config(&node, "1v 2v 3v 4l"), STATUS_OK);
    one_stop(&node);
}

static void pitfall_2_a_configuration_holds_from_its_entry_on_and_goes_with_it(void **state)
{
    (void)state;
    struct raft_config joint = one_config("1b 2b 3o 4v");
    struct one_node node;
    start_with(&node, "1v 2v 3v 4l");
    one_receive_config(&node, 2, 1, 1, 1, &joint);
    assert_true(node.update.config_changed);
    assert_true(one_status(&node).joint);
    assert_int_equal(one_status(&node).config_index, 2);
    check_config(&node, "1b 2b 3o 4v");
    static const uint64_t OTHER[] = { 2 };
    one_receive_append(&node, 3, 2, 1, 1, OTHER, 1); /* of a leader who never heard of it */
    assert_int_equal(node.update.truncate_from, 2);
    assert_true(node.update.config_changed);
    assert_int_equal(one_status(&node).config_index, 1);
    check_config(&node, "1v 2v 3v 4l");
    one_stop(&node);
}

static void of_several_configurations_in_a_message_the_last_holds(void **state)
{
    (void)state;
    struct raft_config joint = one_config("1b 2b 3o 4v");
    struct raft_config after = one_config("1v 2v 4v");
    struct raft_entry_info infos[] = { { 1, 100, &joint }, { 1, 100, NULL }, { 1, 100, &after } };
    struct raft_message message = one_message(RAFT_APPEND, 2, 1);
    message.prev_index = 1;
    message.prev_term = 1;
    message.entries = infos;
    message.entry_count = 3;
    struct one_node node;
    start_with(&node, "1v 2v 3v 4l");
    one_receive(&node, message);
    check_config(&node, "1v 2v 4v");
    assert_int_equal(one_status(&node).config_index, 4);
    static const uint64_t OTHER[] = { 2 };
    one_receive_append(&node, 4, 2, 3, 1, OTHER, 1); /* the last goes, the joint one holds again */
    check_config(&node, "1b 2b 3o 4v");
    uint64_t dropped = one_status(&node).dropped_messages;
    one_receive_append(&node, 3, 3, 1, 1, OTHER, 1); /* that one was committed: unsound */
    assert_int_equal(one_status(&node).dropped_messages, dropped + 1);
    check_config(&node, "1b 2b 3o 4v");
    one_stop(&node);
}

static void a_malformed_configuration_is_dropped(void **state)
{
    (void)state;
    struct raft_config none = one_config("1l 2l 3o"); /* no voters */
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_receive_config(&node, 2, 1, 1, 1, &none);
    assert_int_equal(one_status(&node).last_index, 1);
    assert_int_equal(one_status(&node).dropped_messages, 1);
    one_stop(&node);
}

static void pitfall_19_a_configuration_outlives_the_compaction_of_its_entry(void **state)
{
    (void)state;
    struct raft_config next = one_config("1v 2v 3v 4l");
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_receive_config(&node, 2, 1, 1, 1, &next);
    node.leader_commit = 3;
    one_receive_append(&node, 2, 1, 2, 1, ONES, 1);
    raft_compacted(node.raft, 2);
    check_config(&node, "1v 2v 3v 4l");
    raft_compacted(node.raft, 3);
    check_config(&node, "1v 2v 3v 4l");
    assert_int_equal(one_status(&node).config_index, 2);
    static const uint64_t OTHER[] = { 2 };
    one_receive_append(&node, 3, 2, 3, 1, OTHER, 1);
    one_receive_append(&node, 2, 3, 3, 1, ONES, 0); /* a cut behind it is no matter */
    check_config(&node, "1v 2v 3v 4l");
    one_stop(&node);
}

/* Both halves: {1,2,3} on the way to {1,4,5}. */
static void a_joint_configuration_commits_with_both_halves(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1b 2o 3o 4v 5v");
    stand(&node);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 2);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 3);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 5);
    assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
    one_written_all(&node);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 4);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 5);
    assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 2);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_written_all(&node);
    one_receive_match(&node, 4, 2);
    one_receive_match(&node, 5, 2);
    assert_int_equal(node.update.commit_index, 1);
    one_receive_match(&node, 3, 2);
    assert_int_equal(node.update.commit_index, 2);
    assert_int_equal(one_read(&node, 9), STATUS_OK);
    one_answer_heartbeat(&node, 2);
    assert_int_equal(node.update.read_count, 0);
    one_tick(&node, HEARTBEAT_MS);
    one_answer_heartbeat(&node, 4);
    assert_int_equal(node.update.read_count, 1);
    /* {1,2,3} says nothing more: 4 and 5 alone do not keep it */
    one_tick(&node, ELECTION_MS - HEARTBEAT_MS - 1);
    one_answer_heartbeat(&node, 4);
    one_tick(&node, 1);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void new_voters_get_an_election_timeout_to_be_heard(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2l 3l");
    one_tick_deadline(&node); /* alone it leads at once */
    one_written_all(&node);
    one_receive_match(&node, 2, 2);
    one_receive_match(&node, 3, 2);
    one_tick(&node, (uint64_t)10 * ELECTION_MS);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    assert_int_equal(one_propose_config(&node, "1b 2v 3v"), STATUS_OK);
    one_tick(&node, ELECTION_MS - 1);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_tick(&node, 1);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void pitfall_7_everybody_votes_and_only_voters_stand(void **state)
{
    (void)state;
    static const char *const CONFIGS[] = { "1l 2v 3v", "2v 3v", "" };
    for (size_t i = 0; i < sizeof CONFIGS / sizeof CONFIGS[0]; i++) {
        struct one_node node;
        struct raft_start start = { .config = one_config(CONFIGS[i]) };
        one_start_as(&node, &start, 1, NULL, 0, 0);
        one_tick_deadline(&node);
        assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
        assert_int_equal(node.update.message_count, 0);
        assert_true(raft_deadline_ns(node.raft) > node.now_ns);
        assert_int_equal(one_step(&node, (struct raft_event){ .kind = RAFT_EVENT_CAMPAIGN }),
                         STATUS_INVALID);
        one_receive(&node, one_message(RAFT_PRE_VOTE, 9, 2)); /* of one it never heard of */
        assert_true(one_sent(&node, RAFT_PRE_VOTE_RESULT, 9)->granted);
        one_receive(&node, one_message(RAFT_VOTE, 9, 2));
        assert_true(one_sent(&node, RAFT_VOTE_RESULT, 9)->granted);
        one_receive(&node, one_message(RAFT_HEARTBEAT, 9, 2)); /* and it leads */
        assert_int_equal(one_status(&node).leader, 9);
        one_receive(&node, one_message(RAFT_TIMEOUT_NOW, 9, 2));
        assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
        one_stop(&node);
    }
}

static void learners_are_asked_for_no_votes_and_count_for_nothing(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3l 4l 5l");
    stand(&node);
    assert_non_null(one_sent(&node, RAFT_PRE_VOTE, 2));
    assert_null(one_sent(&node, RAFT_PRE_VOTE, 3));
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 3);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 4);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 2);
    one_written_all(&node);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 2);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    assert_non_null(one_sent(&node, RAFT_APPEND, 5)); /* but they get the log */
    one_written_all(&node);
    for (uint32_t learner = 3; learner <= 5; learner++) {
        one_receive_match(&node, learner, 2);
    }
    assert_int_equal(node.update.commit_index, 1);
    one_receive_match(&node, 2, 2);
    assert_int_equal(node.update.commit_index, 2);
    assert_int_equal(one_transfer(&node, 3), STATUS_INVALID);
    assert_int_equal(one_transfer(&node, 9), STATUS_INVALID);
    one_stop(&node);
}

/* {1,2} to {2,3}: only with its own vote there is a majority of the old half. */
static void pitfall_8_a_leaving_leader_votes_for_itself(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1o 2b 3v");
    stand(&node);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 2);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 3);
    one_written_all(&node);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 2);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 3);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_written_all(&node); /* and counts for a commit */
    one_receive_match(&node, 2, 2);
    one_receive_match(&node, 3, 2);
    assert_int_equal(node.update.commit_index, 2);

    /* Out of both halves it leads until that is committed, without counting itself. */
    assert_int_equal(one_propose_config(&node, "2v 3v"), STATUS_OK);
    one_written_all(&node);
    one_receive_match(&node, 2, 3);
    assert_int_equal(node.update.commit_index, 2);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_receive_match(&node, 3, 3);
    assert_int_equal(node.update.commit_index, 3);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT, 2)->commit_index, 3); /* they are told */
    assert_int_equal(
        one_sent_count(&node, RAFT_TIMEOUT_NOW, 2) + one_sent_count(&node, RAFT_TIMEOUT_NOW, 3), 1);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER); /* it does not stand any more */
    one_stop(&node);
}

/* §4.2.2: nobody else may have the entry that removes it. */
static void a_removed_node_stands_until_its_removal_is_committed(void **state)
{
    (void)state;
    struct raft_start start = { .config = one_config("2v 3v"),
                                .config_index = 3,
                                .previous_config = one_config("1o 2b 3v"),
                                .previous_config_index = 2 };
    struct one_node node;
    one_start_as(&node, &start, 1, ONES, 3, 2);
    stand(&node);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 2);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE); /* it has no vote of its own */
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 3);
    assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
    one_stop(&node);

    one_start_as(&node, &start, 1, ONES, 3, 3);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void a_read_is_confirmed_when_the_quorum_shrinks_to_the_leader(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1b 2o 3o");
    stand(&node);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 2);
    one_written_all(&node);
    one_receive_grant(&node, RAFT_VOTE_RESULT, 2);
    one_written_all(&node);
    one_receive_match(&node, 2, 2);
    assert_int_equal(one_read(&node, 5), STATUS_OK);
    assert_int_equal(node.update.read_count, 0);
    assert_int_equal(one_propose_config(&node, "1v"), STATUS_OK); /* 2 and 3 are gone already */
    assert_int_equal(node.update.read_count, 1);
    one_written_all(&node);
    assert_int_equal(node.update.commit_index, 3);
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitfall_1_a_configuration_waits_for_an_entry_of_the_own_term),
        cmocka_unit_test(one_configuration_is_uncommitted_at_a_time),
        cmocka_unit_test(a_configuration_is_taken_when_bytes_are_short),
        cmocka_unit_test(pitfall_2_a_configuration_holds_from_its_entry_on_and_goes_with_it),
        cmocka_unit_test(of_several_configurations_in_a_message_the_last_holds),
        cmocka_unit_test(a_malformed_configuration_is_dropped),
        cmocka_unit_test(pitfall_19_a_configuration_outlives_the_compaction_of_its_entry),
        cmocka_unit_test(a_joint_configuration_commits_with_both_halves),
        cmocka_unit_test(new_voters_get_an_election_timeout_to_be_heard),
        cmocka_unit_test(pitfall_7_everybody_votes_and_only_voters_stand),
        cmocka_unit_test(learners_are_asked_for_no_votes_and_count_for_nothing),
        cmocka_unit_test(pitfall_8_a_leaving_leader_votes_for_itself),
        cmocka_unit_test(a_removed_node_stands_until_its_removal_is_committed),
        cmocka_unit_test(a_read_is_confirmed_when_the_quorum_shrinks_to_the_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
