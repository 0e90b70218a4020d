/* snapshot_target_files.c — the target's files: DIR/install. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "ledger/node/snapshot_target_parts.h"

#include <stdlib.h>
#include <string.h>

void target_set_have(struct snapshot_target *target, uint32_t chunk, bool have)
{
    uint8_t bit = (uint8_t)(1U << (chunk % 8));
    uint32_t size = snapshot_manifest_place(&target->manifest, chunk).size;
    if (have == target_has(target, chunk)) {
        return;
    }
    target->have[chunk / 8] ^= bit;
    if (have) {
        target->have_count++;
        target->received += size;
    } else {
        target->have_count--;
        target->received -= size;
    }
}

enum status target_begin_chunks(struct snapshot_target *target, struct error *error)
{
    free(target->have);
    target->have = calloc((size_t)target->manifest.chunk_count / 8 + 1, 1);
    target->have_count = 0;
    target->received = 0;
    target->file = 0;
    target->chunk = 0;
    target->file_new = false;
    target->checks = 0;
    if (target->have == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the chunks of a snapshot");
    }
    return STATUS_OK;
}

enum status target_drop(struct snapshot_target *target, struct error *error)
{
    snapshot_manifest_free(&target->manifest);
    free(target->encoded);
    free(target->have);
    target->encoded = NULL;
    target->encoded_got = 0;
    target->encoded_total = 0;
    target->arriving = 0;
    target->have = NULL;
    target->have_count = 0;
    target->received = 0;
    target->state = TARGET_IDLE;
    return snapshot_discard_install(target->options.disk, target->data_folder, error);
}

/* --- the manifest --- */

static bool was_ready(struct snapshot_target *target)
{
    uint8_t value = 0;
    struct error ignored;
    return snapshot_read_mark(target->options.disk, target->root, "ready",
                              target->manifest.snapshot, &value, &ignored) == STATUS_OK;
}

enum status target_load(struct snapshot_target *target, struct error *error)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct error why;
    enum status status = snapshot_read_file(target->options.disk, target->root, "manifest",
                                            SNAPSHOT_MANIFEST_BYTES_MAX, &data, &size, &why);
    if (status == STATUS_OK) {
        status = snapshot_manifest_decode((struct bytes){ data, size }, &target->manifest, &why);
        free(data);
    }
    if (status != STATUS_OK || target->manifest.cluster != target->options.cluster) {
        return target_drop(target, error); /* nothing there, mostly */
    }
    if (was_ready(target)) {
        target->state = TARGET_READY; /* by a process that did not switch: the host opens again */
        return STATUS_OK;
    }
    return target_begin_chunks(target, error);
}

static enum status check_room(struct snapshot_target *target, struct error *error)
{
    uint64_t free_bytes = 0;
    TRY(disk_free_bytes(target->options.disk, target->data_folder, &free_bytes, error));
    uint64_t needed = target->manifest.bytes + target->options.disk_reserve_bytes;
    if (free_bytes >= needed) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_NO_SPACE,
                     "a snapshot needs %llu MiB, with %llu MiB kept in reserve, and the disk of %s "
                     "has %llu MiB free: make room",
                     (unsigned long long)(target->manifest.bytes >> 20),
                     (unsigned long long)(target->options.disk_reserve_bytes >> 20),
                     target->data_folder, (unsigned long long)(free_bytes >> 20));
}

enum status target_store_manifest(struct snapshot_target *target, uint8_t *encoded, size_t size,
                                  struct error *error)
{
    struct disk *disk = target->options.disk;
    TRY(check_room(target, error));
    TRY(target_begin_chunks(target, error));
    TRY(snapshot_make_folder(disk, target->data_folder, "install", error));
    TRY(snapshot_make_folder(disk, target->root, "db", error));
    return snapshot_write_file(disk, target->root, "manifest", (struct bytes){ encoded, size },
                               error);
}

/* --- files --- */

static enum status file_path(const struct snapshot_target *target, uint32_t file,
                             char path[DISK_PATH_MAX], struct error *error)
{
    return disk_join(path, target->db, target->manifest.files[file].name, error);
}

static enum status open_file(const struct snapshot_target *target, uint32_t index,
                             enum disk_open_mode mode, struct disk_file *file, struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(file_path(target, index, path, error));
    return disk_open(target->options.disk, path, mode, file, error);
}

static enum status create_file(struct snapshot_target *target, uint32_t index, struct error *error)
{
    struct disk_file file;
    uint64_t size = target->manifest.files[index].size;
    TRY(open_file(target, index, DISK_CREATE, &file, error));
    enum status status =
        size > 0 ? disk_allocate(target->options.disk, file, size, error) : STATUS_OK;
    disk_close(target->options.disk, file);
    return status;
}

