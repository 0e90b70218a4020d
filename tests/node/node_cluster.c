/* node_cluster.c — the nodes of the simulated cluster, their lives and the order of events. */
#include "tests/node/node_cluster.h"

#include "base/assert.h"
#include "base/log_line.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t WALL_BASE_NS = 1700000000ULL * NS_PER_S;

static uint64_t panic_seed;

static void on_panic(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "panic with FENLU_SEED=%llu: %s:%d: %s\n", (unsigned long long)panic_seed,
                  file, line, what);
}

struct seeds cluster_seeds(uint64_t first, uint64_t count)
{
    const char *text = getenv("FENLU_SEED");
    if (text != NULL) {
        log_configure(LOG_INFO, LOG_FORMAT_LOGFMT);
        return (struct seeds){ strtoull(text, NULL, 10), 1 };
    }
    return (struct seeds){ first, count };
}

_Noreturn void node_cluster_fail(const struct node_cluster *cluster, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("FENLU_SEED=%llu, at %llu us: %s\n", (unsigned long long)cluster->options.seed,
                (unsigned long long)(cluster->now_ns / NS_PER_US), text);
    fail();
    abort(); /* fail does not return */
}

/* --- the seams ---------------------------------------------------------------------------------
 */

static uint64_t mono_ns(void *context)
{
    const struct sim_node *node = context;
    return node->cluster->now_ns;
}

static uint64_t wall_ns(void *context)
{
    const struct sim_node *node = context;
    return WALL_BASE_NS + node->cluster->now_ns + (uint64_t)node->wall_offset_ns;
}

static void ring(struct sim_node *node, enum stage stage)
{
    struct node_cluster *cluster = node->cluster;
    if (node->ring_ns[stage] == 0) {
        node->ring_ns[stage] = cluster->now_ns + 1 +
                               random_below(&cluster->random, cluster->stage_delay_max_ns[stage]);
    }
}

static void ring_loop(void *context)
{
    ring(context, STAGE_LOOP);
}

static void ring_writer(void *context)
{
    ring(context, STAGE_WRITER);
}

static void ring_machine(void *context)
{
    ring(context, STAGE_MACHINE);
}

static void ring_sealer(void *context)
{
    ring(context, STAGE_SEALER);
}

static void fatal(void *context, const struct error *error)
{
    struct sim_node *node = context;
    if (node->fatal_expected != STATUS_OK && error->status == node->fatal_expected) {
        abort();
    }
    if (node->dying && error->status == STATUS_IO) {
        longjmp(node->escape, 1);
    }
    node_cluster_fail(node->cluster, "node %u: fatal: %s: %s", node->at + 1,
                      status_name(error->status), error->text);
}

static void keep_kv(struct kv *kv)
{
    (void)kv; /* it outlives the process */
}

/* --- life --------------------------------------------------------------------------------------
 */

static struct sim_node *sim_node_new(struct node_cluster *cluster, uint32_t at)
{
    struct sim_node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    struct error error;
    node->cluster = cluster;
    node->at = at;
    node->disk = memory_disk_new();
    assert_int_equal(kv_memory_open(&node->kv, &error), STATUS_OK);
    node->kv_close = node->kv->ops->close;
    node->kv_kept = *node->kv->ops;
    node->kv_kept.close = keep_kv;
    node->kv->ops = &node->kv_kept;
    node->superblock = (struct superblock){ .sequence = 1,
                                            .cluster = u128_make(7, 7),
                                            .node = at + 1,
                                            .incarnation = at + 100,
                                            .member_count = cluster->options.count };
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        node->superblock.members[i].id = i + 1;
        (void)snprintf(node->superblock.members[i].address, MEMBER_ADDRESS_MAX, "127.0.0.1:%u",
                       i + 1);
    }
    assert_int_equal(superblock_create(&node->disk->disk, "d", &node->superblock, &error),
                     STATUS_OK);
    memory_disk_settle(node->disk);
    return node;
}

static void expect_ok(const struct sim_node *node, enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        node_cluster_fail(node->cluster, "node %u does not open: %s: %s", node->at + 1,
                          status_name(status), error->text);
    }
}

static void open_store(struct sim_node *node, struct store_checkpoint *checkpoint)
{
    struct store_options options = { .delta = { .seal_events = node->cluster->options.seal_events,
                                                .accounts_cached = 16 },
                                     .kv = node->kv };
    struct error error;
    expect_ok(node, store_open(&options, &node->store, checkpoint, &error), &error);
}

