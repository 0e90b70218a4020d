/* Replication and the log of one node; test_raft_core.c has elections and reads,
 * test_raft_snapshot.c what is no longer in the log. The numbers are those of the catalogue of
 * pitfalls. */
#include "one_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void pitfall_9_entries_of_earlier_terms_do_not_commit_by_counting(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 2 };
    struct one_node node;
    one_start(&node, 3, 3, TERMS, 2, 0);
    one_elect(&node); /* term 4, no-op at 3 */
    one_written_all(&node);
    one_receive_match(&node, 2, 2); /* a quorum has 1 and 2 */
    assert_int_equal(node.update.commit_index, 0);
    one_receive_match(&node, 2, 3);
    assert_int_equal(node.update.commit_index, 3);
    one_stop(&node);
}

static void the_leader_counts_itself_only_up_to_what_is_durable(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 2, 100), STATUS_OK);
    one_receive_match(&node, 2, 3);
    assert_int_equal(node.update.commit_index, 1);
    one_receive_match(&node, 3, 2); /* without the leader two others are a quorum */
    assert_int_equal(node.update.commit_index, 2);
    one_written_all(&node);
    assert_int_equal(node.update.commit_index, 3);
    one_stop(&node);
}

static void pitfall_14_a_late_append_does_not_cut_what_came_after(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 2, 2, 2, 2 };
    struct one_node node;
    one_start(&node, 3, 2, NULL, 0, 0);
    one_receive_append(&node, 2, 2, 0, 0, TERMS, 4);
    one_receive_append(&node, 2, 2, 0, 0, TERMS, 2);
    assert_int_equal(node.update.truncate_from, 0);
    assert_int_equal(node.update.write_sequence, 0);
    assert_int_equal(one_status(&node).last_index, 4);
    one_receive_append(&node, 2, 2, 1, 2, NULL, 0); /* an empty one neither */
    assert_int_equal(one_status(&node).last_index, 4);
    one_stop(&node);
}

static void only_the_entries_that_differ_are_replaced(void **state)
{
    (void)state;
    static const uint64_t OLD[] = { 1, 1, 2, 2 };
    static const uint64_t NEW[] = { 1, 3, 3 };
    struct one_node node;
    one_start(&node, 3, 2, OLD, 4, 1);
    node.leader_commit = 9;
    one_receive_append(&node, 2, 3, 1, 1, NEW, 3);
    assert_int_equal(node.update.truncate_from, 3);
    assert_int_equal(node.update.append_first, 3);
    assert_int_equal(node.update.append_count, 2);
    assert_int_equal(node.update.append_skip, 1);
    assert_int_equal(node.update.commit_index, 4); /* of this message, not of the leader's 9 */
    assert_int_equal(raft_term_at(node.raft, 2), 1);
    assert_int_equal(raft_term_at(node.raft, 3), 3);
    assert_int_equal(raft_term_at(node.raft, 5), 0);
    one_stop(&node);
}

static void committed_entries_are_never_replaced(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1, 2 };
    static const uint64_t OTHER[] = { 3 };
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 3, 2);
    one_receive_append(&node, 2, 3, 1, 1, OTHER, 1); /* nobody sound sends this */
    assert_int_equal(one_status(&node).last_index, 3);
    assert_int_equal(one_status(&node).dropped_messages, 1);
    assert_null(one_sent(&node, RAFT_APPEND_RESULT, 2));
    one_receive_append(&node, 2, 3, 1, 2, NULL, 0);
    assert_int_equal(one_status(&node).dropped_messages, 2);
    one_stop(&node);
}

