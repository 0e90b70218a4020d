/* log_replay.c — the slots and entries of one segment, at open: what is sound, what is repaired,
 * what is cut. The rules and why they hold stand in segment.h. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum status log_replay_load(struct log_replay *replay, const struct log_segment *segment)
{
    size_t size = segment_slot_count(segment->size) * sizeof *replay->slots;
    free(replay->slots);
    replay->slots = log_allocate(size);
    return disk_read(replay->log->disk, segment->file, SEGMENT_SLOTS_OFFSET, replay->slots, size,
                     replay->error);
}

static bool sound(const struct log_replay *replay, const struct log_segment *segment,
                  uint32_t number)
{
    return segment_slot_check(&replay->slots[number], segment->seed, number, segment->size);
}

uint32_t log_replay_proved(const struct log_replay *replay, const struct log_segment *segment)
{
    uint32_t proved = 0;
    for (uint32_t i = 0; i < segment_slot_count(segment->size); i++) {
        if (replay->slots[i].durable > proved && sound(replay, segment, i)) {
            proved = replay->slots[i].durable;
        }
    }
    return proved;
}

enum status log_replay_marked(struct log_replay *replay, const struct log_segment *segment,
                              uint32_t *proved)
{
    enum { CHUNK = 1024 * 1024 };
    _Static_assert(CHUNK <= RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX, "fits replay->entry");
    *proved = 0;
    for (uint32_t start = segment_entries_offset(segment->size); start < segment->size;
         start += CHUNK) {
        uint32_t left = segment->size - start;
        uint32_t size = left < CHUNK ? left : CHUNK;
        TRY(disk_read(replay->log->disk, segment->file, start, replay->entry, size, replay->error));
        for (uint32_t at = 0; at < size; at += LOG_BLOCK_SIZE) {
            struct segment_slot mark;
            memcpy(&mark, replay->entry + at, sizeof mark);
            if (mark.durable > *proved &&
                segment_mark_check(&mark, segment->seed, start + at, segment->size)) {
                *proved = mark.durable;
            }
        }
    }
    return STATUS_OK;
}

/* The term of an entry that is held, or of the base. */
static uint64_t term_at(const struct log_replay *replay, uint64_t index)
{
    uint32_t i = replay->run_count;
    while (i > 0 && replay->runs[i - 1].first_index > index) {
        i--;
    }
    return i == 0 ? replay->log->base.term : replay->runs[i - 1].term;
}

/* A cut goes back to an entry that is held, to the base, or to one before it. */
static bool cut_follows(const struct log_replay *replay, const struct segment_slot *slot)
{
    const struct log *log = replay->log;
    if (slot->index >= log->tail.index || slot->term > log->tail.term) {
        return false;
    }
    return slot->index < log->base.index || slot->term == term_at(replay, slot->index);
}

