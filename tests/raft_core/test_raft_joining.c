/* Nodes that join, under ids that were in use before, and priorities. The numbers are those of the
 * catalogue of pitfalls. */
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

/* What the member acknowledged that had this id before is not what this one has. */
static void pitfall_28_acknowledgements_of_an_earlier_member_do_not_count(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3v 4l");
    one_lead(&node);
    struct raft_message old = one_message(RAFT_APPEND_RESULT, 4, 2);
    old.match_index = 2;
    old.last_index = 2;
    one_receive_match(&node, 4, 1);
    old.sequence = one_sent(&node, RAFT_APPEND, 4)->sequence;
    assert_int_equal(one_propose_config(&node, "1v 2v 3v"), STATUS_OK);
    one_written_all(&node);
    one_receive_match(&node, 2, 3);
    one_receive(&node, old); /* of a stranger now */
    assert_int_equal(one_propose_config(&node, "1v 2v 3v 4l"), STATUS_OK);
    one_written_all(&node);
    one_receive_match(&node, 2, 4);
    one_receive(&node, old);
    assert_int_equal(one_status(&node).members[3].match_index, 0);
    one_stop(&node);
}

static void a_learner_becomes_a_voter_when_it_knows_that_it_is_a_member(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v");
    one_lead(&node);
    assert_int_equal(one_propose_config(&node, "1b 2b 3v"), STATUS_BUSY); /* a stranger */
    assert_int_equal(one_propose_config(&node, "1v 2v 3l"), STATUS_OK);
    one_written_all(&node);
    one_receive_match(&node, 2, 3);
    assert_int_equal(one_propose_config(&node, "1b 2b 3v"), STATUS_BUSY);
    struct raft_message ack = one_message(RAFT_APPEND_RESULT, 3, 2);
    ack.sequence = one_sent_count(&node, RAFT_APPEND, 3) + 100;
    ack.match_index = 3;
    ack.last_index = 3;
    ack.joining = true;
    one_receive(&node, ack);
    assert_true(one_status(&node).members[2].joining);
    assert_int_equal(one_status(&node).members[2].match_index, 3);
    assert_int_equal(one_propose_config(&node, "1b 2b 3v"), STATUS_BUSY);
    ack.joining = false;
    one_receive(&node, ack);
    assert_int_equal(one_propose_config(&node, "1b 2b 3v"), STATUS_OK);
    one_stop(&node);
}

/* A leader that lags takes the new node for the one that had its id. */
static void pitfall_28_a_joining_node_counts_for_nothing(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_elect(&node);
    one_written_all(&node);
    struct raft_message ack = one_message(RAFT_APPEND_RESULT, 2, 2);
    ack.match_index = 2;
    ack.last_index = 2;
    ack.joining = true;
    one_receive(&node, ack);
    assert_int_equal(node.update.commit_index, 1);
    one_tick(&node, ELECTION_MS); /* nor is a quorum heard */
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void pitfall_28_a_joining_node_does_not_vote(void **state)
{
    (void)state;
    struct raft_start start = { .joining = true };
    struct one_node node;
    one_start_as(&node, &start, 0, NULL, 0, 0);
    one_receive(&node, one_message(RAFT_PRE_VOTE, 2, 1));
    assert_false(one_sent(&node, RAFT_PRE_VOTE_RESULT, 2)->granted);
    one_receive(&node, one_message(RAFT_VOTE, 2, 1));
    assert_false(one_sent(&node, RAFT_VOTE_RESULT, 2)->granted);
    one_receive_append(&node, 2, 1, 0, 0, ONES, 1);
    assert_true(one_sent(&node, RAFT_APPEND_RESULT, 2)->joining);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 1));
    assert_true(one_sent(&node, RAFT_HEARTBEAT_RESULT, 2)->joining);
    struct raft_config config = one_config("1v 2v 3v"); /* the one before it, of the same id */
    one_receive_config(&node, 2, 1, 1, 1, &config);
    assert_true(one_status(&node).joining);
    config = one_config("1l 2v 3v");
    config.binds_self = true;
    one_receive_config(&node, 2, 1, 2, 1, &config);
    assert_false(one_sent(&node, RAFT_APPEND_RESULT, 2)->joining);
    assert_false(one_status(&node).joining);
    node.now_ns += (uint64_t)2 * ELECTION_MS * MS;
    struct raft_message vote = one_message(RAFT_VOTE, 3, 5);
    vote.last_index = 3;
    vote.last_term = 1;
    one_receive(&node, vote);
    assert_true(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_stop(&node);

    start.config = config; /* and it stays so */
    start.config_index = 3;
    start.previous_config_index = 2;
    one_start_as(&node, &start, 1, ONES, 3, 0);
    assert_false(one_status(&node).joining);
    one_stop(&node);
}

