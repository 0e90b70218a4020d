/* Which faults are legal together: the rules that the faults keep. */
#include "base/limits.h"
#include "base/log_line.h"
#include "raft/core/members.h"
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
    struct sim_cluster *cluster;
    struct sim_faults *faults;
};

/* Three nodes that nothing happens to. */
static struct world begin(void)
{
    const struct sim_options options = { .seed = 7,
                                         .count = 3,
                                         .seal_events = 100,
                                         .segment_size = 1 << 18,
                                         .entry_body_max = 1 << 14,
                                         .features = FENLU_FEATURES,
                                         .asleep = true };
    const struct sim_plan plan = {
        .profile = sim_profile_find("calm"), .nodes = 3, .down_max_ns = NS_PER_MS, .frail = 1 << 1
    };
    struct world world = { .cluster = sim_cluster_new(&options) };
    world.faults = sim_faults_new(world.cluster, &plan, 7);
    sim_cluster_calm_network(world.cluster);
    for (uint32_t stage = 0; stage < SIM_STAGE_COUNT; stage++) {
        world.cluster->stage_delay_max_ns[stage] = NS_PER_MS;
    }
    return world;
}

static void end(struct world *world)
{
    sim_cluster_free(world->cluster);
    sim_faults_free(world->faults);
}

static void cut_off(struct world *world, uint32_t at, bool blocked)
{
    for (uint32_t other = 0; other < 3; other++) {
        sim_bus_block(world->cluster, at, other, blocked);
        sim_bus_block(world->cluster, other, at, blocked);
    }
}

static void test_a_disk_may_go_when_all_others_know_it(void **state)
{
    (void)state;
    struct world world = begin();
    cut_off(&world, 2, true);
    assert_false(sim_faults_may_wipe(world.faults, 1));
    sim_cluster_run(world.cluster, 5 * NS_PER_S);
    /* The leader binds incarnations only of those that it has heard, and node 3 knows nothing. */
    assert_false(sim_faults_may_wipe(world.faults, 1));
    cut_off(&world, 2, false);
    sim_cluster_run(world.cluster, 5 * NS_PER_S);
    assert_true(sim_faults_may_wipe(world.faults, 1));
    end(&world);
}

static void test_a_new_disk_is_not_known(void **state)
{
    (void)state;
    struct world world = begin();
    sim_cluster_run(world.cluster, 5 * NS_PER_S);
    assert_true(sim_faults_may_wipe(world.faults, 1));
    assert_true(sim_faults_may_wipe(world.faults, 0));
    sim_cluster_crash(world.cluster, 1, SIM_CRASH_LOST);
    sim_faults_format(world.faults, 1, false);
    assert_false(sim_faults_may_wipe(world.faults, 1));
    /* Nor does it know of the others. */
    assert_false(sim_faults_may_wipe(world.faults, 0));
    sim_cluster_run(world.cluster, 5 * NS_PER_S);
    assert_false(sim_faults_may_wipe(world.faults, 0));
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_disk_may_go_when_all_others_know_it),
        cmocka_unit_test(test_a_new_disk_is_not_known),
    };
    log_configure(LOG_NONE, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