static void pitfall_15_an_answer_speaks_of_its_own_request(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1, 1, 1 };
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 4, 0);
    node.leader_commit = 4;
    one_receive_append(&node, 2, 2, 1, 1, TERMS, 1); /* what follows 2 may conflict */
    assert_int_equal(node.update.commit_index, 2);
    const struct raft_message *answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_int_equal(answer->match_index, 2);
    assert_int_equal(answer->last_index, 4);
    one_stop(&node);

    one_start(&node, 3, 0, NULL, 0, 0); /* and a leader takes nothing from a refusal */
    one_lead(&node);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK);
    one_written_all(&node);
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 3, 1);
    refusal.rejected = true;
    refusal.match_index = 2;
    one_receive(&node, refusal);
    assert_int_equal(node.update.commit_index, 1);
    refusal.rejected = false;
    refusal.match_index = 3; /* more than there is */
    one_receive(&node, refusal);
    assert_int_equal(node.update.commit_index, 1);
    assert_int_equal(one_status(&node).dropped_messages, 1);
    one_stop(&node);
}

static void an_acknowledgement_leaves_after_its_write(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 2, 2, 2 };
    struct one_node node;
    one_start(&node, 3, 2, NULL, 0, 0);
    one_receive_append(&node, 2, 2, 0, 0, TERMS, 1);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 1);
    one_receive_append(&node, 2, 2, 1, 2, TERMS, 2);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 2);
    one_receive_append(&node, 2, 2, 0, 0, TERMS, 1); /* a duplicate waits for the first write */
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 1);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 1);
    one_written(&node, 1);
    one_receive_append(&node, 2, 2, 0, 0, TERMS, 1);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 0);
    one_receive_append(&node, 2, 2, 0, 0, TERMS, 3);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 2);
    one_written(&node, 2);
    one_receive_append(&node, 2, 2, 3, 2, NULL, 0); /* an empty probe tells the same */
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 0);
    assert_int_equal(one_status(&node).durable_index, 3);
    one_stop(&node);
}

/* (i, t1) is written, overwritten by (i, t2), and written again as (i, t1): the first write does
 * not make the third durable. */
static void pitfall_32_an_old_write_does_not_count_for_what_replaced_it(void **state)
{
    (void)state;
    static const uint64_t ONE[] = { 1, 1 };
    static const uint64_t TWO[] = { 2 };
    struct one_node node;
    one_start(&node, 3, 1, NULL, 0, 0);
    one_receive_append(&node, 2, 1, 0, 0, ONE, 2); /* write 1: entries 1 and 2 */
    one_receive_append(&node, 3, 2, 1, 1, TWO, 1); /* write 2: another entry 2 */
    one_receive_append(&node, 2, 3, 1, 1, ONE, 1); /* write 3: the first entry 2 again */
    assert_int_equal(node.update.truncate_from, 2);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 3);
    one_written(&node, 1);
    assert_int_equal(one_status(&node).durable_index, 1);
    one_receive_append(&node, 2, 3, 1, 1, ONE, 1);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->after_write, 3);
    one_written(&node, 2);
    assert_int_equal(one_status(&node).durable_index, 1);
    one_written(&node, 3);
    assert_int_equal(one_status(&node).durable_index, 2);
    one_stop(&node);
}

/* A thousand entries in conflict, in two terms: found in two refusals. */
static void pitfall_34_a_refusal_names_the_conflicting_term(void **state)
{
    (void)state;
    static const uint64_t FOLLOWER[] = { 1, 1, 1, 2, 2, 2, 3, 3, 3 };
    struct one_node node;
    one_start(&node, 3, 5, FOLLOWER, 9, 2);
    one_receive_append(&node, 2, 5, 20, 5, NULL, 0); /* too short */
    const struct raft_message *answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_true(answer->rejected);
    assert_int_equal(answer->conflict_index, 10);
    assert_int_equal(answer->conflict_term, 0);
    one_receive_append(&node, 2, 5, 9, 4, NULL, 0);
    answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_int_equal(answer->conflict_index, 7);
    assert_int_equal(answer->conflict_term, 3);
    one_receive_append(&node, 2, 5, 3, 2, NULL, 0); /* never below what is committed */
    answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_int_equal(answer->conflict_index, 3);
    one_stop(&node);

    static const uint64_t LEADER[] = { 1, 1, 1, 1, 1, 1, 4, 4, 4 };
    one_start(&node, 3, 5, LEADER, 9, 0);
    one_elect(&node);
    const struct raft_message *append = one_sent(&node, RAFT_APPEND, 2);
    assert_int_equal(append->prev_index, 9);
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 2, 6);
    refusal.rejected = true;
    refusal.prev_index = 9;
    refusal.sequence = append->sequence;
    refusal.conflict_index = 7;
    refusal.conflict_term = 3; /* a term that this log does not have */
    one_receive(&node, refusal);
    append = one_sent(&node, RAFT_APPEND, 2);
    assert_int_equal(append->prev_index, 6);
    assert_int_equal(append->prev_term, 1);
    refusal.prev_index = 6;
    refusal.sequence = append->sequence;
    refusal.conflict_index = 4;
    refusal.conflict_term = 2;
    one_receive(&node, refusal);
    append = one_sent(&node, RAFT_APPEND, 2);
    assert_int_equal(append->prev_index, 3);
    one_receive(&node, refusal); /* a duplicate is of the past */
    assert_null(one_sent(&node, RAFT_APPEND, 2));
    one_stop(&node);
}

