/* log_replay.c — the slots of one segment, at open: what is sound, what is repaired, what is cut.
 * The rules and why they hold stand in segment.h. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum status log_replay_load(struct log_replay *replay, const struct log_segment *segment)
{
    size_t size = segment_slot_count(segment->size) * sizeof *replay->slots;
    free(replay->slots);
    replay->slots = log_allocate(size);
    return log_read_around(replay->log, segment->file, SEGMENT_SLOTS_OFFSET, replay->slots, size,
                           replay->error);
}

bool log_replay_sound(const struct log_replay *replay, const struct log_segment *segment,
                      uint32_t number)
{
    return segment_slot_check(&replay->slots[number], segment->seed, number, segment->size);
}

uint64_t log_replay_term(const struct log_replay *replay, uint64_t index)
{
    uint32_t i = replay->run_count;
    while (i > 0 && replay->runs[i - 1].first_index > index) {
        i--;
    }
    return i == 0 ? replay->log->base.term : replay->runs[i - 1].term;
}

/* A cut goes back to an entry that is held, to the base, or to one before it; one to the tail fills
 * a slot whose meaning was lost. */
static bool cut_follows(const struct log_replay *replay, const struct segment_slot *slot)
{
    const struct log *log = replay->log;
    if (slot->index > log->tail.index || slot->term > log->tail.term) {
        return false;
    }
    return slot->index < log->base.index || slot->term == log_replay_term(replay, slot->index);
}

bool log_replay_follows(const struct log_replay *replay, const struct log_segment *segment,
                        const struct segment_slot *slot)
{
    const struct log *log = replay->log;
    if (slot->kind == SLOT_CUT) {
        return cut_follows(replay, slot);
    }
    struct entry_header header = segment_slot_header(slot);
    return slot->index == log->tail.index + 1 && slot->term >= log->tail.term &&
           slot->timestamp >= log->tail.timestamp && slot->offset >= segment->offset &&
           slot->chain == entry_chain(log->tail.chain, &header);
}

void log_replay_add_run(struct log_replay *replay, uint64_t index, uint64_t term)
{
    if (replay->run_count > 0 && replay->runs[replay->run_count - 1].term == term) {
        return;
    }
    if (replay->run_count == replay->run_capacity) {
        uint32_t capacity = replay->run_capacity == 0 ? 64 : 2 * replay->run_capacity;
        struct raft_run *grown = realloc(replay->runs, capacity * sizeof *replay->runs);
        ASSERT(grown != NULL);
        replay->runs = grown;
        replay->run_capacity = capacity;
    }
    replay->runs[replay->run_count++] = (struct raft_run){ index, term };
}

void log_replay_cut_runs(struct log_replay *replay, uint64_t index)
{
    while (replay->run_count > 0 && replay->runs[replay->run_count - 1].first_index > index) {
        replay->run_count--;
    }
}

static void take(struct log_replay *replay, struct log_segment *segment,
                 const struct segment_slot *slot)
{
    log_apply_slot(replay->log, segment, slot);
    if (slot->kind == SLOT_CUT) {
        log_replay_cut_runs(replay, slot->index);
        return;
    }
    struct entry_header header = segment_slot_header(slot);
    segment->offset = slot->offset + segment_align(entry_size(&header), SEGMENT_ENTRY_ALIGN);
    log_replay_add_run(replay, slot->index, slot->term);
}

/* The entries of later slots lie behind this one's. A later entry that replaced it after a cut has
 * its index, and follows the same chain. */
static bool lies_before_later(const struct log_replay *replay, const struct log_segment *segment,
                              uint32_t number, const struct segment_slot *slot)
{
    struct entry_header header = segment_slot_header(slot);
    for (uint32_t i = number + 1; i < segment_slot_count(segment->size); i++) {
        const struct segment_slot *later = &replay->slots[i];
        if (log_replay_sound(replay, segment, i) && later->kind == SLOT_ENTRY) {
            return slot->offset + entry_size(&header) <= later->offset;
        }
    }
    return true;
}

/* Makes a slot from the entry's header that may stand at `offset`. The chain proves it; behind a
 * hole, only when the hole was cuts, for an entry in it would have moved the place. */
static enum status repair_from(struct log_replay *replay, const struct log_segment *segment,
                               uint32_t number, uint32_t offset, bool *repaired)
{
    struct entry_header header;
    if (offset > segment_entries_end(segment->size) - sizeof header) {
        return STATUS_OK;
    }
    TRY(log_read_around(replay->log, segment->file, offset, &header, sizeof header, replay->error));
    if (!entry_header_check(&header)) {
        return STATUS_OK;
    }
    struct segment_slot slot = segment_slot_entry(&header, offset, 0);
    segment_slot_seal(&slot, segment->seed, number);
    if (!segment_slot_check(&slot, segment->seed, number, segment->size)) {
        return STATUS_OK;
    }
    struct log_bridge bridge;
    TRY(log_bridge_slot(replay, segment, &slot, &bridge));
    *repaired =
        bridge.found && bridge.entries == 0 && lies_before_later(replay, segment, number, &slot);
    if (*repaired) {
        replay->slots[number] = slot;
    }
    return STATUS_OK;
}

