#include "tests/lib/memory_disk.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static struct memory_disk *of(struct disk *disk)
{
    return disk->context;
}

static void resize(struct memory_bytes *bytes, uint64_t size)
{
    uint8_t *data = realloc(bytes->data, size == 0 ? 1 : size);
    ASSERT(data != NULL);
    if (size > bytes->size) {
        memset(data + bytes->size, 0, size - bytes->size);
    }
    bytes->data = data;
    bytes->size = size;
}

static uint64_t sectors(uint64_t size)
{
    return (size + MEMORY_DISK_SECTOR - 1) / MEMORY_DISK_SECTOR;
}

static void grow_seen(struct memory_file *file, uint64_t size)
{
    uint64_t before = sectors(file->seen.size);
    if (size <= file->seen.size) {
        return;
    }
    resize(&file->seen, size);
    file->dirty = realloc(file->dirty, sectors(size));
    ASSERT(file->dirty != NULL);
    memset(file->dirty + before, 1, sectors(size) - before);
}

static void copy_bytes(struct memory_bytes *target, const struct memory_bytes *source)
{
    resize(target, source->size);
    if (source->size > 0) {
        memcpy(target->data, source->data, source->size);
    }
}

/* Counts an operation; not OK when it must fail. */
static enum status step(struct memory_disk *disk, const char *what, struct error *error)
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

static struct memory_name *find_name(struct memory_disk *disk, const char *path)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        if (strcmp(disk->names[i].path, path) == 0) {
            return &disk->names[i];
        }
    }
    return NULL;
}

static struct memory_name *name_of(struct memory_disk *disk, const char *path)
{
    struct memory_name *name = find_name(disk, path);
    if (name != NULL) {
        return name;
    }
    ASSERT(disk->name_count < 2 * MEMORY_DISK_FILES_MAX && strlen(path) < DISK_PATH_MAX);
    name = &disk->names[disk->name_count++];
    memcpy(name->path, path, strlen(path) + 1);
    name->seen = -1;
    name->durable = -1;
    return name;
}

static bool named(const struct memory_disk *disk, int32_t file)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        if (disk->names[i].seen == file || disk->names[i].durable == file) {
            return true;
        }
    }
    return false;
}

static void free_file(struct memory_file *file)
{
    free(file->seen.data);
    free(file->durable.data);
    free(file->dirty);
    memset(file, 0, sizeof *file);
}

/* A file that no name holds any more may still be open: only a quiet moment frees it. */
static void collect(struct memory_disk *disk)
{
    for (int32_t i = 0; disk->open_count == 0 && i < MEMORY_DISK_FILES_MAX; i++) {
        if (disk->files[i].used && !named(disk, i)) {
            free_file(&disk->files[i]);
        }
    }
}

static int32_t new_file(struct memory_disk *disk, bool folder)
{
    collect(disk);
    for (int32_t i = 0; i < MEMORY_DISK_FILES_MAX; i++) {
        if (!disk->files[i].used) {
            disk->files[i].used = true;
            disk->files[i].folder = folder;
            return i;
        }
    }
    UNREACHABLE();
}

static enum status memory_open(struct disk *seam, const char *path, enum disk_open_mode mode,
                               struct disk_file *file, struct error *error)
{
    struct memory_disk *disk = of(seam);
    struct memory_name *name = find_name(disk, path);
    bool exists = name != NULL && name->seen >= 0;
    if (mode == DISK_CREATE) {
        TRY(step(disk, "create", error));
        if (exists) {
            return error_set(error, STATUS_EXISTS, "%s exists", path);
        }
        name = name_of(disk, path);
        name->seen = new_file(disk, false);
    } else if (!exists) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    }
    disk->open_count++;
    file->handle = name->seen;
    return STATUS_OK;
}

static struct memory_file *file_of(struct memory_disk *disk, struct disk_file file)
{
    ASSERT(file.handle >= 0 && file.handle < MEMORY_DISK_FILES_MAX);
    ASSERT(disk->files[file.handle].used && !disk->files[file.handle].folder);
    return &disk->files[file.handle];
}

static void memory_close(struct disk *seam, struct disk_file file)
{
    struct memory_disk *disk = of(seam);
    ASSERT(file_of(disk, file) != NULL && disk->open_count > 0);
    disk->open_count--;
}

static enum status memory_size(struct disk *seam, struct disk_file file, uint64_t *size,
                               struct error *error)
{
    (void)error;
    *size = file_of(of(seam), file)->seen.size;
    return STATUS_OK;
}

static enum status memory_read(struct disk *seam, struct disk_file file, uint64_t offset,
                               void *data, size_t size, struct error *error)
{
    const struct memory_file *source = file_of(of(seam), file);
    if (offset > source->seen.size || size > source->seen.size - offset) {
        return error_set(error, STATUS_IO, "the file ends before offset %llu",
                         (unsigned long long)offset + size);
    }
    memcpy(data, source->seen.data + offset, size);
    return STATUS_OK;
}