/* The file is there and has its size. */
static enum status prepare_file(struct snapshot_target *target, uint32_t index, struct error *error)
{
    struct disk_file file;
    uint64_t size = 0;
    char path[DISK_PATH_MAX];
    enum status status = open_file(target, index, DISK_READ, &file, error);
    if (status == STATUS_OK) {
        status = disk_size(target->options.disk, file, &size, error);
        disk_close(target->options.disk, file);
        TRY(status);
        if (size == target->manifest.files[index].size) {
            target->file_new = false;
            return STATUS_OK;
        }
        TRY(file_path(target, index, path, error));
        TRY(disk_remove(target->options.disk, path, error));
    } else if (status != STATUS_NOT_FOUND) {
        return status;
    }
    target->file_new = true;
    return create_file(target, index, error);
}

/* What cannot be read is not here: it is asked for, and written, again. */
static bool chunk_sound(struct snapshot_target *target, uint32_t chunk)
{
    struct snapshot_place place = snapshot_manifest_place(&target->manifest, chunk);
    struct disk_file file;
    struct error ignored;
    if (open_file(target, place.file, DISK_READ, &file, &ignored) != STATUS_OK) {
        return false;
    }
    uint8_t *data = malloc(place.size);
    ASSERT(data != NULL);
    bool sound = disk_read(target->options.disk, file, place.offset, data, place.size, &ignored) ==
                     STATUS_OK &&
                 crc32c(data, place.size) == target->manifest.sums[chunk];
    disk_close(target->options.disk, file);
    free(data);
    return sound;
}

static uint32_t end_chunk(const struct snapshot_target *target, uint32_t file)
{
    bool last = file + 1 == target->manifest.file_count;
    return last ? target->manifest.chunk_count : target->manifest.files[file + 1].first_chunk;
}

enum status target_scan(struct snapshot_target *target, bool *done, struct error *error)
{
    const struct snapshot_manifest *manifest = &target->manifest;
    *done = target->file == manifest->file_count;
    if (*done) {
        target->chunk = 0;
        return STATUS_OK;
    }
    uint32_t first = manifest->files[target->file].first_chunk;
    uint32_t end = end_chunk(target, target->file);
    if (target->chunk == first) {
        TRY(prepare_file(target, target->file, error));
    }
    if (!target->file_new && target->chunk < end) {
        target_set_have(target, target->chunk, chunk_sound(target, target->chunk));
        target->chunk++;
    }
    if (target->file_new || target->chunk >= end) {
        target->chunk = end;
        target->file++;
    }
    return STATUS_OK;
}

enum status target_write_chunk(struct snapshot_target *target, uint32_t chunk, struct bytes data,
                               struct error *error)
{
    struct snapshot_place place = snapshot_manifest_place(&target->manifest, chunk);
    struct disk_slice slice = { .data = data.data, .size = data.size };
    struct disk_file file;
    ASSERT(data.size == place.size);
    TRY(open_file(target, place.file, DISK_WRITE, &file, error));
    enum status status = disk_write(target->options.disk, file, place.offset, &slice, 1, error);
    disk_close(target->options.disk, file);
    return status;
}

/* --- before it counts --- */

static enum status sync_file(struct snapshot_target *target, uint32_t index, struct error *error)
{
    struct disk_file file;
    TRY(open_file(target, index, DISK_WRITE, &file, error));
    bool skip = MUTATION(snapshot_files_not_flushed);
    enum status status = skip ? STATUS_OK : disk_sync(target->options.disk, file, error);
    disk_close(target->options.disk, file);
    return status;
}

enum status target_check(struct snapshot_target *target, bool *done, struct error *error)
{
    *done = false;
    switch (target->phase) {
    case CHECK_SYNC_FILES:
        if (target->file < target->manifest.file_count) {
            return sync_file(target, target->file++, error);
        }
        target->phase = CHECK_SYNC_FOLDERS;
        return STATUS_OK;
    case CHECK_SYNC_FOLDERS:
        TRY(disk_sync_folder(target->options.disk, target->db, error));
        TRY(disk_sync_folder(target->options.disk, target->root, error));
        target->phase = CHECK_CHUNKS;
        return STATUS_OK;
    case CHECK_CHUNKS:
        if (target->chunk < target->manifest.chunk_count) {
            target_set_have(target, target->chunk, chunk_sound(target, target->chunk));
            target->chunk++;
        }
        *done = target->chunk == target->manifest.chunk_count;
        return STATUS_OK;
    }
    UNREACHABLE();
}

enum status target_store_ready(struct snapshot_target *target, struct error *error)
{
    return snapshot_write_mark(target->options.disk, target->root, "ready",
                               target->manifest.snapshot, 1, error);
}
