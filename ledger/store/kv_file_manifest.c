#include "base/crc32c.h"
#include "ledger/store/kv_file.h"

#include <string.h>

enum {
    MAGIC = 0x016D7646, /* "Fvm", version 1 */
    COPIES = 2,
    MANIFEST_SIZE = 32 + KV_FILES_MAX * 16,
};

static const char *const names[COPIES] = { "manifest-0", "manifest-1" };

static void encode(uint8_t bytes[MANIFEST_SIZE], const struct kv_manifest *manifest)
{
    memset(bytes, 0, MANIFEST_SIZE);
    struct writer writer = writer_init(bytes, MANIFEST_SIZE);
    write_u32(&writer, 0);
    write_u32(&writer, MAGIC);
    write_u64(&writer, manifest->sequence);
    write_u64(&writer, manifest->next_number);
    write_u32(&writer, manifest->count);
    write_u32(&writer, 0);
    for (uint32_t i = 0; i < manifest->count; i++) {
        write_u64(&writer, manifest->files[i].number);
        write_u64(&writer, manifest->files[i].size);
    }
    ASSERT(!writer.failed);
    struct writer first = writer_init(bytes, 4);
    write_u32(&first, crc32c(bytes + 4, MANIFEST_SIZE - 4));
}

static bool decode(const uint8_t bytes[MANIFEST_SIZE], struct kv_manifest *manifest)
{
    struct reader reader = reader_init(bytes, MANIFEST_SIZE);
    uint32_t crc = read_u32(&reader);
    uint32_t magic = read_u32(&reader);
    *manifest = (struct kv_manifest){ .sequence = read_u64(&reader) };
    manifest->next_number = read_u64(&reader);
    manifest->count = read_u32(&reader);
    (void)read_u32(&reader);
    if (crc != crc32c(bytes + 4, MANIFEST_SIZE - 4) || magic != MAGIC ||
        manifest->count > KV_FILES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < manifest->count; i++) {
        manifest->files[i].number = read_u64(&reader);
        manifest->files[i].size = read_u64(&reader);
    }
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static enum status open_copy(struct disk *disk, const char *path, bool *create,
                             struct disk_file *file, struct error *error)
{
    enum status status = disk_open(disk, path, DISK_WRITE, file, error);
    *create = *create && status == STATUS_NOT_FOUND;
    return *create ? disk_open(disk, path, DISK_CREATE, file, error) : status;
}

static enum status write_copy(struct disk *disk, const char *folder, const char *name,
                              const uint8_t *bytes, bool create, struct error *error)
{
    char path[DISK_PATH_MAX];
    struct disk_file file;
    struct disk_slice slice = { bytes, MANIFEST_SIZE };
    TRY(disk_join(path, folder, name, error));
    TRY(open_copy(disk, path, &create, &file, error));
    enum status status = create ? disk_allocate(disk, file, MANIFEST_SIZE, error) : STATUS_OK;
    if (status == STATUS_OK) {
        status = disk_write(disk, file, 0, &slice, 1, error);
    }
    if (status == STATUS_OK) {
        status = disk_sync(disk, file, error);
    }
    disk_close(disk, file);
    return status;
}

enum status kv_manifest_write(struct disk *disk, const char *folder,
                              const struct kv_manifest *manifest, bool create, struct error *error)
{
    uint8_t bytes[MANIFEST_SIZE];
    encode(bytes, manifest);
    for (int i = 0; i < COPIES; i++) {
        TRY(write_copy(disk, folder, names[i], bytes, create, error));
    }
    return create ? disk_sync_folder(disk, folder, error) : STATUS_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* False: missing, unreadable or damaged; the other copy decides then. */
static bool read_copy(struct disk *disk, const char *folder, const char *name,
                      struct kv_manifest *manifest)
{
    char path[DISK_PATH_MAX];
    uint8_t bytes[MANIFEST_SIZE];
    struct disk_file file;
    struct error error;
    if (disk_join(path, folder, name, &error) != STATUS_OK ||
        disk_open(disk, path, DISK_READ, &file, &error) != STATUS_OK) {
        return false;
    }
    enum status status = disk_read(disk, file, 0, bytes, sizeof bytes, &error);
    disk_close(disk, file);
    return status == STATUS_OK && decode(bytes, manifest);
}

enum status kv_manifest_read(struct disk *disk, const char *folder, struct kv_manifest *manifest,
                             bool *repair, struct error *error)
{
    struct kv_manifest copies[COPIES];
    bool sound[COPIES];
    for (int i = 0; i < COPIES; i++) {
        sound[i] = read_copy(disk, folder, names[i], &copies[i]);
    }
    if (!sound[0] && !sound[1]) {
        return error_set(error, STATUS_NOT_FOUND, "store %s: no copy of the manifest is sound",
                         folder);
    }
    bool second = !sound[0] || (sound[1] && copies[1].sequence > copies[0].sequence);
    *manifest = copies[second ? 1 : 0];
    *repair = !sound[0] || !sound[1] || copies[0].sequence != copies[1].sequence;
    return STATUS_OK;
}