static enum status memory_write(struct disk *seam, struct disk_file file, uint64_t offset,
                                const struct disk_slice *slices, size_t count, struct error *error)
{
    struct memory_disk *disk = of(seam);
    struct memory_file *target = file_of(disk, file);
    TRY(step(disk, "write", error));
    for (size_t i = 0; i < count; i++) {
        if (slices[i].size == 0) {
            continue;
        }
        grow_seen(target, offset + slices[i].size);
        memcpy(target->seen.data + offset, slices[i].data, slices[i].size);
        uint64_t first = offset / MEMORY_DISK_SECTOR;
        offset += slices[i].size;
        memset(target->dirty + first, 1, sectors(offset) - first);
    }
    return STATUS_OK;
}

static void make_durable(struct memory_file *file)
{
    resize(&file->durable, file->seen.size);
    for (uint64_t i = 0; i < sectors(file->seen.size); i++) {
        uint64_t at = i * MEMORY_DISK_SECTOR;
        uint64_t size = file->seen.size - at;
        if (file->dirty[i]) {
            memcpy(file->durable.data + at, file->seen.data + at,
                   size < MEMORY_DISK_SECTOR ? size : MEMORY_DISK_SECTOR);
            file->dirty[i] = 0;
        }
    }
}

static enum status memory_sync(struct disk *seam, struct disk_file file, struct error *error)
{
    struct memory_disk *disk = of(seam);
    TRY(step(disk, "sync", error));
    disk->syncs++;
    make_durable(file_of(disk, file));
    return STATUS_OK;
}

static enum status memory_allocate(struct disk *seam, struct disk_file file, uint64_t size,
                                   struct error *error)
{
    struct memory_disk *disk = of(seam);
    struct memory_file *target = file_of(disk, file);
    TRY(step(disk, "allocate", error));
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

static enum status memory_rename(struct disk *seam, const char *from, const char *to,
                                 struct error *error)
{
    struct memory_disk *disk = of(seam);
    TRY(step(disk, "rename", error));
    struct memory_name *source = find_name(disk, from);
    if (source == NULL || source->seen < 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", from);
    }
    name_of(disk, to)->seen = source->seen;
    source->seen = -1;
    return STATUS_OK;
}

static enum status memory_remove(struct disk *seam, const char *path, struct error *error)
{
    struct memory_disk *disk = of(seam);
    TRY(step(disk, "remove", error));
    struct memory_name *name = find_name(disk, path);
    if (name == NULL || name->seen < 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    }
    if (disk->space_bytes != UINT64_MAX) {
        disk->space_bytes += disk->files[name->seen].seen.size;
    }
    name->seen = -1;
    return STATUS_OK;
}

static enum status memory_make_folder(struct disk *seam, const char *path, struct error *error)
{
    struct memory_disk *disk = of(seam);
    TRY(step(disk, "make_folder", error));
    struct memory_name *name = name_of(disk, path);
    if (name->seen >= 0) {
        return error_set(error, STATUS_EXISTS, "%s exists", path);
    }
    name->seen = new_file(disk, true);
    return STATUS_OK;
}

/* The last part of a path right inside `folder`, or NULL. */
static const char *inside(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    if (strncmp(path, folder, size) != 0 || path[size] != '/' ||
        strchr(path + size + 1, '/') != NULL) {
        return NULL;
    }
    return path + size + 1;
}

static enum status find_folder(struct memory_disk *disk, const char *path, struct error *error)
{
    struct memory_name *name = find_name(disk, path);
    if (name == NULL || name->seen < 0 || !disk->files[name->seen].folder) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    }
    return STATUS_OK;
}

static enum status memory_sync_folder(struct disk *seam, const char *path, struct error *error)
{
    struct memory_disk *disk = of(seam);
    TRY(step(disk, "sync_folder", error));
    TRY(find_folder(disk, path, error));
    for (uint32_t i = 0; i < disk->name_count; i++) {
        if (inside(disk->names[i].path, path) != NULL) {
            disk->names[i].durable = disk->names[i].seen;
        }
    }
    return STATUS_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum status memory_list(struct disk *seam, const char *path,
                               void (*each)(void *, const char *), void *context,
                               struct error *error)
{
    struct memory_disk *disk = of(seam);
    const char *names[2 * MEMORY_DISK_FILES_MAX];
    size_t count = 0;
    TRY(find_folder(disk, path, error));
    for (uint32_t i = 0; i < disk->name_count; i++) {
        const char *name = inside(disk->names[i].path, path);
        if (name != NULL && disk->names[i].seen >= 0) {
            names[count++] = name;
        }
    }
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++) {
        each(context, names[i]);
    }
    return STATUS_OK;
}