/* A leader takes it for the one that had its id, and tells it what that one is known to have. */
static void pitfall_28_a_joining_node_goes_by_what_it_has_itself(void **state)
{
    (void)state;
    struct raft_start start = { .joining = true };
    struct one_node node;
    one_start_as(&node, &start, 1, ONES, 3, 0);
    struct raft_message heartbeat = one_message(RAFT_HEARTBEAT, 2, 1);
    heartbeat.commit_index = 2; /* it may have got these from another leader */
    one_receive(&node, heartbeat);
    assert_int_equal(one_status(&node).commit_index, 0);
    heartbeat.commit_index = 9;
    one_receive(&node, heartbeat);
    assert_non_null(one_sent(&node, RAFT_HEARTBEAT_RESULT, 2)); /* it lives, and says what it has */
    one_receive_append(&node, 2, 1, 2, 1, NULL, 0);
    one_receive(&node, heartbeat);
    assert_int_equal(one_status(&node).commit_index, 2);
    one_stop(&node);
}

static void pitfall_28_a_joining_node_that_has_less_is_started_again(void **state)
{
    (void)state;
    struct one_node node;
    start_with(&node, "1v 2v 3v");
    one_lead(&node);
    one_receive_match(&node, 3, 2);
    assert_int_equal(one_status(&node).members[2].match_index, 2);
    struct raft_message result = one_message(RAFT_HEARTBEAT_RESULT, 3, 2);
    result.joining = true;
    one_receive(&node, result);
    assert_int_equal(one_status(&node).members[2].match_index, 0);
    assert_non_null(one_sent(&node, RAFT_APPEND, 3));
    assert_int_equal(one_sent(&node, RAFT_APPEND, 3)->prev_index, 0);
    one_stop(&node);
}

/* --- priorities --- */

static void set_priority(struct raft_config *config, uint32_t at, uint8_t priority)
{
    config->members[at].priority = priority;
}

