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

static const uint8_t ROLES[] = { RAFT_VOTER, RAFT_VOTER_OLD, RAFT_VOTER | RAFT_VOTER_OLD,
                                 RAFT_LEARNER, RAFT_LEARNER | RAFT_VOTER_OLD };

/* Members with random roles; simple ones are as likely as joint ones. */
static struct raft_config random_config(struct random *random)
{
    struct raft_config config = { .count = (uint32_t)random_between(random, 0, RAFT_MEMBERS_MAX) };
    bool joint = random_chance(random, 1, 2);
    for (uint32_t i = 0; i < config.count; i++) {
        uint8_t roles = ROLES[random_below(random, sizeof ROLES)];
        config.members[i].id = (2 * i) + 1;
        if (!joint) {
            roles = (roles & RAFT_LEARNER) != 0 ? RAFT_LEARNER : RAFT_VOTER;
        }
        config.members[i].roles = roles;
        config.members[i].priority = RAFT_PRIORITY_DEFAULT;
    }
    return config;
}

/* The definition: the members in `set` are more than half of each half that there is. */
static bool is_quorum(const struct raft_config *config, uint32_t set)
{
    uint32_t voters[2] = { 0 };
    uint32_t within[2] = { 0 };
    for (uint32_t i = 0; i < config->count; i++) {
        for (uint32_t half = 0; half < 2; half++) {
            if ((config->members[i].roles & (half == 0 ? RAFT_VOTER : RAFT_VOTER_OLD)) != 0) {
                voters[half]++;
                within[half] += (set >> i) & 1;
            }
        }
    }
    return 2 * within[0] > voters[0] && (voters[1] == 0 || 2 * within[1] > voters[1]);
}

static void quorums_are_those_of_brute_force(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 30000; round++) {
        struct raft_config config = random_config(&random);
        uint64_t values[RAFT_MEMBERS_MAX];
        enum ballot ballots[RAFT_MEMBERS_MAX];
        uint32_t granted = 0;
        uint32_t not_refused = 0;
        for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
            values[i] = random_below(&random, 8);
            ballots[i] = (enum ballot)random_below(&random, 3);
            granted |= (ballots[i] == BALLOT_GRANTED ? 1U : 0U) << i;
            not_refused |= (ballots[i] != BALLOT_REFUSED ? 1U : 0U) << i;
        }
        uint64_t expected = 0;
        for (uint64_t candidate = 0; candidate < 8; candidate++) {
            uint32_t reached = 0;
            for (uint32_t i = 0; i < config.count; i++) {
                reached |= (values[i] >= candidate ? 1U : 0U) << i;
            }
            expected = is_quorum(&config, reached) ? candidate : expected;
        }
        assert_int_equal(quorum_value(&config, values), expected);
        enum quorum_vote vote = is_quorum(&config, granted)        ? QUORUM_WON
                                : !is_quorum(&config, not_refused) ? QUORUM_LOST
                                                                   : QUORUM_OPEN;
        assert_int_equal(quorum_vote(&config, ballots), vote);
        for (uint32_t i = 0; i <= RAFT_MEMBERS_MAX; i++) {
            bool alone = i < config.count && is_quorum(&config, 1U << i);
            assert_int_equal(quorum_alone(&config, i), alone);
        }
    }
    assert_int_equal(quorum_size(1), 1);
    assert_int_equal(quorum_size(4), 3);
    assert_int_equal(quorum_size(5), 3);
}

static void require_meeting(const struct raft_config *before, const struct raft_config *after)
{
    for (uint32_t one = 0; one < 1U << before->count; one++) {
        for (uint32_t two = 0; is_quorum(before, one) && two < 1U << before->count; two++) {
            assert_true((one & two) != 0 || !is_quorum(after, two));
        }
    }
}

/* What makes a change safe: after any legal step, each quorum of one configuration meets each of
 * the other. Tried for all sets of members. */
static void quorums_of_neighbours_meet(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 4);
    uint32_t legal = 0;
    for (uint32_t round = 0; round < 60000; round++) {
        struct raft_config before = random_config(&random);
        struct raft_config after = random_config(&random);
        before.count = before.count < 5 ? before.count : 5;
        after.count = before.count;
        if (!config_well_formed(&before) || !config_step_legal(&before, &after)) {
            continue;
        }
        legal++;
        require_meeting(&before, &after);
    }
    assert_true(legal > 500);
}

static struct raft_config config_of(const uint8_t *roles, uint32_t count)
{
    struct raft_config config = { .count = count };
    for (uint32_t i = 0; i < count; i++) {
        config.members[i] = (struct raft_config_member){ i + 1, roles[i], RAFT_PRIORITY_DEFAULT };
    }
    return config;
}

static void only_three_kinds_of_steps_are_legal(void **state)
{
    (void)state;
    enum { V = RAFT_VOTER, O = RAFT_VOTER_OLD, L = RAFT_LEARNER };
    static const struct {
        uint8_t before[4];
        uint8_t after[4];
        bool legal;
    } CASES[] = {
        { { V, V, V, L }, { V, V, V, L }, true },
        { { V, V, L, L }, { V, V, L, V }, false },            /* voters change by joint ones only */
        { { V, V, L, L }, { V | O, V | O, L, V }, true },     /* promote */
        { { V, V, V, L }, { V | O, V | O, O, V }, true },     /* replace */
        { { V, V, V, L }, { V | O, V | O, L | O, V }, true }, /* and keep as a learner */
        { { V, V, V, L }, { V | O, V | O, V, V }, false },    /* the old half is not the voters */
        { { V, V, V, L }, { V | O, V | O, V | O, L | O }, false },
        { { V | O, V | O, L | O, V }, { V, V, L, V }, true }, /* leave */
        { { V | O, V | O, O, V }, { V, V, V, V }, false },
        { { V | O, V | O, O, V }, { V, V, V, L }, false }, /* there is no way back */
        { { V | O, V | O, O, V }, { V | O, V | O, O, V }, true },
        { { V | O, V | O, O, V }, { V | O, V, O, V | O }, false },
        { { V, V, V, V }, { O, O, O, O }, false }, /* no voters are left */
        { { V, V, V, V }, { L, L, L, L }, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct raft_config before = config_of(CASES[i].before, 4);
        struct raft_config after = config_of(CASES[i].after, 4);
        assert_int_equal(config_step_legal(&before, &after), CASES[i].legal);
    }
    struct raft_config config = config_of(CASES[0].before, 3); /* a learner comes and goes */
    struct raft_config more = config_of(CASES[0].before, 4);
    assert_true(config_step_legal(&config, &more) && config_step_legal(&more, &config));
    more.members[3].id = 3;
    assert_false(config_well_formed(&more)); /* ids ascend */
    more.members[3] = (struct raft_config_member){ 4, V | L, 1 };
    assert_false(config_well_formed(&more));
    more.count = 0;
    assert_false(config_well_formed(&more));
    assert_int_equal(config_position(&config, 3), 2);
    assert_int_equal(config_position(&config, 9), RAFT_MEMBERS_MAX);
    assert_true(config_votes(&config, 3) && !config_votes(&config, 9));
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
        cmocka_unit_test(quorums_are_those_of_brute_force),
        cmocka_unit_test(quorums_of_neighbours_meet),
        cmocka_unit_test(only_three_kinds_of_steps_are_legal),
        cmocka_unit_test(the_term_log_agrees_with_an_array),
        cmocka_unit_test(forgotten_sizes_count_as_the_greatest),
        cmocka_unit_test(the_oldest_runs_are_forgotten),
        cmocka_unit_test(the_queue_knows_what_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
