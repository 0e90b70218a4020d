/* log_write.c — the write stream: hard state, cuts and entries, durable with one flush a group.
 *
 * The hard state goes first, the last one of the whole group: a term or a vote that is on the disk
 * before entries of earlier elements promises nothing, because the messages that make it a promise
 * wait for their element. Entries never reach the disk before their term.
 */
#include "base/assert.h"
#include "base/mutation.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t ZEROS[LOG_BLOCK_SIZE];

/* Where the next slot and entry go; planning moves one over the table before anything is written.
 */
struct place {
    uint32_t position; /* in the table; at or behind log->live: not begun */
    uint32_t size;
    uint32_t slots;
    uint32_t offset;
    uint32_t lead; /* of the next entry: the mark in front of a group's first one, or 0 */
};

struct append {
    struct log *log;
    struct error *error;
    struct place place;
    struct log_point tail; /* the log's, with what is staged */
    uint32_t durable;      /* slots flushed before this group */
    uint32_t staged;
    uint32_t slice_count;
    uint32_t slice_offset;    /* where the slices begin */
    bool begin;               /* the segment's header is to be written */
    struct segment_slot lead; /* of this group; staged as a slice */
};

static struct place place_at(const struct log *log, uint32_t position)
{
    uint32_t size = position < log->count ? log->segments[position]->size : log->segment_size;
    struct place place = { position, size, 0, segment_entries_offset(size), 0 };
    if (position < log->live) {
        place.slots = log->segments[position]->slots;
        place.offset = log->segments[position]->offset;
        place.lead = place.slots > 0 ? SEGMENT_SLOT_SIZE : 0;
    }
    return place;
}

static struct place place_first(const struct log *log)
{
    return place_at(log, log->live == 0 ? 0 : log->live - 1);
}

/* A slot with `bytes` of entry, or without one. */
static bool place_fits(const struct place *place, uint32_t bytes)
{
    uint32_t lead = bytes > 0 ? place->lead : 0;
    return place->slots < segment_slot_count(place->size) &&
           lead + bytes <= segment_entries_end(place->size) - place->offset;
}

static uint32_t entry_room(const struct entry *entry)
{
    return segment_align(entry_size(&entry->header), SEGMENT_ENTRY_ALIGN);
}

/* Moves the place over a slot with `bytes` of entry; false when no segment could hold it. */
static bool plan_slot(const struct log *log, struct place *place, uint32_t bytes)
{
    if (!place_fits(place, bytes)) {
        *place = place_at(log, place->position + 1);
        if (!place_fits(place, bytes)) {
            return false;
        }
    }
    place->slots++;
    if (bytes > 0) {
        place->offset += place->lead + bytes;
        place->lead = 0;
    }
    return true;
}

/* How many segments the table must have for these writes. */
static enum status plan(const struct log *log, const struct log_write *writes, uint32_t count,
                        uint32_t *segments, struct error *error)
{
    struct place place = place_first(log);
    uint64_t last = log->tail.index;
    uint32_t slots = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (writes[i].truncate_from != 0 && writes[i].truncate_from <= last) {
            last = writes[i].truncate_from - 1;
            slots++;
            bool placed = plan_slot(log, &place, 0);
            ASSERT(placed);
        }
        for (uint32_t k = 0; k < writes[i].entry_count; k++) {
            const struct entry *entry = writes[i].entries[k];
            last++;
            slots++;
            ASSERT(entry->header.index == last);
            if (!plan_slot(log, &place, entry_room(entry))) {
                return error_set(error, STATUS_TOO_LARGE,
                                 "entry %" PRIu64 " of %u bytes does not fit in a segment of %u",
                                 last, entry_size(&entry->header), place.size);
            }
        }
    }
    *segments = slots == 0 ? 0 : place.position + 1;
    return STATUS_OK;
}

