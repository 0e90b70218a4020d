#include "ledger/node/node_votes.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "ledger/node/node_internal.h"

#include <string.h>

enum { VOTES_VERSION = 1, SILENT_TURNS_MAX = 8 /* who has just connected hears it all the same */ };
static const uint64_t SEED_VOTE = 0x56F3A1C09D7E42B5U;

/* --- points ----------------------------------------------------------------------------------- */

static const struct vote_point *own_at(const struct node *node, uint64_t index)
{
    const struct vote_point *point =
        &node->votes.own[index / VOTE_EVERY_ENTRIES % VOTE_POINTS_KEPT];
    return index != 0 && point->index == index ? point : NULL;
}

static const struct vote_point *peer_at(const struct peer *peer, uint64_t index)
{
    for (uint32_t i = 0; i < peer->votes.count; i++) {
        if (peer->votes.points[i].index == index) {
            return &peer->votes.points[i];
        }
    }
    return NULL;
}

/* What the member said of the point, or this node knows; NULL: nothing. */
static const struct vote_point *member_point(const struct node *node, uint32_t id, uint64_t index)
{
    if (id == node->identity.node) {
        return own_at(node, index);
    }
    const struct peer *peer = node_peer(node, id);
    return peer != NULL ? peer_at(peer, index) : NULL;
}

void node_votes_applied(struct node *node, const struct machine_view *view)
{
    if (view->applied_index % VOTE_EVERY_ENTRIES != 0) {
        return;
    }
    const struct {
        u128 books;
        u128 replies;
        uint64_t timestamp;
        uint64_t reserved;
    } state = { view->digest, view->replies_digest, view->timestamp, 0 };
    struct votes *votes = &node->votes;
    votes->own[view->applied_index / VOTE_EVERY_ENTRIES % VOTE_POINTS_KEPT] =
        (struct vote_point){ .index = view->applied_index,
                             .digest = hash_bytes(SEED_VOTE, &state, sizeof state) };
    votes->newest_index = view->applied_index;
}

/* --- telling ---------------------------------------------------------------------------------- */

static uint32_t collect(const struct node *node, struct vote_point points[VOTE_POINTS_TOLD])
{
    const uint64_t newest = node->votes.newest_index;
    const uint64_t fine = VOTE_POINTS_FINE * VOTE_EVERY_ENTRIES;
    const uint64_t fine_from = newest > fine ? newest - fine + VOTE_EVERY_ENTRIES : 0;
    const uint64_t coarse_from = newest > VOTE_SPAN ? newest - VOTE_SPAN : 0;
    uint64_t index = coarse_from / VOTE_COARSE_ENTRIES * VOTE_COARSE_ENTRIES;
    uint32_t count = 0;
    for (; index < fine_from; index += VOTE_COARSE_ENTRIES) {
        const struct vote_point *point = own_at(node, index);
        if (point != NULL && count < VOTE_POINTS_COARSE) {
            points[count++] = *point;
        }
    }
    for (index = fine_from; index <= newest; index += VOTE_EVERY_ENTRIES) {
        const struct vote_point *point = own_at(node, index);
        if (point != NULL) {
            ASSERT(count < VOTE_POINTS_TOLD);
            points[count++] = *point;
        }
    }
    return count;
}

static void tell(struct node *node)
{
    struct vote_point points[VOTE_POINTS_TOLD];
    uint8_t head[VOTES_FRAME_MAX];
    const uint32_t count = collect(node, points);
    struct writer writer = writer_init(head, sizeof head);
    write_u8(&writer, VOTES_VERSION);
    write_u8(&writer, 0);
    write_u16(&writer, (uint16_t)count);
    write_u32(&writer, 0);
    for (uint32_t i = 0; i < count; i++) {
        write_u64(&writer, points[i].index);
        write_u128(&writer, points[i].digest);
    }
    ASSERT(!writer.failed);
    for (uint32_t i = 0; i < PEERS_MAX && count > 0; i++) {
        const struct peer *peer = &node->peers[i];
        if (peer->id == 0 || !peer->connected || (peer->features & FEATURE_VOTES) == 0) {
            continue;
        }
        enum status status = node->bus->ops->send_peer(
            node->bus, peer->id, FRAME_VOTES, (struct bytes){ head, writer_size(&writer) }, NULL);
        if (status != STATUS_OK) {
            metric_add(&node_metric_dropped_messages, 1); /* told again */
        }
    }
    node->votes.told_index = node->votes.newest_index;
}

static bool read_points(struct bytes head, struct peer_votes *votes)
{
    struct reader reader = reader_init(head.data, head.size);
    uint8_t version = read_u8(&reader);
    uint8_t zero = read_u8(&reader);
    uint16_t count = read_u16(&reader);
    uint32_t zero_too = read_u32(&reader);
    if (version != VOTES_VERSION || zero != 0 || zero_too != 0 || count > VOTE_POINTS_TOLD) {
        return false;
    }
    votes->count = count;
    for (uint32_t i = 0; i < count; i++) {
        votes->points[i].index = read_u64(&reader);
        votes->points[i].digest = read_u128(&reader);
        bool ascends = i == 0 ? votes->points[i].index > 0
                              : votes->points[i].index > votes->points[i - 1].index;
        if (!ascends) {
            return false;
        }
    }
    return reader_done(&reader);
}

