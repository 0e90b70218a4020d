/* Damaged entries and lost tails: what a node may still promise (raft.h, DAMAGE AND LOSS). */
#include "one_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t TERMS[] = { 1, 1, 2, 2, 2, 2, 2, 2 };

static void start_damaged(struct one_node *node, uint64_t first_damaged)
{
    struct raft_start start = { .config = one_config("1v 2v 3v"), .first_damaged = first_damaged };
    one_start_as(node, &start, 2, TERMS, 6, 2);
}

static void start_lost(struct one_node *node, uint32_t left, uint64_t lost_index)
{
    struct raft_start start = { .config = one_config("1v 2v 3v"), .lost_index = lost_index };
    one_start_as(node, &start, 2, TERMS, left, 2);
}

static void repaired(struct one_node *node, uint64_t first_damaged)
{
    struct raft_event event = { .kind = RAFT_EVENT_REPAIRED, .first_damaged = first_damaged };
    assert_int_equal(one_step(node, event), STATUS_OK);
}

static struct raft_message vote(uint32_t from, uint64_t term, uint64_t last_index)
{
    struct raft_message message = one_message(RAFT_VOTE, from, term);
    message.last_index = last_index;
    message.last_term = 2;
    return message;
}

static void nothing_from_a_damaged_entry_on_is_acknowledged(void **state)
{
    (void)state;
    struct one_node node;
    start_damaged(&node, 5);
    one_receive_append(&node, 2, 2, 6, 2, TERMS + 6, 2); /* entries are taken all the same */
    assert_int_equal(one_status(&node).last_index, 8);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 4);
    assert_false(one_sent(&node, RAFT_APPEND_RESULT, 2)->rejected);
    one_written_all(&node);
    repaired(&node, 7); /* 5 and 6 are whole again */
    one_receive_append(&node, 2, 2, 8, 2, NULL, 0);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 6);
    repaired(&node, 0);
    one_receive_append(&node, 2, 2, 8, 2, NULL, 0);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 8);
    one_stop(&node);
}

static void damaged_entries_count_for_votes(void **state)
{
    (void)state;
    struct one_node node;
    start_damaged(&node, 3);
    one_receive(&node, vote(2, 5, 5)); /* they were acknowledged, so a shorter log must not win */
    assert_false(one_sent(&node, RAFT_VOTE_RESULT, 2)->granted);
    one_receive(&node, vote(3, 5, 6));
    assert_true(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_stop(&node);
}

static void a_damaged_node_does_not_stand(void **state)
{
    (void)state;
    struct one_node node;
    start_damaged(&node, 6);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 2));
    one_receive(&node, one_message(RAFT_TIMEOUT_NOW, 2, 2));
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    repaired(&node, 0);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_PRE_CANDIDATE);
    repaired(&node, 6); /* found by the scrubber: it gives up */
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_receive_grant(&node, RAFT_PRE_VOTE_RESULT, 2);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void damage_that_is_cut_off_is_gone(void **state)
{
    (void)state;
    static const uint64_t OTHER[] = { 3, 3, 3 };
    struct one_node node;
    start_damaged(&node, 5);
    one_receive_append(&node, 2, 3, 5, 2, OTHER, 1); /* cut behind it: still there */
    assert_int_equal(one_status(&node).first_damaged, 5);
    one_receive_append(&node, 2, 4, 4, 2, OTHER, 3);
    assert_int_equal(one_status(&node).first_damaged, 0);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 7);
    one_stop(&node);
}

static void damage_that_is_compacted_is_gone_up_to_there(void **state)
{
    (void)state;
    struct one_node node;
    start_damaged(&node, 3);
    struct raft_message heartbeat = one_message(RAFT_HEARTBEAT, 2, 2);
    heartbeat.commit_index = 6;
    one_receive(&node, heartbeat);
    raft_compacted(node.raft, 4);
    assert_int_equal(one_status(&node).first_damaged, 5); /* until the host says better */
    raft_compacted(node.raft, 6);
    assert_int_equal(one_status(&node).first_damaged, 0);
    one_stop(&node);
}

