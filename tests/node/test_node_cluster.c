/* test_node_cluster.c — clusters of real nodes under faults, many seeds; FENLU_SEED=N replays one.
 */
#include "base/log_line.h"
#include "ledger/node/node_internal.h"
#include "tests/node/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t SEEDS = 60;
enum { FAULT_SECONDS = 4, CALM_SECONDS_MAX = 30 };

/* How often each thing happened in all seeds: a run where nothing did would prove nothing. */
static struct {
    uint64_t answered, retried, repeated, reads, crashes, torn, seals, entries, terms;
} total;

/* --- faults ------------------------------------------------------------------------------------
 */

static void isolate(struct node_cluster *cluster, uint32_t at)
{
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        cluster->blocked[at][i] = i != at;
        cluster->blocked[i][at] = i != at;
    }
}

static void cut_some_links(struct node_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        for (uint32_t j = 0; j < cluster->options.count; j++) {
            cluster->blocked[i][j] = random_chance(&cluster->random, 1, 4);
        }
    }
}

static void fault_of_network(struct node_cluster *cluster)
{
    uint32_t at = (uint32_t)random_below(&cluster->random, cluster->options.count);
    uint32_t leader = node_cluster_leader(cluster);
    memset(cluster->blocked, 0, sizeof cluster->blocked);
    switch (random_below(&cluster->random, 6)) {
    case 0:
        isolate(cluster, leader < cluster->options.count ? leader : at);
        return;
    case 1:
        isolate(cluster, at);
        return;
    case 2:
        cut_some_links(cluster);
        return;
    case 3:
        cluster->loss_percent = (uint32_t)random_below(&cluster->random, 20);
        return;
    case 4:
        cluster->delay_max_ns = random_between(&cluster->random, 100, 40000) * NS_PER_US;
        return;
    default:
        for (uint32_t i = 0; i < cluster->options.count; i++) {
            node_cluster_reset_link(cluster, at, i);
        }
    }
}

static void fault_of_node(struct node_cluster *cluster)
{
    uint32_t at = (uint32_t)random_below(&cluster->random, cluster->options.count);
    uint32_t leader = node_cluster_leader(cluster);
    if (random_chance(&cluster->random, 1, 3) && leader < cluster->options.count) {
        at = leader;
    }
    struct sim_node *node = cluster->nodes[at];
    if (!node->alive) {
        node_cluster_restart(cluster, at);
        return;
    }
    switch (random_below(&cluster->random, 6)) {
    case 0:
        node_cluster_crash(cluster, at, (enum memory_crash)random_below(&cluster->random, 3));
        return;
    case 1:
        node_cluster_crash_in_write(cluster, at);
        return;
    case 2:
    case 3:
        node->paused_until_ns = cluster->now_ns + random_below(&cluster->random, 500) * NS_PER_MS;
        return;
    case 4:
        node->wall_offset_ns =
            (int64_t)random_below(&cluster->random, 4 * NS_PER_S) - 2 * (int64_t)NS_PER_S;
        return;
    default:
        node_drain(node->node);
        node_cluster_run(cluster, 100 * NS_PER_MS);
        node_cluster_crash(cluster, at, CRASH_KEPT);
    }
}

static void fault_of_speed(struct node_cluster *cluster)
{
    static const uint64_t SLOWEST_MS[STAGE_COUNT] = { 2, 60, 10, 200 };
    enum stage stage = (enum stage)random_below(&cluster->random, STAGE_COUNT);
    cluster->stage_delay_max_ns[stage] =
        1 + random_below(&cluster->random, SLOWEST_MS[stage] * NS_PER_MS);
}

static void trouble(struct node_cluster *cluster)
{
    switch (random_below(&cluster->random, 4)) {
    case 0:
        fault_of_network(cluster);
        break;
    case 1:
        fault_of_speed(cluster);
        break;
    case 2:
        fault_of_node(cluster);
        break;
    default:
        node_cluster_heal(cluster);
    }
    node_cluster_run(cluster, random_between(&cluster->random, 5, 150) * NS_PER_MS);
}

/* --- runs --------------------------------------------------------------------------------------
 */

