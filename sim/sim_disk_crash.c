/* sim_disk_crash.c — what is left of a simulated disk when its machine stops. */
#include "base/assert.h"
#include "sim/sim_disk_internal.h"

#include <stdlib.h>
#include <string.h>

/* The sector holds again what it held on the medium. */
static void go_back(struct sim_file *file, uint64_t sector)
{
    const uint64_t at = sector * SIM_DISK_SECTOR;
    const struct sim_before *before = sim_file_before(file, sector);
    if (at >= file->seen.held) {
        return; /* zeros, before and after */
    }
    const uint64_t left = file->seen.held - at;
    const uint64_t size = left < SIM_DISK_SECTOR ? left : SIM_DISK_SECTOR;
    if (before != NULL) {
        memcpy(file->seen.data + at, before->bytes, size);
    } else {
        memset(file->seen.data + at, 0, size);
    }
}

/* Of the sectors that were not flushed, chance lets some stay when `torn`. */
static void lose(struct sim_file *file, bool torn, struct random *random)
{
    if (torn && file->seen.size > file->durable_size && random_chance(random, 1, 2)) {
        file->durable_size = file->seen.size;
    }
    for (uint64_t i = file->dirty_low; i < file->dirty_high; i++) {
        if ((file->dirty[i] & SIM_SECTOR_DIRTY) == 0) {
            continue;
        }
        if (!torn || i >= sim_sectors(file->durable_size) || !random_chance(random, 1, 2)) {
            go_back(file, i);
        }
    }
    file->before_count = 0;
    sim_bytes_resize(&file->seen, file->durable_size);
}

static void crash_file(struct sim_file *file, enum sim_crash crash, struct random *random)
{
    if (crash == SIM_CRASH_KEPT) {
        sim_file_flush(file);
        return;
    }
    if (file->dirty_low == file->dirty_high && file->seen.size == file->durable_size) {
        return;
    }
    lose(file, crash == SIM_CRASH_TORN, random);
    uint64_t count = sim_sectors(file->seen.size);
    file->dirty = realloc(file->dirty, count + 1);
    file->flushed = realloc(file->flushed, (count + 1) * sizeof *file->flushed);
    ASSERT(file->dirty != NULL && file->flushed != NULL);
    for (uint64_t i = file->dirty_low; i < file->dirty_high && i < count; i++) {
        file->dirty[i] = 0;
    }
    file->dirty_low = file->dirty_high = 0;
}

void sim_disk_crash(struct sim_disk *disk, enum sim_crash crash, struct random *random)
{
    /* One coin for all names: a rename is both of its names or none. */
    bool keep = crash == SIM_CRASH_KEPT || (crash == SIM_CRASH_TORN && random_chance(random, 1, 2));
    for (uint32_t i = 0; i < disk->name_count; i++) {
        struct sim_name *name = &disk->names[i];
        if (keep) {
            name->durable = name->seen;
        } else {
            name->seen = name->durable;
        }
    }
    for (int32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (disk->files[i].used && !disk->files[i].folder) {
            crash_file(&disk->files[i], crash, random);
        }
    }
    sim_disk_kill(disk);
}

void sim_disk_kill(struct sim_disk *disk)
{
    disk->stopped = false;
    disk->flush_failed = false;
    disk->stop_at = 0;
    disk->fail_at = 0;
    disk->open_count = 0;
    for (int32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        disk->files[i].open_count = 0;
    }
    sim_disk_collect(disk);
}

void sim_disk_settle(struct sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        disk->names[i].durable = disk->names[i].seen;
    }
    for (int32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (disk->files[i].used && !disk->files[i].folder) {
            sim_file_flush(&disk->files[i]);
        }
    }
}

struct sim_bytes *sim_disk_bytes(struct sim_disk *disk, const char *path)
{
    struct sim_name *name = sim_disk_find(disk, path);
    if (name == NULL || name->seen < 0) {
        return NULL;
    }
    struct sim_file *file = &disk->files[name->seen];
    sim_bytes_hold(&file->seen, file->seen.size);
    return &file->seen;
}

static void copy_bytes(struct sim_bytes *target, const struct sim_bytes *source)
{
    sim_bytes_resize(target, source->size);
    sim_bytes_hold(target, source->size);
    if (source->held > 0) {
        memcpy(target->data, source->data, source->held);
    }
}

static void copy_before(struct sim_file *target, const struct sim_file *source)
{
    target->before_count = 0;
    for (uint32_t i = 0; i < source->before_count; i++) {
        *sim_file_keep(target, source->before[i].sector) = source->before[i];
    }
}

struct sim_disk *sim_disk_copy(const struct sim_disk *disk)
{
    struct sim_disk *copy = malloc(sizeof *copy);
    ASSERT(copy != NULL);
    /* Most names are not in use. */
    size_t names = offsetof(struct sim_disk, names);
    size_t behind = names + sizeof disk->names;
    memcpy(copy, disk, names + disk->name_count * sizeof disk->names[0]);
    memcpy((uint8_t *)copy + behind, (const uint8_t *)disk + behind, sizeof *disk - behind);
    copy->disk.context = copy;
    for (int32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        struct sim_file *file = &copy->files[i];
        const struct sim_file *source = &disk->files[i];
        memset(&file->seen, 0, sizeof file->seen);
        file->before = NULL;
        file->before_room = 0;
        file->dirty = NULL;
        file->flushed = NULL;
        if (source->used && !source->folder) {
            copy_bytes(&file->seen, &source->seen);
            copy_before(file, source);
            file->dirty = malloc(sim_sectors(file->seen.size) + 1);
            file->flushed = calloc(sim_sectors(file->seen.size) + 1, sizeof *file->flushed);
            ASSERT(file->dirty != NULL && file->flushed != NULL);
            if (source->dirty != NULL) {
                memcpy(file->dirty, source->dirty, sim_sectors(file->seen.size));
            }
        }
    }
    sim_disk_kill(copy);
    return copy;
}
