/* node_repair.c — entries that this node's disk damaged: asked of the others, proved by the log,
 * written again; and the same for others.
 *
 * FRAME_REPAIR, little-endian, REPAIR_HEAD_SIZE bytes:
 *    0  u8  version, 1
 *    1  u8  kind        enum repair_kind
 *    2  u16, u32 zero
 *    8  u64 index
 *   16  u64 base        GONE: the answerer holds nothing up to here
 * A REPAIR_ENTRY has the entry, header and body, as its payload. Whatever comes is proved by the
 * log before it is written, so a wrong answer costs time only. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

enum { REPAIR_VERSION = 1, REPAIR_HEAD_SIZE = 24, REPAIR_ASKED_AT_ONCE = 8 };
enum repair_kind { REPAIR_ASK = 1, REPAIR_ENTRY, REPAIR_GONE };
static const uint64_t REPAIR_INTERVAL_NS = 200 * NS_PER_MS;

/* --- what is damaged --- */

bool node_is_damaged(const struct node *node, uint64_t index)
{
    for (uint32_t i = 0; i < node->repair.count; i++) {
        if (node->repair.indexes[i] == index) {
            return true;
        }
    }
    return false;
}

static void count_damage(struct node *node)
{
    metric_set(&node_metric_damaged, node->repair.count);
}

static void remove_at(struct node *node, uint32_t at)
{
    struct repair *repair = &node->repair;
    repair->count--;
    memmove(&repair->indexes[at], &repair->indexes[at + 1],
            (repair->count - at) * sizeof repair->indexes[0]);
    count_damage(node);
}

/* Found at open, by a read or by the scrubber. Without others it cannot be had again. */
static void note_damaged(struct node *node, uint64_t index)
{
    struct repair *repair = &node->repair;
    log_line(LOG_ERROR, "log_entry_damaged", LOG_UINT("node", node->identity.node),
             LOG_UINT("index", index), LOG_TEXT("effect", "it is asked of the other members"),
             LOG_END);
    if (repair->count == LOG_DAMAGED_MAX || !node_has_others(node)) {
        struct error error;
        (void)error_set(&error, STATUS_CORRUPT,
                        "log entry %llu is damaged and %s: check the disk, then %s",
                        (unsigned long long)index,
                        node_has_others(node) ? "so are many others" : "no other member has it",
                        node_has_others(node) ? "replace this node" : "restore a backup");
        node_fatal(node, &error);
    }
    uint32_t at = repair->count;
    while (at > 0 && repair->indexes[at - 1] > index) {
        at--;
    }
    memmove(&repair->indexes[at + 1], &repair->indexes[at],
            (repair->count - at) * sizeof repair->indexes[0]);
    repair->indexes[at] = index;
    repair->count++;
    count_damage(node);
}

void node_repair_open(struct node *node, const struct log_recovered *recovered)
{
    struct repair *repair = &node->repair;
    uint64_t harmless = 0;
    for (uint32_t i = 0; i < recovered->damaged_count; i++) {
        if (recovered->damaged[i] <= node->view.checkpoint_index) {
            harmless = recovered->damaged[i];
        } else {
            repair->indexes[repair->count++] = recovered->damaged[i];
        }
    }
    node_cut_head(node, harmless);
    const uint64_t list = node->config.unreadable_index;
    if (list != 0 && !node_is_damaged(node, list) && list > node->space.cut_index) {
        note_damaged(node, list);
    }
    count_damage(node);
}

/* One that is not committed may be nowhere else: Raft has to know that it can not be given to the
 * others, or this node might lead, and wait for a copy for ever. */
void node_entry_damaged(struct node *node, uint64_t index)
{
    const uint64_t known = node->raft_now.first_damaged;
    if (node_is_damaged(node, index) || index <= node->space.cut_index) {
        return;
    }
    note_damaged(node, index);
    if (index <= node->raft_now.commit_index || index > node->raft_now.last_index ||
        (known != 0 && known <= index)) {
        return;
    }
    struct raft_event event = { .kind = RAFT_EVENT_REPAIRED,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .first_damaged = index };
    enum status status;
    node_step(node, &event, NULL, &status);
    ASSERT(status == STATUS_OK);
}

