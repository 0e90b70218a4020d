/* sim_node.c — the life of one simulated process: clocks, disk, opening, ends. */
#include "base/assert.h"
#include "ledger/node/data_folder.h"
#include "raft/core/members.h"
#include "sim/check.h"
#include "sim/sim_bus.h"
#include "sim/sim_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t WALL_BASE_NS = 1700000000ULL * NS_PER_S;

/* --- clocks ------------------------------------------------------------------------------------
 */

uint64_t sim_mono_ns(const struct sim_node *node)
{
    uint64_t passed_ns = node->cluster->now_ns - node->sim_base_ns;
    uint64_t speed_ppm = (uint64_t)(1000000 + node->drift_ppm);
    return node->mono_base_ns + (uint64_t)((u128)passed_ns * speed_ppm / 1000000);
}

uint64_t sim_wall_ns(const struct sim_node *node)
{
    return WALL_BASE_NS + sim_mono_ns(node) + (uint64_t)node->wall_offset_ns;
}

void sim_node_drift(struct sim_node *node, int64_t drift_ppm)
{
    node->mono_base_ns = sim_mono_ns(node);
    node->sim_base_ns = node->cluster->now_ns;
    node->drift_ppm = drift_ppm;
}

/* --- the end of a process ----------------------------------------------------------------------
 */

static void say(struct sim_node *node, const char *what)
{
    struct sim_cluster *cluster = node->cluster;
    if (sim_trace_on(&cluster->trace)) {
        char who[24];
        (void)snprintf(who, sizeof who, "node %u", node->at + 1);
        sim_trace_line(&cluster->trace, cluster->now_ns, who, "%s", what);
    }
}

static void end(struct sim_node *node)
{
    if (node->cluster->check != NULL) {
        check_on_close(node->cluster->check, node);
    }
    sim_close(node);
    node->node = NULL;
    node->store = NULL;
    node->log = NULL;
    node->alive = false;
    node->life = SIM_DOWN;
    node->dying = false;
    node->restarting = false;
    memset(node->rung, 0, sizeof node->rung);
    node->flush_due = false;
    node->tick_at_ns = 0;
    sim_bus_detach(node);
}

static bool ends_legally(const struct sim_node *node, const struct error *error)
{
    bool off = node->disk->stopped && error->status == STATUS_IO;
    bool flush = node->disk->flush_failed && error->status == STATUS_IO;
    bool damaged =
        node->disk->damages > 0 && (error->status == STATUS_CORRUPT || error->status == STATUS_IO);
    bool release = error->status == STATUS_VERSION; /* it may not take part any more */
    bool spoiled = node->spoiled && error->status == STATUS_CORRUPT;
    return off || flush || damaged || release || spoiled;
}

static void fatal(void *context, const struct error *error)
{
    struct sim_node *node = context;
    if (node->fatal_expected != STATUS_OK && error->status == node->fatal_expected) {
        abort();
    }
    if (!node->escapable || !ends_legally(node, error)) {
        sim_cluster_fail(node->cluster, "node %u: fatal: %s: %s", node->at + 1,
                         status_name(error->status), error->text);
    }
    node->fatal_status = error->status;
    say(node, error->text);
    longjmp(node->escape, 1);
}

/* A loop that reads the log waits as long as the disk does. */
static void end_turn(struct sim_node *node)
{
    if (node->disk->loop_reads > 0 && node->reads_hang_until_ns > node->paused_until_ns) {
        node->paused_until_ns = node->reads_hang_until_ns;
    }
    node->disk->on_loop = false;
    node->disk->loop_reads = 0;
}

bool sim_node_guard(struct sim_node *node, void (*act)(struct sim_node *node, void *argument),
                    void *argument)
{
    if (setjmp(node->escape) == 0) {
        node->escapable = true;
        node->disk->on_loop = true; /* but for the stages */
        act(node, argument);
        end_turn(node);
        node->escapable = false;
        return true;
    }
    node->escapable = false;
    end_turn(node);
    struct sim_cluster *cluster = node->cluster;
    bool off = node->disk->stopped;
    node->disk->stopped = true; /* taking it apart must leave the disk as it is */
    end(node);
    if (off) {
        cluster->counts.torn_writes++;
        say(node, "the machine stops in the middle of a write");
        sim_disk_crash(node->disk, SIM_CRASH_TORN, &cluster->random);
    } else {
        cluster->counts.ended++;
        say(node, "ends itself");
        sim_disk_crash(node->disk, node->disk->flush_failed ? SIM_CRASH_TORN : SIM_CRASH_KEPT,
                       &cluster->random);
    }
    return false;
}

