#include "ledger/node/snapshot_manifest.h"

#include "base/assert.h"
#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAGIC 0x4D4E4C46U /* "FLNM" */
enum {
    MANIFEST_VERSION = 1,
    /* magic, version, reserved, two ids, source, chunk size, four u64, digest, two counts */
    MANIFEST_FIXED = 4 + 4 + 32 + 8 + 32 + 16 + 8,
    MANIFEST_SUM = 4,
    FILE_FIXED = 1 + 8,
};
_Static_assert(MANIFEST_FIXED + MANIFEST_SUM <= 128, "as SNAPSHOT_MANIFEST_BYTES_MAX counts");

void snapshot_manifest_free(struct snapshot_manifest *manifest)
{
    free(manifest->files);
    free(manifest->sums);
    *manifest = (struct snapshot_manifest){ 0 };
}

bool snapshot_name_valid(const char *name, size_t size)
{
    if (size == 0 || size >= SNAPSHOT_NAME_MAX || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

/* --- files and chunks --- */

static enum status take_file(struct snapshot_manifest *manifest, const char *name, size_t name_size,
                             uint64_t size, struct error *error)
{
    uint32_t count = manifest->file_count;
    if (!snapshot_name_valid(name, name_size)) {
        return error_set(error, STATUS_INVALID,
                         "a snapshot cannot have a file of the name \"%.*s\"", (int)name_size,
                         name);
    }
    if (count == SNAPSHOT_FILES_MAX) {
        return error_set(error, STATUS_TOO_LARGE, "a snapshot has more than %d files",
                         SNAPSHOT_FILES_MAX);
    }
    uint64_t bytes_max = (uint64_t)SNAPSHOT_CHUNKS_MAX * manifest->chunk_size;
    uint64_t chunks = size <= bytes_max ? (size + manifest->chunk_size - 1) / manifest->chunk_size
                                        : SNAPSHOT_CHUNKS_MAX;
    if (size > bytes_max || chunks > SNAPSHOT_CHUNKS_MAX - manifest->chunk_count) {
        return error_set(error, STATUS_TOO_LARGE, "a snapshot has more than %d chunks of %u bytes",
                         SNAPSHOT_CHUNKS_MAX, manifest->chunk_size);
    }
    struct snapshot_file *file = &manifest->files[count];
    memcpy(file->name, name, name_size);
    file->name[name_size] = '\0';
    file->size = size;
    file->first_chunk = manifest->chunk_count;
    if (count > 0 && strcmp(manifest->files[count - 1].name, file->name) >= 0) {
        return error_set(error, STATUS_INVALID, "the files of a snapshot are not in order at %s",
                         file->name);
    }
    manifest->file_count++;
    manifest->chunk_count += (uint32_t)chunks;
    manifest->bytes += size;
    return STATUS_OK;
}

enum status snapshot_manifest_add(struct snapshot_manifest *manifest, const char *name,
                                  uint64_t size, struct error *error)
{
    size_t files = ((size_t)manifest->file_count + 1) * sizeof manifest->files[0];
    struct snapshot_file *grown = realloc(manifest->files, files);
    if (grown == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a snapshot's manifest");
    }
    manifest->files = grown;
    uint32_t before = manifest->chunk_count;
    TRY(take_file(manifest, name, strlen(name), size, error));
    size_t count = manifest->chunk_count > 0 ? manifest->chunk_count : 1;
    uint32_t *sums = realloc(manifest->sums, count * sizeof *sums);
    if (sums == NULL) {
        manifest->file_count--;
        manifest->chunk_count = before;
        manifest->bytes -= size;
        return error_set(error, STATUS_MEMORY, "no memory for a snapshot's manifest");
    }
    memset(sums + before, 0, (manifest->chunk_count - before) * sizeof *sums);
    manifest->sums = sums;
    return STATUS_OK;
}

struct snapshot_place snapshot_manifest_place(const struct snapshot_manifest *manifest,
                                              uint32_t chunk)
{
    ASSERT(chunk < manifest->chunk_count);
    uint32_t low = 0;
    uint32_t high = manifest->file_count;
    while (high - low > 1) { /* the last file that begins at or before the chunk, */
        uint32_t middle = low + (high - low) / 2;
        if (manifest->files[middle].first_chunk <= chunk) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct snapshot_file *file = &manifest->files[low]; /* so never one without bytes */
    uint64_t offset = (uint64_t)(chunk - file->first_chunk) * manifest->chunk_size;
    ASSERT(offset < file->size);
    uint64_t left = file->size - offset;
    return (struct snapshot_place){
        .file = low,
        .offset = offset,
        .size = left < manifest->chunk_size ? (uint32_t)left : manifest->chunk_size,
    };
}

/* --- encoding --- */

size_t snapshot_manifest_size(const struct snapshot_manifest *manifest)
{
    size_t size = MANIFEST_FIXED + (size_t)manifest->chunk_count * 4 + MANIFEST_SUM;
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        size += FILE_FIXED + strlen(manifest->files[i].name);
    }
    return size;
}

void snapshot_manifest_encode(const struct snapshot_manifest *manifest, uint8_t *out)
{
    size_t size = snapshot_manifest_size(manifest);
    struct writer writer = writer_init(out, size);
    write_u32(&writer, MANIFEST_MAGIC);
    write_u16(&writer, MANIFEST_VERSION);
    write_u16(&writer, 0);
    write_u128(&writer, manifest->snapshot);
    write_u128(&writer, manifest->cluster);
    write_u32(&writer, manifest->source);
    write_u32(&writer, manifest->chunk_size);
    write_u64(&writer, manifest->index);
    write_u64(&writer, manifest->term);
    write_u64(&writer, manifest->timestamp);
    write_u64(&writer, manifest->chain);
    write_u128(&writer, manifest->digest);
    write_u32(&writer, manifest->file_count);
    write_u32(&writer, manifest->chunk_count);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        size_t name_size = strlen(manifest->files[i].name);
        write_u8(&writer, (uint8_t)name_size);
        write_bytes(&writer, manifest->files[i].name, name_size);
        write_u64(&writer, manifest->files[i].size);
    }
    for (uint32_t i = 0; i < manifest->chunk_count; i++) {
        write_u32(&writer, manifest->sums[i]);
    }
    write_u32(&writer, crc32c(out, writer_size(&writer)));
    ASSERT(!writer.failed && writer_size(&writer) == size);
}

/* --- decoding --- */

static enum status unsound(struct error *error, const char *what)
{
    return error_set(error, STATUS_PROTOCOL, "the manifest of a snapshot makes no sense (%s)",
                     what);
}

static enum status decode_fixed(struct reader *reader, struct snapshot_manifest *manifest,
                                uint32_t *files, uint32_t *chunks, struct error *error)
{
    if (read_u32(reader) != MANIFEST_MAGIC) {
        return unsound(error, "magic");
    }
    uint16_t version = read_u16(reader);
    if (version != MANIFEST_VERSION) {
        return error_set(error, STATUS_VERSION, "the snapshot has format %u, this program reads %u",
                         (unsigned)version, (unsigned)MANIFEST_VERSION);
    }
    uint16_t reserved = read_u16(reader);
    manifest->snapshot = read_u128(reader);
    manifest->cluster = read_u128(reader);
    manifest->source = read_u32(reader);
    manifest->chunk_size = read_u32(reader);
    manifest->index = read_u64(reader);
    manifest->term = read_u64(reader);
    manifest->timestamp = read_u64(reader);
    manifest->chain = read_u64(reader);
    manifest->digest = read_u128(reader);
    *files = read_u32(reader);
    *chunks = read_u32(reader);
    if (reserved != 0 || manifest->snapshot == 0 || manifest->index == 0 || manifest->source == 0) {
        return unsound(error, "identity");
    }
    if (manifest->chunk_size < SNAPSHOT_CHUNK_SIZE_MIN ||
        manifest->chunk_size > SNAPSHOT_CHUNK_SIZE) {
        return unsound(error, "chunk size");
    }
    bool bounded = *files <= reader_left(reader) / FILE_FIXED && *files <= SNAPSHOT_FILES_MAX &&
                   *chunks <= reader_left(reader) / 4 && *chunks <= SNAPSHOT_CHUNKS_MAX;
    return bounded ? STATUS_OK : unsound(error, "counts");
}

static enum status decode_files(struct reader *reader, struct snapshot_manifest *manifest,
                                uint32_t files, struct error *error)
{
    for (uint32_t i = 0; i < files; i++) {
        size_t name_size = read_u8(reader);
        const char *name = (const char *)read_bytes(reader, name_size);
        uint64_t size = read_u64(reader);
        if (reader->failed) {
            return unsound(error, "files");
        }
        if (take_file(manifest, name, name_size, size, error) != STATUS_OK) {
            return error_set(error, STATUS_PROTOCOL, "%s", error->text);
        }
    }
    return STATUS_OK;
}

static enum status decode_rest(struct reader *reader, struct snapshot_manifest *manifest,
                               uint32_t files, uint32_t chunks, struct error *error)
{
    manifest->files = calloc(files > 0 ? files : 1, sizeof manifest->files[0]);
    manifest->sums = calloc(chunks > 0 ? chunks : 1, sizeof manifest->sums[0]);
    if (manifest->files == NULL || manifest->sums == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a snapshot's manifest");
    }
    TRY(decode_files(reader, manifest, files, error));
    if (manifest->chunk_count != chunks) {
        return unsound(error, "chunks");
    }
    for (uint32_t i = 0; i < chunks; i++) {
        manifest->sums[i] = read_u32(reader);
    }
    return reader_done(reader) ? STATUS_OK : unsound(error, "size");
}

enum status snapshot_manifest_decode(struct bytes in, struct snapshot_manifest *manifest,
                                     struct error *error)
{
    *manifest = (struct snapshot_manifest){ 0 };
    if (in.size < MANIFEST_FIXED + MANIFEST_SUM || in.size > SNAPSHOT_MANIFEST_BYTES_MAX) {
        return unsound(error, "size");
    }
    size_t size = in.size - MANIFEST_SUM;
    struct reader sum = reader_init(in.data + size, MANIFEST_SUM);
    if (read_u32(&sum) != crc32c(in.data, size)) {
        return error_set(error, STATUS_CORRUPT, "the manifest of a snapshot is damaged");
    }
    struct reader reader = reader_init(in.data, size);
    uint32_t files = 0;
    uint32_t chunks = 0;
    TRY(decode_fixed(&reader, manifest, &files, &chunks, error));
    enum status status = decode_rest(&reader, manifest, files, chunks, error);
    if (status != STATUS_OK) {
        snapshot_manifest_free(manifest);
    }
    return status;
}