/* A damaged slot of an entry is made again from the entry's own header, which stands right behind
 * the previous entry, or where a group began: at the next block, or behind the mark there. */
static enum status repair_slot(struct log_replay *replay, const struct log_segment *segment,
                               uint32_t number, bool *repaired)
{
    uint32_t block = segment_align(segment->offset, LOG_BLOCK_SIZE);
    TRY(repair_from(replay, segment, number, segment->offset, repaired));
    if (!*repaired) {
        TRY(repair_from(replay, segment, number, block, repaired));
    }
    if (!*repaired) {
        TRY(repair_from(replay, segment, number, block + SEGMENT_SLOT_SIZE, repaired));
    }
    if (!*repaired) {
        return STATUS_OK;
    }
    SITUATION(log_identifier_repaired);
    replay->recovered->repaired++;
    TRY(log_patch(replay->log, segment->file, segment_slot_offset(number), &replay->slots[number],
                  SEGMENT_SLOT_SIZE, replay->error));
    return disk_sync(replay->log->disk, segment->file, replay->error);
}

/* A slot that is proved to have been durable. */
static enum status replay_proved(struct log_replay *replay, struct log_segment *segment,
                                 uint32_t number)
{
    const struct log *log = replay->log;
    bool good = log_replay_sound(replay, segment, number);
    if (!good) {
        TRY(repair_slot(replay, segment, number, &good));
    }
    if (!good) {
        replay->hole++;
        return STATUS_OK;
    }
    struct log_bridge bridge;
    TRY(log_bridge_slot(replay, segment, &replay->slots[number], &bridge));
    if (!bridge.found) {
        bool hole = replay->hole > 0;
        return log_corrupt(log, segment, segment_slot_offset(segment->slots), log->tail.index + 1,
                           hole ? "its identifier is damaged"
                                : "it does not follow the entry before it",
                           replay->error);
    }
    TRY(log_bridge_take(replay, segment, &bridge));
    take(replay, segment, &replay->slots[number]);
    return STATUS_OK;
}

/* Header and body are there, as the slot says. */
static enum status entry_whole(struct log_replay *replay, const struct log_segment *segment,
                               const struct segment_slot *slot, bool *whole)
{
    struct entry_header header = segment_slot_header(slot);
    TRY(log_read_around(replay->log, segment->file, slot->offset, replay->entry,
                        entry_size(&header), replay->error));
    *whole = memcmp(&header, replay->entry, sizeof header) == 0 &&
             entry_body_check(&header, replay->entry + RAFT_ENTRY_HEADER_SIZE);
    return STATUS_OK;
}

/* A slot of the last group, which may never have been flushed: taken when all of it is there. */
static enum status replay_unproved(struct log_replay *replay, struct log_segment *segment,
                                   uint32_t number, bool *taken)
{
    const struct segment_slot *slot = &replay->slots[number];
    struct log_bridge bridge = { 0 };
    if (log_replay_sound(replay, segment, number)) {
        TRY(log_bridge_slot(replay, segment, slot, &bridge));
    }
    *taken = bridge.found;
    if (*taken && slot->kind == SLOT_ENTRY && !MUTATION(log_torn_tail_taken)) {
        TRY(entry_whole(replay, segment, slot, taken));
    }
    if (*taken) {
        TRY(log_bridge_take(replay, segment, &bridge));
        take(replay, segment, slot);
    }
    return STATUS_OK;
}

enum status log_replay_wipe(struct log_replay *replay, const struct log_segment *segment,
                            uint32_t from)
{
    uint32_t end = from;
    for (uint32_t i = from; i < segment_slot_count(segment->size); i++) {
        if (log_replay_sound(replay, segment, i)) {
            SITUATION(log_torn_tail_cut);
            replay->recovered->torn_entries += replay->slots[i].kind == SLOT_ENTRY;
            end = i + 1;
        }
    }
    if (end == from) {
        return STATUS_OK;
    }
    size_t size = (end - from) * sizeof *replay->slots;
    memset(&replay->slots[from], 0, size);
    TRY(log_patch(replay->log, segment->file, segment_slot_offset(from), &replay->slots[from], size,
                  replay->error));
    return disk_sync(replay->log->disk, segment->file, replay->error);
}

enum status log_replay_segment(struct log_replay *replay, struct log_segment *segment,
                               uint32_t proved, bool last, const struct log_point *next)
{
    uint32_t number = 0;
    replay->hole = 0;
    proved = last && MUTATION(log_damage_cut_like_torn) ? 0 : proved;
    for (; number < proved; number++) {
        TRY(replay_proved(replay, segment, number));
    }
    bool taken = last;
    while (taken && number < segment_slot_count(segment->size)) {
        TRY(replay_unproved(replay, segment, number, &taken));
        number += taken;
    }
    TRY(last ? log_lose_tail(replay, segment) : log_bridge_segments(replay, segment, next));
    segment->offset = segment_align(segment->offset, LOG_BLOCK_SIZE);
    ASSERT(segment->slots == number && replay->hole == 0);
    return last ? log_replay_wipe(replay, segment, number) : STATUS_OK;
}