static enum status memory_free_bytes(struct disk *seam, const char *path, uint64_t *bytes,
                                     struct error *error)
{
    TRY(find_folder(of(seam), path, error));
    *bytes = of(seam)->space_bytes;
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
    .rename = memory_rename,
    .remove = memory_remove,
    .make_folder = memory_make_folder,
    .sync_folder = memory_sync_folder,
    .list = memory_list,
    .free_bytes = memory_free_bytes,
    .lock = memory_lock,
};

struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *disk = calloc(1, sizeof *disk);
    ASSERT(disk != NULL);
    disk->disk = (struct disk){ .ops = &OPS, .context = disk };
    disk->space_bytes = UINT64_MAX;
    disk->fail_status = STATUS_IO;
    struct memory_name *name = name_of(disk, "d");
    name->seen = new_file(disk, true);
    name->durable = name->seen;
    return disk;
}

void memory_disk_free(struct memory_disk *disk)
{
    for (int32_t i = 0; i < MEMORY_DISK_FILES_MAX; i++) {
        free_file(&disk->files[i]);
    }
    free(disk);
}

static void crash_file(struct memory_file *file, enum memory_crash crash, struct random *random)
{
    if (crash == CRASH_KEPT) {
        make_durable(file);
        return;
    }
    if (crash == CRASH_TORN) {
        if (file->seen.size > file->durable.size && random_chance(random, 1, 2)) {
            resize(&file->durable, file->seen.size);
        }
        for (uint64_t i = 0; i < sectors(file->durable.size); i++) {
            uint64_t at = i * MEMORY_DISK_SECTOR;
            uint64_t size = file->durable.size - at;
            if (i < sectors(file->seen.size) && file->dirty[i] && random_chance(random, 1, 2)) {
                memcpy(file->durable.data + at, file->seen.data + at,
                       size < MEMORY_DISK_SECTOR ? size : MEMORY_DISK_SECTOR);
            }
        }
    }
    copy_bytes(&file->seen, &file->durable);
    free(file->dirty);
    file->dirty = calloc(1, sectors(file->seen.size) + 1);
    ASSERT(file->dirty != NULL);
}

void memory_disk_crash(struct memory_disk *disk, enum memory_crash crash, struct random *random)
{
    /* One coin for all names: a rename is both of its names or none. */
    bool keep = crash == CRASH_KEPT || (crash == CRASH_TORN && random_chance(random, 1, 2));
    for (uint32_t i = 0; i < disk->name_count; i++) {
        struct memory_name *name = &disk->names[i];
        if (keep) {
            name->durable = name->seen;
        } else {
            name->seen = name->durable;
        }
    }
    for (int32_t i = 0; i < MEMORY_DISK_FILES_MAX; i++) {
        if (disk->files[i].used && !disk->files[i].folder) {
            crash_file(&disk->files[i], crash, random);
        }
    }
    memory_disk_kill(disk);
}

void memory_disk_kill(struct memory_disk *disk)
{
    disk->stopped = false;
    disk->stop_at = 0;
    disk->fail_at = 0;
    disk->open_count = 0;
    collect(disk);
}

void memory_disk_settle(struct memory_disk *disk)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        disk->names[i].durable = disk->names[i].seen;
    }
    for (int32_t i = 0; i < MEMORY_DISK_FILES_MAX; i++) {
        if (disk->files[i].used && !disk->files[i].folder) {
            make_durable(&disk->files[i]);
        }
    }
}

struct memory_bytes *memory_disk_bytes(struct memory_disk *disk, const char *path)
{
    struct memory_name *name = find_name(disk, path);
    return name == NULL || name->seen < 0 ? NULL : &disk->files[name->seen].seen;
}

struct memory_disk *memory_disk_copy(const struct memory_disk *disk)
{
    struct memory_disk *copy = malloc(sizeof *copy);
    ASSERT(copy != NULL);
    *copy = *disk;
    copy->disk.context = copy;
    for (int32_t i = 0; i < MEMORY_DISK_FILES_MAX; i++) {
        struct memory_file *file = &copy->files[i];
        memset(&file->seen, 0, sizeof file->seen);
        memset(&file->durable, 0, sizeof file->durable);
        file->dirty = NULL;
        if (disk->files[i].used && !disk->files[i].folder) {
            copy_bytes(&file->seen, &disk->files[i].seen);
            copy_bytes(&file->durable, &disk->files[i].durable);
            file->dirty = malloc(sectors(file->seen.size) + 1);
            ASSERT(file->dirty != NULL);
            if (disk->files[i].dirty != NULL) {
                memcpy(file->dirty, disk->files[i].dirty, sectors(file->seen.size));
            }
        }
    }
    memory_disk_kill(copy);
    return copy;
}