static void open_log(struct sim_node *node, struct log_recovered *recovered)
{
    struct error error;
    uint32_t repaired = 0;
    struct log_options options = { .disk = &node->disk->disk,
                                   .folder = "d",
                                   .segment_size = node->cluster->options.segment_size };
    expect_ok(node, superblock_load(&node->disk->disk, "d", &node->superblock, &repaired, &error),
              &error);
    expect_ok(node, log_open(&options, &node->superblock, &node->log, recovered, &error), &error);
    if (recovered->last_index < node->applied_max) {
        node_cluster_fail(node->cluster, "node %u had applied %llu, its log ends at %llu",
                          node->at + 1, (unsigned long long)node->applied_max,
                          (unsigned long long)recovered->last_index);
    }
}

void node_cluster_restart(struct node_cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    ASSERT(!node->alive);
    struct log_recovered *recovered = malloc(sizeof *recovered);
    assert_non_null(recovered);
    struct store_checkpoint checkpoint;
    struct error error;
    node->run++;
    open_log(node, recovered);
    open_store(node, &checkpoint);
    struct node_options options = {
        .clock = { .mono_ns = mono_ns, .wall_ns = wall_ns, .context = node },
        .seed = random_u64(&cluster->random),
        .identity = &node->superblock,
        .log = node->log,
        .recovered = recovered,
        .store = node->store,
        .checkpoint = &checkpoint,
        .election_timeout_ns = 150 * NS_PER_MS,
        .heartbeat_interval_ns = 30 * NS_PER_MS,
        .disk_reserve_bytes = cluster->options.disk_reserve_bytes,
        .host = { ring_loop, ring_writer, ring_machine, ring_sealer, fatal, node },
    };
    expect_ok(node, node_open(&options, &node->node, &error), &error);
    free(recovered);
    cluster_bus_attach(node);
    node->alive = true;
    node->dying = false;
    node->paused_until_ns = 0;
    node->flush_ns = 0;
    memset(node->ring_ns, 0, sizeof node->ring_ns);
    for (enum stage stage = STAGE_LOOP; stage < STAGE_COUNT; stage++) {
        ring(node, stage); /* workers take a step when they start */
    }
    for (uint32_t client = 0; client < CLUSTER_CLIENTS_MAX; client++) {
        node_cluster_hang_up(cluster, client, at);
    }
    node_cluster_check_applied(cluster, node);
}

static void close_node(struct sim_node *node)
{
    node_close(node->node);
    store_close(node->store);
    log_close(node->log);
    node->node = NULL;
    node->alive = false;
}

void node_cluster_crash(struct node_cluster *cluster, uint32_t at, enum memory_crash crash)
{
    struct sim_node *node = cluster->nodes[at];
    if (!node->alive) {
        return;
    }
    cluster->crashes++;
    close_node(node);
    memory_disk_crash(node->disk, crash, &cluster->random);
}

void node_cluster_crash_in_write(struct node_cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    if (node->alive) {
        node->dying = true;
        node->disk->stop_at = node->disk->operations + 1 + random_below(&cluster->random, 24);
    }
}

struct node_cluster *node_cluster_new(const struct cluster_options *options)
{
    struct node_cluster *cluster = calloc(1, sizeof *cluster);
    assert_non_null(cluster);
    cluster->options = *options;
    cluster->now_ns = NS_PER_S;
    random_init(&cluster->random, options->seed);
    panic_seed = options->seed;
    fenlu_panic_set_hook(on_panic);
    for (uint32_t i = 0; i < options->count; i++) {
        cluster->nodes[i] = sim_node_new(cluster, i);
    }
    node_cluster_heal(cluster);
    return cluster;
}

void node_cluster_free(struct node_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        struct sim_node *node = cluster->nodes[i];
        if (node->alive) {
            close_node(node);
        }
        node->kv_close(node->kv);
        memory_disk_free(node->disk);
        free(node);
    }
    cluster_bus_clear(cluster);
    free(cluster);
}

void node_cluster_heal(struct node_cluster *cluster)
{
    cluster->loss_percent = 0;
    cluster->delay_max_ns = NS_PER_MS;
    memset(cluster->blocked, 0, sizeof cluster->blocked);
    cluster->stage_delay_max_ns[STAGE_LOOP] = 20 * NS_PER_US;
    cluster->stage_delay_max_ns[STAGE_WRITER] = NS_PER_MS;
    cluster->stage_delay_max_ns[STAGE_MACHINE] = 100 * NS_PER_US;
    cluster->stage_delay_max_ns[STAGE_SEALER] = NS_PER_MS;
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        struct sim_node *node = cluster->nodes[i];
        node->paused_until_ns = 0;
        if (node->dying) {
            node->dying = false;
            node->disk->stop_at = 0;
        }
        if (!node->alive) {
            node_cluster_restart(cluster, i);
        }
    }
}

