/* sim_disk_names.c — names, folders and the table of files of a simulated disk. */
#include "base/assert.h"
#include "sim/sim_disk_internal.h"

#include <stdlib.h>
#include <string.h>

static struct sim_disk *of(struct disk *disk)
{
    return disk->context;
}

struct sim_name *sim_disk_find(struct sim_disk *disk, const char *path)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        if (strcmp(disk->names[i].path, path) == 0) {
            return &disk->names[i];
        }
    }
    return NULL;
}

/* A name that nobody knows any more, or another one. */
static struct sim_name *free_name(struct sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        if (disk->names[i].seen < 0 && disk->names[i].durable < 0) {
            return &disk->names[i];
        }
    }
    ASSERT(disk->name_count < 2 * SIM_DISK_FILES_MAX);
    return &disk->names[disk->name_count++];
}

struct sim_name *sim_disk_name_of(struct sim_disk *disk, const char *path)
{
    struct sim_name *name = sim_disk_find(disk, path);
    if (name != NULL) {
        return name;
    }
    name = free_name(disk);
    ASSERT(strlen(path) < DISK_PATH_MAX);
    memcpy(name->path, path, strlen(path) + 1);
    name->seen = -1;
    name->durable = -1;
    return name;
}

static bool named(const struct sim_disk *disk, int32_t file)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        if (disk->names[i].seen == file || disk->names[i].durable == file) {
            return true;
        }
    }
    return false;
}

void sim_disk_free_file(struct sim_file *file)
{
    free(file->seen.data);
    free(file->before);
    free(file->dirty);
    free(file->flushed);
    memset(file, 0, sizeof *file);
}

/* A file that no name holds any more may still be open. */
void sim_disk_collect(struct sim_disk *disk)
{
    for (int32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (disk->files[i].used && disk->files[i].open_count == 0 && !named(disk, i)) {
            sim_disk_free_file(&disk->files[i]);
        }
    }
}

static int32_t find_free_file(const struct sim_disk *disk)
{
    int32_t i = 0;
    while (i < SIM_DISK_FILES_MAX && disk->files[i].used) {
        i++;
    }
    return i;
}

int32_t sim_disk_new_file(struct sim_disk *disk, bool folder)
{
    int32_t file = find_free_file(disk);
    if (file >= SIM_DISK_FILES_MAX / 2) {
        sim_disk_collect(disk);
        file = find_free_file(disk);
    }
    ASSERT(file < SIM_DISK_FILES_MAX);
    disk->files[file].used = true;
    disk->files[file].folder = folder;
    return file;
}

enum status sim_disk_rename(struct disk *seam, const char *from, const char *to,
                            struct error *error)
{
    struct sim_disk *disk = of(seam);
    TRY(sim_disk_step(disk, "rename", error));
    struct sim_name *source = sim_disk_find(disk, from);
    if (source == NULL || source->seen < 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", from);
    }
    sim_disk_name_of(disk, to)->seen = source->seen;
    source->seen = -1;
    return STATUS_OK;
}

enum status sim_disk_remove(struct disk *seam, const char *path, struct error *error)
{
    struct sim_disk *disk = of(seam);
    TRY(sim_disk_step(disk, "remove", error));
    struct sim_name *name = sim_disk_find(disk, path);
    if (name == NULL || name->seen < 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    }
    if (disk->space_bytes != UINT64_MAX) {
        disk->space_bytes += disk->files[name->seen].seen.size;
    }
    name->seen = -1;
    return STATUS_OK;
}

enum status sim_disk_make_folder(struct disk *seam, const char *path, struct error *error)
{
    struct sim_disk *disk = of(seam);
    TRY(sim_disk_step(disk, "make_folder", error));
    struct sim_name *name = sim_disk_name_of(disk, path);
    if (name->seen >= 0) {
        return error_set(error, STATUS_EXISTS, "%s exists", path);
    }
    name->seen = sim_disk_new_file(disk, true);
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

static enum status find_folder(struct sim_disk *disk, const char *path, struct error *error)
{
    struct sim_name *name = sim_disk_find(disk, path);
    if (name == NULL || name->seen < 0 || !disk->files[name->seen].folder) {
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    }
    return STATUS_OK;
}

enum status sim_disk_sync_folder(struct disk *seam, const char *path, struct error *error)
{
    struct sim_disk *disk = of(seam);
    TRY(sim_disk_step(disk, "sync_folder", error));
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

enum status sim_disk_list(struct disk *seam, const char *path, void (*each)(void *, const char *),
                          void *context, struct error *error)
{
    struct sim_disk *disk = of(seam);
    const char *names[2 * SIM_DISK_FILES_MAX];
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

enum status sim_disk_free_bytes(struct disk *seam, const char *path, uint64_t *bytes,
                                struct error *error)
{
    TRY(find_folder(of(seam), path, error));
    *bytes = of(seam)->space_bytes;
    return STATUS_OK;
}
