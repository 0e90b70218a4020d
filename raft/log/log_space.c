/* log_space.c — segments before and after their use: spares ahead of need, the head behind it. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* The sequence of the next file. */
static uint64_t next_sequence(const struct log *log)
{
    return log->count == 0 ? 1 : log->segments[log->count - 1]->sequence + 1;
}

/* An allocation that fails takes what there is for a moment, and whoever writes then meets a full
 * disk: the store beside the log, or a stranger. So it is not tried in vain, and leaves a little.
 */
static enum status check_free(struct log *log, struct error *error)
{
    uint64_t needed = (uint64_t)log->segment_size + log->segment_size / 16;
    uint64_t left = 0;
    TRY(disk_free_bytes(log->disk, log->folder, &left, error));
    if (left >= needed) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_NO_SPACE,
                     "a segment of the log needs %" PRIu64 " bytes free, %s has %" PRIu64, needed,
                     log->folder, left);
}

/* Allocates the opened file and makes it and its name durable. */
static enum status fill_spare(struct log *log, struct disk_file file, struct error *error)
{
    TRY(disk_allocate(log->disk, file, log->segment_size, error));
    TRY(disk_sync(log->disk, file, error));
    if (MUTATION(log_spare_name_not_flushed)) {
        return STATUS_OK;
    }
    return disk_sync_folder(log->disk, log->folder, error);
}

enum status log_add_spare(struct log *log, struct error *error)
{
    if (log->count == LOG_SEGMENTS_MAX) {
        return error_set(error, STATUS_NO_SPACE, "%s holds %d segments, its limit", log->folder,
                         LOG_SEGMENTS_MAX);
    }
    TRY(check_free(log, error));
    uint64_t sequence = next_sequence(log);
    char path[DISK_PATH_MAX];
    TRY(log_path(log, sequence, path, error));
    struct disk_file file;
    TRY(disk_open(log->disk, path, DISK_CREATE, &file, error));
    enum status status = fill_spare(log, file, error);
    if (status != STATUS_OK) {
        disk_close(log->disk, file);
    }
    if (status == STATUS_NO_SPACE) {
        TRY(disk_remove(log->disk, path, error));
        TRY(disk_sync_folder(log->disk, log->folder, error));
    }
    TRY(status);
    log_add_segment(log, log_segment_new(log, sequence, file, log->segment_size));
    return STATUS_OK;
}

enum status log_prepare(struct log *log, bool *did, struct error *error)
{
    *did = false;
    uint32_t spares = log->count - log->live;
    if (spares >= LOG_SPARES_READY) {
        return STATUS_OK;
    }
    if (spares > 0) {
        uint64_t left = 0;
        TRY(disk_free_bytes(log->disk, log->folder, &left, error));
        if (left < (uint64_t)DISK_FREE_WARN_MIB * 1024 * 1024 + log->segment_size) {
            return STATUS_OK;
        }
    }
    TRY(log_add_spare(log, error));
    log_count_room(log);
    *did = true;
    return STATUS_OK;
}

/* A segment may end before an entry that does not fit any more: the largest there is, or in the
 * small segments of tests a quarter of it. */
static uint64_t waste(uint32_t size)
{
    uint64_t largest = (uint64_t)RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX + LOG_BLOCK_SIZE;
    uint64_t quarter = (segment_entries_end(size) - segment_entries_offset(size)) / 4;
    return largest < quarter ? largest : quarter;
}

/* Bytes left in a segment. An entry costs more than a block (log_cost), so as many slots as there
 * are blocks are enough. */
static uint64_t room_left(uint32_t size, uint32_t slots, uint32_t offset)
{
    uint64_t by_bytes = segment_entries_end(size) - offset;
    uint64_t by_slots = (uint64_t)(segment_slot_count(size) - slots) * LOG_BLOCK_SIZE;
    uint64_t room = by_bytes < by_slots ? by_bytes : by_slots;
    return room < waste(size) ? 0 : room - waste(size);
}