uint32_t node_cluster_leader(const struct node_cluster *cluster)
{
    uint32_t leader = cluster->options.count;
    uint64_t term = 0;
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        struct node_status status;
        if (!cluster->nodes[i]->alive) {
            continue;
        }
        node_status(cluster->nodes[i]->node, &status);
        if (status.role == RAFT_LEADER && status.term > term) {
            term = status.term;
            leader = i;
        }
    }
    return leader;
}

/* --- events ------------------------------------------------------------------------------------
 */

static void wake_loop(struct sim_node *node)
{
    if (node->flush_ns == 0) {
        node->flush_ns =
            node->cluster->now_ns + 1 + random_below(&node->cluster->random, 20 * NS_PER_US);
    }
}

static bool writer_step(struct sim_node *node)
{
    if (setjmp(node->escape) == 0) {
        return node_writer_step(node->node);
    }
    node->cluster->torn_writes++;
    node_cluster_crash(node->cluster, node->at, CRASH_TORN);
    return false;
}

static void run_stage(struct sim_node *node, enum stage stage)
{
    bool more = false;
    node->ring_ns[stage] = 0;
    switch (stage) {
    case STAGE_LOOP:
        node_collect(node->node);
        wake_loop(node);
        break;
    case STAGE_WRITER:
        more = writer_step(node);
        break;
    case STAGE_MACHINE:
        more = node_machine_step(node->node);
        node_cluster_check_applied(node->cluster, node);
        break;
    case STAGE_SEALER:
        more = node_sealer_step(node->node);
        node->cluster->seals += more;
        break;
    case STAGE_COUNT:
        UNREACHABLE();
    }
    if (more) {
        ring(node, stage);
    }
}

struct event {
    uint64_t at_ns;
    struct packet *packet; /* or else */
    struct sim_node *node;
    enum { EVENT_STAGE, EVENT_FLUSH, EVENT_TICK } kind;
    enum stage stage;
};

static void offer(struct event *first, struct event event)
{
    if (event.node->paused_until_ns > event.at_ns) {
        event.at_ns = event.node->paused_until_ns;
    }
    if (event.at_ns < first->at_ns) {
        *first = event;
    }
}

static struct event next_event(const struct node_cluster *cluster)
{
    struct event first = { .at_ns = UINT64_MAX };
    first.packet = cluster_bus_next(cluster, &first.at_ns);
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        struct sim_node *node = cluster->nodes[i];
        if (!node->alive) {
            continue;
        }
        for (enum stage stage = STAGE_LOOP; stage < STAGE_COUNT; stage++) {
            if (node->ring_ns[stage] != 0) {
                offer(&first, (struct event){ .at_ns = node->ring_ns[stage],
                                              .node = node,
                                              .kind = EVENT_STAGE,
                                              .stage = stage });
            }
        }
        if (node->flush_ns != 0) {
            offer(&first,
                  (struct event){ .at_ns = node->flush_ns, .node = node, .kind = EVENT_FLUSH });
        }
        offer(&first, (struct event){ .at_ns = node_deadline_ns(node->node) + node->tick_late_ns,
                                      .node = node,
                                      .kind = EVENT_TICK });
    }
    return first;
}

static void run_event(struct node_cluster *cluster, const struct event *event)
{
    struct sim_node *node = event->node;
    cluster->events++;
    if (event->packet != NULL) {
        struct sim_node *to =
            event->packet->to < CLUSTER_NODES_MAX ? cluster->nodes[event->packet->to] : NULL;
        cluster_bus_deliver(cluster, event->packet);
        if (to != NULL && to->alive) {
            wake_loop(to);
        }
    } else if (event->kind == EVENT_STAGE) {
        run_stage(node, event->stage);
    } else if (event->kind == EVENT_FLUSH) {
        node->flush_ns = 0;
        node_flush(node->node);
    } else {
        node_tick(node->node);
        node->tick_late_ns = 1 + random_below(&cluster->random, 2 * NS_PER_MS);
        wake_loop(node);
    }
}

void node_cluster_step(struct node_cluster *cluster, uint64_t until_ns)
{
    if (cluster->options.poll != NULL) {
        cluster->options.poll(cluster->options.context);
    }
    struct event event = next_event(cluster);
    if (event.at_ns > until_ns) {
        cluster->now_ns = until_ns;
        return;
    }
    if (event.at_ns > cluster->now_ns) {
        cluster->now_ns = event.at_ns;
    }
    run_event(cluster, &event);
}

void node_cluster_run(struct node_cluster *cluster, uint64_t duration_ns)
{
    uint64_t until_ns = cluster->now_ns + duration_ns;
    while (cluster->now_ns < until_ns) {
        node_cluster_step(cluster, until_ns);
    }
}