/* Raft learns what is left of the damage that it knows of. */
static void tell_raft(struct node *node)
{
    uint64_t first = 0;
    if (node->raft_now.first_damaged == 0) {
        return;
    }
    for (uint32_t i = node->repair.count; i > 0; i--) {
        if (node->repair.indexes[i - 1] >= node->raft_now.first_damaged) {
            first = node->repair.indexes[i - 1];
        }
    }
    if (first == node->raft_now.first_damaged) {
        return;
    }
    if (first == 0 && node->config.unreadable) { /* Raft is not to stand by an older list */
        node->options.host.restart(node->options.host.context);
        return;
    }
    struct raft_event event = { .kind = RAFT_EVENT_REPAIRED,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .first_damaged = first };
    enum status status;
    node_step(node, &event, NULL, &status);
    ASSERT(status == STATUS_OK);
}

/* The tail from `from` on is gone, and with it what was damaged there. */
void node_repair_cut(struct node *node, uint64_t from)
{
    struct repair *repair = &node->repair;
    while (repair->count > 0 && repair->indexes[repair->count - 1] >= from) {
        remove_at(node, repair->count - 1);
    }
}

/* Nobody needs what is cut off the head. */
void node_repair_cut_head(struct node *node, uint64_t index)
{
    while (node->repair.count > 0 && node->repair.indexes[0] <= index) {
        remove_at(node, 0);
    }
    tell_raft(node);
}

/* --- asking --- */

static void send_frame(struct node *node, uint32_t to, enum repair_kind kind, uint64_t index,
                       struct entry *entry)
{
    uint8_t head[REPAIR_HEAD_SIZE];
    struct writer writer = writer_init(head, sizeof head);
    write_u8(&writer, REPAIR_VERSION);
    write_u8(&writer, (uint8_t)kind);
    write_u16(&writer, 0);
    write_u32(&writer, 0);
    write_u64(&writer, index);
    write_u64(&writer, kind == REPAIR_GONE ? node->space.cut_index : 0);
    ASSERT(!writer.failed && writer.at == writer.end);
    struct bus_payload payload = { .entries = &entry, .entry_count = 1 };
    enum status status =
        node->bus->ops->send_peer(node->bus, to, FRAME_REPAIR, (struct bytes){ head, sizeof head },
                                  entry != NULL ? &payload : NULL);
    if (status != STATUS_OK) {
        metric_add(&node_metric_dropped_messages, 1); /* asked again */
    }
}

/* The next of those who are connected, members or not, as the list of members may be what is
 * damaged, or an old one with nobody on it any more: the log proves the answer. 0: nobody. */
static uint32_t next_peer(struct node *node)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        const struct peer *peer = &node->peers[node->repair.peer++ % PEERS_MAX];
        if (peer->id != 0 && peer->connected && peer->id != node->identity.node) {
            return peer->id;
        }
    }
    return 0;
}

/* From the highest index down, because an entry whose identity is gone is proved by the one behind
 * it; a few at a time, another peer each time. */
void node_repair_tick(struct node *node, uint64_t now_ns)
{
    struct repair *repair = &node->repair;
    if (repair->count == 0 || now_ns < repair->due_ns || node->bus == NULL) {
        return;
    }
    repair->due_ns = now_ns + REPAIR_INTERVAL_NS;
    uint32_t peer = next_peer(node);
    if (peer == 0) {
        return;
    }
    for (uint32_t i = 0; i < repair->count && i < REPAIR_ASKED_AT_ONCE; i++) {
        uint32_t behind = repair->turn++ % repair->count;
        uint64_t index = repair->indexes[repair->count - 1 - behind];
        send_frame(node, peer, REPAIR_ASK, index, NULL);
    }
}

/* --- answering --- */

/* No peer needs more: it asks for so many, every REPAIR_INTERVAL_NS. */
static bool asks_too_much(struct node *node, uint32_t from)
{
    struct peer *peer = node_peer_meet(node, from);
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    if (peer == NULL) {
        return true;
    }
    if (now_ns - peer->asked_ns >= REPAIR_INTERVAL_NS / 2) {
        peer->asked_ns = now_ns;
        peer->asked = 0;
    }
    return peer->asked++ >= REPAIR_ASKED_AT_ONCE;
}

void node_repair_answer(struct node *node, uint32_t to, struct entry *entry)
{
    send_frame(node, to, REPAIR_ENTRY, entry->header.index, entry);
}

