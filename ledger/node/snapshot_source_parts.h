/* snapshot_source_parts.h — the source's own: its state, and what it does with files
 * (snapshot_source_files.c) for what it decides (snapshot_source.c). */
#pragma once

#include "base/random.h"
#include "ledger/node/snapshot_folder.h"
#include "ledger/node/snapshot_manifest.h"
#include "ledger/node/snapshot_source.h"
#include "ledger/node/throttle.h"

/* Compared as bytes: no holes. */
struct source_request {
    uint64_t manifest; /* 1: a piece of it from `offset`; 0: the chunk of that number */
    uint64_t offset;
};

struct snapshot_source {
    struct snapshot_source_options options;
    char data_folder[DISK_PATH_MAX];
    char root[DISK_PATH_MAX]; /* DIR/snapshot */
    struct random random;
    enum snapshot_source_state state;
    bool wanted;
    u128 copy_id;                      /* of the copy under way */
    struct snapshot_manifest manifest; /* from SUMMING on */
    uint32_t next_sum;
    uint8_t *encoded; /* READY */
    size_t encoded_size;
    struct throttle sending;
    struct throttle summing;
    uint64_t asked_ns; /* last time that anybody wanted it */
    uint32_t receiver;
    uint64_t farthest;    /* what it asked for: how_far */
    uint64_t advanced_ns; /* when it asked for that first */
    struct source_request requests[SNAPSHOT_REQUESTS_MAX];
    uint32_t request_count;
    uint64_t sent_bytes;
    uint64_t held_index; /* atomic */
};

/* DIR/snapshot/ID */
STATUS_MUST_USE enum status source_folder(const struct snapshot_source *source, u128 snapshot,
                                          char path[DISK_PATH_MAX], struct error *error);
/* At open: takes up a complete snapshot and removes everything else that is there. */
STATUS_MUST_USE enum status source_adopt(struct snapshot_source *source, struct error *error);
/* Removes the snapshot (or the copy under way) and all of its files: state NONE. */
STATUS_MUST_USE enum status source_drop(struct snapshot_source *source, struct error *error);
/* The manifest of the copy, without sums. */
STATUS_MUST_USE enum status source_begin_manifest(struct snapshot_source *source,
                                                  const struct store_checkpoint *checkpoint,
                                                  struct error *error);
/* Encodes and stores it. */
STATUS_MUST_USE enum status source_end_manifest(struct snapshot_source *source,
                                                struct error *error);
/* `*data` is the caller's (malloc), also when the chunk's sum is not the manifest's. */
STATUS_MUST_USE enum status source_read_chunk(const struct snapshot_source *source, uint32_t chunk,
                                              uint8_t **data, uint32_t *size, uint32_t *sum,
                                              struct error *error);
