/* log_reset.c — an empty log in place of the one there is, when a snapshot takes its place.
 *
 * The old segments go from the first to the last, each removal durable before the next, as when the
 * head is cut: what a crash leaves is the end of the old log, or nothing, and the next call goes on
 * from there. Then the first segment of the new log appears, with its header, in one name.
 */
#include "raft/log/log_internal.h"

#include <stdlib.h>

static enum status list_old(struct log *log, struct log_names *names, struct error *error)
{
    struct error found = { 0 };
    enum status status = log_list(log, names, &found);
    if (status == STATUS_NOT_FOUND) {
        TRY(disk_make_folder(log->disk, log->folder, error));
        return disk_sync_folder(log->disk, log->data_folder, error);
    }
    if (status != STATUS_OK) {
        *error = found;
    }
    return status;
}

static enum status remove_old(struct log *log, struct error *error)
{
    struct log_names names = { 0 };
    char path[DISK_PATH_MAX];
    enum status status = list_old(log, &names, error);
    for (uint32_t i = 0; status == STATUS_OK && i < names.count; i++) {
        status = log_path(log, names.sequences[i], path, error);
        if (status == STATUS_OK) {
            status = disk_remove(log->disk, path, error);
        }
        if (status == STATUS_OK) {
            status = disk_sync_folder(log->disk, log->folder, error);
        }
    }
    free(names.sequences);
    return status;
}

/* The new log's first segment; log_begin_header takes the base from the log's tail. */
static enum status write_first(struct log *log, struct disk_file file, struct error *error)
{
    struct log_segment first = { .sequence = 1, .file = file, .size = log->segment_size };
    struct segment_header header = log_begin_header(log, &first, 0);
    TRY(disk_allocate(log->disk, file, first.size, error));
    return log_write_header(log, &first, &header, error);
}

static enum status reset(struct log *log, struct error *error)
{
    char path[DISK_PATH_MAX];
    struct disk_file file;
    TRY(remove_old(log, error));
    TRY(log_path(log, 1, path, error));
    TRY(disk_open(log->disk, path, DISK_CREATE, &file, error));
    enum status status = write_first(log, file, error);
    disk_close(log->disk, file);
    TRY(status);
    TRY(disk_sync_folder(log->disk, log->folder, error));
    struct superblock next = *log->superblock;
    if (next.lost_index == 0 || next.lost_index > log->tail.index) {
        return STATUS_OK;
    }
    /* What was lost of the old log is in the snapshot. */
    next.lost_index = 0;
    TRY(superblock_store(log->disk, log->data_folder, &next, error));
    *log->superblock = next;
    return STATUS_OK;
}

enum status log_reset(const struct log_options *options, struct superblock *superblock,
                      const struct log_point *base, struct error *error)
{
    struct log *log = NULL;
    TRY(log_new(options, superblock, &log, error));
    log->base = *base;
    log->tail = *base;
    enum status status = reset(log, error);
    log_close(log);
    return status;
}
