/* fuzz_snapshot — what a peer may say about snapshots: messages and manifests.
 *
 * Byte 0 of the input chooses (bits): 1 the rest is a manifest instead of a message and its
 * payload; 2 the manifest's checksum is made sound, so that what it says is read. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "ledger/node/snapshot_manifest.h"
#include "ledger/node/snapshot_wire.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { MANIFEST = 1, MEND = 2, BYTES_MAX = 1024 * 1024 };

static void take_message(struct bytes in)
{
    struct snapshot_message message;
    size_t head = in.size < SNAPSHOT_MESSAGE_SIZE ? in.size : SNAPSHOT_MESSAGE_SIZE;
    size_t payload = in.size - head;
    if (snapshot_message_decode((struct bytes){ in.data, head }, payload, &message) != STATUS_OK) {
        return;
    }
    uint8_t again[SNAPSHOT_MESSAGE_SIZE];
    snapshot_message_encode(&message, again);
    ASSERT(head == sizeof again && memcmp(again, in.data, sizeof again) == 0);
    ASSERT(message.kind == SNAPSHOT_MANIFEST || message.kind == SNAPSHOT_CHUNK || payload == 0);
    (void)snapshot_refusal_name(message.reason);
}

static void check_files(const struct snapshot_manifest *manifest)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const struct snapshot_file *file = &manifest->files[i];
        ASSERT(snapshot_name_valid(file->name, strlen(file->name)));
        ASSERT(i == 0 || strcmp(manifest->files[i - 1].name, file->name) < 0);
        bytes += file->size;
    }
    ASSERT(bytes == manifest->bytes);
    uint64_t covered = 0;
    for (uint32_t i = 0; i < manifest->chunk_count; i++) {
        struct snapshot_place place = snapshot_manifest_place(manifest, i);
        ASSERT(place.file < manifest->file_count && place.size > 0);
        ASSERT(place.offset + place.size <= manifest->files[place.file].size);
        covered += place.size;
    }
    ASSERT(covered == bytes);
}

static void take_manifest(struct bytes in)
{
    struct snapshot_manifest manifest;
    struct error error;
    if (snapshot_manifest_decode(in, &manifest, &error) != STATUS_OK) {
        return;
    }
    check_files(&manifest);
    size_t size = snapshot_manifest_size(&manifest);
    ASSERT(size == in.size);
    uint8_t *again = malloc(size);
    ASSERT(again != NULL);
    snapshot_manifest_encode(&manifest, again);
    ASSERT(memcmp(again, in.data, size) == 0);
    free(again);
    snapshot_manifest_free(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t mended[BYTES_MAX];
    if (size < 1 || size > BYTES_MAX) {
        return 0;
    }
    uint8_t mode = data[0];
    struct bytes rest = { data + 1, size - 1 };
    if ((mode & MANIFEST) == 0) {
        take_message(rest);
        return 0;
    }
    if ((mode & MEND) != 0 && rest.size >= 4) {
        memcpy(mended, rest.data, rest.size);
        uint32_t sum = crc32c(mended, rest.size - 4);
        memcpy(mended + rest.size - 4, &sum, sizeof sum);
        rest.data = mended;
    }
    take_manifest(rest);
    return 0;
}
