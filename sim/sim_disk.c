#include "base/assert.h"
#include "base/limits.h"
#include "sim/sim_disk_internal.h"

#include <stdlib.h>
#include <string.h>

static struct sim_disk *of(struct disk *disk)
{
    return disk->context;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void sim_bytes_resize(struct sim_bytes *bytes, uint64_t size)
{
    bytes->held = least(bytes->held, least(bytes->size, size));
    bytes->size = size;
}

void sim_bytes_hold(struct sim_bytes *bytes, uint64_t count)
{
    if (least(count, bytes->size) <= bytes->held) {
        return;
    }
    uint64_t held = least(count, bytes->size);
    if (held > bytes->room) {
        bytes->room = bytes->size;
        bytes->data = realloc(bytes->data, bytes->room);
        ASSERT(bytes->data != NULL);
    }
    memset(bytes->data + bytes->held, 0, held - bytes->held);
    bytes->held = held;
}

uint64_t sim_sectors(uint64_t size)
{
    return (size + SIM_DISK_SECTOR - 1) / SIM_DISK_SECTOR;
}

struct sim_before *sim_file_before(const struct sim_file *file, uint64_t sector)
{
    for (uint32_t i = 0; i < file->before_count; i++) {
        if (file->before[i].sector == sector) {
            return &file->before[i];
        }
    }
    return NULL;
}

static struct sim_before *add_before(struct sim_file *file, uint64_t sector)
{
    if (file->before_count == file->before_room) {
        file->before_room = file->before_room == 0 ? 4 : 2 * file->before_room;
        file->before = realloc(file->before, file->before_room * sizeof *file->before);
        ASSERT(file->before != NULL);
    }
    struct sim_before *before = &file->before[file->before_count++];
    memset(before, 0, sizeof *before);
    before->sector = sector;
    return before;
}

struct sim_before *sim_file_keep(struct sim_file *file, uint64_t sector)
{
    struct sim_before *before = sim_file_before(file, sector);
    return before != NULL ? before : add_before(file, sector);
}

/* The sector is clean: what it holds is durable, as far as the durable size reaches. */
static void save(struct sim_file *file, uint64_t sector)
{
    static const uint8_t ZEROS[SIM_DISK_SECTOR];
    const uint64_t at = sector * SIM_DISK_SECTOR;
    const uint64_t end = least(file->seen.held, file->durable_size);
    const uint64_t held = end > at ? least(end - at, SIM_DISK_SECTOR) : 0;
    if (held > 0 && memcmp(file->seen.data + at, ZEROS, held) != 0) {
        memcpy(add_before(file, sector)->bytes, file->seen.data + at, held);
    }
}

/* Sectors first..end-1 will be written. */
static void soil(struct sim_file *file, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        if ((file->dirty[i] & SIM_SECTOR_DIRTY) == 0) {
            save(file, i);
        }
        file->dirty[i] = SIM_SECTOR_DIRTY;
    }
    if (first < end) {
        bool none = file->dirty_low == file->dirty_high;
        file->dirty_low = none || first < file->dirty_low ? first : file->dirty_low;
        file->dirty_high = none || end > file->dirty_high ? end : file->dirty_high;
    }
}

static void grow_seen(struct sim_file *file, uint64_t size)
{
    uint64_t before = sim_sectors(file->seen.size);
    if (size <= file->seen.size) {
        return;
    }
    sim_bytes_resize(&file->seen, size);
    file->dirty = realloc(file->dirty, sim_sectors(size));
    file->flushed = realloc(file->flushed, sim_sectors(size) * sizeof *file->flushed);
    ASSERT(file->dirty != NULL && file->flushed != NULL);
    memset(file->dirty + before, 0, sim_sectors(size) - before);
    memset(file->flushed + before, 0, (sim_sectors(size) - before) * sizeof *file->flushed);
    soil(file, before, sim_sectors(size));
}

/* Counts an operation; not OK when it must fail. */
enum status sim_disk_step(struct sim_disk *disk, const char *what, struct error *error)
{
    disk->operations++;
    if (disk->stopped || disk->operations == disk->stop_at) {
        disk->stopped = true;
        return error_set(error, STATUS_IO, "%s: the machine is off", what);
    }
    if (disk->operations == disk->fail_at) {
        return error_set(error, disk->fail_status, "%s: made to fail", what);
    }
    return STATUS_OK;
}

