/* store_rocks_table.c — sorted tables on their way into RocksDB: files of its table format in
 * FOLDER/tables, each written by one sstfilewriter and synced when it ends. */
#include "base/disk.h"
#include "ledger/store/store_rocks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kv_table {
    struct kv_rocks *rocks;
    rocksdb_sstfilewriter_t *writer;
    uint32_t since_pause; /* in units of rocks_slow_down */
    uint64_t records;
    char path[DISK_PATH_MAX];
};

enum status rocks_table_path(struct kv_rocks *rocks, const char *name, char path[DISK_PATH_MAX],
                             struct error *error)
{
    char file[DISK_NAME_MAX];
    int size = snprintf(file, sizeof file, "%s.sst", name);
    if (size < 0 || (size_t)size >= sizeof file) {
        return error_set(error, STATUS_TOO_LARGE, "the table name %s is too long", name);
    }
    return disk_join(path, rocks->tables, file, error);
}

enum status rocks_table_open(struct kv *kv, const char *name, struct kv_table **table,
                             struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    struct kv_table *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for table %s", name);
    }
    enum status status = rocks_table_path(rocks, name, opened->path, error);
    if (status != STATUS_OK) {
        free(opened);
        return status;
    }
    /* An ingest links a table's file before it is known whether it counts: the same name written
     * again must not go into a file that the database has. */
    if (unlink(opened->path) != 0 && errno != ENOENT) {
        status = error_set_errno(error, errno, "remove the old table %s", opened->path);
        free(opened);
        return status;
    }
    char *text = NULL;
    opened->rocks = rocks;
    opened->writer = rocksdb_sstfilewriter_create(rocks->with.file_options, rocks->with.options);
    rocksdb_sstfilewriter_open(opened->writer, opened->path, &text);
    if (text != NULL) {
        rocksdb_sstfilewriter_destroy(opened->writer);
        status = rocks_fail(error, text, "create a table", opened->path);
        free(opened);
        return status;
    }
    *table = opened;
    return STATUS_OK;
}

enum status rocks_table_add(struct kv_table *table, struct bytes key, struct bytes value,
                            struct error *error)
{
    char *text = NULL;
    if (value.data == NULL) {
        rocksdb_sstfilewriter_delete(table->writer, (const char *)key.data, key.size, &text);
    } else {
        rocksdb_sstfilewriter_put(table->writer, (const char *)key.data, key.size,
                                  (const char *)value.data, value.size, &text);
    }
    table->records++;
    table->since_pause += ROCKS_PACE_RECORD + (uint32_t)(key.size + value.size);
    if (table->since_pause >= ROCKS_PACE_PIECE) {
        table->since_pause = 0;
        rocks_slow_down(table->rocks->database, table->rocks->family);
    }
    return text == NULL ? STATUS_OK : rocks_fail(error, text, "write a table", table->path);
}

static void table_free(struct kv_table *table)
{
    rocksdb_sstfilewriter_destroy(table->writer);
    free(table);
}

void rocks_table_abandon(struct kv_table *table)
{
    char path[DISK_PATH_MAX];
    memcpy(path, table->path, sizeof path);
    table_free(table);
    (void)unlink(path); /* if it stays, the next open removes it */
}

/* RocksDB's writer tells the kernel to forget the pages of what it wrote, and who looks something up
 * next would wait for the disk. So the sealer reads back what look-ups read: a table's filter and index,
 * which lie at its end, and all of a table that is not large, as those of ids are not. */
static enum status read_back(const struct kv_table *table, uint64_t size, struct error *error)
{
    enum { FILTER_BYTES = ROCKS_FILTER_BITS / 8 + 1, PIECE = 64 * 1024, WHOLE_BYTES_MAX = 8 << 20 };
    static _Thread_local char piece[PIECE];
    const uint64_t end = table->records * FILTER_BYTES + size / 256 + PIECE;
    uint64_t at = size > WHOLE_BYTES_MAX && size > end ? size - end : 0;
    const int file = open(table->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return error_set_errno(error, errno, "open the table %s", table->path);
    }
    ssize_t got = 1;
    for (; at < size && got > 0; at += (uint64_t)got) {
        got = pread(file, piece, sizeof piece, (off_t)at);
        if (got < 0) {
            const enum status status =
                error_set_errno(error, errno, "read the table %s", table->path);
            (void)close(file);
            return status;
        }
    }
    (void)close(file);
    return STATUS_OK;
}

enum status rocks_table_close(struct kv_table *table, uint64_t *size, struct error *error)
{
    char *text = NULL;
    rocksdb_sstfilewriter_finish(table->writer, &text); /* syncs the file */
    if (text != NULL) {
        enum status status = rocks_fail(error, text, "end a table", table->path);
        rocks_table_abandon(table);
        return status;
    }
    rocksdb_sstfilewriter_file_size(table->writer, size);
    const enum status status = read_back(table, *size, error);
    table_free(table);
    return status;
}

enum status rocks_tables_remove(const char *folder, struct error *error)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return error_set_errno(error, errno, "list the folder %s", folder);
    }
    enum status status = STATUS_OK;
    const struct dirent *entry = readdir(listing);
    for (; entry != NULL && status == STATUS_OK; entry = readdir(listing)) {
        char path[DISK_PATH_MAX];
        if (entry->d_name[0] == '.') {
            continue;
        }
        status = disk_join(path, folder, entry->d_name, error);
        if (status == STATUS_OK && unlink(path) != 0) {
            status = error_set_errno(error, errno, "remove the unfinished table %s", path);
        }
    }
    (void)closedir(listing);
    return status;
}
