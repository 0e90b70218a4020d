/* node_fetch.c — entries that are not in memory any more, read from the log by a stage of its own:
 * a follower that lags, applying after a start, and peers that ask for what their disk lost.
 *
 * The loop never waits for a disk to read an entry: one that is dying takes half a minute for each
 * sector, and meanwhile heartbeats have to leave. It asks, goes on, and sends or feeds what has
 * been read in the turn that finds it.
 *
 * Order   the fetcher takes and returns first in, first out. While it has messages for a peer,
 * later ones to that peer go through it too, also when all their entries are in memory: what comes
 *         before its turn would be refused.
 * Bounds  FETCHES_MAX asked for, FETCH_MESSAGES_MAX messages and FETCH_ANSWERS_MAX answers for each
 *         peer; more are dropped, and Raft or the peer ask again. The fetcher waits while
 *         FETCHED_BYTES_MAX are read and not taken. */
#include "base/assert.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- who waits for what ------------------------------------------------------------------------
 */

static struct fetch_lane *lane_of(struct node *node, uint32_t peer)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct fetch_lane *lane = &node->fetching.lanes[i];
        if (lane->peer == peer && lane->messages + lane->answers > 0) {
            return lane;
        }
    }
    return NULL;
}

/* NULL: there are too many peers. */
static struct fetch_lane *open_lane(struct node *node, uint32_t peer)
{
    struct fetch_lane *lane = lane_of(node, peer);
    for (uint32_t i = 0; i < PEERS_MAX && lane == NULL; i++) {
        struct fetch_lane *free_one = &node->fetching.lanes[i];
        if (free_one->messages + free_one->answers == 0) {
            free_one->peer = peer;
            lane = free_one;
        }
    }
    return lane;
}

bool node_fetches_for(struct node *node, uint32_t peer)
{
    const struct fetch_lane *lane = node->fetching.count > 0 ? lane_of(node, peer) : NULL;
    return lane != NULL && lane->messages > 0;
}

/* --- asking ------------------------------------------------------------------------------------
 */

void fetch_free(struct fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->count; i++) {
        if (fetch->entries[i] != NULL) {
            entry_release(fetch->entries[i]);
        }
    }
    free(fetch);
}

static struct fetch *fetch_new(const struct node *node, enum fetch_kind kind, uint64_t first,
                               uint32_t count)
{
    ASSERT(count > 0 && count <= RAFT_MESSAGE_ENTRIES_MAX);
    struct fetch *fetch = calloc(1, sizeof *fetch);
    ASSERT(fetch != NULL);
    fetch->kind = kind;
    fetch->first = first;
    fetch->count = count;
    fetch->tail_cuts = node->fetching.tail_cuts;
    return fetch;
}

/* False: as many are under way as may be; it is gone. */
static bool ask(struct node *node, struct fetch *fetch)
{
    if (node->fetching.count == FETCHES_MAX) {
        fetch_free(fetch);
        return false;
    }
    bool put = ring_put(&node->fetches, fetch);
    ASSERT(put);
    node->fetching.count++;
    node->options.host.ring_fetcher(node->options.host.context);
    return true;
}

void node_fetch_append(struct node *node, const struct raft_message *message,
                       struct entry *const *entries)
{
    struct fetch *fetch =
        fetch_new(node, FETCH_APPEND, message->prev_index + 1, message->entry_count);
    bool damaged = false;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        fetch->entries[i] = entries[i];
        damaged = damaged || (entries[i] == NULL && node_is_damaged(node, fetch->first + i));
    }
    if (damaged) {
        fetch_free(fetch); /* once it is repaired, Raft sends again */
        return;
    }
    fetch->peer = message->to;
    fetch->message = *message;
    fetch->message.entries = NULL;
    struct fetch_lane *lane = open_lane(node, message->to);
    bool room = lane != NULL && lane->messages < FETCH_MESSAGES_MAX;
    if (!room) {
        fetch_free(fetch);
    }
    if (room && ask(node, fetch)) {
        SITUATION(node_fetched_for_a_follower);
        lane->messages++;
    } else {
        metric_add(&node_metric_dropped_messages, 1); /* Raft sends again */
    }
}

void node_fetch_answer(struct node *node, uint32_t peer, uint64_t index)
{
    if (node_is_damaged(node, index)) {
        return;
    }
    struct fetch_lane *lane = open_lane(node, peer);
    if (lane == NULL || lane->answers == FETCH_ANSWERS_MAX) {
        return; /* it asks again */
    }
    struct fetch *fetch = fetch_new(node, FETCH_ANSWER, index, 1);
    fetch->peer = peer;
    if (ask(node, fetch)) {
        lane->answers++;
    }
}

