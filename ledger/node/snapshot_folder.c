#include "ledger/node/snapshot_folder.h"

#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

enum { MARK_SIZE = 16 + 1 + 4, TREE_DEPTH_MAX = 4 };

/* --- small files --- */

static enum status write_and_sync(struct disk *disk, struct disk_file file, struct bytes bytes,
                                  struct error *error)
{
    struct disk_slice slice = { .data = bytes.data, .size = bytes.size };
    TRY(disk_write(disk, file, 0, &slice, 1, error));
    return disk_sync(disk, file, error);
}

static enum status remove_file(struct disk *disk, const char *path, struct error *error)
{
    enum status status = disk_remove(disk, path, error);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status snapshot_write_file(struct disk *disk, const char *folder, const char *name,
                                struct bytes bytes, struct error *error)
{
    char path[DISK_PATH_MAX];
    struct disk_file file;
    TRY(disk_join(path, folder, name, error));
    TRY(remove_file(disk, path, error));
    TRY(disk_open(disk, path, DISK_CREATE, &file, error));
    enum status status = write_and_sync(disk, file, bytes, error);
    disk_close(disk, file);
    TRY(status);
    return disk_sync_folder(disk, folder, error);
}

static enum status read_whole(struct disk *disk, struct disk_file file, size_t size_max,
                              uint8_t **data, size_t *size, struct error *error)
{
    uint64_t file_size = 0;
    TRY(disk_size(disk, file, &file_size, error));
    if (file_size > size_max) {
        return error_set(error, STATUS_TOO_LARGE, "a file of %llu bytes where at most %zu belong",
                         (unsigned long long)file_size, size_max);
    }
    uint8_t *bytes = malloc(file_size > 0 ? (size_t)file_size : 1);
    if (bytes == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a file of %llu bytes",
                         (unsigned long long)file_size);
    }
    enum status status = disk_read(disk, file, 0, bytes, (size_t)file_size, error);
    if (status != STATUS_OK) {
        free(bytes);
        return status;
    }
    *data = bytes;
    *size = (size_t)file_size;
    return STATUS_OK;
}

enum status snapshot_read_file(struct disk *disk, const char *folder, const char *name,
                               size_t size_max, uint8_t **data, size_t *size, struct error *error)
{
    char path[DISK_PATH_MAX];
    struct disk_file file;
    TRY(disk_join(path, folder, name, error));
    TRY(disk_open(disk, path, DISK_READ, &file, error));
    enum status status = read_whole(disk, file, size_max, data, size, error);
    disk_close(disk, file);
    return status;
}

enum status snapshot_write_mark(struct disk *disk, const char *folder, const char *name,
                                u128 snapshot, uint8_t value, struct error *error)
{
    uint8_t mark[MARK_SIZE];
    struct writer writer = writer_init(mark, sizeof mark);
    write_u128(&writer, snapshot);
    write_u8(&writer, value);
    write_u32(&writer, crc32c(mark, writer_size(&writer)));
    return snapshot_write_file(disk, folder, name, (struct bytes){ mark, sizeof mark }, error);
}

enum status snapshot_read_mark(struct disk *disk, const char *folder, const char *name,
                               u128 snapshot, uint8_t *value, struct error *error)
{
    uint8_t *mark = NULL;
    size_t size = 0;
    enum status status = snapshot_read_file(disk, folder, name, MARK_SIZE, &mark, &size, error);
    if (status == STATUS_TOO_LARGE) {
        return STATUS_NOT_FOUND;
    }
    TRY(status);
    struct reader reader = reader_init(mark, size);
    u128 id = read_u128(&reader);
    *value = read_u8(&reader);
    uint32_t sum = read_u32(&reader);
    bool counts =
        reader_done(&reader) && sum == crc32c(mark, MARK_SIZE - sizeof sum) && id == snapshot;
    free(mark);
    return counts ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status snapshot_make_folder(struct disk *disk, const char *folder, const char *name,
                                 struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(disk_join(path, folder, name, error));
    enum status status = disk_make_folder(disk, path, error);
    if (status != STATUS_OK && status != STATUS_EXISTS) {
        return status;
    }
    return disk_sync_folder(disk, folder, error);
}

/* --- names and trees --- */

static void add_name(void *context, const char *name)
{
    struct snapshot_names *names = context;
    size_t size = strlen(name);
    if (names->failed || size >= DISK_NAME_MAX) {
        names->failed = true;
        return;
    }
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity > 0 ? 2 * names->capacity : 16;
        char(*grown)[DISK_NAME_MAX] = realloc(names->names, (size_t)capacity * DISK_NAME_MAX);
        if (grown == NULL) {
            names->failed = true;
            return;
        }
        names->names = grown;
        names->capacity = capacity;
    }
    memcpy(names->names[names->count++], name, size + 1);
}