static enum status memory_open(struct disk *seam, const char *path, enum disk_open_mode mode,
                               struct disk_file *file, struct error *error)
{
    struct sim_disk *disk = of(seam);
    struct sim_name *name = sim_disk_find(disk, path);
    bool exists = name != NULL && name->seen >= 0;
    if (mode == DISK_CREATE) {
        TRY(sim_disk_step(disk, "create", error));
        if (exists) {
            return error_set(error, STATUS_EXISTS, "%s exists", path);
        }
        name = sim_disk_name_of(disk, path);
        name->seen = sim_disk_new_file(disk, false);
        disk->files[name->seen].guarded = strstr(path, "superblock") != NULL;
        disk->files[name->seen].log = strstr(path, "/log/") != NULL;
    } else if (!exists) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    }
    disk->files[name->seen].open_count++;
    disk->open_count++;
    file->handle = name->seen;
    return STATUS_OK;
}

static struct sim_file *file_of(struct sim_disk *disk, struct disk_file file)
{
    ASSERT(file.handle >= 0 && file.handle < SIM_DISK_FILES_MAX);
    ASSERT(disk->files[file.handle].used && !disk->files[file.handle].folder);
    return &disk->files[file.handle];
}

static void memory_close(struct disk *seam, struct disk_file file)
{
    struct sim_disk *disk = of(seam);
    ASSERT(file_of(disk, file) != NULL && disk->open_count > 0);
    ASSERT(disk->files[file.handle].open_count > 0);
    disk->files[file.handle].open_count--;
    disk->open_count--;
}

static enum status memory_size(struct disk *seam, struct disk_file file, uint64_t *size,
                               struct error *error)
{
    (void)error;
    *size = file_of(of(seam), file)->seen.size;
    return STATUS_OK;
}

static void note_read(struct sim_disk *disk, const struct sim_file *source, size_t size)
{
    if (disk->on_loop && source->log) {
        disk->loop_reads++;
        disk->loop_entry_reads += size > RAFT_ENTRY_HEADER_SIZE ? 1 : 0;
    }
}

static enum status memory_read(struct disk *seam, struct disk_file file, uint64_t offset,
                               void *data, size_t size, struct error *error)
{
    const struct sim_file *source = file_of(of(seam), file);
    note_read(of(seam), source, size);
    if (offset > source->seen.size || size > source->seen.size - offset) {
        return error_set(error, STATUS_IO, "the file ends before offset %llu",
                         (unsigned long long)offset + size);
    }
    for (uint64_t i = offset / SIM_DISK_SECTOR; i < sim_sectors(offset + size); i++) {
        if ((source->dirty[i] & SIM_SECTOR_UNREADABLE) != 0) {
            return error_set(error, STATUS_IO, "sector %llu cannot be read", (unsigned long long)i);
        }
    }
    uint64_t held = source->seen.held > offset ? least(size, source->seen.held - offset) : 0;
    if (held > 0) {
        memcpy(data, source->seen.data + offset, held);
    }
    if (size > held) {
        memset((uint8_t *)data + held, 0, size - held);
    }
    return STATUS_OK;
}

static void put_bytes(struct sim_file *target, uint64_t offset, const void *data, uint64_t size)
{
    if (size == 0) {
        return;
    }
    grow_seen(target, offset + size);
    soil(target, offset / SIM_DISK_SECTOR, sim_sectors(offset + size));
    sim_bytes_hold(&target->seen, offset + size);
    memcpy(target->seen.data + offset, data, size);
}

static uint64_t slices_size(const struct disk_slice *slices, size_t count)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += slices[i].size;
    }
    return size;
}

static void put_slices(struct sim_file *target, uint64_t offset, const struct disk_slice *slices,
                       size_t count, uint64_t limit)
{
    for (size_t i = 0; i < count && limit > 0; i++) {
        uint64_t size = slices[i].size < limit ? slices[i].size : limit;
        put_bytes(target, offset, slices[i].data, size);
        offset += size;
        limit -= size;
    }
}

bool sim_sector_proven(const struct sim_file *file, uint64_t sector)
{
    return !file->log || sector >= sim_sectors(file->seen.size) ||
           file->flushed[sector] + 2 < file->flushes;
}

/* Somewhere else in the file, where a write of that size fits. */
static bool lead_astray(struct sim_disk *disk, const struct sim_file *target, uint64_t *offset,
                        uint64_t size)
{
    uint64_t places = target->durable_size / SIM_DISK_SECTOR;
    uint64_t needed = sim_sectors(size) + 1;
    if (!disk->misdirect || places <= needed) {
        return false;
    }
    uint64_t place = random_below(&disk->random, places - needed);
    for (uint64_t i = place; target->log && i <= place + needed; i++) {
        if (!sim_sector_proven(target, i)) {
            return false; /* another time */
        }
    }
    disk->misdirect = false;
    disk->damages++;
    *offset = place * SIM_DISK_SECTOR + *offset % SIM_DISK_SECTOR;
    return true;
}

