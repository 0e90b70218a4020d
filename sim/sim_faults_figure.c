/* sim_faults_figure.c — figure 8 of the Raft paper, staged: an entry of an earlier term stands on a
 * majority of the disks without being committed, and is overwritten. Chance alone hardly ever comes
 * there, because in every act the right node has to be stopped between two messages.
 *
 * Only partitions make it, so it is legal with everything; each act names the nodes that hear each
 * other, all others hear nobody. It ends early when another fault gets in its way. What a leader
 * sends has to be divided between the entry and its own term's first one, which a small window does
 * (sim_plan.window_bytes). */
#include "ledger/node/node_internal.h"
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"

static const uint64_t LOOK_NS = NS_PER_MS;
static const uint64_t LOOK_CLOSELY_NS =
    20 * NS_PER_US; /* less than a vote needs to its candidate */

enum figure_act {
    FIGURE_NONE,
    FIGURE_OLD,         /* one is elected and muted: it alone has the first entry of its term */
    FIGURE_RIVAL,       /* the same once more, without it: two entries with one index */
    FIGURE_OLD_AGAIN,   /* the first leads again, and brings its entry to a majority */
    FIGURE_RIVAL_AGAIN, /* the second leads again, and overwrites it */
};

static const struct node *running(const struct sim_faults *faults, uint32_t at)
{
    const struct sim_node *node = faults->cluster->nodes[at];
    return node != NULL && node->alive ? node->node : NULL;
}

static bool holds(const struct node *node, uint64_t index, uint64_t term)
{
    return node != NULL && node->raft_now.last_index >= index &&
           raft_term_at(node->raft, index) == term;
}

static void begin_act(struct sim_faults *faults, enum figure_act act, uint32_t group)
{
    struct sim_figure *figure = &faults->figure;
    figure->act = act;
    figure->group = group;
    figure->mute = 0;
    sim_faults_say(faults, "figure 8, act %u: nodes %03x hear each other", figure->act, group);
}

/* Whatever other faults do to links meanwhile. */
static void set_links(struct sim_faults *faults)
{
    const struct sim_figure *figure = &faults->figure;
    const uint32_t nodes = (1U << SIM_NODES_MAX) - 1;
    for (uint32_t from = 0; from < SIM_NODES_MAX; from++) {
        const bool heard = (figure->group & ~figure->mute) >> from & 1;
        const bool again = from == figure->old && figure->act == FIGURE_OLD_AGAIN;
        const uint32_t enough = again ? figure->told : 0;
        const uint32_t told = heard ? figure->group & ~enough : 0;
        uint32_t *blocked = &faults->cluster->blocked[from];
        *blocked = (*blocked & ~nodes) | (nodes & ~told);
    }
}

/* `at` and as many others of `from` as make a majority with it: none of them can do without it. */
static uint32_t quorum_of(const struct sim_figure *figure, uint32_t at, uint32_t from)
{
    uint32_t group = 1U << at;
    uint32_t count = 1;
    for (uint32_t other = 0; other < SIM_NODES_MAX && count < figure->majority; other++) {
        if (other != at && (from >> other & 1) != 0) {
            group |= 1U << other;
            count++;
        }
    }
    return group;
}

/* --- acts --------------------------------------------------------------------------------------
 */

/* Who has enough votes, which are still on their way, is not heard any more: nobody gets an entry
 * of its term. SIM_NODES_MAX until it leads. */
static uint32_t elect_mute(struct sim_faults *faults)
{
    struct sim_figure *figure = &faults->figure;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct node *node = running(faults, at);
        if (node == NULL || (figure->group >> at & 1) == 0) {
            continue;
        }
        if (node->raft_now.role == RAFT_LEADER && figure->mute == 1U << at) {
            return at;
        }
        uint32_t votes = 0;
        for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
            const struct node *voter = running(faults, other);
            votes += voter != NULL && (figure->group >> other & 1) != 0 &&
                     voter->raft_now.term == node->raft_now.term &&
                     voter->raft_now.voted_for == at + 1;
        }
        if (node->raft_now.role == RAFT_CANDIDATE && votes >= figure->majority) {
            figure->mute = 1U << at;
        }
    }
    return SIM_NODES_MAX;
}

static bool old_is_found(struct sim_faults *faults)
{
    struct sim_figure *figure = &faults->figure;
    const uint32_t at = elect_mute(faults);
    if (at != SIM_NODES_MAX) {
        const struct raft_status *now = &faults->cluster->nodes[at]->node->raft_now;
        figure->old = at;
        figure->index = now->last_index;
        figure->term = now->term;
        begin_act(faults, FIGURE_RIVAL, figure->all & ~(1U << at));
    }
    return true;
}

