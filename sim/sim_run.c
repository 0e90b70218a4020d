#include "sim/sim_run.h"

#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"
#include "raft/core/members.h"
#include "sim/check.h"
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"
#include "sim/workload.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIVENESS_ENTRIES = 5, EXIT_VIOLATION = 1, WHY_MAX = 128 };
static const uint64_t PIECE_NS = 50 * NS_PER_MS;
static const uint64_t LIVENESS_NS = 60 * NS_PER_S;
/* Several may need a snapshot: the source serves one after the other, at the plan's rate. */
static const uint64_t END_NS = 900 * NS_PER_S;

struct run {
    const struct sim_run_options *options;
    struct sim_plan plan;
    struct sim_cluster *cluster;
    struct sim_faults *faults;
    struct workload *workload;
    struct sim_result *result;
};

/* There is one in this process. */
static struct run *running;

/* --- failure -----------------------------------------------------------------------------------
 */

static void say_how_to_replay(void)
{
    const struct sim_run_options *options = running->options;
    (void)fprintf(stderr, "replay: fenlu sim --profile %s --seed %llu", options->profile->name,
                  (unsigned long long)options->seed);
    if (options->nodes != 0) {
        (void)fprintf(stderr, " --nodes %u", options->nodes);
    }
    if (options->safety_ns != 0) {
        (void)fprintf(stderr, " --seconds %llu",
                      (unsigned long long)(options->safety_ns / NS_PER_S));
    }
    (void)fprintf(stderr, " --trace\n");
}

static void on_failure(const struct sim_cluster *cluster, const char *text)
{
    (void)fflush(stdout);
    sim_trace_print_kept(&cluster->trace);
    (void)fprintf(stderr, "VIOLATION profile %s seed %llu nodes %u at %llu.%06llu s: %s\n",
                  running->options->profile->name, (unsigned long long)running->options->seed,
                  running->plan.nodes, (unsigned long long)(cluster->now_ns / NS_PER_S),
                  (unsigned long long)(cluster->now_ns / NS_PER_US % 1000000), text);
    say_how_to_replay();
    (void)fflush(stderr);
    _exit(EXIT_VIOLATION);
}

static void on_panic(const char *file, int line, const char *what)
{
    char text[512];
    (void)snprintf(text, sizeof text, "assertion %s:%d: %s", file, line, what);
    on_failure(running->cluster, text);
}

/* What nodes log, among the timeline. */
static void on_log(void *context, const char *line)
{
    struct sim_cluster *cluster = context;
    sim_trace_line(&cluster->trace, cluster->now_ns, "log", "%s", line);
}

/* --- the parts of a run ------------------------------------------------------------------------
 */

static void on_reply(void *context, uint32_t client, uint32_t node, const struct reply *reply,
                     struct bytes payload)
{
    struct run *run = context;
    if (run->workload != NULL && client < SIM_CLIENTS_MAX) {
        workload_on_reply(run->workload, client, node, reply, payload);
    }
}

static void open_run(struct run *run, struct random *random)
{
    const struct sim_run_options *options = run->options;
    const struct sim_plan *plan = &run->plan;
    struct sim_options cluster = {
        .seed = options->seed,
        .count = plan->nodes,
        .seal_events = plan->seal_events,
        .segment_size = plan->segment_size,
        .election_timeout_ns = plan->election_timeout_ns,
        .heartbeat_ns = plan->heartbeat_ns,
        .entry_body_max = plan->entry_body_max,
        .log_keep_bytes = plan->log_keep_bytes,
        .window_bytes = plan->window_bytes,
        .scrub_bytes_per_s = plan->scrub_bytes_per_s,
        .snapshot_bytes_per_s = plan->snapshot_bytes_per_s,
        .features = FENLU_FEATURES,
        .trace_mode = options->trace_mode,
        .trace_messages = options->trace_messages,
        .asleep = true,
        .on_reply = on_reply,
        .context = run,
        .on_failure = on_failure,
    };
    run->cluster = sim_cluster_new(&cluster);
    fenlu_panic_set_hook(on_panic);
    if (options->trace_mode != SIM_TRACE_HASH) {
        log_configure(LOG_INFO, LOG_FORMAT_LOGFMT);
        log_set_sink(on_log, run->cluster);
    }
    run->cluster->check = check_new(run->cluster);
    sim_cluster_heal(run->cluster);
    struct workload_options workload = { .seed = random_u64(random),
                                         .clients = plan->clients,
                                         .pause_max_ns = plan->rest_max_ns,
                                         .events_max = plan->events_max };
    memcpy(workload.affairs, plan->affairs, sizeof workload.affairs);
    run->workload = workload_new(run->cluster, &workload);
    run->faults = sim_faults_new(run->cluster, plan, random_u64(random));
    run->cluster->install_crashes = plan->every_ns[SIM_FAULT_crash_in_write] != 0;
}