static bool all_applied_the_same(const struct node_cluster *cluster)
{
    struct node_status first;
    node_status(cluster->nodes[0]->node, &first);
    for (uint32_t i = 1; i < cluster->options.count; i++) {
        struct node_status other;
        node_status(cluster->nodes[i]->node, &other);
        if (other.applied_index != first.applied_index || other.digest != first.digest) {
            return false;
        }
    }
    return first.applied_index == first.last_index;
}

static void calm_down(struct node_cluster *cluster, struct workload *workload)
{
    node_cluster_heal(cluster);
    uint64_t limit_ns = cluster->now_ns + CALM_SECONDS_MAX * NS_PER_S;
    while (!workload_stop(workload) || !all_applied_the_same(cluster)) {
        node_cluster_run(cluster, 20 * NS_PER_MS);
        if (cluster->now_ns > limit_ns) {
            node_cluster_fail(cluster, "no progress though all faults are over");
        }
        for (uint32_t i = 0; i < cluster->options.count; i++) {
            if (!cluster->nodes[i]->alive) { /* a node that drained or whose write was armed */
                node_cluster_restart(cluster, i);
            }
        }
    }
}

static void check_end(struct node_cluster *cluster, struct workload *workload)
{
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        struct error error = { 0 };
        u128 digest;
        if (store_recompute_digest(cluster->nodes[i]->store, &digest, &error) != STATUS_OK) {
            node_cluster_fail(cluster, "node %u: audit: %s", i + 1, error.text);
        }
        if (cluster->nodes[i]->node->queued_count != 0 ||
            cluster->nodes[i]->node->queued_bytes != 0) {
            node_cluster_fail(cluster, "node %u: requests are left over", i + 1);
        }
    }
    workload_check_books(workload, 0);
    workload_check_answers(workload);
}

static void count_run(const struct node_cluster *cluster, const struct workload *workload)
{
    struct node_status status;
    node_status(cluster->nodes[0]->node, &status);
    total.answered += workload->answered;
    total.retried += workload->retried;
    total.repeated += workload->repeated;
    total.reads += workload->reads;
    total.crashes += cluster->crashes;
    total.torn += cluster->torn_writes;
    total.seals += status.checkpoint_index > 0;
    total.entries += status.applied_index;
    total.terms += status.term;
}

static void run_seed(uint64_t seed)
{
    static const uint32_t COUNTS[] = { 3, 3, 5, 1, 2, 4 };
    struct workload *workload = workload_new(seed);
    struct cluster_options options = {
        .seed = seed,
        .count = COUNTS[seed % (sizeof COUNTS / sizeof COUNTS[0])],
        .seal_events = (uint32_t)(20 + seed * 37 % 400),
        .segment_size = 256 * 1024,
        .on_reply = workload_on_reply,
        .poll = workload_poll,
        .context = workload,
    };
    struct node_cluster *cluster = node_cluster_new(&options);
    workload->cluster = cluster;
    uint64_t until_ns = cluster->now_ns + FAULT_SECONDS * NS_PER_S;
    while (cluster->now_ns < until_ns) {
        trouble(cluster);
    }
    calm_down(cluster, workload);
    check_end(cluster, workload);
    count_run(cluster, workload);
    node_cluster_free(cluster);
    workload_free(workload);
}

static void test_random_faults(void **state)
{
    (void)state;
    struct seeds seeds = cluster_seeds(1, SEEDS);
    for (uint64_t i = 0; i < seeds.count; i++) {
        run_seed(seeds.first + i);
    }
    print_message("answered %llu, retried %llu, repeated %llu, reads %llu, crashes %llu (torn "
                  "%llu), seeds that sealed %llu, entries %llu, terms %llu\n",
                  (unsigned long long)total.answered, (unsigned long long)total.retried,
                  (unsigned long long)total.repeated, (unsigned long long)total.reads,
                  (unsigned long long)total.crashes, (unsigned long long)total.torn,
                  (unsigned long long)total.seals, (unsigned long long)total.entries,
                  (unsigned long long)total.terms);
    if (seeds.count > 1) {
        assert_true(total.answered > 100 * SEEDS && total.retried > 0 && total.repeated > SEEDS);
        assert_true(total.reads > 10 * SEEDS && total.crashes > SEEDS && total.torn > 0);
        assert_true(total.seals > SEEDS / 2 && total.terms > 2 * SEEDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_faults),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
