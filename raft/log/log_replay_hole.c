/* log_replay_hole.c — slots that were durable and are damaged, with their entries' headers too:
 * what they were follows from what stands on both sides (segment.h, "What a hole was"). */
#include "base/assert.h"
#include "base/mutation.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>

/* The point of an index up to the tail, when the log can tell. */
static enum status point_held(struct log_replay *replay, uint64_t index, struct log_point *point,
                              bool *held)
{
    struct error found;
    enum status status = log_point_at(replay->log, index, point, &found);
    *held = status == STATUS_OK;
    if (status == STATUS_NOT_FOUND || status == STATUS_CORRUPT || status == STATUS_OK) {
        return STATUS_OK;
    }
    *replay->error = found;
    return status;
}

/* The hole is nothing but entries: their terms are known when both sides agree. */
static void bridge_entries(const struct log_replay *replay, const struct log_point *end,
                           uint32_t offset, struct log_bridge *bridge)
{
    const struct log_point *tail = &replay->log->tail;
    bridge->found = end->index == tail->index + replay->hole && end->timestamp >= tail->timestamp &&
                    end->term == tail->term;
    bridge->entries = replay->hole;
    bridge->offset = offset;
    bridge->point = *end;
}

static enum status bridge_entry(struct log_replay *replay, const struct log_segment *segment,
                                const struct segment_slot *slot, struct log_bridge *bridge)
{
    const struct log_point *tail = &replay->log->tail;
    const struct entry_header header = segment_slot_header(slot);
    if (slot->offset < segment->offset) {
        return STATUS_OK;
    }
    if (slot->index - 1 > tail->index) {
        /* Its chain stays unknown; the slot that follows replaces this point. */
        struct log_point end = { slot->index - 1, slot->term, slot->timestamp, 0 };
        bridge_entries(replay, &end, slot->offset, bridge);
        return STATUS_OK;
    }
    bool held = false;
    TRY(point_held(replay, slot->index - 1, &bridge->point, &held));
    bridge->found = held && entry_chain(bridge->point.chain, &header) == slot->chain &&
                    slot->term >= bridge->point.term && slot->timestamp >= bridge->point.timestamp;
    return STATUS_OK;
}

/* A cut behind the hole: whatever the hole was, it is cut away, unless the cut goes back to it. */
static enum status bridge_cut(struct log_replay *replay, const struct segment_slot *slot,
                              struct log_bridge *bridge)
{
    const struct log *log = replay->log;
    struct log_point point;
    bool held = false;
    bridge->point = log->tail;
    if (slot->index > log->tail.index) {
        return STATUS_OK;
    }
    bridge->found = slot->index < log->base.index && slot->term <= log->tail.term;
    if (!bridge->found) {
        TRY(point_held(replay, slot->index, &point, &held));
        bridge->found = held && point.chain == slot->chain && point.term == slot->term;
    }
    return STATUS_OK;
}

enum status log_bridge_slot(struct log_replay *replay, const struct log_segment *segment,
                            const struct segment_slot *slot, struct log_bridge *bridge)
{
    *bridge = (struct log_bridge){ 0 };
    if (replay->hole == 0) {
        bridge->found = log_replay_follows(replay, segment, slot);
        bridge->point = replay->log->tail;
        return STATUS_OK;
    }
    return slot->kind == SLOT_CUT ? bridge_cut(replay, slot, bridge)
                                  : bridge_entry(replay, segment, slot, bridge);
}

/* The slots become cuts to where they lead: what they were does not matter any more, or cannot be
 * told. Any part of these writes leaves what the next open makes the same of. */
static enum status fill_slots(struct log_replay *replay, const struct log_segment *segment,
                              const struct log_point *point)
{
    uint32_t first = segment->slots;
    for (uint32_t i = 0; i < replay->hole; i++) {
        struct segment_slot *slot = &replay->slots[first + i];
        *slot = (struct segment_slot){ .index = point->index,
                                       .term = point->term,
                                       .timestamp = point->timestamp,
                                       .chain = point->chain,
                                       .kind = SLOT_CUT };
        segment_slot_seal(slot, segment->seed, first + i);
    }
    replay->recovered->repaired++;
    TRY(log_patch(replay->log, segment->file, segment_slot_offset(first), &replay->slots[first],
                  (size_t)replay->hole * SEGMENT_SLOT_SIZE, replay->error));
    return disk_sync(replay->log->disk, segment->file, replay->error);
}

enum status log_bridge_take(struct log_replay *replay, struct log_segment *segment,
                            const struct log_bridge *bridge)
{
    ASSERT(bridge->found);
    if (replay->hole == 0) {
        return STATUS_OK;
    }
    if (bridge->entries == 0) {
        TRY(fill_slots(replay, segment, &bridge->point));
        log_replay_cut_runs(replay, bridge->point.index);
    } else {
        log_replay_add_run(replay, replay->log->tail.index + 1, bridge->point.term);
    }
    log_apply_hole(replay->log, segment, replay->hole, bridge->entries, bridge->offset,
                   &bridge->point);
    replay->hole = 0;
    return STATUS_OK;
}

enum status log_bridge_segments(struct log_replay *replay, struct log_segment *segment,
                                const struct log_point *next)
{
    struct log_bridge bridge = { 0 };
    if (replay->hole == 0) {
        return STATUS_OK;
    }
    if (next != NULL && next->index > replay->log->tail.index) {
        bridge_entries(replay, next, segment_entries_end(segment->size), &bridge);
    } else if (next != NULL) {
        struct log_point point;
        bool held = false;
        TRY(point_held(replay, next->index, &point, &held));
        bridge.found = held && point.chain == next->chain && point.term == next->term;
        bridge.point = *next;
    }
    if (!bridge.found) {
        return log_corrupt(replay->log, segment, segment_slot_offset(segment->slots),
                           replay->log->tail.index + 1, "its identifier is damaged", replay->error);
    }
    return log_bridge_take(replay, segment, &bridge);
}

enum status log_lose_tail(struct log_replay *replay, struct log_segment *segment)
{
    struct log *log = replay->log;
    if (replay->hole == 0) {
        return STATUS_OK;
    }
    struct superblock next = *log->superblock;
    uint64_t lost = log->tail.index + replay->hole;
    if (next.lost_index < lost && !MUTATION(log_lost_tail_not_told)) {
        next.lost_index = lost;
        TRY(superblock_store(log->disk, log->data_folder, &next, replay->error));
        *log->superblock = next;
    }
    struct log_bridge bridge = { .found = true, .point = log->tail };
    return log_bridge_take(replay, segment, &bridge);
}