static enum status store_hard_state(struct log *log, const struct log_write *writes, uint32_t count,
                                    struct error *error)
{
    const struct log_write *last = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (writes[i].hard_state) {
            ASSERT(writes[i].term >= (last == NULL ? log->superblock->term : last->term));
            last = &writes[i];
        }
    }
    if (last == NULL || MUTATION(log_hard_state_not_written)) {
        return STATUS_OK;
    }
    struct superblock next = *log->superblock;
    next.term = last->term;
    next.voted_for = MUTATION(log_vote_not_written) ? 0 : last->voted_for;
    TRY(superblock_store(log->disk, log->data_folder, &next, error));
    *log->superblock = next;
    return STATUS_OK;
}

struct segment_header log_begin_header(const struct log *log, const struct log_segment *segment,
                                       uint32_t previous_slots)
{
    struct segment_header header = {
        .node = log->superblock->node,
        .cluster = log->superblock->cluster,
        .incarnation = log->superblock->incarnation,
        .sequence = segment->sequence,
        .size = segment->size,
        .base_index = log->tail.index,
        .base_term = log->tail.term,
        .base_timestamp = log->tail.timestamp,
        .base_chain = log->tail.chain,
        .previous_slots = previous_slots,
    };
    segment_header_seal(&header);
    return header;
}

enum status log_write_header(struct log *log, const struct log_segment *segment,
                             const struct segment_header *header, struct error *error)
{
    struct disk_slice slices[2] = { { header, sizeof *header },
                                    { ZEROS, LOG_BLOCK_SIZE - sizeof *header } };
    for (int copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
        TRY(disk_write(log->disk, segment->file, (uint64_t)copy * LOG_BLOCK_SIZE, slices, 2,
                       error));
        TRY(disk_sync(log->disk, segment->file, error));
    }
    return STATUS_OK;
}

static struct log_segment *current(const struct append *append)
{
    return append->log->segments[append->place.position];
}

/* Begins the next segment: header and slots go out in one call. */
static void begin_segment(struct append *append)
{
    struct log *log = append->log;
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(append->place.position == log->live && log->live < log->count);
    log->live++;
    (void)pthread_mutex_unlock(&log->mutex);
    append->begin = true;
}

static enum status write_slots(struct append *append, const struct segment_header *header)
{
    struct log *log = append->log;
    struct disk_slice slices[2 * SEGMENT_HEADER_COPIES + 1];
    size_t count = 0;
    uint64_t offset = segment_slot_offset(append->place.slots - append->staged);
    if (append->begin) {
        ASSERT(append->place.slots == append->staged);
        offset = 0;
        for (int copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
            slices[count++] = (struct disk_slice){ header, sizeof *header };
            slices[count++] = (struct disk_slice){ ZEROS, LOG_BLOCK_SIZE - sizeof *header };
        }
    }
    slices[count++] =
        (struct disk_slice){ log->slots, append->staged * sizeof(struct segment_slot) };
    return disk_write(log->disk, current(append)->file, offset, slices, count, append->error);
}

/* Hands what is staged to the disk and enters it in the table. */
static enum status write_staged(struct append *append)
{
    struct log *log = append->log;
    if (append->staged == 0) {
        return STATUS_OK;
    }
    struct log_segment *segment = current(append);
    if (append->slice_count > 0) {
        TRY(disk_write(log->disk, segment->file, append->slice_offset, log->slices,
                       append->slice_count, append->error));
    }
    struct segment_header header = { 0 };
    if (append->begin) {
        uint32_t position = append->place.position;
        header =
            log_begin_header(log, segment, position == 0 ? 0 : log->segments[position - 1]->slots);
    }
    TRY(write_slots(append, &header));
    for (uint32_t i = 0; i < append->staged; i++) {
        log_apply_slot(log, segment, &log->slots[i]);
    }
    append->begin = false;
    append->staged = 0;
    append->slice_count = 0;
    append->slice_offset = append->place.offset;
    return STATUS_OK;
}