static void answer(struct node *node, uint32_t from, uint64_t index)
{
    if (asks_too_much(node, from)) {
        return;
    }
    if (index <= node->space.cut_index) {
        send_frame(node, from, REPAIR_GONE, index, NULL);
        return;
    }
    struct entry *entry = entry_cache_find(&node->cache, index);
    if (entry != NULL) {
        node_repair_answer(node, from, entry);
    } else if (index <= node->raft_now.last_index) {
        node_fetch_answer(node, from, index);
    }
}

/* --- what was got --- */

static void take_entry(struct node *node, uint64_t index, struct bytes payload)
{
    struct entry_header header;
    if (payload.size < sizeof header) {
        return;
    }
    memcpy(&header, payload.data, sizeof header);
    bool sound = entry_header_check(&header) && header.index == index &&
                 payload.size == entry_size(&header) &&
                 entry_body_check(&header, payload.data + sizeof header);
    if (!sound) {
        return;
    }
    struct entry *entry = entry_new(header.body_size);
    entry->header = header;
    memcpy(entry->body, payload.data + sizeof header, header.body_size);
    struct repair_job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    job->entry = entry;
    bool put = node->repair.under_way < REPAIRS_MAX && ring_put(&node->repairs, job);
    if (!put) {
        repair_job_free(job);
        return; /* asked again */
    }
    node->repair.under_way++;
    node->options.host.ring_writer(node->options.host.context);
}

/* A peer has cut it: what this node has applied it can do without, else it needs a snapshot. */
static void give_up(struct node *node, uint32_t from, uint64_t index, uint64_t base)
{
    if (index <= node->view.checkpoint_index) {
        node_cut_head(node, index);
    } else if (index <= base) {
        node_snapshot_offered(node, from, base);
    }
}

void node_repair_frame(struct node *node, uint32_t from, struct bytes head, struct bytes payload)
{
    struct reader reader = reader_init(head.data, head.size);
    uint8_t version = read_u8(&reader);
    uint8_t kind = read_u8(&reader);
    uint16_t zero = read_u16(&reader);
    uint32_t zero_too = read_u32(&reader);
    uint64_t index = read_u64(&reader);
    uint64_t base = read_u64(&reader);
    if (!reader_done(&reader) || version != REPAIR_VERSION || zero != 0 || zero_too != 0) {
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    if (kind == REPAIR_ASK) {
        answer(node, from, index);
    } else if (kind == REPAIR_ENTRY && node_is_damaged(node, index)) {
        take_entry(node, index, payload);
    } else if (kind == REPAIR_GONE && node_is_damaged(node, index)) {
        give_up(node, from, index, base);
    }
}

/* --- the writer's part --- */

void repair_job_free(struct repair_job *job)
{
    entry_release(job->entry);
    free(job);
}

/* False: there was none. */
bool node_repair_write(struct node *node)
{
    struct repair_job *job = ring_take(&node->repairs);
    struct error error;
    if (job == NULL) {
        return false;
    }
    job->status = log_repair(node->options.log, job->entry, &error);
    if (job->status != STATUS_OK && job->status != STATUS_INVALID &&
        job->status != STATUS_NOT_FOUND) {
        node_fatal(node, &error);
    }
    bool put = ring_put(&node->repairs_done, job);
    ASSERT(put); /* no more than REPAIRS_MAX are under way */
    node->options.host.ring_loop(node->options.host.context);
    return true;
}

static void repaired(struct node *node, const struct entry *entry)
{
    uint64_t index = entry->header.index;
    struct repair *repair = &node->repair;
    for (uint32_t i = 0; i < repair->count; i++) {
        if (repair->indexes[i] == index) {
            remove_at(node, i);
            break;
        }
    }
    SITUATION(node_entry_repaired);
    metric_add(&node_metric_repaired, 1);
    log_line(LOG_WARN, "log_entry_repaired", LOG_UINT("node", node->identity.node),
             LOG_UINT("index", index), LOG_UINT("left", repair->count), LOG_END);
    if (entry->header.kind == ENTRY_MEMBERS && index > node->config.previous.index &&
        index != node->config.last.index) {
        node->config.unreadable = true; /* a list of members that was not known at the start */
    }
    if (node->config.unreadable && repair->count == 0) {
        node->options.host.restart(node->options.host.context); /* which reads it */
        return;
    }
    tell_raft(node);
}

void node_collect_repairs(struct node *node)
{
    struct repair_job *job;
    while ((job = ring_take(&node->repairs_done)) != NULL) {
        node->repair.under_way--;
        if (job->status == STATUS_OK) {
            repaired(node, job->entry);
        }
        repair_job_free(job);
    }
}
