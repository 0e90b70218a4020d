/* Runs of the simulator: deterministic, and able to fail. */
#include "base/log_line.h"
#include "sim/sim_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sim_result run(const char *profile, uint64_t seed)
{
    static struct sim_result result;
    struct sim_run_options options = { .seed = seed,
                                       .profile = sim_profile_find(profile),
                                       .safety_ns = 5 * NS_PER_S };
    assert_non_null(options.profile);
    sim_run(&options, &result);
    return result;
}

/* In one process, so that what one run leaves in memory meets the next. */
static void test_one_seed_is_one_run(void **state)
{
    (void)state;
    const struct sim_profile *profile = NULL;
    for (uint32_t i = 0; (profile = sim_profile_at(i)) != NULL; i++) {
        struct sim_result first = run(profile->name, 5);
        struct sim_result other = run(profile->name, 6);
        struct sim_result again = run(profile->name, 5);
        assert_int_equal(first.hash, again.hash);
        assert_int_equal(first.counts.events, again.counts.events);
        assert_int_not_equal(first.hash, other.hash);
        assert_true(first.committed > 0 && first.answered > 0);
    }
}

static void test_profiles_do_what_they_say(void **state)
{
    (void)state;
    assert_null(sim_profile_find("nonsense"));
    struct sim_plan plan;
    struct random random;
    random_init(&random, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        sim_plan_draw(&plan, sim_profile_find("calm"), 0, &random);
        assert_int_equal(plan.every_ns[SIM_FAULT_crash], 0);
        assert_true(plan.nodes >= 1 && plan.nodes <= SIM_NODES_MAX);
        assert_true(plan.segment_size >= LOG_SEGMENT_SIZE_MIN);
        assert_true((uint32_t)__builtin_popcount(plan.frail) <= (plan.nodes - 1) / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_seed_is_one_run),
        cmocka_unit_test(test_profiles_do_what_they_say),
    };
    log_configure(LOG_NONE, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