static void a_follower_ahead_in_a_term_is_probed_where_that_term_ends_here(void **state)
{
    (void)state;
    static const uint64_t LEADER[] = { 1, 1, 2, 2, 4, 4, 4 };
    struct one_node node;
    one_start(&node, 3, 5, LEADER, 7, 0);
    one_elect(&node);
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 2, 6);
    refusal.rejected = true;
    refusal.prev_index = 7;
    refusal.sequence = one_sent(&node, RAFT_APPEND, 2)->sequence;
    refusal.conflict_index = 3; /* it has 2 2 2 2 2 from 3 on */
    refusal.conflict_term = 2;
    one_receive(&node, refusal);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->prev_index, 4);
    one_stop(&node);
}

static void appends_are_pipelined_within_the_window(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0); /* a window of 10000 bytes */
    one_lead(&node);
    assert_int_equal(one_propose(&node, 4, 2000), STATUS_OK);
    const struct raft_message *append = one_sent(&node, RAFT_APPEND, 2);
    assert_int_equal(append->prev_index, 1);
    assert_int_equal(append->entry_count, 4);
    assert_null(one_sent(&node, RAFT_APPEND, 3)); /* not yet known where it is */
    assert_int_equal(one_propose(&node, 4, 2000), STATUS_OK);
    append = one_sent(&node, RAFT_APPEND, 2);
    assert_int_equal(append->prev_index, 5);
    assert_int_equal(append->entry_count, 1); /* what fits */
    assert_int_equal(one_status(&node).members[1].in_flight_bytes, 10000);
    assert_int_equal(one_propose(&node, 1, 2000), STATUS_OK);
    assert_null(one_sent(&node, RAFT_APPEND, 2));
    one_receive_match(&node, 2, 3);
    append = one_sent(&node, RAFT_APPEND, 2);
    assert_int_equal(append->prev_index, 6);
    assert_int_equal(append->entry_count, 2);
    one_receive_match(&node, 2, 10);
    assert_int_equal(one_propose(&node, 1, 20000), STATUS_OK); /* greater than the window: alone */
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->entry_count, 1);
    one_stop(&node);
}

static void a_long_backlog_is_sent_over_several_steps(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    node.options.window_bytes = 1000000;
    struct raft_start start = { .now_ns = node.now_ns, .config = *raft_config(node.raft) };
    one_restart(&node, &start);
    one_lead(&node);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(one_propose(&node, RAFT_MESSAGE_ENTRIES_MAX, 64), STATUS_OK);
    }
    one_receive_match(&node, 3, 1);
    assert_int_equal(one_sent_count(&node, RAFT_APPEND, 3), RAFT_APPENDS_PER_STEP);
    assert_int_equal(raft_deadline_ns(node.raft), node.now_ns); /* call again, now */
    one_tick(&node, 0);
    assert_int_equal(one_sent_count(&node, RAFT_APPEND, 3), RAFT_APPENDS_PER_STEP);
    one_tick(&node, 0);
    assert_int_equal(one_sent_count(&node, RAFT_APPEND, 3), 20 - (2 * RAFT_APPENDS_PER_STEP));
    assert_true(raft_deadline_ns(node.raft) > node.now_ns);
    one_stop(&node);
}

