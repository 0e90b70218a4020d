/* node_space.c — room on the disk: who may write, and how much of the log is kept.
 *
 * A node is short when its disk is below the reserve, or when log or store met a full one. It says
 * so in every message; it goes on voting, following as long as its log has room (for no-ops and
 * configurations, its reserve, too), and answering reads. Writers are refused when this leader is
 * short, or when fewer than a majority have room; a leader that is short while others are not hands
 * over, and so does one whose disk hangs.
 *
 * The log is cut up to the checkpoint, but not beyond the slowest member's end of the log as far as
 * log_keep_bytes allow (a node that does not lead keeps those bytes), nor beyond what the receiver
 * of a snapshot will need. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <string.h>

enum { HANG_TIMEOUTS = 4 }; /* election timeouts without a finished write */

/* What stays of the log's reserve for the no-op of this node's own next term, and a cut before it:
 * nobody asks whether there is room for these. */
static const uint64_t OWN_COST = 2 * (RAFT_ENTRY_HEADER_SIZE + 64 + LOG_BLOCK_SIZE);

/* --- who is short --- */

bool node_disk_full(const struct node *node)
{
    return __atomic_load_n(&node->log_full, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&node->seal_full, __ATOMIC_ACQUIRE);
}

bool node_disk_short(const struct node *node)
{
    return node_disk_full(node) || node->disk_free_bytes < node->options.disk_reserve_bytes;
}

static bool has_room(const struct node *node, uint32_t at)
{
    uint32_t id = node->raft_now.members[at].id;
    if (id == node->identity.node) {
        return !node_disk_short(node);
    }
    const struct peer *peer = node_peer(node, id);
    return peer == NULL || !peer->disk_full;
}

bool node_majority_has_room(const struct node *node)
{
    return node_majority(node, has_room);
}

/* The voter with room that has most of the log; 0: none is heard. */
static uint32_t find_successor(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    uint32_t best = now->member_count;
    for (uint32_t i = 0; i < now->member_count; i++) {
        bool fit = now->members[i].id != node->identity.node && has_room(node, i) &&
                   (now->members[i].roles & RAFT_VOTER) != 0 &&
                   now->members[i].priority != RAFT_PRIORITY_NEVER && node_hears(node, i);
        if (fit && (best == now->member_count ||
                    now->members[i].match_index > now->members[best].match_index)) {
            best = i;
        }
    }
    return best < now->member_count ? now->members[best].id : 0;
}

/* Its disk neither takes a write nor refuses it. The others would never notice: heartbeats wait for
 * no disk, and what they have is committed; but this leader can answer nobody. */
static bool writer_hangs(struct node *node, uint64_t now_ns)
{
    struct space *space = &node->space;
    if (space->written_sequence != node->collected_sequence ||
        node->write_submitted == node->collected_sequence) {
        space->written_sequence = node->collected_sequence;
        space->written_ns = now_ns;
    }
    return now_ns - space->written_ns >= HANG_TIMEOUTS * node->options.election_timeout_ns;
}

static void hand_over(struct node *node, uint64_t now_ns)
{
    bool leads = node->raft_now.role == RAFT_LEADER && !node->raft_now.transferring;
    bool hangs = writer_hangs(node, now_ns);
    if (!leads || !(hangs || node_disk_short(node)) || now_ns < node->space.hand_over_ns) {
        return;
    }
    uint32_t to = find_successor(node);
    if (to == 0) {
        return;
    }
    if (hangs) {
        SITUATION(node_hung_disk_hands_over);
    } else {
        SITUATION(node_full_disk_hands_over);
    }
    node->space.hand_over_ns = now_ns + 4 * node->options.election_timeout_ns;
    struct raft_event event = { .kind = RAFT_EVENT_TRANSFER, .now_ns = now_ns, .transfer_to = to };
    enum status status;
    node_step(node, &event, NULL, &status);
    log_line(LOG_WARN, "disk_hands_over", LOG_UINT("node", node->identity.node), LOG_UINT("to", to),
             LOG_TEXT("status", status_name(status)), LOG_END);
}

void node_set_disk_free(struct node *node, uint64_t bytes)
{
    bool low = bytes < node->options.disk_reserve_bytes;
    bool was_low = node->disk_free_bytes < node->options.disk_reserve_bytes;
    if (low && !was_low) {
        log_line(LOG_ERROR, "disk_full", LOG_UINT("free_bytes", bytes),
                 LOG_UINT("reserve_bytes", node->options.disk_reserve_bytes),
                 LOG_TEXT("effect", "this node takes no writes as a leader"), LOG_END);
    } else if (!low && was_low) {
        log_line(LOG_INFO, "disk_freed", LOG_UINT("free_bytes", bytes), LOG_END);
    } else if (!low && bytes < (uint64_t)DISK_FREE_WARN_MIB << 20 &&
               node->disk_free_bytes >= (uint64_t)DISK_FREE_WARN_MIB << 20) {
        log_line(LOG_WARN, "disk_low", LOG_UINT("free_bytes", bytes), LOG_END);
    }
    node->disk_free_bytes = bytes;
    metric_set(&node_metric_disk_free, bytes);
}

