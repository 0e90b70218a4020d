/* The parts of the core against plain models: term runs, sizes, the queue of writes, quorums. */
#include "base/random.h"
#include "raft/core/quorum.h"
#include "raft/core/term_log.h"
#include "raft/core/write_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MODEL_MAX = 40000 };

static struct term_log term_log;
static struct write_queue queue;
static uint64_t model_terms[MODEL_MAX];
static uint64_t model_sizes[MODEL_MAX]; /* 0: unknown */

static void quorum_value_is_what_a_majority_reached(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t count = (uint32_t)random_between(&random, 1, RAFT_MEMBERS_MAX);
        uint64_t values[RAFT_MEMBERS_MAX];
        uint64_t sorted[RAFT_MEMBERS_MAX];
        for (uint32_t i = 0; i < count; i++) {
            values[i] = random_below(&random, 8);
        }
        memcpy(sorted, values, sizeof sorted);
        uint64_t expected = 0; /* the greatest that more than half have reached */
        for (uint64_t candidate = 0; candidate < 8; candidate++) {
            uint32_t reached = 0;
            for (uint32_t i = 0; i < count; i++) {
                reached += values[i] >= candidate ? 1 : 0;
            }
            expected = 2 * reached > count ? candidate : expected;
        }
        assert_int_equal(quorum_value(sorted, count), expected);
    }
    assert_int_equal(quorum_size(1), 1);
    assert_int_equal(quorum_size(4), 3);
    assert_int_equal(quorum_size(5), 3);
}

static void compare_with_model(uint64_t base_index, uint64_t last_index, struct random *random)
{
    term_log_check(&term_log);
    assert_int_equal(term_log.last_index, last_index);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t index = random_between(random, base_index, last_index);
        uint64_t known = model_terms[index];
        assert_int_equal(term_log_term(&term_log, index), known);
        uint64_t from = random_between(random, base_index, index);
        uint64_t bytes = 0;
        for (uint64_t at = from + 1; at <= index; at++) {
            bytes += model_sizes[at] == 0 ? RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX
                                          : model_sizes[at];
        }
        assert_int_equal(term_log_bytes(&term_log, from + 1, index), bytes);
        uint64_t term = random_between(random, 0, model_terms[last_index] + 1);
        uint64_t expected = index;
        while (expected > base_index && model_terms[expected] > term) {
            expected--;
        }
        assert_int_equal(term_log_last_at_most(&term_log, index, term), expected);
        if (index > base_index) {
            uint64_t start = index;
            while (start - 1 > base_index && model_terms[start - 1] == known) {
                start--;
            }
            assert_int_equal(term_log_run_start(&term_log, index), start);
        }
    }
    assert_int_equal(term_log_term(&term_log, last_index + 1), 0);
}

static void the_term_log_agrees_with_an_array(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 2);
    struct raft_start start = { 0 };
    term_log_init(&term_log, &start);
    uint64_t base_index = 0;
    uint64_t last_index = 0;
    for (uint32_t round = 0; round < 4000; round++) {
        uint64_t action = random_below(&random, 20);
        if (action == 0 && last_index > base_index) {
            uint64_t from = random_between(&random, base_index + 1, last_index);
            from = last_index - from > 30 ? last_index - 30 : from;
            term_log_truncate(&term_log, from);
            last_index = from - 1;
        } else if (action == 1) {
            base_index = random_between(&random, base_index, last_index);
            term_log_compact(&term_log, base_index);
        } else {
            uint64_t grown = random_chance(&random, 1, 5) ? random_below(&random, 3) : 0;
            uint64_t term = model_terms[last_index] + grown;
            last_index++;
            model_terms[last_index] = term == 0 ? 1 : term;
            model_sizes[last_index] = random_between(&random, 64, 5000);
            term_log_append(&term_log, model_terms[last_index], (uint32_t)model_sizes[last_index]);
        }
        compare_with_model(base_index, last_index, &random);
    }
}

