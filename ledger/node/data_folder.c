#include "ledger/node/data_folder.h"

#include "base/log_line.h"
#include "raft/core/members.h"

#include <stdio.h>
#include <string.h>

static void count_name(void *context, const char *name)
{
    (void)name;
    (*(unsigned *)context)++;
}

/* The folder exists afterwards and is empty. */
static enum status make_empty(struct disk *disk, const char *path, struct error *error)
{
    enum status status = disk_make_folder(disk, path, error);
    if (status != STATUS_EXISTS) {
        return status;
    }
    unsigned names = 0;
    TRY(disk_list(disk, path, count_name, &names, error));
    if (names == 0) {
        return STATUS_OK;
    }
    char lock_path[DISK_PATH_MAX];
    struct disk_file lock;
    TRY(disk_join(lock_path, path, "superblock", error));
    if (disk_open(disk, lock_path, DISK_READ, &lock, error) == STATUS_OK) {
        disk_close(disk, lock);
        return error_set(error, STATUS_EXISTS,
                         "%s is formatted already: start it with `fenlu server --data %s`, or "
                         "choose another folder",
                         path, path);
    }
    return error_set(error, STATUS_EXISTS,
                     "%s is not empty (%u names): choose an empty folder or one that does not "
                     "exist yet",
                     path, names);
}

enum status data_folder_format(struct disk *disk, const char *path,
                               const struct superblock *identity, const struct entropy *entropy,
                               struct error *error)
{
    char lock_path[DISK_PATH_MAX];
    struct disk_file lock;
    TRY(make_empty(disk, path, error));
    TRY(disk_join(lock_path, path, "lock", error));
    TRY(disk_open(disk, lock_path, DISK_CREATE, &lock, error));
    disk_close(disk, lock);
    struct superblock superblock = *identity;
    superblock.sequence = 1;
    superblock.features = FENLU_FEATURES;
    do {
        superblock.incarnation = entropy_u64(entropy);
    } while (superblock.incarnation == 0);
    TRY(superblock_create(disk, path, &superblock, error));
    return disk_sync_folder(disk, path, error);
}

/* Without its lock a folder is not one of ours, or somebody tidied up too much. A lock made here
 * would not be the one that a server may hold that runs on the folder all the same. */
static enum status lock_missing(struct disk *disk, const char *path, const char *lock_path,
                                struct error *error)
{
    char superblock_path[DISK_PATH_MAX];
    struct disk_file file;
    struct error ignored;
    TRY(disk_join(superblock_path, path, "superblock", error));
    if (disk_open(disk, superblock_path, DISK_READ, &file, &ignored) == STATUS_OK) {
        disk_close(disk, file);
        return error_set(error, STATUS_NOT_FOUND,
                         "%s is missing: make sure that no server runs on this folder, then make "
                         "it again (touch %s)",
                         lock_path, lock_path);
    }
    return error_set(error, STATUS_NOT_FOUND,
                     "%s is not a data folder: `fenlu format` makes one, once in a node's life. A "
                     "node that ran before has lost its disk, and must not be formatted again "
                     "under its old id, for it has votes and entries to answer for: replace it "
                     "(fenlu admin member replace)",
                     path);
}

static enum status open_lock(struct disk *disk, const char *path, struct disk_file *lock,
                             struct error *error)
{
    char lock_path[DISK_PATH_MAX];
    TRY(disk_join(lock_path, path, "lock", error));
    enum status status = disk_open(disk, lock_path, DISK_WRITE, lock, error);
    if (status == STATUS_NOT_FOUND) {
        return lock_missing(disk, path, lock_path, error);
    }
    TRY(status);
    status = disk_lock(disk, *lock, error);
    if (status != STATUS_OK) {
        disk_close(disk, *lock);
        if (status == STATUS_LOCKED) {
            return error_set(error, STATUS_LOCKED,
                             "%s is in use by another process: stop that server first", path);
        }
    }
    return status;
}

enum status data_folder_open(struct disk *disk, const char *path, struct data_folder *folder,
                             struct error *error)
{
    folder->disk = disk;
    int size = snprintf(folder->path, sizeof folder->path, "%s", path);
    if (size < 0 || (size_t)size >= sizeof folder->path) {
        return error_set(error, STATUS_TOO_LARGE, "the path %.100s… is longer than %d bytes", path,
                         DISK_PATH_MAX - 1);
    }
    TRY(open_lock(disk, path, &folder->lock, error));
    uint32_t repaired = 0;
    enum status status = superblock_load(disk, path, &folder->superblock, &repaired, error);
    if (status != STATUS_OK) {
        disk_close(disk, folder->lock);
        return status;
    }
    if (repaired > 0) {
        log_line(LOG_WARN, "superblock_repaired", LOG_TEXT("folder", path),
                 LOG_UINT("copies", repaired), LOG_END);
    }
    return STATUS_OK;
}

void data_folder_close(struct data_folder *folder)
{
    disk_close(folder->disk, folder->lock);
}
