/* node_peers.c — what this node knows of the others: their data folders, releases, disks and
 * clocks. Those that are no members are known too: this node's list may be the older one. */
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CLOCK_WARN_MS = 500, CLOCK_LEAD_MAX_MS = 10000 };
static const int64_t CLOCK_OFFSET_MAX_NS = INT64_MAX / 2; /* a peer may say anything */

static uint32_t place_of(const struct node *node, uint32_t id)
{
    uint32_t at = 0;
    while (at < PEERS_MAX && node->peers[at].id != id) {
        at++;
    }
    return at;
}

const struct peer *node_peer(const struct node *node, uint32_t id)
{
    uint32_t at = place_of(node, id);
    return at < PEERS_MAX ? &node->peers[at] : NULL;
}

/* A place of its own for a member; a stranger takes one that is free or another stranger's. */
struct peer *node_peer_meet(struct node *node, uint32_t id)
{
    uint32_t at = place_of(node, id);
    if (id == 0 || at < PEERS_MAX) {
        return id != 0 ? &node->peers[at] : NULL;
    }
    at = place_of(node, 0);
    for (uint32_t i = 0; i < PEERS_MAX && at == PEERS_MAX; i++) {
        if (members_find(&node->config.last.members, node->peers[i].id) == NULL) {
            at = i;
        }
    }
    ASSERT(at < PEERS_MAX); /* there are more places than members */
    node->peers[at] = (struct peer){ .id = id };
    return &node->peers[at];
}

void node_peer_forget(struct node *node, uint32_t id)
{
    uint32_t at = place_of(node, id);
    if (at < PEERS_MAX) {
        node->peers[at] = (struct peer){ 0 };
    }
}

void node_peer_hello(void *context, uint32_t id, uint64_t incarnation, uint64_t features)
{
    struct node *node = context;
    struct peer *peer = node_peer_meet(node, id);
    if (peer != NULL) {
        peer->incarnation = incarnation;
        peer->features = features;
        node->config.duty_due = true; /* it may be what a change waited for */
    }
}

/* A stranger that went may come back with another data folder, and so may a member that was not
 * bound yet: only a hello of now may be. */
void node_peer_state(void *context, uint32_t id, bool connected)
{
    struct node *node = context;
    const struct member *member = members_find(&node->config.last.members, id);
    if (!connected && (member == NULL || member->incarnation == 0)) {
        node_peer_forget(node, id);
        return;
    }
    struct peer *peer = node_peer_meet(node, id);
    if (peer != NULL) {
        peer->connected = connected;
    }
}

/* --- clocks --- */

static int compare_offsets(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* How far this clock is from the middle of all members' clocks, its own among them. */
static int64_t clock_error_ns(const struct node *node)
{
    const struct members *members = &node->config.last.members;
    int64_t offsets[RAFT_MEMBERS_MAX + 1] = { 0 };
    size_t count = 1; /* its own: 0 */
    for (uint32_t i = 0; i < members->count; i++) {
        const struct peer *peer = node_peer(node, members->members[i].id);
        if (peer != NULL && peer->clock_known && peer->id != node->identity.node) {
            offsets[count++] = peer->clock_offset_ns;
        }
    }
    qsort(offsets, count, sizeof offsets[0], compare_offsets);
    int64_t low = offsets[(count - 1) / 2];
    int64_t high = offsets[count / 2];
    if (low <= 0 && high >= 0) {
        return 0; /* between the two in the middle */
    }
    return low > 0 ? -low : -high;
}

static void judge_clock(struct node *node)
{
    int64_t error_ns = clock_error_ns(node);
    uint64_t error_ms = (uint64_t)(error_ns < 0 ? -error_ns : error_ns) / NS_PER_MS;
    metric_set(&node_metric_clock_offset, error_ms);
    bool far = error_ms > CLOCK_WARN_MS;
    if (far && !node->clock_warned) {
        log_line(LOG_WARN, "clock_far", LOG_UINT("node", node->identity.node),
                 LOG_INT("ahead_ms", error_ns / (int64_t)NS_PER_MS),
                 LOG_UINT("limit_ms", CLOCK_WARN_MS),
                 LOG_TEXT("remedy", "synchronise this host's clock (NTP)"), LOG_END);
    } else if (!far && node->clock_warned) {
        log_line(LOG_INFO, "clock_near", LOG_UINT("node", node->identity.node), LOG_END);
    }
    node->clock_warned = far;
    /* Its clock stamps the books: a leader this far off hands over. Not all the time, as nothing is
     * written meanwhile: it may be that nobody can take over. */
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    if (error_ms > CLOCK_LEAD_MAX_MS && node->raft_now.role == RAFT_LEADER &&
        !node->raft_now.transferring && now_ns >= node->space.hand_over_ns) {
        node->space.hand_over_ns = now_ns + 4 * node->options.election_timeout_ns;
        struct raft_event event = { .kind = RAFT_EVENT_TRANSFER, .now_ns = now_ns };
        enum status status;
        node_step(node, &event, NULL, &status);
        log_line(LOG_ERROR, "clock_hands_over", LOG_UINT("node", node->identity.node),
                 LOG_UINT("limit_ms", CLOCK_LEAD_MAX_MS), LOG_TEXT("status", status_name(status)),
                 LOG_END);
    }
}

void node_peer_clock(void *context, uint32_t id, int64_t offset_ns, uint64_t round_trip_ns)
{
    struct node *node = context;
    if (round_trip_ns > NS_PER_S) {
        return; /* too coarse to judge by */
    }
    offset_ns = offset_ns > -CLOCK_OFFSET_MAX_NS ? offset_ns : -CLOCK_OFFSET_MAX_NS;
    offset_ns = offset_ns < CLOCK_OFFSET_MAX_NS ? offset_ns : CLOCK_OFFSET_MAX_NS;
    struct peer *peer = node_peer_meet(node, id);
    if (peer != NULL) {
        peer->clock_offset_ns = offset_ns;
        peer->clock_known = true;
        judge_clock(node);
    }
}