static void lost_appends_are_sent_again(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 2, 100), STATUS_OK);
    for (uint32_t waited = HEARTBEAT_MS; waited < ELECTION_MS / 2; waited += HEARTBEAT_MS) {
        one_tick(&node, HEARTBEAT_MS);
        one_answer_heartbeat(&node, 2);
        assert_null(one_sent(&node, RAFT_APPEND, 2));
    }
    one_tick(&node, HEARTBEAT_MS);
    one_answer_heartbeat(&node, 2);
    const struct raft_message *append = one_sent(&node, RAFT_APPEND, 2);
    assert_non_null(append);
    assert_int_equal(append->prev_index, 1);
    assert_int_equal(append->entry_count, 2);
    one_stop(&node);
}

static void a_gap_is_filled_at_once(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK); /* lost */
    assert_int_equal(one_propose(&node, 1, 100), STATUS_OK);
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 2, 1);
    refusal.rejected = true;
    refusal.prev_index = 2;
    refusal.conflict_index = 2;
    refusal.sequence = one_sent(&node, RAFT_APPEND, 2)->sequence;
    one_receive(&node, refusal);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->prev_index, 1);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->entry_count, 2);
    one_stop(&node);
}

static void heartbeats_commit_only_what_the_follower_has(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    one_lead(&node);
    assert_int_equal(one_propose(&node, 3, 100), STATUS_OK);
    one_written_all(&node);
    one_receive_match(&node, 2, 4);
    assert_int_equal(node.update.commit_index, 4);
    one_tick(&node, HEARTBEAT_MS);
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT, 2)->commit_index, 4);
    assert_int_equal(one_sent(&node, RAFT_HEARTBEAT, 3)->commit_index, 0);
    one_stop(&node);
}

static void uncommitted_proposals_are_bounded(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0); /* a million bytes */
    one_lead(&node);
    assert_int_equal(one_propose(&node, 10, 99000), STATUS_OK);
    assert_int_equal(one_propose(&node, 1, 11000), STATUS_BUSY);
    assert_int_equal(one_status(&node).last_index, 11); /* unchanged */
    assert_int_equal(one_propose(&node, 1, 10000), STATUS_OK);
    assert_int_equal(one_status(&node).uncommitted_bytes, 1000000);
    one_written_all(&node);
    one_receive_match(&node, 2, 12);
    assert_int_equal(one_status(&node).uncommitted_bytes, 0);
    for (uint32_t i = 0; i < RAFT_UNCOMMITTED_ENTRIES_MAX / RAFT_MESSAGE_ENTRIES_MAX; i++) {
        assert_int_equal(one_propose(&node, RAFT_MESSAGE_ENTRIES_MAX, 64), STATUS_OK);
    }
    assert_int_equal(one_propose(&node, 1, 64), STATUS_BUSY);
    one_stop(&node);
}

