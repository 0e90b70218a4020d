/* memory_disk.h — disk.h in memory, with what a real disk does to bytes that were not flushed.
 *
 * Every file has the bytes that programs see and those that are durable; a name has the file that
 * programs see and the durable one. disk_sync and disk_sync_folder carry the first over to the
 * second. memory_disk_crash decides what becomes of the rest; memory_disk_kill closes all files but
 * keeps the cache, as when only the process dies.
 *
 * Operations that change something (create, write, sync, allocate, rename, remove, make_folder,
 * sync_folder) are numbered from 1. `fail_at` fails one of them, which then does nothing;
 * `stop_at` fails it and all that follow: the machine is off, memory_disk_crash turns it on again.
 * Threads  one.
 */
#pragma once

#include "base/disk.h"
#include "base/random.h"

enum { MEMORY_DISK_FILES_MAX = 256, MEMORY_DISK_SECTOR = 512 };

enum memory_crash {
    CRASH_LOST, /* what was not flushed is gone */
    CRASH_TORN, /* of each unflushed sector, and of the unflushed names, chance decides */
    CRASH_KEPT, /* everything reached the disk */
};

struct memory_bytes {
    uint8_t *data;
    uint64_t size;
};

struct memory_file {
    struct memory_bytes seen;
    struct memory_bytes durable;
    uint8_t *dirty; /* a flag for each sector of `seen` */
    bool folder;
    bool used;
};

struct memory_name {
    char path[DISK_PATH_MAX];
    int32_t seen; /* index of a file, or -1 */
    int32_t durable;
};

struct memory_disk {
    struct disk disk;
    struct memory_file files[MEMORY_DISK_FILES_MAX];
    struct memory_name names[2 * MEMORY_DISK_FILES_MAX];
    uint32_t name_count;
    uint32_t open_count;
    uint64_t operations;
    uint64_t fail_at;
    enum status fail_status;
    uint64_t stop_at;
    uint64_t syncs;
    uint64_t space_bytes; /* that allocate may still give; UINT64_MAX: no limit */
    bool stopped;
};

/* With the folder "d" in it. */
struct memory_disk *memory_disk_new(void);
void memory_disk_free(struct memory_disk *disk);
void memory_disk_crash(struct memory_disk *disk, enum memory_crash crash, struct random *random);
void memory_disk_kill(struct memory_disk *disk);
/* The bytes of a file that programs see, to look at or damage; NULL when there is none. */
struct memory_bytes *memory_disk_bytes(struct memory_disk *disk, const char *path);
/* Makes everything durable. */
void memory_disk_settle(struct memory_disk *disk);
/* A copy of the state, files closed. */
struct memory_disk *memory_disk_copy(const struct memory_disk *disk);
