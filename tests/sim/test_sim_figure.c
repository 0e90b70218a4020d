/* Figure 8 of the Raft paper, staged (sim_faults_figure.c): it is met, with any number of nodes. */
#include "base/log_line.h"
#include "base/situation.h"
#include "raft/core/members.h"
#include "sim/check.h"
#include "sim/sim_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t ELECTION_TIMEOUT_NS = 300 * NS_PER_MS;

/* How often an entry on a majority was overwritten, of `seeds` runs of one stage each. */
static uint32_t play(uint32_t nodes, uint64_t window_bytes, uint64_t seeds)
{
    uint32_t met = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const struct sim_options options = { .seed = seed,
                                             .count = nodes,
                                             .seal_events = 100,
                                             .segment_size = 1 << 18,
                                             .election_timeout_ns = ELECTION_TIMEOUT_NS,
                                             .entry_body_max = 1 << 14,
                                             .window_bytes = window_bytes,
                                             .features = FENLU_FEATURES };
        const struct sim_plan plan = { .profile = sim_profile_find("calm"),
                                       .nodes = nodes,
                                       .election_timeout_ns = ELECTION_TIMEOUT_NS,
                                       .down_max_ns = NS_PER_MS,
                                       .cut_max_ns = NS_PER_MS };
        struct sim_cluster *cluster = sim_cluster_new(&options);
        struct check *check = check_new(cluster);
        cluster->check = check;
        struct sim_faults *faults = sim_faults_new(cluster, &plan, seed);
        situation_reset();
        sim_cluster_run(cluster, 3 * NS_PER_S);
        sim_fault_figure_8(faults);
        sim_cluster_run(cluster, 25 * ELECTION_TIMEOUT_NS);
        met += situation_count(SITUATION_raft_figure_8) > 0 ? 1 : 0;
        assert_int_equal(faults->figure.act, 0);
        assert_int_not_equal(sim_cluster_leader(cluster), SIM_NODES_MAX);
        cluster->check = NULL;
        sim_cluster_free(cluster);
        sim_faults_free(faults);
        check_free(check);
    }
    return met;
}

static void figure_8_is_met_with_three_nodes_and_more(void **state)
{
    (void)state;
    for (uint32_t nodes = 3; nodes <= 5; nodes++) {
        assert_in_range(play(nodes, 64, 10), 8, 10);
    }
}

static void two_nodes_are_too_few_for_it(void **state)
{
    (void)state;
    assert_int_equal(play(2, 64, 2), 0);
}

/* With a large window the entry never stands alone: the first of the leader's own term is in the
 * same message, and commits both. */
static void a_large_window_keeps_it_away(void **state)
{
    (void)state;
    assert_int_equal(play(3, 0, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figure_8_is_met_with_three_nodes_and_more),
        cmocka_unit_test(two_nodes_are_too_few_for_it),
        cmocka_unit_test(a_large_window_keeps_it_away),
    };
    log_configure(LOG_NONE, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