void log_count_room(struct log *log)
{
    uint64_t reserve = waste(log->segment_size);
    uint64_t room = 0;
    for (uint32_t i = log->live == 0 ? 0 : log->live - 1; i < log->count; i++) {
        const struct log_segment *segment = log->segments[i];
        room += room_left(segment->size, segment->slots, segment->offset);
    }
    __atomic_store_n(&log->room, room < reserve ? 0 : room - reserve, __ATOMIC_RELEASE);
    __atomic_store_n(&log->last_room, room, __ATOMIC_RELEASE);
}

uint64_t log_room(const struct log *log)
{
    return __atomic_load_n(&log->room, __ATOMIC_ACQUIRE);
}

uint64_t log_last_room(const struct log *log)
{
    return __atomic_load_n(&log->last_room, __ATOMIC_ACQUIRE);
}

/* Takes the oldest segment out of the table, which then begins behind `base`; true when readers
 * still use it. */
static bool detach(struct log *log, struct log_segment *segment, const struct log_point *base)
{
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(log->live > 1 && log->segments[0] == segment);
    log->base = *base;
    log->live--;
    log->count--;
    for (uint32_t i = 0; i < log->count; i++) {
        log->segments[i] = log->segments[i + 1];
    }
    bool used = segment->references > 1;
    (void)pthread_mutex_unlock(&log->mutex);
    return used;
}

/* The file becomes the next spare: its blocks are written already, so that flushes of what will be
 * written over them change no metadata of the file system. */
static enum status recycle(struct log *log, struct log_segment *segment, struct error *error)
{
    char path[DISK_PATH_MAX];
    char spare_path[DISK_PATH_MAX];
    uint64_t sequence = next_sequence(log);
    TRY(log_path(log, segment->sequence, path, error));
    TRY(log_path(log, sequence, spare_path, error));
    SITUATION(log_segment_recycled);
    TRY(disk_rename(log->disk, path, spare_path, error));
    if (!MUTATION(log_recycled_name_not_flushed)) {
        TRY(disk_sync_folder(log->disk, log->folder, error));
    }
    log_add_segment(log, log_segment_new(log, sequence, segment->file, segment->size));
    return STATUS_OK;
}

/* Each removal is durable before the next, so that no crash leaves a gap between segments. */
static enum status remove_file(struct log *log, const struct log_segment *segment,
                               struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(log_path(log, segment->sequence, path, error));
    TRY(disk_remove(log->disk, path, error));
    return disk_sync_folder(log->disk, log->folder, error);
}

/* Lets go of the oldest segment's file. */
static enum status cut_segment(struct log *log, struct log_segment *segment,
                               const struct log_point *base, struct error *error)
{
    bool used = detach(log, segment, base);
    if (used || log->count - log->live >= LOG_SPARES_MAX || segment->size != log->segment_size) {
        enum status status = remove_file(log, segment, error);
        log_segment_release(log, segment);
        return status;
    }
    enum status status = recycle(log, segment, error);
    if (status != STATUS_OK) {
        log_segment_release(log, segment);
        return status;
    }
    /* Its file goes on in the spare. */
    free(segment->locations);
    free(segment);
    return STATUS_OK;
}

/* Where the log begins without its first segment; CORRUPT when that cannot be told any more. */
static enum status next_base(struct log *log, const struct log_segment *segment,
                             struct log_point *base, struct error *error)
{
    *base = log->base;
    return segment->count == 0
               ? STATUS_OK
               : log_point_at(log, segment->first + segment->count - 1, base, error);
}

enum status log_cut_head(struct log *log, uint64_t index, struct error *error)
{
    while (log->live > 1) {
        struct log_segment *segment = log->segments[0];
        struct log_point base;
        if (segment->count > 0 && segment->first + segment->count - 1 > index) {
            break;
        }
        struct error found;
        enum status status = next_base(log, segment, &base, &found);
        if (status == STATUS_CORRUPT) {
            break; /* until it is repaired */
        }
        if (status == STATUS_OK) {
            status = cut_segment(log, segment, &base, &found);
        }
        if (status != STATUS_OK) {
            *error = found;
            return status;
        }
    }
    log_count_room(log);
    return STATUS_OK;
}
