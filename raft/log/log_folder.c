/* log_folder.c — the files of the log's folder: which there are, and what their headers say. */
#include "base/assert.h"
#include "base/situation.h"
#include "raft/log/log_internal.h"

#include <stdlib.h>

static void add_name(void *context, const char *name)
{
    struct log_names *names = context;
    uint64_t sequence = 0;
    if (!segment_name_parse(name, &sequence) || names->count > LOG_SEGMENTS_MAX) {
        return;
    }
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
        uint64_t *grown = realloc(names->sequences, capacity * sizeof *grown);
        ASSERT(grown != NULL);
        names->sequences = grown;
        names->capacity = capacity;
    }
    names->sequences[names->count++] = sequence;
}

enum status log_list(struct log *log, struct log_names *names, struct error *error)
{
    TRY(disk_list(log->disk, log->folder, add_name, names, error));
    if (names->count > LOG_SEGMENTS_MAX) {
        return error_set(error, STATUS_TOO_LARGE, "%.200s holds more than %d segments", log->folder,
                         LOG_SEGMENTS_MAX);
    }
    return STATUS_OK;
}

/* The header of a file, when it has a sound one that was written for it; copies that differ are
 * written anew later. */
static enum status read_header(struct log *log, struct disk_file file, uint64_t sequence,
                               struct log_found *found, struct error *error)
{
    found->header_copies = 0;
    for (int copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
        struct segment_header read;
        TRY(log_read_around(log, file, (uint64_t)copy * LOG_BLOCK_SIZE, &read, sizeof read, error));
        if (segment_header_check(&read) && read.sequence == sequence) {
            found->header = read;
            found->header_copies++;
        }
    }
    return STATUS_OK;
}

static enum status check_header(const struct log *log, uint64_t sequence, uint64_t size,
                                const struct segment_header *header, struct error *error)
{
    const struct superblock *superblock = log->superblock;
    if (header->version != SEGMENT_VERSION) {
        return log_unsuitable(log, sequence, STATUS_VERSION,
                              "was written by another release: run that release", error);
    }
    if (header->cluster != superblock->cluster) {
        return log_unsuitable(log, sequence, STATUS_WRONG_CLUSTER,
                              "belongs to another cluster than the superblock", error);
    }
    if (header->node != superblock->node || header->incarnation != superblock->incarnation) {
        return log_unsuitable(log, sequence, STATUS_WRONG_NODE,
                              "belongs to another node than the superblock", error);
    }
    if (header->base_index > INT64_MAX) {
        return log_unsuitable(log, sequence, STATUS_CORRUPT, "begins at an impossible index",
                              error);
    }
    if (header->size != size) {
        return log_unsuitable(log, sequence, STATUS_CORRUPT,
                              "is not as long as its header says: restore it, or replace this node "
                              "(fenlu admin member replace)",
                              error);
    }
    return STATUS_OK;
}

static enum status inspect(struct log *log, struct log_found *found, uint64_t sequence,
                           struct disk_file file, struct error *error)
{
    uint64_t size = 0;
    TRY(disk_size(log->disk, file, &size, error));
    if (size >= SEGMENT_SLOTS_OFFSET) {
        TRY(read_header(log, file, sequence, found, error));
    }
    if (found->header_copies > 0) {
        TRY(check_header(log, sequence, size, &found->header, error));
    } else if (size < log->segment_size) {
        size = log->segment_size;
        TRY(disk_allocate(log->disk, file, size, error));
        TRY(disk_sync(log->disk, file, error));
    }
    if (!segment_size_check(size)) {
        return log_unsuitable(log, sequence, STATUS_CORRUPT, "has a size that no segment has",
                              error);
    }
    found->segment = log_segment_new(log, sequence, file, (uint32_t)size);
    return STATUS_OK;
}

enum status log_open_segment(struct log *log, struct log_found *found, uint64_t sequence,
                             struct error *error)
{
    char path[DISK_PATH_MAX];
    struct disk_file file;
    TRY(log_path(log, sequence, path, error));
    TRY(disk_open(log->disk, path, DISK_WRITE, &file, error));
    enum status status = inspect(log, found, sequence, file, error);
    if (status != STATUS_OK) {
        disk_close(log->disk, file);
    }
    return status;
}

enum status log_drop_spare(struct log *log, uint64_t sequence, struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(log_path(log, sequence, path, error));
    SITUATION(log_unfinished_spare_dropped);
    TRY(disk_remove(log->disk, path, error));
    return disk_sync_folder(log->disk, log->folder, error);
}
