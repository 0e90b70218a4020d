/* log.c — the table of segments, and reading. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void *log_allocate(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}

enum status log_path(const struct log *log, uint64_t sequence, char path[DISK_PATH_MAX],
                     struct error *error)
{
    char name[DISK_NAME_MAX];
    segment_name(name, sequence);
    return disk_join(path, log->folder, name, error);
}

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

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    for (uint32_t i = 0; i < log->count; i++) {
        log_segment_release(log, log->segments[i]);
    }
    (void)pthread_mutex_destroy(&log->mutex);
    free(log->segments);
    free(log);
}

enum status log_corrupt(const struct log *log, const struct log_segment *segment, uint64_t offset,
                        uint64_t index, const char *what, struct error *error)
{
    return error_set(error, STATUS_CORRUPT,
                     "%.200s/%016" PRIx64 ".segment at offset %" PRIu64 ", entry %" PRIu64
                     ": %s. It may have been acknowledged, so the log is left as it is: restore "
                     "the file, or replace this node by a node with a new id",
                     log->folder, segment->sequence, offset, index, what);
}

/* Adds the location of the entry after the segment's last; under the mutex. */
static void push_location(struct log_segment *segment, const struct segment_slot *slot)
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
        segment->first = slot->index;
    }
    ASSERT(segment->first + segment->count == slot->index);
    segment->locations[segment->count++] = (struct log_location){ slot->offset, slot->body_size };
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
        push_location(segment, slot);
    } else {
        ASSERT(slot->kind == SLOT_CUT && slot->index < log->tail.index);
        pop_locations(log, slot->index);
        if (slot->index < log->base.index) {
            log->base = point;
        }
    }
    log->tail = point;
    segment->slots++;
    (void)pthread_mutex_unlock(&log->mutex);
}

/* Finds an entry and pins its segment, or NULL. */
static struct log_segment *pin(struct log *log, uint64_t index, struct log_location *location)
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

enum status log_point_at(struct log *log, uint64_t index, struct log_point *point,
                         struct error *error)
{
    if (index == log->tail.index) {
        *point = log->tail;
        return STATUS_OK;
    }
    if (index == log->base.index) {
        *point = log->base;
        return STATUS_OK;
    }
    struct log_location location;
    struct log_segment *segment = pin(log, index, &location);
    ASSERT(segment != NULL);
    struct entry_header header;
    enum status status =
        disk_read(log->disk, segment->file, location.offset, &header, sizeof header, error);
    if (status == STATUS_OK && (!entry_header_check(&header) || header.index != index)) {
        status = log_corrupt(log, segment, location.offset, index, "its header is damaged", error);
    }
    log_segment_release(log, segment);
    TRY(status);
    *point = (struct log_point){ index, header.term, header.timestamp, header.chain };
    return STATUS_OK;
}

enum status log_read(struct log *log, uint64_t index, struct entry **entry, struct error *error)
{
    struct log_location location;
    struct log_segment *segment = pin(log, index, &location);
    if (segment == NULL) {
        return error_set(error, STATUS_NOT_FOUND, "the log does not hold entry %" PRIu64, index);
    }
    struct entry *loaded = entry_new(location.body_size);
    enum status status = disk_read(log->disk, segment->file, location.offset, &loaded->header,
                                   (size_t)RAFT_ENTRY_HEADER_SIZE + location.body_size, error);
    if (status == STATUS_OK &&
        (!entry_header_check(&loaded->header) || loaded->header.index != index ||
         loaded->header.body_size != location.body_size ||
         !entry_body_check(&loaded->header, loaded->body))) {
        status =
            log_corrupt(log, segment, location.offset, index, "header or body is damaged", error);
    }
    log_segment_release(log, segment);
    if (status != STATUS_OK) {
        entry_release(loaded);
        return status;
    }
    *entry = loaded;
    return STATUS_OK;
}
