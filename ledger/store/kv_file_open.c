#include "ledger/store/kv_file.h"

#include <stdlib.h>
#include <string.h>

/* Data files of a folder that a manifest does not name. */
struct remnants {
    const struct kv_manifest *manifest;
    uint64_t *numbers;
    size_t count;
    bool no_memory;
};

static void see_name(void *context, const char *name)
{
    struct remnants *remnants = context;
    uint64_t number;
    bool named = !kv_data_number(name, &number);
    for (uint32_t i = 0; i < remnants->manifest->count && !named; i++) {
        named = remnants->manifest->files[i].number == number;
    }
    if (named || remnants->no_memory) {
        return;
    }
    uint64_t *grown = realloc(remnants->numbers, (remnants->count + 1) * sizeof *grown);
    remnants->no_memory = grown == NULL;
    if (grown != NULL) {
        remnants->numbers = grown;
        remnants->numbers[remnants->count++] = number;
    }
}

static enum status find_remnants(struct kv_file *file, const struct kv_manifest *manifest,
                                 struct remnants *remnants, struct error *error)
{
    *remnants = (struct remnants){ .manifest = manifest };
    enum status status = disk_list(file->disk, file->folder, see_name, remnants, error);
    return remnants->no_memory
               ? error_set(error, STATUS_MEMORY, "no memory to list %s", file->folder)
               : status;
}

static enum status remove_remnants(struct kv_file *file, const struct remnants *remnants,
                                   struct error *error)
{
    for (size_t i = 0; i < remnants->count; i++) {
        char path[DISK_PATH_MAX];
        TRY(kv_data_path(path, file->folder, remnants->numbers[i], error));
        TRY(disk_remove(file->disk, path, error));
    }
    return remnants->count == 0 ? STATUS_OK : disk_sync_folder(file->disk, file->folder, error);
}

/* A folder without a manifest is a new store, unless there is data that one must have named. */
static enum status begin_manifest(struct kv_file *file, struct kv_manifest *manifest,
                                  struct error *error)
{
    struct remnants remnants;
    *manifest = (struct kv_manifest){ .sequence = 1, .next_number = 1 };
    enum status status = find_remnants(file, manifest, &remnants, error);
    free(remnants.numbers);
    TRY(status);
    if (remnants.count > 0) {
        return error_set(
            error, STATUS_CORRUPT,
            "store %s has data, and both copies of its manifest are damaged or missing",
            file->folder);
    }
    return kv_manifest_write(file->disk, file->folder, manifest, true, error);
}

static enum status load_manifest(struct kv_file *file, struct kv_manifest *manifest,
                                 struct error *error)
{
    bool repair;
    enum status status = kv_manifest_read(file->disk, file->folder, manifest, &repair, error);
    if (status == STATUS_NOT_FOUND) {
        return begin_manifest(file, manifest, error);
    }
    TRY(status);
    if (repair) {
        TRY(kv_manifest_write(file->disk, file->folder, manifest, true, error));
    }
    struct remnants remnants;
    status = find_remnants(file, manifest, &remnants, error);
    if (status == STATUS_OK) {
        status = remove_remnants(file, &remnants, error);
    }
    free(remnants.numbers);
    return status;
}

static enum status load_state(struct kv_file *file, const struct kv_manifest *manifest,
                              struct error *error)
{
    struct kv_data *files[KV_FILES_MAX];
    uint32_t count = 0;
    enum status status = STATUS_OK;
    while (count < manifest->count && status == STATUS_OK) {
        status = kv_data_open(file->disk, file->folder, manifest->files[count].number,
                              manifest->files[count].size, &files[count], error);
        count += status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        kv_state_publish(file, kv_state_new(files, count));
    }
    for (uint32_t i = 0; i < count; i++) {
        kv_data_release(file, files[i]);
    }
    return status;
}

/* The folder's own name is durable before anything counts on it. */
static enum status make_folder(struct kv_file *file, struct error *error)
{
    char parent[DISK_PATH_MAX];
    enum status status = disk_make_folder(file->disk, file->folder, error);
    if (status != STATUS_OK && status != STATUS_EXISTS) {
        return status;
    }
    memcpy(parent, file->folder, sizeof parent);
    char *slash = strrchr(parent, '/');
    if (slash == NULL || slash == parent) {
        return STATUS_OK;
    }
    *slash = 0;
    return disk_sync_folder(file->disk, parent, error);
}

enum status kv_file_load(struct kv_file *file, const char *folder, struct error *error)
{
    struct kv_manifest manifest;
    size_t size = strlen(folder);
    if (size >= sizeof file->folder) {
        return error_set(error, STATUS_TOO_LARGE, "the folder name %s is too long", folder);
    }
    memcpy(file->folder, folder, size + 1);
    TRY(make_folder(file, error));
    TRY(load_manifest(file, &manifest, error));
    file->sequence = manifest.sequence;
    file->next_number = manifest.next_number;
    return load_state(file, &manifest, error);
}
