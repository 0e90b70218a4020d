/* sim_step.c — what a simulated process does: its stages, the turns of its loop, its timer. */
#include "base/assert.h"
#include "sim/check.h"
#include "sim/sim_open.h"

static const uint64_t TIMER_MAX_NS = 3600 * NS_PER_S;

void sim_node_ring(struct sim_node *node, enum sim_stage stage)
{
    struct sim_cluster *cluster = node->cluster;
    if (node->rung[stage]) {
        return;
    }
    node->rung[stage] = true;
    uint64_t delay_ns = random_below(&cluster->random, cluster->stage_delay_max_ns[stage]);
    sim_queue_put(&cluster->queue, &(struct sim_event){ .at_ns = cluster->now_ns + 1 + delay_ns,
                                                        .kind = SIM_EVENT_STAGE,
                                                        .at = node->at,
                                                        .detail = stage,
                                                        .run = node->run });
}

/* When its clock will show `mono_ns`, rounded up. */
static uint64_t time_of(const struct sim_node *node, uint64_t mono_ns)
{
    uint64_t now_mono_ns = sim_mono_ns(node);
    if (mono_ns <= now_mono_ns) {
        return node->cluster->now_ns;
    }
    uint64_t wait_ns = mono_ns - now_mono_ns;
    wait_ns = wait_ns < TIMER_MAX_NS ? wait_ns : TIMER_MAX_NS;
    return node->cluster->now_ns +
           (wait_ns * 1000 / (uint64_t)(1000000 + node->drift_ppm) + 1) * 1000;
}

static void set_timer(struct sim_node *node)
{
    struct sim_cluster *cluster = node->cluster;
    uint64_t due_ns = time_of(node, node_deadline_ns(node->node));
    if (node->tick_at_ns != 0 && node->tick_at_ns <= due_ns) {
        return;
    }
    due_ns += random_below(&cluster->random, NS_PER_MS);
    node->tick_at_ns = due_ns;
    sim_queue_put(&cluster->queue,
                  &(struct sim_event){
                      .at_ns = due_ns, .kind = SIM_EVENT_TICK, .at = node->at, .run = node->run });
}

void sim_node_woken(struct sim_node *node)
{
    struct sim_cluster *cluster = node->cluster;
    if (node->flush_due) {
        return;
    }
    node->flush_due = true;
    uint64_t at_ns = cluster->now_ns + 1 + random_below(&cluster->random, 20 * NS_PER_US);
    sim_queue_put(&cluster->queue,
                  &(struct sim_event){
                      .at_ns = at_ns, .kind = SIM_EVENT_FLUSH, .at = node->at, .run = node->run });
}

struct stage_step {
    enum sim_stage stage;
    bool more;
};

static void step_stage(struct sim_node *node, void *argument)
{
    struct stage_step *step = argument;
    node->disk->on_loop = step->stage == SIM_LOOP;
    switch (step->stage) {
    case SIM_LOOP:
        node_collect(node->node);
        return;
    case SIM_WRITER:
        step->more = node_writer_step(node->node);
        return;
    case SIM_MACHINE:
        step->more = node_machine_step(node->node);
        return;
    case SIM_SEALER:
        step->more = node_sealer_step(node->node);
        node->cluster->counts.seals += step->more;
        return;
    case SIM_KEEPER:
        step->more = node_keeper_step(node->node);
        return;
    case SIM_FETCHER:
        step->more = node_fetcher_step(node->node);
        return;
    case SIM_STAGE_COUNT:
        UNREACHABLE();
    }
}

static void looked_at(struct sim_node *node)
{
    if (node->cluster->check != NULL) {
        check_on_step(node->cluster->check, node);
    }
}

void sim_node_stage(struct sim_node *node, enum sim_stage stage)
{
    struct stage_step step = { .stage = stage };
    node->rung[stage] = false;
    if (!sim_node_guard(node, step_stage, &step)) {
        return;
    }
    looked_at(node);
    if (stage == SIM_LOOP) {
        sim_node_woken(node);
    } else if (step.more) {
        sim_node_ring(node, stage);
    }
}

static void step_flush(struct sim_node *node, void *argument)
{
    (void)argument;
    node_flush(node->node);
}

void sim_node_flush(struct sim_node *node)
{
    node->flush_due = false;
    if (!sim_node_guard(node, step_flush, NULL)) {
        return;
    }
    looked_at(node);
    if (node->restarting) {
        sim_node_reopen(node);
    } else {
        set_timer(node);
    }
}

static void step_tick(struct sim_node *node, void *argument)
{
    (void)argument;
    node_tick(node->node);
}

void sim_node_tick(struct sim_node *node)
{
    node->tick_at_ns = 0;
    if (node_deadline_ns(node->node) > sim_mono_ns(node)) {
        set_timer(node);
        return;
    }
    if (sim_node_guard(node, step_tick, NULL)) {
        looked_at(node);
        sim_node_woken(node);
    }
}