/* --- room in the log --- */

/* Entries that would cost as much can be written for sure (log.h, Room). */
bool node_has_log_room(const struct node *node, uint64_t cost)
{
    uint64_t taken = node->space.unwritten_cost;
    return log_room(node->options.log) >= taken + cost;
}

/* Without room a new leader could commit nothing in its term, and so answer no reads, and members
 * with room could not be added: for no-ops and configurations the reserve is there, too. */
bool node_has_last_log_room(const struct node *node, uint64_t cost)
{
    uint64_t taken = node->space.unwritten_cost + OWN_COST;
    return log_last_room(node->options.log) >= taken + cost;
}

/* --- how much of the log is kept --- */

void node_space_open(struct node *node, const struct log_recovered *recovered)
{
    struct space *space = &node->space;
    space->cut_index = recovered->base_index;
    /* What lies there already is taken at its largest. */
    space->position = (uint64_t)recovered->segments * LOG_SEGMENT_SIZE;
    space->marks[0] = (struct log_mark){ recovered->base_index, 0 };
    space->marks[1] = (struct log_mark){ recovered->last_index, space->position };
    space->mark_count = 2;
    metric_set(&node_metric_first_index, space->cut_index + 1);
}

static uint64_t keep_bytes(const struct node *node)
{
    return node->options.log_keep_bytes;
}

void node_space_appended(struct node *node, const struct entry *entry)
{
    struct space *space = &node->space;
    const struct log_mark *last = &space->marks[space->mark_count - 1];
    space->position += entry_size(&entry->header);
    if (space->position - last->position < keep_bytes(node) / (LOG_MARKS / 2)) {
        return;
    }
    if (space->mark_count == LOG_MARKS) { /* the oldest is beyond what is kept, by far */
        space->mark_count--;
        memmove(&space->marks[0], &space->marks[1], space->mark_count * sizeof space->marks[0]);
    }
    space->marks[space->mark_count++] = (struct log_mark){ entry->header.index, space->position };
}

/* Entries up to there are more than log_keep_bytes away from the end. */
static uint64_t kept_above(const struct node *node)
{
    const struct space *space = &node->space;
    uint64_t index = 0;
    for (uint32_t i = 0; i < space->mark_count; i++) {
        if (space->position - space->marks[i].position > keep_bytes(node)) {
            index = space->marks[i].index;
        }
    }
    return index;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Up to where all other members have the log, as far as this node can know. */
static uint64_t slowest_match(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    uint64_t slowest = UINT64_MAX;
    for (uint32_t i = 0; i < now->member_count; i++) {
        if (now->members[i].id != node->identity.node) {
            slowest = lesser(slowest, now->role == RAFT_LEADER ? now->members[i].match_index : 0);
        }
    }
    return slowest;
}

static uint64_t cut_target(const struct node *node)
{
    uint64_t sealed = MUTATION(node_cuts_beyond_checkpoint)
                          ? node->view.applied_index
                          : lesser(node->view.checkpoint_index, node->raft_now.commit_index);
    uint64_t needed = slowest_match(node);
    uint64_t above = kept_above(node);
    uint64_t held = snapshot_source_held_index(node->keeper.source);
    if (needed < above) {
        needed = above;
    }
    if (node_disk_short(node)) { /* whoever lags gets a snapshot */
        needed = sealed;
    }
    return lesser(lesser(sealed, needed), held);
}

/* Raft first: nothing asks for these entries from then on. The writer cuts when it has time. */
void node_cut_head(struct node *node, uint64_t index)
{
    if (index <= node->space.cut_index) {
        return;
    }
    ASSERT(index <= node->raft_now.commit_index);
    ASSERT(index <= node->view.checkpoint_index || MUTATION(node_cuts_beyond_checkpoint));
    raft_compacted(node->raft, index);
    raft_status(node->raft, &node->raft_now);
    node->space.cut_index = index;
    __atomic_store_n(&node->space.cut_asked, index, __ATOMIC_RELEASE);
    metric_set(&node_metric_first_index, index + 1);
    node_repair_cut_head(node, index);
    node->options.host.ring_writer(node->options.host.context);
}

/* The writer's part: whole segments go. */
void node_cut_log(struct node *node)
{
    struct error error;
    uint64_t index = __atomic_load_n(&node->space.cut_asked, __ATOMIC_ACQUIRE);
    if (index <= node->writer_stage.cut_done) {
        return;
    }
    if (log_cut_head(node->options.log, index, &error) != STATUS_OK) {
        node_fatal(node, &error);
    }
    node->writer_stage.cut_done = index;
}

void node_space_tick(struct node *node, uint64_t now_ns)
{
    hand_over(node, now_ns);
    if (node->snapshot_wanted != 0 && node->view.checkpoint_index >= node->snapshot_wanted) {
        node->snapshot_wanted = 0;
        node_snapshot_want(node);
    }
    node_cut_head(node, cut_target(node));
}