/* Can these go on without the others, by every configuration that a running node goes by? */
static bool is_majority(const struct run *run, uint32_t core)
{
    static const uint8_t HALVES[] = { RAFT_VOTER, RAFT_VOTER_OLD };
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = run->cluster->nodes[at];
        const struct raft_status *now = node != NULL && node->alive ? &node->node->raft_now : NULL;
        for (uint32_t half = 0; now != NULL && half < 2; half++) {
            uint32_t voters = 0;
            uint32_t inside = 0;
            for (uint32_t i = 0; i < now->member_count; i++) {
                bool votes = (now->members[i].roles & HALVES[half]) != 0;
                voters += votes ? 1 : 0;
                inside += votes && (core >> (now->members[i].id - 1) & 1) != 0 ? 1 : 0;
            }
            if (voters > 0 && inside <= voters / 2) {
                return false;
            }
        }
    }
    return true;
}

/* All nodes with undamaged disks and some of the others. What the sound voters hold is all that was
 * ever committed, because the operator keeps them a majority (sim_operator.c); but a request that
 * was long under way may come on top of the next one, so it is looked at: without a majority
 * everybody is mended. */
static uint32_t draw_core(struct run *run, struct random *random)
{
    uint32_t all = (1U << SIM_NODES_MAX) - 1;
    if (!run->plan.part_stays_down) {
        return all;
    }
    uint32_t core = 0;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = run->cluster->nodes[at];
        bool sound = node != NULL && !sim_faults_frail(run->faults, at);
        core |= sound || random_chance(random, 1, 3) ? 1U << at : 0;
    }
    return is_majority(run, core) ? core : all;
}

static void run_until_alive(struct run *run, const char *what)
{
    uint64_t begin_ns = run->cluster->now_ns;
    uint64_t wanted = check_committed(run->cluster->check) + LIVENESS_ENTRIES;
    uint64_t answered = workload_counts(run->workload)->answered + LIVENESS_ENTRIES;
    while (check_committed(run->cluster->check) < wanted ||
           workload_counts(run->workload)->answered < answered) {
        sim_cluster_run(run->cluster, PIECE_NS);
        if (run->cluster->now_ns - begin_ns > LIVENESS_NS) {
            sim_cluster_fail(run->cluster, "LIVENESS: %s, but nothing was committed in %llu s",
                             what, (unsigned long long)(LIVENESS_NS / NS_PER_S));
        }
    }
    run->result->liveness_ns += run->cluster->now_ns - begin_ns;
}

/* Who is connected has said which data folder it runs on, so the list says it, too: also of one
 * that was removed and added again and stayed connected. */
static bool is_bound(const struct sim_node *leader, uint32_t id)
{
    const struct members *list = &leader->node->config.last.members;
    const struct member *member = members_find(list, id);
    bool understood = (list->features & FEATURE_MEMBERS) != 0;
    return !understood || member == NULL || member->incarnation != 0;
}

/* Every node that is a member and could start holds what the leader does, and is known by its data
 * folder; else `why` says who not. */