static void forgotten_sizes_count_as_the_greatest(void **state)
{
    (void)state;
    struct raft_start start = { 0 };
    term_log_init(&term_log, &start);
    for (uint32_t i = 0; i < RAFT_SIZES_MAX + 100; i++) {
        term_log_append(&term_log, 1, 64);
    }
    uint64_t greatest = RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX;
    uint64_t last_index = RAFT_SIZES_MAX + 100;
    assert_int_equal(term_log_bytes(&term_log, 1, 1), greatest);
    assert_int_equal(term_log_bytes(&term_log, 101, 102), greatest + 64);
    assert_int_equal(term_log_bytes(&term_log, last_index, last_index), 64);
    assert_int_equal(term_log_bytes(&term_log, 5, 4), 0);
    term_log_truncate(&term_log, 50); /* below all that is known */
    term_log_append(&term_log, 1, 99);
    assert_int_equal(term_log_bytes(&term_log, 49, 50), greatest + 99);
    term_log_check(&term_log);
}

static void the_oldest_runs_are_forgotten(void **state)
{
    (void)state;
    struct raft_start start = { 0 };
    term_log_init(&term_log, &start);
    for (uint64_t i = 1; i <= RAFT_TERM_RUNS_MAX + 10; i++) {
        term_log_append(&term_log, i, 64);
    }
    assert_int_equal(term_log_term(&term_log, 10), 0);
    assert_int_equal(term_log_term(&term_log, 11), 11);
    assert_false(term_log_reaches(&term_log, 10));
    assert_true(term_log_reaches(&term_log, 11));
    assert_true(term_log_reaches(&term_log, 0));
    term_log_compact(&term_log, 5); /* among the forgotten */
    assert_false(term_log_reaches(&term_log, 5));
    assert_false(term_log_reaches(&term_log, 0));
    term_log_check(&term_log);
}

/* The model: for each write the log it leaves on disk, as numbers that are never used twice. */
static void the_queue_knows_what_is_durable(void **state)
{
    (void)state;
    enum { LOG_MAX = 200, WRITES = 3000 };
    static uint32_t log_ids[LOG_MAX + 1];
    static uint32_t disk_ids[LOG_WRITES_QUEUED_MAX][LOG_MAX + 1];
    struct random random;
    random_init(&random, 3);
    write_queue_init(&queue, 0);
    uint64_t last_index = 0;
    uint32_t next_id = 1;
    for (uint32_t round = 0; round < WRITES; round++) {
        if (!write_queue_full(&queue) && random_chance(&random, 1, 2)) {
            uint64_t sequence = write_queue_issue(&queue, last_index);
            if (last_index > 0 && random_chance(&random, 1, 3)) {
                uint64_t from = random_between(&random, 1, last_index);
                write_queue_truncate(&queue, from);
                last_index = from - 1;
            }
            uint64_t more = random_below(&random, 4);
            for (; more > 0 && last_index < LOG_MAX; more--) {
                last_index++;
                log_ids[last_index] = next_id;
                next_id++;
            }
            write_queue_grow(&queue, last_index);
            uint32_t *disk = disk_ids[sequence % LOG_WRITES_QUEUED_MAX];
            memset(disk, 0, sizeof disk_ids[0]);
            memcpy(disk, log_ids, (last_index + 1) * sizeof log_ids[0]);
        } else if (queue.issued > queue.durable) {
            write_queue_written(&queue, random_between(&random, queue.durable, queue.issued));
        }
        write_queue_check(&queue, last_index);
        uint64_t durable_index = 0;
        const uint32_t *disk = disk_ids[queue.durable % LOG_WRITES_QUEUED_MAX];
        while (durable_index < last_index && queue.durable > 0 &&
               disk[durable_index + 1] == log_ids[durable_index + 1]) {
            durable_index++;
        }
        assert_int_equal(queue.durable_index, durable_index);
        for (uint64_t index = 1; index <= last_index; index++) {
            uint64_t after = write_queue_after(&queue, index);
            assert_true((after == 0) == (index <= durable_index));
            if (after != 0) {
                disk = disk_ids[after % LOG_WRITES_QUEUED_MAX];
                assert_int_equal(disk[index], log_ids[index]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quorum_value_is_what_a_majority_reached),
        cmocka_unit_test(the_term_log_agrees_with_an_array),
        cmocka_unit_test(forgotten_sizes_count_as_the_greatest),
        cmocka_unit_test(the_oldest_runs_are_forgotten),
        cmocka_unit_test(the_queue_knows_what_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