/* Fills the group up to a block, writes and flushes it. */
static enum status end_group(struct append *append)
{
    struct log *log = append->log;
    if (append->place.slots == append->durable) {
        return STATUS_OK;
    }
    uint32_t end = segment_align(append->place.offset, LOG_BLOCK_SIZE);
    ASSERT(end <= segment_entries_end(append->place.size));
    if (append->staged > 0 && end > append->place.offset) {
        log->slices[append->slice_count++] =
            (struct disk_slice){ ZEROS, end - append->place.offset };
    }
    append->place.offset = end;
    TRY(write_staged(append));
    if (!MUTATION(log_entries_not_flushed)) {
        enum status flushed = disk_sync(log->disk, current(append)->file, append->error);
        TRY(MUTATION(log_flush_error_ignored) ? STATUS_OK : flushed);
    }
    current(append)->offset = end;
    append->durable = append->place.slots;
    ASSERT(current(append)->slots == append->durable);
    return STATUS_OK;
}

/* Makes room for one more slot with `bytes` of entry. */
static enum status make_room(struct append *append, uint32_t bytes)
{
    if (!place_fits(&append->place, bytes)) {
        TRY(end_group(append));
        append->place = place_at(append->log, append->place.position + 1);
        append->durable = 0;
        append->slice_offset = append->place.offset;
        ASSERT(place_fits(&append->place, bytes));
    }
    if (append->staged == LOG_STAGED_SLOTS_MAX) {
        TRY(write_staged(append));
    }
    if (append->place.position >= append->log->live) {
        begin_segment(append);
    }
    return STATUS_OK;
}

static void stage_slot(struct append *append, struct segment_slot slot)
{
    struct segment_slot *staged = &append->log->slots[append->staged++];
    slot.durable = append->durable;
    *staged = slot;
    segment_slot_seal(staged, current(append)->seed, append->place.slots++);
}

/* What the cut goes back to may stand in this group, so the group so far is written first. */
static enum status append_cut(struct append *append, uint64_t truncate_from)
{
    struct log *log = append->log;
    TRY(write_staged(append));
    if (truncate_from > log->tail.index) {
        return STATUS_OK;
    }
    ASSERT(truncate_from > log->base.index);
    struct log_point point;
    TRY(log_point_at(log, truncate_from - 1, &point, append->error));
    TRY(make_room(append, 0));
    stage_slot(append, (struct segment_slot){ .index = point.index,
                                              .term = point.term,
                                              .timestamp = point.timestamp,
                                              .chain = point.chain,
                                              .kind = SLOT_CUT });
    append->tail = point;
    return write_staged(append);
}

static struct segment_slot seal_mark(const struct log_segment *segment, uint32_t durable,
                                     uint32_t offset, uint64_t next_sequence)
{
    struct segment_slot mark = {
        .kind = SLOT_MARK, .durable = durable, .offset = offset, .index = next_sequence
    };
    segment_slot_seal(&mark, segment->seed, durable);
    return mark;
}

/* The group covers the mark behind the one before it: its first sector has the same mark. */
static void stage_lead(struct append *append)
{
    if (append->place.lead == 0) {
        return;
    }
    ASSERT(append->slice_count == 0 && append->durable > 0);
    append->lead = seal_mark(current(append), append->durable, append->place.offset, 0);
    append->log->slices[append->slice_count++] =
        (struct disk_slice){ &append->lead, sizeof append->lead };
    append->place.offset += append->place.lead;
    append->place.lead = 0;
}

static enum status append_entry(struct append *append, const struct entry *entry)
{
    struct log *log = append->log;
    struct log_point *tail = &append->tail;
    const struct entry_header *header = &entry->header;
    ASSERT(header->index == tail->index + 1 && header->term >= tail->term);
    ASSERT(header->timestamp >= tail->timestamp);
    ASSERT(header->chain == entry_chain(tail->chain, header));
    uint32_t room = entry_room(entry);
    TRY(make_room(append, room));
    stage_lead(append);
    stage_slot(append, segment_slot_entry(header, append->place.offset, 0));
    uint32_t size = entry_size(header);
    log->slices[append->slice_count++] = (struct disk_slice){ header, size };
    if (room > size) {
        log->slices[append->slice_count++] = (struct disk_slice){ ZEROS, room - size };
    }
    append->place.offset += room;
    *tail = (struct log_point){ header->index, header->term, header->timestamp, header->chain };
    return STATUS_OK;
}