static bool is_settled(const struct run *run, char why[WHY_MAX])
{
    struct node_status first;
    uint32_t leader = sim_cluster_leader(run->cluster);
    if (leader == SIM_NODES_MAX || !workload_idle(run->workload)) {
        (void)snprintf(why, WHY_MAX, "%s",
                       leader == SIM_NODES_MAX ? "nobody leads" : "commands are unanswered");
        return false;
    }
    node_status(run->cluster->nodes[leader]->node, &first);
    const struct raft_status *now = &run->cluster->nodes[leader]->node->raft_now;
    for (uint32_t i = 0; i < now->member_count; i++) {
        uint32_t at = now->members[i].id - 1;
        const struct sim_node *node = run->cluster->nodes[at];
        if (node == NULL || node->life == SIM_REFUSED ||
            !check_is_member(run->cluster->check, node)) {
            continue;
        }
        struct node_status other = { 0 };
        if (node->alive) {
            node_status(node->node, &other);
        }
        if (other.applied_index != first.last_index || other.digest != first.digest) {
            (void)snprintf(why, WHY_MAX, "node %u of leader %u's members %s at %llu of %llu",
                           at + 1, leader + 1, node->alive ? "is" : "is down",
                           (unsigned long long)other.applied_index,
                           (unsigned long long)first.last_index);
            return false;
        }
        if (!is_bound(run->cluster->nodes[leader], at + 1)) {
            (void)snprintf(why, WHY_MAX, "no incarnation of node %u stands in the list", at + 1);
            return false;
        }
    }
    return true;
}

static void run_to_the_end(struct run *run)
{
    uint64_t begin_ns = run->cluster->now_ns;
    workload_stop(run->workload);
    char why[WHY_MAX];
    while (!is_settled(run, why)) {
        sim_cluster_run(run->cluster, PIECE_NS);
        if (run->cluster->now_ns - begin_ns > END_NS) {
            sim_cluster_fail(run->cluster,
                             "CONVERGENCE: all faults are over, but in %llu s the members did not "
                             "come to the same state: %s",
                             (unsigned long long)(END_NS / NS_PER_S), why);
        }
    }
    check_at_end(run->cluster->check);
}

static void count(struct run *run)
{
    struct sim_result *result = run->result;
    const struct workload_counts *counts = workload_counts(run->workload);
    result->hash = run->cluster->trace.hash;
    result->simulated_ns = run->cluster->now_ns;
    result->committed = check_committed(run->cluster->check);
    result->answered = counts->answered;
    result->unknown = counts->unknown;
    result->counts = run->cluster->counts;
    memcpy(result->injected, run->faults->injected, sizeof result->injected);
    for (uint32_t i = 0; i < SITUATION_COUNT; i++) {
        result->situations[i] = situation_count((enum situation)i);
    }
}

static void close_run(struct run *run)
{
    struct check *check = run->cluster->check;
    run->cluster->check = NULL;
    workload_free(run->workload);
    sim_cluster_free(run->cluster);
    sim_faults_free(run->faults);
    check_free(check);
}

void sim_run(const struct sim_run_options *options, struct sim_result *result)
{
    struct run run = { .options = options, .result = result };
    struct random random;
    random_init(&random, options->seed);
    running = &run;
    *result = (struct sim_result){ 0 };
    situation_reset();
    sim_plan_draw(&run.plan, options->profile, options->nodes, &random);
    if (options->safety_ns != 0) {
        run.plan.safety_ns = options->safety_ns;
    }
    open_run(&run, &random);
    sim_cluster_run(run.cluster, run.plan.safety_ns);
    sim_faults_spare(run.faults, draw_core(&run, &random));
    run_until_alive(&run, "faults have stopped for a majority");
    sim_faults_end(run.faults);
    run_until_alive(&run, "all faults have stopped");
    run_to_the_end(&run);
    count(&run);
    close_run(&run);
    log_set_sink(NULL, NULL);
    fenlu_panic_set_hook(NULL);
    running = NULL;
}