static enum status memory_write(struct disk *seam, struct disk_file file, uint64_t offset,
                                const struct disk_slice *slices, size_t count, struct error *error)
{
    struct sim_disk *disk = of(seam);
    struct sim_file *target = file_of(disk, file);
    uint64_t size = slices_size(slices, count);
    bool was_on = !disk->stopped;
    enum status status = sim_disk_step(disk, "write", error);
    if (disk->stopped && was_on) {
        size = random_below(&disk->random, size + 1);
    } else if (status != STATUS_OK) {
        return status;
    }
    uint64_t astray = offset;
    bool led = !target->guarded && lead_astray(disk, target, &astray, size);
    if (led && target->log) {
        put_slices(target, astray, slices, count, size); /* there as well */
    } else if (led) {
        offset = astray;
    }
    if (!led || target->log) {
        uint64_t end = offset + size;
        uint64_t more = end > target->seen.size ? end - target->seen.size : 0;
        if (more > disk->space_bytes) {
            return error_set(error, STATUS_NO_SPACE, "no space left");
        }
        disk->space_bytes -= disk->space_bytes == UINT64_MAX ? 0 : more;
    }
    put_slices(target, offset, slices, count, size);
    return status;
}

void sim_file_flush(struct sim_file *file)
{
    file->flushes += file->dirty_low != file->dirty_high ? 1 : 0;
    file->durable_size = file->seen.size;
    file->before_count = 0;
    for (uint64_t i = file->dirty_low; i < file->dirty_high; i++) {
        if ((file->dirty[i] & SIM_SECTOR_DIRTY) != 0) {
            file->dirty[i] = 0;
            file->flushed[i] = file->flushes;
        }
    }
    file->dirty_low = file->dirty_high = 0;
}

static enum status memory_sync(struct disk *seam, struct disk_file file, struct error *error)
{
    struct sim_disk *disk = of(seam);
    TRY(sim_disk_step(disk, "sync", error));
    if (disk->flush_fails) {
        disk->flush_fails = false;
        disk->flush_failed = true;
    }
    if (disk->flush_failed) { /* nothing that comes later may count on anything */
        return error_set(error, STATUS_IO, "the flush failed");
    }
    disk->syncs++;
    sim_file_flush(file_of(disk, file));
    return STATUS_OK;
}

static enum status memory_allocate(struct disk *seam, struct disk_file file, uint64_t size,
                                   struct error *error)
{
    struct sim_disk *disk = of(seam);
    struct sim_file *target = file_of(disk, file);
    TRY(sim_disk_step(disk, "allocate", error));
    uint64_t more = size > target->seen.size ? size - target->seen.size : 0;
    if (more > disk->space_bytes) {
        grow_seen(target, target->seen.size + disk->space_bytes / 2);
        return error_set(error, STATUS_NO_SPACE, "no space left");
    }
    if (disk->space_bytes != UINT64_MAX) {
        disk->space_bytes -= more;
    }
    grow_seen(target, size);
    return STATUS_OK;
}

static enum status memory_lock(struct disk *seam, struct disk_file file, struct error *error)
{
    (void)error;
    ASSERT(file_of(of(seam), file) != NULL);
    return STATUS_OK;
}

static const struct disk_ops OPS = {
    .open = memory_open,
    .close = memory_close,
    .size = memory_size,
    .read = memory_read,
    .write = memory_write,
    .sync = memory_sync,
    .allocate = memory_allocate,
    .rename = sim_disk_rename,
    .remove = sim_disk_remove,
    .make_folder = sim_disk_make_folder,
    .sync_folder = sim_disk_sync_folder,
    .list = sim_disk_list,
    .free_bytes = sim_disk_free_bytes,
    .lock = memory_lock,
};

struct sim_disk *sim_disk_new(void)
{
    struct sim_disk *disk = calloc(1, sizeof *disk);
    ASSERT(disk != NULL);
    disk->disk = (struct disk){ .ops = &OPS, .context = disk };
    disk->space_bytes = UINT64_MAX;
    disk->fail_status = STATUS_IO;
    random_init(&disk->random, 1);
    struct sim_name *name = sim_disk_name_of(disk, "d");
    name->seen = sim_disk_new_file(disk, true);
    name->durable = name->seen;
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    for (int32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        sim_disk_free_file(&disk->files[i]);
    }
    free(disk);
}
