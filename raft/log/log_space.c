/* log_space.c — segments before and after their use: spares ahead of need, the head behind it. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* The sequence of the next file. */
static uint64_t next_sequence(const struct log *log)
{
    return log->count == 0 ? 1 : log->segments[log->count - 1]->sequence + 1;
}

/* Allocates the opened file and makes it and its name durable. */
static enum status fill_spare(struct log *log, struct disk_file file, struct error *error)
{
    TRY(disk_allocate(log->disk, file, log->segment_size, error));
    TRY(disk_sync(log->disk, file, error));
    return disk_sync_folder(log->disk, log->folder, error);
}

enum status log_add_spare(struct log *log, struct error *error)
{
    if (log->count == LOG_SEGMENTS_MAX) {
        return error_set(error, STATUS_NO_SPACE, "%s holds %d segments, its limit", log->folder,
                         LOG_SEGMENTS_MAX);
    }
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
    if (log->count > log->live) {
        return STATUS_OK;
    }
    TRY(log_add_spare(log, error));
    *did = true;
    return STATUS_OK;
}

/* Takes the oldest segment out of the table; true when readers still use it. */
static bool detach(struct log *log, struct log_segment *segment)
{
    (void)pthread_mutex_lock(&log->mutex);
    ASSERT(log->live > 1 && log->segments[0] == segment);
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
    TRY(disk_rename(log->disk, path, spare_path, error));
    TRY(disk_sync_folder(log->disk, log->folder, error));
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

/* Raises the base over the segment's entries and lets go of its file. */
static enum status cut_segment(struct log *log, struct log_segment *segment, struct error *error)
{
    struct log_point base = log->base;
    if (segment->count > 0) {
        TRY(log_point_at(log, segment->first + segment->count - 1, &base, error));
    }
    log->base = base;
    bool used = detach(log, segment);
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

enum status log_cut_head(struct log *log, uint64_t index, struct error *error)
{
    while (log->live > 1) {
        struct log_segment *segment = log->segments[0];
        if (segment->count > 0 && segment->first + segment->count - 1 > index) {
            break;
        }
        TRY(cut_segment(log, segment, error));
    }
    return STATUS_OK;
}