static void a_lower_priority_waits_longer(void **state)
{
    (void)state;
    struct raft_start start = { .config = one_config("1v 2v 3v") };
    struct one_node node;
    one_start_as(&node, &start, 1, NULL, 0, 0);
    uint64_t equal_ns = raft_deadline_ns(node.raft) - node.now_ns;
    one_stop(&node);
    set_priority(&start.config, 1, 101);
    one_start_as(&node, &start, 1, NULL, 0, 0);
    assert_int_equal(raft_deadline_ns(node.raft) - node.now_ns, equal_ns + ELECTION_MS / 2 * MS);
    one_stop(&node);
    set_priority(&start.config, 0, RAFT_PRIORITY_NEVER);
    one_start_as(&node, &start, 1, NULL, 0, 0);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void a_leader_hands_over_to_a_higher_priority(void **state)
{
    (void)state;
    struct raft_start start = { .config = one_config("1v 2v 3v 4l") };
    set_priority(&start.config, 2, 101);
    set_priority(&start.config, 3, 200); /* a learner does not lead */
    struct one_node node;
    one_start_as(&node, &start, 1, NULL, 0, 0);
    one_lead(&node);
    for (uint32_t i = 0; i < 8 * ELECTION_MS / HEARTBEAT_MS; i++) {
        one_tick(&node, HEARTBEAT_MS); /* 3 lags */
        assert_false(one_status(&node).transferring);
        one_answer_heartbeat(&node, 2);
        one_answer_heartbeat(&node, 3);
    }
    one_receive_match(&node, 3, 1);
    one_tick(&node, HEARTBEAT_MS);
    assert_true(one_status(&node).transferring);
    assert_non_null(one_sent(&node, RAFT_TIMEOUT_NOW, 3));
    uint32_t tries = 1;
    bool before = true;
    for (uint32_t i = 0; i < 100 * ELECTION_MS / HEARTBEAT_MS; i++) { /* 3 does not take it */
        one_tick(&node, HEARTBEAT_MS);
        one_answer_heartbeat(&node, 3);
        bool transferring = one_status(&node).transferring;
        tries += transferring && !before ? 1 : 0;
        before = transferring;
    }
    assert_in_range(tries, 4, 6); /* after 4, 8, 16, 32 timeouts: proposals are blocked meanwhile */
    one_stop(&node);
}

static void a_fresh_leader_is_left_in_peace(void **state)
{
    (void)state;
    struct raft_start start = { .config = one_config("1v 2v") };
    set_priority(&start.config, 1, 255);
    struct one_node node;
    one_start_as(&node, &start, 1, NULL, 0, 0);
    one_lead(&node);
    for (uint32_t i = 0; i < 4 * ELECTION_MS / HEARTBEAT_MS; i++) {
        assert_false(one_status(&node).transferring);
        one_tick(&node, HEARTBEAT_MS);
        one_answer_heartbeat(&node, 2);
    }
    assert_true(one_status(&node).transferring);
    one_stop(&node);
}

/* 2 gets it for its priority and hands it back, as with a full disk: not again at once. */
static void a_leader_that_is_handed_back_to_waits_longer(void **state)
{
    (void)state;
    struct raft_start start = { .config = one_config("1v 2v 3v") };
    set_priority(&start.config, 1, 255);
    struct one_node node;
    one_start_as(&node, &start, 1, NULL, 0, 0);
    one_lead(&node);
    uint32_t waited = 0;
    uint32_t before = 0;
    for (uint32_t turn = 0; turn < 4; turn++) {
        for (waited = 0; !one_status(&node).transferring; waited++) {
            assert_true(waited < 1000);
            one_tick(&node, HEARTBEAT_MS);
            one_answer_heartbeat(&node, 2);
        }
        assert_true(turn == 0 || waited >= 2 * before - 1);
        before = waited;
        uint64_t term = one_status(&node).term;
        one_receive(&node, one_message(RAFT_HEARTBEAT, 2, term + 1));
        one_receive(&node, one_message(RAFT_TIMEOUT_NOW, 2, term + 1));
        assert_int_equal(one_status(&node).role, RAFT_CANDIDATE);
        one_written_all(&node);
        one_receive_grant(&node, RAFT_VOTE_RESULT, 2);
        one_written_all(&node);
        one_receive_match(&node, 2, one_status(&node).last_index);
        assert_true(one_status(&node).reads_ready);
    }
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitfall_28_acknowledgements_of_an_earlier_member_do_not_count),
        cmocka_unit_test(a_learner_becomes_a_voter_when_it_knows_that_it_is_a_member),
        cmocka_unit_test(pitfall_28_a_joining_node_counts_for_nothing),
        cmocka_unit_test(pitfall_28_a_joining_node_does_not_vote),
        cmocka_unit_test(pitfall_28_a_joining_node_goes_by_what_it_has_itself),
        cmocka_unit_test(pitfall_28_a_joining_node_that_has_less_is_started_again),
        cmocka_unit_test(a_lower_priority_waits_longer),
        cmocka_unit_test(a_leader_hands_over_to_a_higher_priority),
        cmocka_unit_test(a_fresh_leader_is_left_in_peace),
        cmocka_unit_test(a_leader_that_is_handed_back_to_waits_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