enum status log_write_mark(struct log *log, const struct log_segment *segment,
                           uint64_t next_sequence, struct error *error)
{
    const struct segment_slot mark =
        seal_mark(segment, segment->slots, segment->offset, next_sequence);
    /* A whole block: nothing has to be read for it. */
    struct disk_slice slices[2] = { { &mark, sizeof mark },
                                    { ZEROS, LOG_BLOCK_SIZE - sizeof mark } };
    return disk_write(log->disk, segment->file, segment->offset, slices, 2, error);
}

/* Marks the segments that the group ended and the one it stands in now. */
static enum status write_marks(struct log *log, uint32_t first, struct error *error)
{
    for (uint32_t i = first; i + 1 < log->live; i++) {
        TRY(log_write_mark(log, log->segments[i], log->segments[i + 1]->sequence, error));
    }
    return log_write_mark(log, log->segments[log->live - 1], 0, error);
}

static enum status append_write(struct append *append, const struct log_write *write)
{
    if (write->truncate_from != 0) {
        TRY(append_cut(append, write->truncate_from));
    }
    for (uint32_t i = 0; i < write->entry_count; i++) {
        TRY(append_entry(append, write->entries[i]));
    }
    return STATUS_OK;
}

static enum status append_writes(struct log *log, const struct log_write *writes, uint32_t count,
                                 struct error *error)
{
    struct append append = { .log = log, .error = error, .place = place_first(log) };
    append.tail = log->tail;
    append.durable = append.place.slots;
    append.slice_offset = append.place.offset;
    uint32_t first = append.place.position;
    for (uint32_t i = 0; i < count; i++) {
        TRY(append_write(&append, &writes[i]));
    }
    TRY(end_group(&append));
    ASSERT(log->tail.index == append.tail.index && log->tail.chain == append.tail.chain);
    return write_marks(log, first, error);
}

/* Everything that may be refused without harm happens before the first byte is written. */
static enum status prepare_writes(struct log *log, const struct log_write *writes, uint32_t count,
                                  uint32_t *segments, struct error *error)
{
    TRY(plan(log, writes, count, segments, error));
    while (log->count < *segments) {
        TRY(log_add_spare(log, error));
    }
    return store_hard_state(log, writes, count, error);
}

/* The log has been written again up to where its tail was lost, or Raft has what it needs. */
static enum status find_lost(struct log *log, bool found, struct error *error)
{
    struct superblock next = *log->superblock;
    if (next.lost_index == 0 || (log->tail.index < next.lost_index && !found)) {
        return STATUS_OK;
    }
    next.lost_index = 0;
    TRY(superblock_store(log->disk, log->data_folder, &next, error));
    *log->superblock = next;
    return STATUS_OK;
}

enum status log_write(struct log *log, const struct log_write *writes, uint32_t count,
                      struct error *error)
{
    if (log->failed) {
        return error_set(error, STATUS_IO, "an earlier write to %s failed", log->folder);
    }
    uint32_t segments = 0;
    enum status status = prepare_writes(log, writes, count, &segments, error);
    if (status == STATUS_NO_SPACE || status == STATUS_TOO_LARGE) {
        return status;
    }
    if (status == STATUS_OK && segments > 0) {
        status = append_writes(log, writes, count, error);
    }
    if (status == STATUS_OK) {
        status = find_lost(log, writes[count - 1].lost_found, error);
    }
    log_count_room(log);
    log->failed = status != STATUS_OK;
    if (status == STATUS_NO_SPACE) {
        /* Part of the group may be on the disk, so this is not the refusal that callers know. */
        return error_set(error, STATUS_IO, "%s: no space for bytes that were allocated before",
                         log->folder);
    }
    return status;
}
