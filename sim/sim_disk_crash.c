/* sim_disk_crash.c — what is left of a simulated disk when its machine stops. */
#include "base/assert.h"
#include "sim/sim_disk_internal.h"

#include <stdlib.h>
#include <string.h>

static void copy_bytes(struct sim_bytes *target, const struct sim_bytes *source)
{
    sim_bytes_resize(target, source->size);
    sim_bytes_carry(target, source, 0, source->size);
}

static void tear(struct sim_file *file, struct random *random)
{
    if (file->seen.size > file->durable.size && random_chance(random, 1, 2)) {
        sim_bytes_resize(&file->durable, file->seen.size);
    }
    for (uint64_t i = file->dirty_low; i < file->dirty_high; i++) {
        if (i < sim_sectors(file->durable.size) && (file->dirty[i] & SIM_SECTOR_DIRTY) != 0 &&
            random_chance(random, 1, 2)) {
            uint64_t at = i * SIM_DISK_SECTOR;
            sim_bytes_carry(&file->durable, &file->seen, at, at + SIM_DISK_SECTOR);
        }
    }
}

static void crash_file(struct sim_file *file, enum sim_crash crash, struct random *random)
{
    if (crash == SIM_CRASH_KEPT) {
        sim_file_flush(file);
        return;
    }
    if (file->dirty_low == file->dirty_high && file->seen.size == file->durable.size) {
        return;
    }
    if (crash == SIM_CRASH_TORN) {
        tear(file, random);
    }
    copy_bytes(&file->seen, &file->durable);
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
    sim_bytes_hold(&file->durable, file->durable.size);
    return &file->seen;
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
        memset(&file->seen, 0, sizeof file->seen);
        memset(&file->durable, 0, sizeof file->durable);
        file->dirty = NULL;
        file->flushed = NULL;
        if (disk->files[i].used && !disk->files[i].folder) {
            copy_bytes(&file->seen, &disk->files[i].seen);
            copy_bytes(&file->durable, &disk->files[i].durable);
            sim_bytes_hold(&file->seen, file->seen.size);
            sim_bytes_hold(&file->durable, file->durable.size);
            file->dirty = malloc(sim_sectors(file->seen.size) + 1);
            file->flushed = calloc(sim_sectors(file->seen.size) + 1, sizeof *file->flushed);
            ASSERT(file->dirty != NULL && file->flushed != NULL);
            if (disk->files[i].dirty != NULL) {
                memcpy(file->dirty, disk->files[i].dirty, sim_sectors(file->seen.size));
            }
        }
    }
    sim_disk_kill(copy);
    return copy;
}
