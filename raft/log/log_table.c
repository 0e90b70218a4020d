/* log_table.c — the table of segments: where each entry is, and what a slot means for it. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <stdlib.h>

struct log_segment *log_segment_new(const struct log *log, uint64_t sequence, struct disk_file file,
                                    uint32_t size)
{
    ASSERT(segment_size_check(size));
    struct log_segment *segment = log_allocate(sizeof *segment);
    segment->sequence = sequence;
    segment->file = file;
    segment->seed = segment_seed(log->superblock->incarnation, sequence);
    segment->size = size;
    segment->offset = segment_entries_offset(size);
    segment->references = 1;
    return segment;
}

void log_segment_release(struct log *log, struct log_segment *segment)
{
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(segment->references > 0);
    bool last = --segment->references == 0;
    (void)pthread_mutex_unlock(&log->mutex);
    if (last) {
        disk_close(log->disk, segment->file);
        free(segment->locations);
        free(segment);
    }
}

void log_add_segment(struct log *log, struct log_segment *segment)
{
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(log->count == 0 || log->segments[log->count - 1]->sequence + 1 == segment->sequence);
    if (log->count == log->capacity) {
        uint32_t capacity = log->capacity == 0 ? 16 : 2 * log->capacity;
        struct log_segment **grown =
            realloc(log->segments, capacity * sizeof(struct log_segment *));
        ASSERT(grown != NULL);
        log->segments = grown;
        log->capacity = capacity;
    }
    log->segments[log->count++] = segment;
    (void)pthread_mutex_unlock(&log->mutex);
}

/* Adds the location of an entry, the one after the segment's last; under the mutex. */
static void push_location(struct log_segment *segment, uint64_t index, struct log_location location)
{
    if (segment->count == segment->capacity) {
        uint32_t capacity = segment->capacity == 0 ? 64 : 2 * segment->capacity;
        struct log_location *grown =
            realloc(segment->locations, capacity * sizeof *segment->locations);
        ASSERT(grown != NULL);
        segment->locations = grown;
        segment->capacity = capacity;
    }
    if (segment->count == 0) {
        segment->first = index;
    }
    ASSERT(segment->first + segment->count == index);
    segment->locations[segment->count++] = location;
}

/* Forgets the locations of entries after `index`; under the mutex. */
static void pop_locations(struct log *log, uint64_t index)
{
    for (uint32_t i = log->live; i > 0; i--) {
        struct log_segment *segment = log->segments[i - 1];
        if (segment->count > 0 && segment->first > index) {
            segment->count = 0;
        } else if (segment->count > 0 && segment->first + segment->count - 1 > index) {
            segment->count = (uint32_t)(index - segment->first + 1);
        }
    }
}

void log_apply_slot(struct log *log, struct log_segment *segment, const struct segment_slot *slot)
{
    struct log_point point = { slot->index, slot->term, slot->timestamp, slot->chain };
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(log->live > 0 && log->segments[log->live - 1] == segment);
    if (slot->kind == SLOT_ENTRY) {
        ASSERT(slot->index == log->tail.index + 1);
        push_location(segment, slot->index,
                      (struct log_location){ slot->offset, slot->body_size, segment->slots });
    } else {
        ASSERT(slot->kind == SLOT_CUT && slot->index <= log->tail.index);
        pop_locations(log, slot->index);
        if (slot->index < log->base.index) {
            log->base = point;
        }
    }
    log->tail = point;
    segment->slots++;
    (void)pthread_mutex_unlock(&log->mutex);
}

void log_apply_hole(struct log *log, struct log_segment *segment, uint32_t slots, uint32_t entries,
                    uint32_t offset, const struct log_point *point)
{
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(log->live > 0 && log->segments[log->live - 1] == segment);
    ASSERT(entries == 0 ? point->index <= log->tail.index
                        : entries == slots && point->index == log->tail.index + entries);
    for (uint32_t i = 0; i < entries; i++) {
        push_location(segment, log->tail.index + 1 + i,
                      (struct log_location){ offset, LOG_UNKNOWN, segment->slots + i });
    }
    pop_locations(log, point->index);
    log->tail = *point;
    segment->slots += slots;
    (void)pthread_mutex_unlock(&log->mutex);
}

struct log_segment *log_pin(struct log *log, uint64_t index, struct log_location *location)
{
    struct log_segment *found = NULL;
    (void)pthread_mutex_lock(&log->mutex);
    for (uint32_t i = log->live; i > 0 && found == NULL; i--) {
        struct log_segment *segment = log->segments[i - 1];
        if (segment->count > 0 && index >= segment->first &&
            index - segment->first < segment->count) {
            *location = segment->locations[index - segment->first];
            segment->references++;
            found = segment;
        }
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return found;
}

void log_set_location(struct log *log, struct log_segment *segment, uint64_t index,
                      const struct log_location *location)
{
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(segment->count > 0 && index >= segment->first &&
           index - segment->first < segment->count);
    struct log_location *at = &segment->locations[index - segment->first];
    bool unknown = at->body_size == LOG_UNKNOWN;
    *at = *location;
    while (unknown && at > segment->locations && at[-1].body_size == LOG_UNKNOWN &&
           at[-1].slot + 1 == at->slot) {
        at--;
        at->offset = location->offset;
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

void log_ends(struct log *log, struct log_point *base, struct log_point *tail)
{
    (void)pthread_mutex_lock(&log->mutex);
    *base = log->base;
    *tail = log->tail;
    (void)pthread_mutex_unlock(&log->mutex);
}

uint64_t log_first_index(struct log *log)
{
    struct log_point base;
    struct log_point tail;
    log_ends(log, &base, &tail);
    return base.index + 1;
}