/* What is committed is elsewhere, too, so it leads on. */
static void a_leader_counts_itself_up_to_its_damage(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 2, 2);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 2, 100), STATUS_OK);
    one_written_all(&node);
    repaired(&node, 2);
    assert_int_equal(one_status(&node).role, RAFT_LEADER);
    one_receive_match(&node, 2, 5);
    assert_int_equal(node.update.commit_index, 3);
    one_receive_match(&node, 3, 4);
    assert_int_equal(node.update.commit_index, 4);
    repaired(&node, 0);
    assert_int_equal(node.update.commit_index, 5);
    one_stop(&node);
}

/* Perhaps nobody can give it to the others, and then they would wait for it for ever. */
static void a_leader_with_damage_that_is_not_committed_steps_down(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 2, 2);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 2, 100), STATUS_OK);
    one_written_all(&node);
    repaired(&node, 5);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_tick(&node, 10000);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    one_stop(&node);
}

static void a_damaged_entry_that_the_leader_has_no_more_comes_in_a_snapshot(void **state)
{
    (void)state;
    struct one_node node;
    start_damaged(&node, 4);
    struct raft_message offer = one_message(RAFT_SNAPSHOT, 2, 2);
    offer.last_index = 3;
    offer.last_term = 2;
    one_receive(&node, offer);
    assert_int_equal(node.update.snapshot_from, 0);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 3);
    offer.last_index = 4;
    one_receive(&node, offer);
    assert_int_equal(node.update.snapshot_from, 2);
    one_stop(&node);
}

/* --- lost tails --- */

static void a_node_that_lost_its_tail_neither_votes_nor_stands(void **state)
{
    (void)state;
    struct one_node node;
    start_lost(&node, 4, 6);
    struct raft_message pre_vote = vote(2, 5, 9);
    pre_vote.kind = RAFT_PRE_VOTE;
    one_receive(&node, pre_vote);
    assert_true(one_sent(&node, RAFT_PRE_VOTE_RESULT, 2)->granted); /* that promises nothing */
    one_receive(&node, vote(2, 5, 9));
    assert_false(one_sent(&node, RAFT_VOTE_RESULT, 2)->granted);
    one_tick_deadline(&node);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(node.update.message_count, 0);
    one_stop(&node);
}

static void what_was_lost_is_found_when_a_leader_confirms_it(void **state)
{
    (void)state;
    struct one_node node;
    start_lost(&node, 4, 6);
    one_receive_append(&node, 2, 2, 4, 2, TERMS + 4, 1);
    assert_true(one_sent(&node, RAFT_APPEND_RESULT, 2)->lost);
    one_written_all(&node);
    assert_int_equal(one_status(&node).lost_index, 6);
    one_receive_append(&node, 2, 2, 5, 2, TERMS + 5, 1);
    assert_int_equal(one_status(&node).lost_index, 6); /* not before it is durable */
    one_written_all(&node);
    assert_int_equal(one_status(&node).lost_index, 0);
    one_receive_append(&node, 2, 2, 6, 2, NULL, 0);
    assert_false(one_sent(&node, RAFT_APPEND_RESULT, 2)->lost);
    node.now_ns += (uint64_t)2 * ELECTION_MS * MS;
    one_receive(&node, vote(3, 5, 6));
    assert_true(one_sent(&node, RAFT_VOTE_RESULT, 3)->granted);
    one_stop(&node);
}

/* The leader of a later term was elected without this node: it has all that was committed, though
 * its log may be shorter than what was lost. */
static void an_entry_of_a_later_term_ends_a_loss(void **state)
{
    (void)state;
    static const uint64_t LATER[] = { 3 };
    struct one_node node;
    start_lost(&node, 4, 100);
    one_receive_append(&node, 2, 3, 4, 2, NULL, 0); /* the term alone says nothing */
    one_written_all(&node);
    assert_int_equal(one_status(&node).lost_index, 100);
    one_receive_append(&node, 2, 3, 4, 2, LATER, 1);
    one_written_all(&node);
    assert_int_equal(one_status(&node).lost_index, 0);
    one_stop(&node);
}