static bool rival_is_found(struct sim_faults *faults)
{
    struct sim_figure *figure = &faults->figure;
    const uint32_t at = elect_mute(faults);
    if (at != SIM_NODES_MAX) {
        figure->rival = at;
        begin_act(faults, FIGURE_OLD_AGAIN,
                  quorum_of(figure, figure->old, figure->all & ~(1U << at)));
    }
    return true;
}

/* Nobody gets more than the entry. False: somebody did. */
static bool old_spreads_it(struct sim_faults *faults)
{
    struct sim_figure *figure = &faults->figure;
    bool everywhere = true;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct node *node = running(faults, at);
        if ((figure->group >> at & 1) == 0 || at == figure->old) {
            continue;
        }
        if (!holds(node, figure->index, figure->term)) {
            everywhere = false;
            continue;
        }
        figure->told |= 1U << at;
        everywhere = everywhere && node->raft_now.durable_index >= figure->index;
        if (node->raft_now.last_term != figure->term) {
            return false;
        }
    }
    if (everywhere) {
        begin_act(faults, FIGURE_RIVAL_AGAIN, quorum_of(figure, figure->rival, figure->told));
    }
    return true;
}

/* False: the figure is complete. */
static bool rival_overwrites_it(const struct sim_faults *faults)
{
    const struct sim_figure *figure = &faults->figure;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct node *node = running(faults, at);
        if ((figure->told >> at & 1) != 0 && node != NULL &&
            !holds(node, figure->index, figure->term)) {
            return false;
        }
    }
    return true;
}

/* --- the stage ---------------------------------------------------------------------------------
 */

static bool play(struct sim_faults *faults)
{
    switch ((enum figure_act)faults->figure.act) {
    case FIGURE_NONE:
        return false;
    case FIGURE_OLD:
        return old_is_found(faults);
    case FIGURE_RIVAL:
        return rival_is_found(faults);
    case FIGURE_OLD_AGAIN:
        return old_spreads_it(faults);
    case FIGURE_RIVAL_AGAIN:
        return rival_overwrites_it(faults);
    }
    return false;
}

static bool is_close(const struct sim_faults *faults)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct node *node = running(faults, at);
        if (node != NULL && (faults->figure.group >> at & 1) != 0 &&
            (node->raft_now.role == RAFT_CANDIDATE ||
             (node->raft_now.role == RAFT_LEADER && faults->figure.act == FIGURE_OLD_AGAIN))) {
            return true;
        }
    }
    return false;
}

static void watch(void *context)
{
    struct sim_faults *faults = context;
    struct sim_figure *figure = &faults->figure;
    if (faults->ended) {
        return;
    }
    if (!play(faults) || faults->cluster->now_ns >= figure->until_ns) {
        sim_faults_say(faults, "figure 8 is over, in act %u", figure->act);
        figure->act = FIGURE_NONE;
        sim_faults_mend_later(faults);
        return;
    }
    set_links(faults);
    sim_at(faults->cluster,
           faults->cluster->now_ns + (is_close(faults) ? LOOK_CLOSELY_NS : LOOK_NS), watch, faults);
}

/* Voters of the configuration that the node goes by; 0 while it changes. */
static uint32_t voters_of(const struct raft_status *now)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < now->member_count; i++) {
        if ((now->members[i].roles & RAFT_VOTER) != 0) {
            voters |= 1U << (now->members[i].id - 1);
        }
    }
    return now->joint ? 0 : voters;
}

void sim_fault_figure_8(struct sim_faults *faults)
{
    struct sim_figure *figure = &faults->figure;
    const uint32_t leader = sim_cluster_leader(faults->cluster);
    const uint32_t at = leader != SIM_NODES_MAX ? leader : sim_faults_pick(faults, true);
    if (figure->act != FIGURE_NONE || at == SIM_NODES_MAX) {
        return;
    }
    const uint32_t all = voters_of(&faults->cluster->nodes[at]->node->raft_now);
    const uint32_t count = (uint32_t)__builtin_popcount(all);
    if (count < 3) {
        return;
    }
    const uint64_t now_ns = faults->cluster->now_ns;
    *figure = (struct sim_figure){ .all = all,
                                   .majority = count / 2 + 1,
                                   .until_ns = now_ns + 24 * faults->plan.election_timeout_ns };
    faults->rare.churn_until_ns = now_ns; /* it ends */
    begin_act(faults, FIGURE_OLD, all & ~(1U << at));
    watch(faults);
}