/* The next entries to be applied, which are committed; one such request at a time. */
void node_fetch_apply(struct node *node, uint64_t last)
{
    uint64_t first = node->fed_index + 1;
    uint64_t room = APPLY_JOBS_MAX - node->jobs_under_way;
    ASSERT(first <= last && first < node->cache.first && room > 0);
    if (node->fetching.apply) {
        return;
    }
    uint64_t cold = node->cache.first - first;
    uint64_t count = last + 1 - first;
    count = count < cold ? count : cold;
    count = count < room ? count : room;
    count = count < RAFT_MESSAGE_ENTRIES_MAX ? count : RAFT_MESSAGE_ENTRIES_MAX;
    node->fetching.apply = ask(node, fetch_new(node, FETCH_APPLY, first, (uint32_t)count));
}

/* --- the fetcher -------------------------------------------------------------------------------
 */

/* Up to the first entry that is not to be had, or to what one message may hold. */
static void read_entries(struct node *node, struct fetch *fetch)
{
    struct error error;
    for (uint32_t i = 0; i < fetch->count && fetch->bytes < RAFT_MESSAGE_BYTES_MAX; i++) {
        if (fetch->entries[i] == NULL) {
            uint64_t index = fetch->first + i;
            enum status status = log_read(node->options.log, index, &fetch->entries[i], &error);
            if (status == STATUS_NOT_FOUND) {
                return;
            }
            if (status == STATUS_CORRUPT) {
                fetch->damaged_index = index;
                return;
            }
            if (status != STATUS_OK) {
                node_fatal(node, &error);
            }
            fetch->bytes += entry_size(&fetch->entries[i]->header);
        }
        fetch->got++;
    }
}

bool node_fetcher_step(struct node *node)
{
    if (__atomic_load_n(&node->fetched_bytes, __ATOMIC_ACQUIRE) >= FETCHED_BYTES_MAX) {
        return false; /* the loop rings when it has taken some */
    }
    struct fetch *fetch = ring_take(&node->fetches);
    if (fetch == NULL) {
        return false;
    }
    read_entries(node, fetch);
    (void)__atomic_fetch_add(&node->fetched_bytes, fetch->bytes, __ATOMIC_ACQ_REL);
    bool put = ring_put(&node->fetches_done, fetch);
    ASSERT(put); /* as many as the other ring holds */
    node->options.host.ring_loop(node->options.host.context);
    return true;
}

/* --- what has been read ------------------------------------------------------------------------
 */

static void send_message(struct node *node, const struct fetch *fetch)
{
    /* The entries are this leader's only in its own term. */
    if (fetch->got == fetch->count && fetch->message.term == node->raft_now.term) {
        node_send_entries(node, &fetch->message, fetch->entries);
    }
}

static void apply(struct node *node, struct fetch *fetch)
{
    node->fetching.apply = false;
    ASSERT(fetch->first == node->fed_index + 1);
    ASSERT(fetch->got > 0 || fetch->damaged_index != 0);
    for (uint32_t i = 0; i < fetch->got; i++) {
        node_feed_entry(node, entry_keep(fetch->entries[i]));
    }
    if (fetch->got > 0) {
        node->options.host.ring_machine(node->options.host.context);
    }
}

static void take(struct node *node, struct fetch *fetch)
{
    struct fetch_lane *lane = lane_of(node, fetch->peer);
    ASSERT(lane != NULL || fetch->kind == FETCH_APPLY);
    switch (fetch->kind) {
    case FETCH_APPEND:
        lane->messages--;
        send_message(node, fetch);
        break;
    case FETCH_ANSWER:
        lane->answers--;
        if (fetch->got == 1) {
            node_repair_answer(node, fetch->peer, fetch->entries[0]);
        }
        break;
    case FETCH_APPLY:
        apply(node, fetch);
        break;
    }
    /* After a cut of the tail another entry may stand there. */
    if (fetch->damaged_index != 0 && fetch->tail_cuts == node->fetching.tail_cuts) {
        node_entry_damaged(node, fetch->damaged_index);
    }
}

void node_collect_fetches(struct node *node)
{
    struct fetch *fetch;
    while ((fetch = ring_take(&node->fetches_done)) != NULL) {
        node->fetching.count--;
        take(node, fetch);
        uint64_t bytes = fetch->bytes;
        fetch_free(fetch);
        uint64_t before = __atomic_fetch_sub(&node->fetched_bytes, bytes, __ATOMIC_ACQ_REL);
        if (before >= FETCHED_BYTES_MAX) {
            node->options.host.ring_fetcher(node->options.host.context);
        }
    }
}