void node_votes_frame(struct node *node, uint32_t from, struct bytes head)
{
    struct peer_votes votes = { 0 };
    struct peer *peer = node_peer_meet(node, from);
    if (peer == NULL || !read_points(head, &votes)) {
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    votes.differs = peer->votes.differs;
    peer->votes = votes;
}

/* --- judging ---------------------------------------------------------------------------------- */

/* For node_majority, which asks of one member after the other. */
static bool has_asked(const struct node *node, uint32_t at)
{
    const struct vote_point *asked = &node->votes_asked;
    const struct vote_point *point =
        member_point(node, node->raft_now.members[at].id, asked->index);
    return point != NULL && point->digest == asked->digest;
}

static bool majority_has(struct node *node, const struct vote_point *point)
{
    node->votes_asked = *point;
    return node_majority(node, has_asked);
}

_Noreturn static void stop(struct node *node, const struct vote_point *own,
                           const struct vote_point *theirs)
{
    struct error error;
    (void)error_set(
        &error, STATUS_CORRUPT,
        "the books of node %u differ from those of a majority of the members: after log entry %llu "
        "they have digest %016llx%016llx, here it is %016llx%016llx; they last agreed after entry "
        "%llu%s. Start it once more: the replay from its checkpoint mends what was wrong in memory "
        "alone. When it stops again, check its memory and disk and replace it (`fenlu admin member "
        "replace --id %u`)",
        node->identity.node, (unsigned long long)own->index,
        (unsigned long long)u128_high(theirs->digest), (unsigned long long)u128_low(theirs->digest),
        (unsigned long long)u128_high(own->digest), (unsigned long long)u128_low(own->digest),
        (unsigned long long)node->votes.agreed_index,
        node->votes.agreed_index == 0 ? " (nothing was compared since this start)" : "",
        node->identity.node);
    node_fatal(node, &error);
    UNREACHABLE();
}

/* Once for each peer, until it agrees again. */
static void note_other(struct node *node, struct peer *peer, uint64_t index)
{
    if (!peer->votes.differs) {
        peer->votes.differs = true;
        log_line(LOG_ERROR, "books_differ", LOG_UINT("node", peer->id), LOG_UINT("index", index),
                 LOG_UINT("agreed_index", node->votes.agreed_index),
                 LOG_TEXT("effect", "a majority has other books than that node, which stops"),
                 LOG_END);
    }
}

static bool is_voter(const struct node *node, uint32_t id)
{
    const struct raft_status *now = &node->raft_now;
    for (uint32_t i = 0; i < now->member_count; i++) {
        if (now->members[i].id == id) {
            return (now->members[i].roles & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0;
        }
    }
    return false;
}

static bool all_voters_told(const struct node *node, uint64_t index)
{
    const struct raft_status *now = &node->raft_now;
    for (uint32_t i = 0; i < now->member_count; i++) {
        bool votes = (now->members[i].roles & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0;
        if (votes && member_point(node, now->members[i].id, index) == NULL) {
            return false;
        }
    }
    return true;
}

/* What a peer told of one point: agreement, that one of the two is wrong, or nobody knows. */
static void judge(struct node *node, struct peer *peer, const struct vote_point *theirs)
{
    struct votes *votes = &node->votes;
    const struct vote_point *own = own_at(node, theirs->index);
    if (own == NULL) {
        return;
    }
    const bool same = own->digest == theirs->digest;
    if (majority_has(node, own)) {
        if (own->index > votes->agreed_index) {
            votes->agreed_index = own->index;
        }
        if (!same) {
            note_other(node, peer, own->index);
        }
        return;
    }
    if (same) {
        return;
    }
    if (majority_has(node, theirs)) {
        stop(node, own, theirs);
    }
    if (own->index <= votes->agreed_index) { /* whoever is right later was right here */
        note_other(node, peer, own->index);
        return;
    }
    if (!is_voter(node, peer->id)) { /* a learner, or no member: the voters know without it */
        return;
    }
    const bool first = votes->open_index == 0 || own->index < votes->open_index;
    votes->open_index = first ? own->index : votes->open_index;
    votes->stopped = votes->stopped || all_voters_told(node, own->index);
}

static void judge_all(struct node *node, uint64_t now_ns)
{
    struct votes *votes = &node->votes;
    const struct votes before = { .open_index = votes->open_index, .stopped = votes->stopped };
    votes->open_index = 0;
    votes->stopped = false;
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &node->peers[i];
        for (uint32_t at = 0; peer->id != 0 && at < peer->votes.count; at++) {
            judge(node, peer, &peer->votes.points[at]);
        }
    }
    if (votes->open_index != 0 && before.open_index == 0) {
        votes->open_ns = now_ns;
    }
    const bool waited = votes->open_index != 0 && now_ns - votes->open_ns >= VOTE_OPEN_WAIT_NS;
    votes->stopped = votes->stopped || waited;
    if (votes->stopped && !before.stopped) {
        log_line(
            LOG_ERROR, "writing_stopped", LOG_UINT("node", node->identity.node),
            LOG_UINT("index", votes->open_index), LOG_UINT("agreed_index", votes->agreed_index),
            LOG_TEXT("reason", "the books of the members differ and no majority agrees"), LOG_END);
    }
    metric_set(&node_metric_books_agreed, votes->agreed_index);
    metric_set(&node_metric_books_differ, votes->open_index != 0 ? 1 : 0);
}

void node_votes_tick(struct node *node, uint64_t now_ns)
{
    struct votes *votes = &node->votes;
    if (node->bus == NULL || now_ns < votes->due_ns || !node_has_others(node)) {
        return;
    }
    votes->due_ns = now_ns + VOTE_INTERVAL_NS;
    if (votes->newest_index > votes->told_index || votes->silent_turns++ >= SILENT_TURNS_MAX) {
        votes->silent_turns = 0;
        tell(node);
    }
    if (!MUTATION(node_votes_not_counted)) {
        judge_all(node, now_ns);
    }
}
