/* snapshot_manifest.h — what a snapshot consists of: its place in the log, its files, and a
 * checksum for each chunk of them.
 *
 * The encoded form, little-endian, the same in the message and in the files of both sides:
 *    u32 magic, u16 version, u16 reserved, u128 snapshot id, u128 cluster, u32 source node,
 *    u32 chunk size, u64 index, u64 term, u64 timestamp, u64 chain, u128 digest, u32 files,
 *    u32 chunks; for each file: u8 length of the name, name, u64 size; for each chunk, in the order
 *    of the files: u32 CRC-32C; u32 CRC-32C of all that.
 *
 * Hostile bytes: names have only A-Z a-z 0-9 . _ - and do not begin with a dot, so that they can
 * lead nowhere; they ascend, so that none comes twice; sizes and counts are bounded before anything
 * is taken for them.
 * Memory  a manifest owns files and sums; snapshot_manifest_free gives them back.
 */
#pragma once

#include "base/cursor.h"
#include "base/error.h"
#include "base/limits.h"

struct snapshot_file {
    char name[SNAPSHOT_NAME_MAX];
    uint64_t size;
    uint32_t first_chunk; /* a file of no bytes has no chunk */
};

struct snapshot_manifest {
    u128 snapshot; /* random, never 0 */
    u128 cluster;
    uint32_t source; /* the node that took it */
    uint32_t chunk_size;
    uint64_t index; /* the log entry up to which it has everything, with: */
    uint64_t term;
    uint64_t timestamp;
    uint64_t chain;
    u128 digest; /* of the books at that entry */
    uint32_t file_count;
    uint32_t chunk_count;
    uint64_t bytes; /* of all files */
    struct snapshot_file *files;
    uint32_t *sums; /* CRC-32C of each chunk */
};

/* Where a chunk lies. */
struct snapshot_place {
    uint32_t file;
    uint64_t offset;
    uint32_t size;
};

void snapshot_manifest_free(struct snapshot_manifest *manifest);
bool snapshot_name_valid(const char *name, size_t size);
/* Appends a file, names ascending; its sums are zero. INVALID for a name that is not allowed,
 * TOO_LARGE beyond the bounds. */
STATUS_MUST_USE enum status snapshot_manifest_add(struct snapshot_manifest *manifest,
                                                  const char *name, uint64_t size,
                                                  struct error *error);
struct snapshot_place snapshot_manifest_place(const struct snapshot_manifest *manifest,
                                              uint32_t chunk);
size_t snapshot_manifest_size(const struct snapshot_manifest *manifest);
/* `out` has snapshot_manifest_size bytes. */
void snapshot_manifest_encode(const struct snapshot_manifest *manifest, uint8_t *out);
/* CORRUPT (the checksum), PROTOCOL (what it says cannot be), VERSION; on OK the caller frees it. */
STATUS_MUST_USE enum status
snapshot_manifest_decode(struct bytes in, struct snapshot_manifest *manifest, struct error *error);
