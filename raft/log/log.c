/* log.c — the log as an object: making it, freeing it, and how it names what is wrong. */
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

enum status log_new(const struct log_options *options, struct superblock *superblock,
                    struct log **log, struct error *error)
{
    ASSERT(segment_size_check(options->segment_size));
    struct log *made = log_allocate(sizeof *made);
    enum status status = disk_join(made->folder, options->folder, "log", error);
    if (status != STATUS_OK) {
        free(made);
        return status;
    }
    /* It is shorter than what was joined. */
    memcpy(made->data_folder, options->folder, strlen(options->folder) + 1);
    int result = pthread_mutex_init(&made->mutex, NULL);
    ASSERT(result == 0);
    made->disk = options->disk;
    made->superblock = superblock;
    made->segment_size = options->segment_size;
    *log = made;
    return STATUS_OK;
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

enum status log_path(const struct log *log, uint64_t sequence, char path[DISK_PATH_MAX],
                     struct error *error)
{
    char name[DISK_NAME_MAX];
    segment_name(name, sequence);
    return disk_join(path, log->folder, name, error);
}

enum status log_unsuitable(const struct log *log, uint64_t sequence, enum status status,
                           const char *what, struct error *error)
{
    return error_set(error, status, "%.200s/%016" PRIx64 ".segment %s", log->folder, sequence,
                     what);
}

enum status log_corrupt(const struct log *log, const struct log_segment *segment, uint64_t offset,
                        uint64_t index, const char *what, struct error *error)
{
    return error_set(error, STATUS_CORRUPT,
                     "%.200s/%016" PRIx64 ".segment at offset %" PRIu64 ", entry %" PRIu64
                     ": %s. It may have been acknowledged, so the log is left as it is: restore "
                     "the file, or replace this node (fenlu admin member replace)",
                     log->folder, segment->sequence, offset, index, what);
}

enum status log_damaged(const struct log *log, const struct log_segment *segment, uint64_t offset,
                        uint64_t index, const char *what, struct error *error)
{
    return error_set(error, STATUS_CORRUPT,
                     "%.200s/%016" PRIx64 ".segment at offset %" PRIu64 ", entry %" PRIu64
                     ": %s. It may have been acknowledged, so it is kept until another node's copy "
                     "repairs it; where there is none, restore the file, or replace this node "
                     "(fenlu admin member replace)",
                     log->folder, segment->sequence, offset, index, what);
}
