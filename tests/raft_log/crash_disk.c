#include "tests/raft_log/crash_disk.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

enum { UNFLUSHED_MAX = 512 };

/* A write that no flush of its file followed. */
struct unflushed {
    int64_t handle;
    uint64_t offset;
    size_t size;
    uint8_t *data;
};

struct crash_disk {
    struct sim_disk *disk;
    const struct disk_ops *plain;
    struct disk_ops wrapped;
    void (*boundary)(void *context);
    void *context;
    struct unflushed writes[UNFLUSHED_MAX];
    uint32_t count;
};

static struct crash_disk *active;

static void forget(int64_t handle)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < active->count; i++) {
        if (active->writes[i].handle == handle) {
            free(active->writes[i].data);
        } else {
            active->writes[kept++] = active->writes[i];
        }
    }
    active->count = kept;
}

static void remember(int64_t handle, uint64_t offset, const struct disk_slice *slices, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += slices[i].size;
    }
    ASSERT(active->count < UNFLUSHED_MAX);
    struct unflushed *write = &active->writes[active->count++];
    *write = (struct unflushed){ handle, offset, size, malloc(size + 1) };
    ASSERT(write->data != NULL);
    uint8_t *at = write->data;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, slices[i].data, slices[i].size);
        at += slices[i].size;
    }
}

static enum status wrapped_open(struct disk *disk, const char *path, enum disk_open_mode mode,
                                struct disk_file *file, struct error *error)
{
    if (mode == DISK_CREATE) {
        active->boundary(active->context);
    }
    TRY(active->plain->open(disk, path, mode, file, error));
    if (mode == DISK_CREATE) {
        forget(file->handle); /* of an older file */
    }
    return STATUS_OK;
}

static enum status wrapped_write(struct disk *disk, struct disk_file file, uint64_t offset,
                                 const struct disk_slice *slices, size_t count, struct error *error)
{
    active->boundary(active->context);
    remember(file.handle, offset, slices, count);
    return active->plain->write(disk, file, offset, slices, count, error);
}

static enum status wrapped_sync(struct disk *disk, struct disk_file file, struct error *error)
{
    active->boundary(active->context);
    forget(file.handle);
    return active->plain->sync(disk, file, error);
}

static enum status wrapped_allocate(struct disk *disk, struct disk_file file, uint64_t size,
                                    struct error *error)
{
    active->boundary(active->context);
    return active->plain->allocate(disk, file, size, error);
}

static enum status wrapped_rename(struct disk *disk, const char *from, const char *to,
                                  struct error *error)
{
    active->boundary(active->context);
    return active->plain->rename(disk, from, to, error);
}

static enum status wrapped_remove(struct disk *disk, const char *path, struct error *error)
{
    active->boundary(active->context);
    return active->plain->remove(disk, path, error);
}

static enum status wrapped_sync_folder(struct disk *disk, const char *path, struct error *error)
{
    active->boundary(active->context);
    return active->plain->sync_folder(disk, path, error);
}

struct crash_disk *crash_disk_wrap(struct sim_disk *disk, void (*boundary)(void *context),
                                   void *context)
{
    ASSERT(active == NULL);
    active = calloc(1, sizeof *active);
    ASSERT(active != NULL);
    active->disk = disk;
    active->plain = disk->disk.ops;
    active->boundary = boundary;
    active->context = context;
    active->wrapped = *disk->disk.ops;
    active->wrapped.open = wrapped_open;
    active->wrapped.write = wrapped_write;
    active->wrapped.sync = wrapped_sync;
    active->wrapped.allocate = wrapped_allocate;
    active->wrapped.rename = wrapped_rename;
    active->wrapped.remove = wrapped_remove;
    active->wrapped.sync_folder = wrapped_sync_folder;
    disk->disk.ops = &active->wrapped;
    return active;
}

void crash_disk_settle(struct crash_disk *crash)
{
    for (uint32_t i = 0; i < crash->count; i++) {
        free(crash->writes[i].data);
    }
    crash->count = 0;
    sim_disk_settle(crash->disk);
}

void crash_disk_free(struct crash_disk *crash)
{
    ASSERT(crash == active);
    crash_disk_settle(crash);
    crash->disk->disk.ops = crash->plain;
    free(crash);
    active = NULL;
}

/* A write reaches the disk sector by sector, or not. A file that is not yet that long has none. */
static void land(struct sim_disk *copy, const struct unflushed *write, struct random *random)
{
    struct sim_bytes *bytes = &copy->files[write->handle].seen;
    bool whole = random_chance(random, 1, 2);
    for (size_t at = 0; at < write->size;) {
        size_t part = SIM_DISK_SECTOR - (size_t)((write->offset + at) % SIM_DISK_SECTOR);
        part = part < write->size - at ? part : write->size - at;
        uint64_t end = write->offset + at + part;
        if (end <= bytes->size && (whole || random_chance(random, 1, 2))) {
            memcpy(bytes->data + write->offset + at, write->data + at, part);
        }
        at += part;
    }
}

static void reorder(const struct crash_disk *crash, struct sim_disk *copy, struct random *random)
{
    uint32_t order[UNFLUSHED_MAX];
    for (uint32_t i = 0; i < crash->count; i++) {
        order[i] = i;
    }
    for (uint32_t i = crash->count; i > 1; i--) {
        uint32_t other = (uint32_t)random_below(random, i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swapped;
    }
    for (uint32_t i = 0; i < crash->count; i++) {
        const struct unflushed *write = &crash->writes[order[i]];
        if (copy->files[write->handle].used && random_chance(random, 2, 3)) {
            land(copy, write, random);
        }
    }
}

struct sim_disk *crash_disk_copy(struct crash_disk *crash, enum crash_kind kind,
                                 struct random *random)
{
    static const enum sim_crash KINDS[CRASHED_KINDS] = { SIM_CRASH_LOST, SIM_CRASH_TORN,
                                                         SIM_CRASH_KEPT, SIM_CRASH_LOST };
    struct sim_disk *copy = sim_disk_copy(crash->disk);
    copy->disk.ops = crash->plain;
    sim_disk_crash(copy, KINDS[kind], random);
    if (kind == CRASHED_REORDERED) {
        reorder(crash, copy, random);
    }
    return copy;
}
