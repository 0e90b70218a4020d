/* snapshot_source_files.c — the source's files: DIR/snapshot/ID and DIR/snapshot/ID.manifest. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log_line.h"
#include "ledger/node/snapshot_source_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 48 };

static const char SUFFIX[] = ".manifest";

static void name_of(u128 snapshot, const char *suffix, char name[NAME_SIZE])
{
    int size =
        snprintf(name, NAME_SIZE, "%016llx%016llx%s", (unsigned long long)u128_high(snapshot),
                 (unsigned long long)u128_low(snapshot), suffix);
    ASSERT(size > 0 && size < NAME_SIZE);
}

enum status source_folder(const struct snapshot_source *source, u128 snapshot,
                          char path[DISK_PATH_MAX], struct error *error)
{
    char name[NAME_SIZE];
    name_of(snapshot, "", name);
    return disk_join(path, source->root, name, error);
}

/* --- one chunk --- */

static enum status open_file(const struct snapshot_source *source, const char *name,
                             struct disk_file *file, struct error *error)
{
    char folder[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    TRY(source_folder(source, source->manifest.snapshot, folder, error));
    TRY(disk_join(path, folder, name, error));
    return disk_open(source->options.disk, path, DISK_READ, file, error);
}

enum status source_read_chunk(const struct snapshot_source *source, uint32_t chunk, uint8_t **data,
                              uint32_t *size, uint32_t *sum, struct error *error)
{
    struct snapshot_place place = snapshot_manifest_place(&source->manifest, chunk);
    struct disk_file file;
    TRY(open_file(source, source->manifest.files[place.file].name, &file, error));
    uint8_t *bytes = malloc(place.size);
    ASSERT(bytes != NULL);
    enum status status =
        disk_read(source->options.disk, file, place.offset, bytes, place.size, error);
    disk_close(source->options.disk, file);
    if (status != STATUS_OK) {
        free(bytes);
        return status;
    }
    *data = bytes;
    *size = place.size;
    *sum = crc32c(bytes, place.size);
    return STATUS_OK;
}

/* --- the manifest --- */

static enum status file_size(const struct snapshot_source *source, const char *name, uint64_t *size,
                             struct error *error)
{
    struct disk_file file;
    TRY(open_file(source, name, &file, error));
    enum status status = disk_size(source->options.disk, file, size, error);
    disk_close(source->options.disk, file);
    return status;
}

static enum status add_files(struct snapshot_source *source, const struct snapshot_names *names,
                             struct error *error)
{
    for (uint32_t i = 0; i < names->count; i++) {
        uint64_t size = 0;
        TRY(file_size(source, names->names[i], &size, error));
        TRY(snapshot_manifest_add(&source->manifest, names->names[i], size, error));
    }
    return STATUS_OK;
}

enum status source_begin_manifest(struct snapshot_source *source,
                                  const struct store_checkpoint *checkpoint, struct error *error)
{
    char folder[DISK_PATH_MAX];
    struct snapshot_names names;
    source->manifest.cluster = source->options.cluster;
    source->manifest.source = source->options.node;
    source->manifest.chunk_size = source->options.chunk_size;
    source->manifest.index = checkpoint->log_index;
    source->manifest.term = checkpoint->log_term;
    source->manifest.timestamp = checkpoint->timestamp;
    source->manifest.chain = checkpoint->log_chain;
    source->manifest.digest = checkpoint->digest;
    source->next_sum = 0;
    TRY(source_folder(source, source->manifest.snapshot, folder, error));
    TRY(snapshot_list(source->options.disk, folder, &names, error));
    enum status status = add_files(source, &names, error);
    snapshot_names_free(&names);
    return status;
}

enum status source_end_manifest(struct snapshot_source *source, struct error *error)
{
    char name[NAME_SIZE];
    size_t size = snapshot_manifest_size(&source->manifest);
    uint8_t *encoded = malloc(size);
    ASSERT(encoded != NULL);
    snapshot_manifest_encode(&source->manifest, encoded);
    name_of(source->manifest.snapshot, SUFFIX, name);
    struct bytes bytes = { encoded, size };
    enum status status =
        snapshot_write_file(source->options.disk, source->root, name, bytes, error);
    if (status != STATUS_OK) {
        free(encoded);
        return status;
    }
    source->encoded = encoded;
    source->encoded_size = size;
    return STATUS_OK;
}

/* --- removal --- */

static enum status remove_named(struct snapshot_source *source, const char *name,
                                struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(disk_join(path, source->root, name, error));
    return snapshot_remove_tree(source->options.disk, path, error);
}

/* The manifest first: what has none is not taken for complete. */
static enum status remove_snapshot(struct snapshot_source *source, u128 snapshot,
                                   struct error *error)
{
    char name[NAME_SIZE];
    name_of(snapshot, SUFFIX, name);
    TRY(remove_named(source, name, error));
    TRY(disk_sync_folder(source->options.disk, source->root, error));
    name_of(snapshot, "", name);
    return remove_named(source, name, error);
}

enum status source_drop(struct snapshot_source *source, struct error *error)
{
    u128 snapshot = source->manifest.snapshot;
    snapshot_manifest_free(&source->manifest);
    free(source->encoded);
    source->encoded = NULL;
    source->encoded_size = 0;
    source->state = SOURCE_NONE;
    __atomic_store_n(&source->held_index, UINT64_MAX, __ATOMIC_RELEASE);
    return snapshot != 0 ? remove_snapshot(source, snapshot, error) : STATUS_OK;
}

/* --- what an earlier process left --- */

static bool ends_in_suffix(const char *name)
{
    size_t size = strlen(name);
    return size > sizeof SUFFIX && strcmp(name + size - (sizeof SUFFIX - 1), SUFFIX) == 0;
}

/* Every file is there and has its size; what is in it, its checksums tell when it is sent. */
static bool complete(const struct snapshot_source *source)
{
    struct error ignored;
    for (uint32_t i = 0; i < source->manifest.file_count; i++) {
        uint64_t size = 0;
        const struct snapshot_file *file = &source->manifest.files[i];
        if (file_size(source, file->name, &size, &ignored) != STATUS_OK || size != file->size) {
            return false;
        }
    }
    return true;
}

/* The source has it afterwards, when it is whole. */
static void take_up(struct snapshot_source *source, const char *manifest_name)
{
    struct error why;
    char name[NAME_SIZE];
    uint8_t *data = NULL;
    size_t size = 0;
    if (snapshot_read_file(source->options.disk, source->root, manifest_name,
                           SNAPSHOT_MANIFEST_BYTES_MAX, &data, &size, &why) != STATUS_OK) {
        return;
    }
    if (snapshot_manifest_decode((struct bytes){ data, size }, &source->manifest, &why) !=
        STATUS_OK) {
        free(data);
        return;
    }
    name_of(source->manifest.snapshot, SUFFIX, name);
    if (source->manifest.cluster != source->options.cluster || strcmp(name, manifest_name) != 0 ||
        !complete(source)) {
        snapshot_manifest_free(&source->manifest);
        free(data);
        return;
    }
    source->encoded = data;
    source->encoded_size = size;
}

static void find_complete(struct snapshot_source *source, const struct snapshot_names *names)
{
    for (uint32_t i = 0; i < names->count && source->encoded == NULL; i++) {
        if (ends_in_suffix(names->names[i])) {
            take_up(source, names->names[i]);
        }
    }
}

/* All but the snapshot that was taken up; manifests before their folders. */
static enum status remove_others(struct snapshot_source *source, const struct snapshot_names *names,
                                 struct error *error)
{
    char folder[NAME_SIZE] = "";
    char manifest[NAME_SIZE] = "";
    if (source->encoded != NULL) {
        name_of(source->manifest.snapshot, "", folder);
        name_of(source->manifest.snapshot, SUFFIX, manifest);
    }
    for (uint32_t i = names->count; i > 0; i--) {
        const char *name = names->names[i - 1];
        bool kept = strcmp(name, folder) == 0 || strcmp(name, manifest) == 0;
        TRY(kept ? STATUS_OK : remove_named(source, name, error));
    }
    return disk_sync_folder(source->options.disk, source->root, error);
}

enum status source_adopt(struct snapshot_source *source, struct error *error)
{
    struct snapshot_names names;
    enum status status = snapshot_list(source->options.disk, source->root, &names, error);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(status);
    find_complete(source, &names);
    status = remove_others(source, &names, error);
    snapshot_names_free(&names);
    TRY(status);
    if (source->encoded != NULL) {
        source->state = SOURCE_READY;
        __atomic_store_n(&source->held_index, source->manifest.index, __ATOMIC_RELEASE);
        log_line(LOG_INFO, "snapshot_kept", LOG_UINT("node", source->options.node),
                 LOG_UINT("index", source->manifest.index), LOG_END);
    }
    return STATUS_OK;
}
