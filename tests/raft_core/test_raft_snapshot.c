/* Followers that need what is no longer in the leader's log. The numbers are those of the catalogue
 * of pitfalls. */
#include "one_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_follower_behind_the_compacted_log_is_offered_a_snapshot(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1, 2, 2 };
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 4, 4);
    raft_compacted(node.raft, 3);
    assert_int_equal(raft_term_at(node.raft, 2), 0);
    assert_int_equal(raft_term_at(node.raft, 3), 2); /* the base keeps its term */
    assert_int_equal(raft_term_at(node.raft, 4), 2);
    one_elect(&node);
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 2, 3);
    refusal.rejected = true;
    refusal.prev_index = 4;
    refusal.conflict_index = 2;
    refusal.sequence = one_sent(&node, RAFT_APPEND, 2)->sequence;
    one_receive(&node, refusal);
    assert_null(one_sent(&node, RAFT_APPEND, 2));
    assert_true(one_status(&node).members[1].needs_snapshot);
    one_tick(&node, HEARTBEAT_MS);
    assert_null(one_sent(&node, RAFT_APPEND, 2));
    assert_non_null(one_sent(&node, RAFT_HEARTBEAT, 2));
    assert_int_equal(one_sent_count(&node, RAFT_SNAPSHOT, 2), 1);
    assert_int_equal(one_sent(&node, RAFT_SNAPSHOT, 2)->last_index, 3);
    assert_int_equal(one_sent(&node, RAFT_SNAPSHOT, 2)->last_term, 2);
    assert_null(one_sent(&node, RAFT_SNAPSHOT, 3));
    one_written_all(&node);
    one_receive_match(&node, 3, 5);
    assert_int_equal(one_read(&node, 1), STATUS_OK); /* heartbeats for it carry no more offers */
    assert_non_null(one_sent(&node, RAFT_HEARTBEAT, 2));
    assert_null(one_sent(&node, RAFT_SNAPSHOT, 2));
    one_receive_match(&node, 2, 3); /* brought forward by other means */
    assert_int_equal(one_sent(&node, RAFT_APPEND, 2)->prev_index, 3);
    assert_false(one_status(&node).members[1].needs_snapshot);
    one_stop(&node);
}

/* The leader compacted more than it knows the follower to have; the follower has it. */
static void a_follower_that_only_looks_stuck_acknowledges_the_offer(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1, 2, 2 };
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 4, 1);
    struct raft_message offer = one_message(RAFT_SNAPSHOT, 2, 3);
    offer.last_index = 4;
    offer.last_term = 2;
    offer.sequence = 77;
    one_receive(&node, offer);
    assert_int_equal(node.update.snapshot_from, 0);
    const struct raft_message *answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_int_equal(answer->match_index, 4);
    assert_int_equal(answer->sequence, 77);
    assert_false(answer->rejected);
    offer.last_index = 5; /* this one it needs */
    one_receive(&node, offer);
    assert_int_equal(node.update.snapshot_from, 2);
    assert_null(one_sent(&node, RAFT_APPEND_RESULT, 2));
    one_stop(&node);
}

/* An entry of another term where the snapshot ends: what is here must go, the snapshot come. */
static void pitfall_17_a_conflicting_entry_is_no_reason_to_keep_the_log(void **state)
{
    (void)state;
    static const uint64_t TERMS[] = { 1, 1, 2, 2 };
    struct one_node node;
    one_start(&node, 3, 2, TERMS, 4, 2);
    struct raft_message offer = one_message(RAFT_SNAPSHOT, 2, 3);
    offer.last_index = 3;
    offer.last_term = 1;
    one_receive(&node, offer);
    assert_int_equal(node.update.snapshot_from, 2);
    offer.last_index = 2; /* but what is committed here is the same everywhere */
    one_receive(&node, offer);
    assert_int_equal(node.update.snapshot_from, 0);
    assert_int_equal(one_sent(&node, RAFT_APPEND_RESULT, 2)->match_index, 2);
    one_stop(&node);
}

/* After 4096 terms the first ones are forgotten, though the entries are there. */
static void what_lies_behind_a_forgotten_term_is_offered_as_a_snapshot(void **state)
{
    (void)state;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    uint64_t index = 0;
    for (uint64_t term = 1; term <= RAFT_TERM_RUNS_MAX; term++) {
        one_receive_append(&node, 2, term, index, term - 1, &term, 1);
        one_written_all(&node);
        index++;
    }
    one_elect(&node); /* and its own term is one more */
    struct raft_message refusal = one_message(RAFT_APPEND_RESULT, 2, RAFT_TERM_RUNS_MAX + 1);
    refusal.rejected = true;
    refusal.prev_index = index;
    refusal.conflict_index = 2;
    refusal.sequence = one_sent(&node, RAFT_APPEND, 2)->sequence;
    one_receive(&node, refusal);
    one_tick(&node, HEARTBEAT_MS);
    assert_null(one_sent(&node, RAFT_APPEND, 2)); /* whether entry 1 is the same is unknown */
    assert_int_equal(one_sent(&node, RAFT_SNAPSHOT, 2)->last_index, 2);
    assert_int_equal(one_sent(&node, RAFT_SNAPSHOT, 2)->last_term, 2);
    one_stop(&node);
}

/* The follower's side: whether the entry before is the same can not be told, so nothing is appended
 * or cut, and the leader is led back to what is committed. */
static void an_append_at_a_forgotten_term_is_refused(void **state)
{
    (void)state;
    const uint64_t last = RAFT_TERM_RUNS_MAX + 1;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    for (uint64_t term = 1; term <= last; term++) {
        one_receive_append(&node, 2, term, term - 1, term - 1, &term, 1);
        one_written_all(&node);
    }
    assert_int_equal(raft_term_at(node.raft, 1), 0);
    assert_int_equal(raft_term_at(node.raft, 2), 2);
    one_receive_append(&node, 2, last, 1, 1, &last, 1);
    const struct raft_message *answer = one_sent(&node, RAFT_APPEND_RESULT, 2);
    assert_true(answer->rejected);
    assert_int_equal(answer->conflict_index, 1);
    assert_int_equal(answer->conflict_term, 0);
    assert_int_equal(node.update.append_count, 0);
    assert_int_equal(node.update.truncate_from, 0);
    assert_int_equal(answer->last_index, last);
    one_stop(&node);
}

/* The entry itself has a forgotten term: no answer, because none would be true. */
static void an_append_of_a_forgotten_term_says_nothing(void **state)
{
    (void)state;
    const uint64_t last = RAFT_TERM_RUNS_MAX + 1;
    struct one_node node;
    one_start(&node, 3, 0, NULL, 0, 0);
    for (uint64_t term = 1; term <= last; term++) {
        one_receive_append(&node, 2, term, term - 1, term - 1, &term, 1);
        one_written_all(&node);
    }
    one_receive_append(&node, 2, last, 0, 0, &last, 1);
    assert_null(one_sent(&node, RAFT_APPEND_RESULT, 2));
    assert_int_equal(node.update.append_count, 0);
    assert_int_equal(node.update.truncate_from, 0);
    one_stop(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_behind_the_compacted_log_is_offered_a_snapshot),
        cmocka_unit_test(a_follower_that_only_looks_stuck_acknowledges_the_offer),
        cmocka_unit_test(pitfall_17_a_conflicting_entry_is_no_reason_to_keep_the_log),
        cmocka_unit_test(what_lies_behind_a_forgotten_term_is_offered_as_a_snapshot),
        cmocka_unit_test(an_append_at_a_forgotten_term_is_refused),
        cmocka_unit_test(an_append_of_a_forgotten_term_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