void sim_cluster_crash(struct sim_cluster *cluster, uint32_t at, enum sim_crash crash)
{
    static const char *const HOW[] = { "crashes: unsynced bytes are lost",
                                       "crashes: unsynced bytes are torn",
                                       "is killed: all that it wrote is there" };
    struct sim_node *node = cluster->nodes[at];
    if (node == NULL || !node->alive) {
        return;
    }
    cluster->counts.crashes++;
    say(node, HOW[crash]);
    end(node);
    sim_disk_crash(node->disk, crash, &cluster->random);
}

void sim_cluster_crash_in_write(struct sim_cluster *cluster, uint32_t at, uint64_t within)
{
    struct sim_node *node = cluster->nodes[at];
    if (node != NULL && node->alive) {
        node->dying = true;
        node->disk->stop_at = node->disk->operations + 1 + random_below(&cluster->random, within);
    }
}

/* --- the beginning -----------------------------------------------------------------------------
 */

static uint64_t node_entropy(void *context)
{
    const struct sim_node *node = context;
    return node->incarnation;
}

struct sim_node *sim_node_new(struct sim_cluster *cluster, uint32_t at)
{
    struct sim_node *node = calloc(1, sizeof *node);
    ASSERT(node != NULL && at < SIM_NODES_MAX);
    node->cluster = cluster;
    node->at = at;
    node->sim_base_ns = cluster->now_ns;
    node->mono_base_ns = cluster->now_ns;
    node->features = cluster->options.features != 0 ? cluster->options.features : FENLU_FEATURES;
    return node;
}

void sim_node_free(struct sim_node *node)
{
    if (node->alive) {
        sim_close(node);
    }
    if (node->disk != NULL) {
        sim_disk_free(node->disk);
    }
    free(node);
}

void sim_node_format(struct sim_node *node, bool joining, uint64_t incarnation)
{
    ASSERT(!node->alive && incarnation != 0);
    struct error error;
    struct superblock identity;
    if (node->disk != NULL) {
        sim_disk_free(node->disk);
    }
    node->disk = sim_disk_new();
    node->incarnation = incarnation;
    sim_first_members(node->cluster, &identity);
    identity.node = node->at + 1;
    sim_identity_joining(&identity, node, joining);
    struct entropy entropy = { .u64 = node_entropy, .context = node };
    enum status status = data_folder_format(&node->disk->disk, "d", &identity, &entropy, &error);
    if (status != STATUS_OK) {
        sim_cluster_fail(node->cluster, "node %u: format: %s", node->at + 1, error.text);
    }
    sim_disk_settle(node->disk);
    node->life = SIM_DOWN;
}

static void ring_of(void *context, enum sim_stage stage)
{
    struct sim_node *node = context;
    sim_node_ring(node, stage);
}

static void ring_loop(void *context)
{
    ring_of(context, SIM_LOOP);
}

static void ring_writer(void *context)
{
    ring_of(context, SIM_WRITER);
}

static void ring_machine(void *context)
{
    ring_of(context, SIM_MACHINE);
}

static void ring_sealer(void *context)
{
    ring_of(context, SIM_SEALER);
}

static void ring_keeper(void *context)
{
    ring_of(context, SIM_KEEPER);
}

static void ring_fetcher(void *context)
{
    ring_of(context, SIM_FETCHER);
}

static void ask_restart(void *context)
{
    struct sim_node *node = context;
    node->restarting = true;
}

static uint64_t clock_mono(void *context)
{
    return sim_mono_ns(context);
}

static uint64_t clock_wall(void *context)
{
    return sim_wall_ns(context);
}

struct opening {
    struct node_options options;
    struct log_recovered *recovered;
    struct error error;
    enum status status;
};

static void open_parts(struct sim_node *node, void *argument)
{
    struct opening *opening = argument;
    opening->status = sim_open(node, &opening->options, opening->recovered, &opening->error);
}