static void a_full_queue_of_writes_refuses_and_loses_nothing(void **state)
{
    (void)state;
    static const uint64_t TERM[] = { 1 };
    struct one_node node;
    one_start(&node, 3, 1, NULL, 0, 0);
    for (uint64_t i = 0; i < LOG_WRITES_QUEUED_MAX; i++) {
        one_receive_append(&node, 2, 1, i, i == 0 ? 0 : 1, TERM, 1);
    }
    assert_int_equal(node.issued, LOG_WRITES_QUEUED_MAX);
    one_receive_append(&node, 2, 1, LOG_WRITES_QUEUED_MAX, 1, TERM, 1); /* as if lost */
    assert_int_equal(one_status(&node).last_index, LOG_WRITES_QUEUED_MAX);
    assert_int_equal(node.update.message_count, 0);
    one_receive(&node, one_message(RAFT_HEARTBEAT, 2, 1)); /* the leader is heard all the same */
    assert_non_null(one_sent(&node, RAFT_HEARTBEAT_RESULT, 2));
    one_receive(&node, one_message(RAFT_HEARTBEAT, 3, 2)); /* a term could not be written */
    assert_int_equal(one_status(&node).term, 1);
    node.now_ns = raft_deadline_ns(node.raft);
    one_tick(&node, 0);
    assert_int_equal(one_status(&node).role, RAFT_FOLLOWER);
    assert_int_equal(one_step(&node, (struct raft_event){ .kind = RAFT_EVENT_CAMPAIGN }),
                     STATUS_BUSY);
    one_written(&node, 1);
    one_receive_append(&node, 2, 1, LOG_WRITES_QUEUED_MAX, 1, TERM, 1);
    assert_int_equal(one_status(&node).last_index, LOG_WRITES_QUEUED_MAX + 1);
    one_stop(&node);

    one_start(&node, 1, 0, NULL, 0, 0);
    one_tick_deadline(&node);
    for (uint32_t i = 1; i < LOG_WRITES_QUEUED_MAX; i++) {
        assert_int_equal(one_propose(&node, 1, 64), STATUS_OK);
    }
    assert_int_equal(one_propose(&node, 1, 64), STATUS_BUSY);
    one_written(&node, 1);
    assert_int_equal(one_propose(&node, 1, 64), STATUS_OK);
    one_stop(&node);
}

/* After a restart sizes are unknown, so each entry could be one of the greatest. */
static void entries_of_unknown_size_are_sent_one_by_one(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1, 1, 1 };
    struct one_node node;
    one_start(&node, 3, 1, TERMS, 4, 0);
    one_elect(&node);
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 2, 2);
    refusal.rejected = true;
    refusal.prev_index = 4;
    refusal.conflict_index = 1;
    refusal.sequence = one_sent(&node, RAFT_APPEND, 2)->sequence;
    one_receive(&node, refusal);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->entry_count, 1);
    one_receive_match(&node, 2, 1);
    assert_int_equal(one_sent_count(&node, RAFT_APPEND, 2), 1);
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->entry_count, 1);
    one_stop(&node);
}

static void a_rejected_proposal_changes_nothing(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    struct raft_status before = one_status(&node);
    uint64_t due_ns = raft_deadline_ns(node.raft);
    node.now_ns = due_ns + MS; /* the timer is due, but this step is refused */
    assert_int_equal(one_propose(&node, 1, 100), STATUS_NOT_LEADER);
    struct raft_status after = one_status(&node);
    assert_int_equal(node.update.message_count, 0);
    assert_int_equal(after.role, before.role);
    assert_int_equal(raft_deadline_ns(node.raft), due_ns);
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pitfall_9_entries_of_earlier_terms_do_not_commit_by_counting),
        cmocka_unit_test(the_leader_counts_itself_only_up_to_what_is_durable),
        cmocka_unit_test(pitfall_14_a_late_append_does_not_cut_what_came_after),
        cmocka_unit_test(only_the_entries_that_differ_are_replaced),
        cmocka_unit_test(committed_entries_are_never_replaced),
        cmocka_unit_test(pitfall_15_an_answer_speaks_of_its_own_request),
        cmocka_unit_test(an_acknowledgement_leaves_after_its_write),
        cmocka_unit_test(pitfall_32_an_old_write_does_not_count_for_what_replaced_it),
        cmocka_unit_test(pitfall_34_a_refusal_names_the_conflicting_term),
        cmocka_unit_test(a_follower_ahead_in_a_term_is_probed_where_that_term_ends_here),
        cmocka_unit_test(appends_are_pipelined_within_the_window),
        cmocka_unit_test(a_long_backlog_is_sent_over_several_steps),
        cmocka_unit_test(lost_appends_are_sent_again),
        cmocka_unit_test(a_gap_is_filled_at_once),
        cmocka_unit_test(heartbeats_commit_only_what_the_follower_has),
        cmocka_unit_test(uncommitted_proposals_are_bounded),
        cmocka_unit_test(a_full_queue_of_writes_refuses_and_loses_nothing),
        cmocka_unit_test(entries_of_unknown_size_are_sent_one_by_one),
        cmocka_unit_test(a_rejected_proposal_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