static void a_heartbeat_commits_here_what_was_confirmed_since_the_loss(void **state)
{
    (void)state;
    struct one_node node;
    start_lost(&node, 4, 6);
    struct raft_message heartbeat = one_message(RAFT_HEARTBEAT, 2, 2);
    heartbeat.commit_index = 6; /* the leader does not know yet */
    one_receive(&node, heartbeat);
    assert_int_equal(one_status(&node).dropped_messages, 0);
    assert_int_equal(node.update.commit_index, 2);
    const struct raft_message *answer = one_sent(&node, RAFT_HEARTBEAT_RESULT, 2);
    assert_true(answer->lost);
    assert_int_equal(answer->last_index, 4);
    one_receive_append(&node, 2, 2, 4, 2, NULL, 0);
    one_receive(&node, heartbeat);
    assert_int_equal(node.update.commit_index, 4);
    one_stop(&node);
}

/* A folder that is an older copy of itself does not know what it promised since. */
static void what_a_leader_had_from_this_node_and_is_not_here_is_told(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 6, 2);
    struct raft_message heartbeat = one_message(RAFT_HEARTBEAT, 2, 2);
    heartbeat.commit_index = 6;
    one_receive(&node, heartbeat);
    assert_int_equal(node.update.gone_index, 0);
    heartbeat.commit_index = 7; /* no more than this node acknowledged */
    one_receive(&node, heartbeat);
    assert_int_equal(node.update.gone_index, 7);
    assert_null(one_sent(&node, RAFT_HEARTBEAT_RESULT, 2));
    one_stop(&node);
    struct raft_start joining = { .config = one_config("1v 2v 3v"), .joining = true };
    one_start_as(&node, &joining, 2, TERMS, 6, 2);
    one_receive(&node, heartbeat); /* an earlier member of its id did */
    assert_int_equal(node.update.gone_index, 0);
    one_stop(&node);
}

/* The leader's side: it begins again from where the follower's log ends now. */
static void a_leader_begins_again_and_takes_no_commit_back(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 4, 100), STATUS_OK);
    one_written_all(&node);
    one_receive_match(&node, 2, 5);
    assert_int_equal(node.update.commit_index, 5);
    struct raft_message answer = one_message(RAFT_HEARTBEAT_RESULT, 2, 1);
    answer.lost = true;
    answer.last_index = 5;
    one_receive(&node, answer); /* it has what it said */
    assert_int_equal(one_status(&node).members[1].match_index, 5);
    answer.last_index = 3;
    one_receive(&node, answer);
    assert_int_equal(one_status(&node).members[1].match_index, 0);
    assert_int_equal(node.update.commit_index, 5);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->prev_index, 3);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->entry_count, 2);
    one_tick(&node, HEARTBEAT_MS);
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT, 2)->commit_index, 0);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK);
    one_written_all(&node);
    assert_int_equal(node.update.commit_index, 5);
    one_receive_match(&node, 2, 6);
    assert_int_equal(node.update.commit_index, 6);
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_from_a_damaged_entry_on_is_acknowledged),
        cmocka_unit_test(damaged_entries_count_for_votes),
        cmocka_unit_test(a_damaged_node_does_not_stand),
        cmocka_unit_test(damage_that_is_cut_off_is_gone),
        cmocka_unit_test(damage_that_is_compacted_is_gone_up_to_there),
        cmocka_unit_test(a_leader_counts_itself_up_to_its_damage),
        cmocka_unit_test(a_leader_with_damage_that_is_not_committed_steps_down),
        cmocka_unit_test(a_damaged_entry_that_the_leader_has_no_more_comes_in_a_snapshot),
        cmocka_unit_test(a_node_that_lost_its_tail_neither_votes_nor_stands),
        cmocka_unit_test(what_was_lost_is_found_when_a_leader_confirms_it),
        cmocka_unit_test(an_entry_of_a_later_term_ends_a_loss),
        cmocka_unit_test(a_heartbeat_commits_here_what_was_confirmed_since_the_loss),
        cmocka_unit_test(what_a_leader_had_from_this_node_and_is_not_here_is_told),
        cmocka_unit_test(a_leader_begins_again_and_takes_no_commit_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