static void set_up(struct sim_node *node, struct opening *opening)
{
    const struct sim_options *options = &node->cluster->options;
    opening->options = (struct node_options){
        .clock = { .mono_ns = clock_mono, .wall_ns = clock_wall, .context = node },
        .seed = random_u64(&node->cluster->random),
        .election_timeout_ns = options->election_timeout_ns,
        .heartbeat_interval_ns = options->heartbeat_ns,
        .disk_reserve_bytes = options->disk_reserve_bytes,
        .entry_body_max = options->entry_body_max,
        .log_keep_bytes = options->log_keep_bytes,
        .window_bytes = options->window_bytes,
        .scrub_bytes_per_s = options->scrub_bytes_per_s,
        .snapshot_bytes_per_s = options->snapshot_bytes_per_s,
        .snapshot_chunk_size = SNAPSHOT_CHUNK_SIZE_MIN,
        .features = node->features,
        .host = { .ring_loop = ring_loop,
                  .ring_writer = ring_writer,
                  .ring_machine = ring_machine,
                  .ring_sealer = ring_sealer,
                  .ring_keeper = ring_keeper,
                  .ring_fetcher = ring_fetcher,
                  .restart = ask_restart,
                  .fatal = fatal,
                  .context = node },
    };
}

static void begin(struct sim_node *node, const struct log_recovered *recovered)
{
    struct sim_cluster *cluster = node->cluster;
    node->alive = true;
    node->life = SIM_RUNNING;
    node->dying = node->disk->stop_at != 0;
    node->restarting = false;
    node->paused_until_ns = 0;
    node->writer_hangs_until_ns = 0;
    node->reads_hang_until_ns = 0;
    cluster->counts.restarts++;
    if (cluster->check != NULL) {
        check_on_open(cluster->check, node, recovered);
    }
    sim_bus_attach(node);
    for (enum sim_stage stage = SIM_LOOP; stage < SIM_STAGE_COUNT; stage++) {
        sim_node_ring(node, stage); /* workers take a step when they start */
    }
    sim_node_woken(node);
}

/* It did not open: the disk stopped, or the node refuses what it finds. */
static void not_open(struct sim_node *node, const struct opening *opening)
{
    struct sim_cluster *cluster = node->cluster;
    if (node->disk->stopped) {
        cluster->counts.torn_writes++;
        say(node, "the machine stops while the process starts");
        sim_disk_crash(node->disk, SIM_CRASH_TORN, &cluster->random);
        return;
    }
    if (node->disk->flush_failed) {
        say(node, "ends itself while it starts");
        sim_disk_crash(node->disk, SIM_CRASH_TORN, &cluster->random);
        return;
    }
    bool legal = (node->disk->damages > 0 && opening->status == STATUS_CORRUPT) ||
                 (node->disk->damages > 0 && opening->status == STATUS_IO) ||
                 opening->status == STATUS_VERSION || opening->status == STATUS_NO_SPACE;
    if (!legal) {
        sim_cluster_fail(cluster, "node %u does not open: %s: %s", node->at + 1,
                         status_name(opening->status), opening->error.text);
    }
    sim_disk_crash(node->disk, SIM_CRASH_KEPT, &cluster->random);
    cluster->counts.refused++;
    node->life = opening->status == STATUS_NO_SPACE ? SIM_DOWN : SIM_REFUSED; /* room may come */
    node->refusal_status = opening->status;
    memcpy(node->refusal, opening->error.text, sizeof node->refusal);
    say(node, node->refusal);
}

void sim_cluster_restart(struct sim_cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    ASSERT(node != NULL && !node->alive && node->life != SIM_ABSENT);
    struct opening opening = { .status = STATUS_IO };
    opening.recovered = malloc(sizeof *opening.recovered);
    ASSERT(opening.recovered != NULL);
    node->run++;
    memset(node->rung, 0, sizeof node->rung);
    set_up(node, &opening);
    say(node, "starts");
    open_parts(node, &opening);
    if (opening.status == STATUS_OK) {
        begin(node, opening.recovered);
    } else {
        not_open(node, &opening);
    }
    free(opening.recovered);
}

enum { INSTALL_CHANGES = 50 }; /* of the disk, about, that a switch makes */

void sim_node_reopen(struct sim_node *node)
{
    say(node, "closes to open again");
    end(node);
    sim_disk_kill(node->disk);
    if (node->cluster->install_crashes && random_chance(&node->cluster->random, 1, 2)) {
        node->disk->stop_at =
            node->disk->operations + random_between(&node->cluster->random, 1, INSTALL_CHANGES);
    }
    sim_cluster_restart(node->cluster, node->at);
}