/* The slot may follow the log's tail. */
static bool follows(const struct log_replay *replay, const struct log_segment *segment,
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

static void add_run(struct log_replay *replay, uint64_t first_index, uint64_t term)
{
    if (replay->run_count == replay->run_capacity) {
        uint32_t capacity = replay->run_capacity == 0 ? 64 : 2 * replay->run_capacity;
        struct raft_run *grown = realloc(replay->runs, capacity * sizeof *replay->runs);
        ASSERT(grown != NULL);
        replay->runs = grown;
        replay->run_capacity = capacity;
    }
    replay->runs[replay->run_count++] = (struct raft_run){ first_index, term };
}

static void take(struct log_replay *replay, struct log_segment *segment,
                 const struct segment_slot *slot)
{
    log_apply_slot(replay->log, segment, slot);
    if (slot->kind == SLOT_CUT) {
        while (replay->run_count > 0 &&
               replay->runs[replay->run_count - 1].first_index > slot->index) {
            replay->run_count--;
        }
        return;
    }
    struct entry_header header = segment_slot_header(slot);
    segment->offset = slot->offset + segment_align(entry_size(&header), SEGMENT_ENTRY_ALIGN);
    if (replay->run_count == 0 || replay->runs[replay->run_count - 1].term != slot->term) {
        add_run(replay, slot->index, slot->term);
    }
}

/* Reads the entry's bytes and says whether the body is the slot's. */
static enum status read_entry(struct log_replay *replay, const struct log_segment *segment,
                              const struct segment_slot *slot, bool *body_sound)
{
    struct entry_header header = segment_slot_header(slot);
    TRY(disk_read(replay->log->disk, segment->file, slot->offset, replay->entry,
                  entry_size(&header), replay->error));
    *body_sound = entry_body_check(&header, replay->entry + RAFT_ENTRY_HEADER_SIZE);
    return STATUS_OK;
}

/* Makes a slot from the entry's header that may stand at `offset`. */
static enum status repair_from(struct log_replay *replay, struct log_segment *segment,
                               uint32_t number, uint32_t offset, bool *repaired)
{
    struct entry_header header;
    *repaired = false;
    if (offset > segment_entries_end(segment->size) - sizeof header) {
        return STATUS_OK;
    }
    TRY(disk_read(replay->log->disk, segment->file, offset, &header, sizeof header, replay->error));
    if (!entry_header_check(&header)) {
        return STATUS_OK;
    }
    struct segment_slot slot = segment_slot_entry(&header, offset, 0);
    segment_slot_seal(&slot, segment->seed, number);
    if (!segment_slot_check(&slot, segment->seed, number, segment->size) ||
        !follows(replay, segment, &slot)) {
        return STATUS_OK;
    }
    replay->slots[number] = slot;
    return read_entry(replay, segment, &slot, repaired);
}

/* A damaged slot of an entry is made again from the entry's own header, which stands right behind
 * the previous entry, or at the next block where a group began. */
static enum status repair_slot(struct log_replay *replay, struct log_segment *segment,
                               uint32_t number, bool *repaired)
{
    uint32_t block = segment_align(segment->offset, LOG_BLOCK_SIZE);
    TRY(repair_from(replay, segment, number, segment->offset, repaired));
    if (!*repaired) {
        TRY(repair_from(replay, segment, number, block, repaired));
    }
    if (!*repaired) {
        return STATUS_OK;
    }
    replay->recovered->repaired++;
    struct disk *disk = replay->log->disk;
    struct disk_slice slice = { &replay->slots[number], SEGMENT_SLOT_SIZE };
    TRY(disk_write(disk, segment->file, segment_slot_offset(number), &slice, 1, replay->error));
    return disk_sync(disk, segment->file, replay->error);
}

/* A slot that is proved to have been durable. */
static enum status replay_proved(struct log_replay *replay, struct log_segment *segment,
                                 uint32_t number)
{
    struct log *log = replay->log;
    const struct segment_slot *slot = &replay->slots[number];
    bool good = sound(replay, segment, number);
    if (!good) {
        TRY(repair_slot(replay, segment, number, &good));
    }
    if (!good || !follows(replay, segment, slot)) {
        return log_corrupt(log, segment, segment_slot_offset(number), log->tail.index + 1,
                           good ? "it does not follow the entry before it"
                                : "its identifier is damaged",
                           replay->error);
    }
    take(replay, segment, slot);
    return STATUS_OK;
}

/* A slot of the last group, which may never have been flushed: taken when all of it is there. */
static enum status replay_unproved(struct log_replay *replay, struct log_segment *segment,
                                   uint32_t number, bool *taken)
{
    const struct segment_slot *slot = &replay->slots[number];
    *taken = sound(replay, segment, number) && follows(replay, segment, slot);
    if (*taken && slot->kind == SLOT_ENTRY) {
        struct entry_header header = segment_slot_header(slot);
        TRY(read_entry(replay, segment, slot, taken));
        *taken = *taken && memcmp(&header, replay->entry, sizeof header) == 0;
    }
    if (*taken) {
        take(replay, segment, slot);
    }
    return STATUS_OK;
}

enum status log_replay_wipe(struct log_replay *replay, const struct log_segment *segment,
                            uint32_t from)
{
    uint32_t end = from;
    for (uint32_t i = from; i < segment_slot_count(segment->size); i++) {
        if (sound(replay, segment, i)) {
            replay->recovered->torn_entries += replay->slots[i].kind == SLOT_ENTRY;
            end = i + 1;
        }
    }
    if (end == from) {
        return STATUS_OK;
    }
    size_t size = (end - from) * sizeof *replay->slots;
    memset(&replay->slots[from], 0, size);
    struct disk_slice slice = { &replay->slots[from], size };
    TRY(disk_write(replay->log->disk, segment->file, segment_slot_offset(from), &slice, 1,
                   replay->error));
    return disk_sync(replay->log->disk, segment->file, replay->error);
}

enum status log_replay_segment(struct log_replay *replay, struct log_segment *segment,
                               uint32_t proved, bool last)
{
    uint32_t number = 0;
    for (; number < proved; number++) {
        TRY(replay_proved(replay, segment, number));
    }
    bool taken = last;
    while (taken && number < segment_slot_count(segment->size)) {
        TRY(replay_unproved(replay, segment, number, &taken));
        number += taken;
    }
    segment->offset = segment_align(segment->offset, LOG_BLOCK_SIZE);
    ASSERT(segment->slots == number);
    return last ? log_replay_wipe(replay, segment, number) : STATUS_OK;
}

/* The entry's own header is made again from the slot when its body is sound. */
static enum status check_live(struct log_replay *replay, struct log_segment *segment,
                              const struct segment_slot *slot)
{
    bool body_sound = false;
    TRY(read_entry(replay, segment, slot, &body_sound));
    if (!body_sound) {
        return log_corrupt(replay->log, segment, slot->offset, slot->index, "its body is damaged",
                           replay->error);
    }
    struct entry_header header = segment_slot_header(slot);
    if (memcmp(&header, replay->entry, sizeof header) == 0) {
        return STATUS_OK;
    }
    replay->recovered->repaired++;
    struct disk_slice slice = { &header, sizeof header };
    TRY(disk_write(replay->log->disk, segment->file, slot->offset, &slice, 1, replay->error));
    return disk_sync(replay->log->disk, segment->file, replay->error);
}

/* The log still holds the entry of this slot. */
static bool held(const struct log_segment *segment, const struct segment_slot *slot)
{
    return slot->kind == SLOT_ENTRY && segment->count > 0 && slot->index >= segment->first &&
           slot->index - segment->first < segment->count &&
           segment->locations[slot->index - segment->first].offset == slot->offset;
}

enum status log_replay_bodies(struct log_replay *replay, struct log_segment *segment)
{
    for (uint32_t number = 0; number < segment->slots; number++) {
        if (!held(segment, &replay->slots[number])) {
            continue;
        }
        TRY(check_live(replay, segment, &replay->slots[number]));
    }
    return STATUS_OK;
}