enum status snapshot_list(struct disk *disk, const char *path, struct snapshot_names *names,
                          struct error *error)
{
    *names = (struct snapshot_names){ 0 };
    enum status status = disk_list(disk, path, add_name, names, error);
    if (status == STATUS_OK && names->failed) {
        status = error_set(error, STATUS_MEMORY, "no memory for the names in %s", path);
    }
    if (status != STATUS_OK) {
        snapshot_names_free(names);
    }
    return status;
}

void snapshot_names_free(struct snapshot_names *names)
{
    free(names->names);
    *names = (struct snapshot_names){ 0 };
}

/* A folder on the way down. */
struct level {
    char path[DISK_PATH_MAX];
    struct snapshot_names names;
    uint32_t next;
};

struct descent {
    struct disk *disk;
    uint32_t depth;
    struct level levels[TREE_DEPTH_MAX];
};

/* A folder is entered; a file is removed. */
static enum status take_path(struct descent *descent, const char *path, struct error *error)
{
    struct level *level = &descent->levels[descent->depth];
    if (descent->depth == TREE_DEPTH_MAX ||
        snapshot_list(descent->disk, path, &level->names, error) != STATUS_OK) {
        return remove_file(descent->disk, path, error);
    }
    memcpy(level->path, path, strlen(path) + 1);
    level->next = 0;
    descent->depth++;
    return STATUS_OK;
}

/* The next name, or, when there is none, the folder itself: what was in it goes before it does. */
static enum status remove_next(struct descent *descent, struct error *error)
{
    char path[DISK_PATH_MAX];
    struct level *level = &descent->levels[descent->depth - 1];
    if (level->next < level->names.count) {
        TRY(disk_join(path, level->path, level->names.names[level->next], error));
        level->next++;
        return take_path(descent, path, error);
    }
    TRY(disk_sync_folder(descent->disk, level->path, error));
    snapshot_names_free(&level->names);
    descent->depth--;
    return remove_file(descent->disk, level->path, error);
}

enum status snapshot_remove_tree(struct disk *disk, const char *path, struct error *error)
{
    struct descent *descent = calloc(1, sizeof *descent);
    if (descent == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory to remove %s", path);
    }
    descent->disk = disk;
    enum status status = take_path(descent, path, error);
    while (status == STATUS_OK && descent->depth > 0) {
        status = remove_next(descent, error);
    }
    while (descent->depth > 0) {
        snapshot_names_free(&descent->levels[--descent->depth].names);
    }
    free(descent);
    return status;
}

enum status snapshot_discard_install(struct disk *disk, const char *data_folder,
                                     struct error *error)
{
    char root[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    struct snapshot_names names;
    TRY(disk_join(root, data_folder, "install", error));
    enum status status = snapshot_list(disk, root, &names, error);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    snapshot_names_free(&names);
    /* What was checked is no more; without the other two the rest means nothing. */
    TRY(disk_join(path, root, "checked", error));
    TRY(remove_file(disk, path, error));
    TRY(disk_sync_folder(disk, root, error));
    TRY(disk_join(path, root, "ready", error));
    TRY(remove_file(disk, path, error));
    TRY(disk_sync_folder(disk, root, error));
    TRY(disk_join(path, root, "manifest", error));
    TRY(remove_file(disk, path, error));
    TRY(disk_sync_folder(disk, root, error));
    TRY(snapshot_remove_tree(disk, root, error));
    return disk_sync_folder(disk, data_folder, error);
}
