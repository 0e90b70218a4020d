/* log_media.c — reading and mending files that may have sectors which the disk cannot read. */
#include "raft/log/log_internal.h"

#include <stdlib.h>
#include <string.h>

/* What is lost at once. */
enum { SECTOR = 512 };

enum status log_read_around(struct log *log, struct disk_file file, uint64_t offset, void *data,
                            size_t size, struct error *error)
{
    struct error found;
    enum status status = disk_read(log->disk, file, offset, data, size, &found);
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    uint64_t end = offset + size;
    uint64_t file_size = 0;
    TRY(disk_size(log->disk, file, &file_size, error));
    if (end > file_size || (status != STATUS_IO && status != STATUS_CORRUPT)) {
        *error = found;
        return status;
    }
    uint8_t *target = data;
    for (uint64_t at = offset; at < end;) {
        uint64_t next = (at / SECTOR + 1) * SECTOR;
        size_t part = (size_t)((next < end ? next : end) - at);
        if (disk_read(log->disk, file, at, target, part, &found) != STATUS_OK) {
            memset(target, 0, part);
        }
        target += part;
        at += part;
    }
    return STATUS_OK;
}

enum status log_patch(struct log *log, struct disk_file file, uint64_t offset, const void *data,
                      size_t size, struct error *error)
{
    uint64_t begin = offset / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
    uint64_t end = (offset + size + LOG_BLOCK_SIZE - 1) / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
    size_t whole = (size_t)(end - begin);
    uint8_t *blocks = log_allocate(whole);
    enum status status = log_read_around(log, file, begin, blocks, whole, error);
    if (status == STATUS_OK) {
        memcpy(blocks + (offset - begin), data, size);
        struct disk_slice slice = { blocks, whole };
        status = disk_write(log->disk, file, begin, &slice, 1, error);
    }
    free(blocks);
    return status;
}
