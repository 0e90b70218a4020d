/* snapshot_target_parts.h — the target's own: its state, and what it does with files
 * (snapshot_target_files.c) for what it decides (snapshot_target.c). */
#pragma once

#include "ledger/node/snapshot_folder.h"
#include "ledger/node/snapshot_target.h"

/* A chunk that was asked for. */
struct target_ask {
    bool used;
    uint32_t chunk;
    uint64_t asked_ns;
};

enum check_phase { CHECK_SYNC_FILES, CHECK_SYNC_FOLDERS, CHECK_CHUNKS };

struct snapshot_target {
    struct snapshot_target_options options;
    char data_folder[DISK_PATH_MAX];
    char root[DISK_PATH_MAX]; /* DIR/install */
    char db[DISK_PATH_MAX];   /* DIR/install/db */
    enum snapshot_target_state state;
    uint32_t source;        /* who is asked */
    uint32_t offered_by;    /* who leads, as of the last offer */
    uint64_t base_index;    /* of the last offer */
    uint64_t heard_ns;      /* of the source */
    uint64_t ask_ns;        /* ASKING: when to ask (again) */
    uint64_t not_before_ns; /* offers are of no use until then */

    /* ASKING: the manifest as far as it has arrived */
    u128 arriving;
    uint8_t *encoded;
    uint64_t encoded_total;
    uint64_t encoded_got;

    /* from SCANNING on, and in IDLE when a transfer pauses */
    struct snapshot_manifest manifest; /* snapshot 0: none */
    uint8_t *have;                     /* a bit for each chunk that is in its place and sound */
    uint32_t have_count;
    uint64_t received;
    uint32_t file;  /* SCANNING, CHECKING: at work */
    uint32_t chunk; /* likewise; PULLING: where to look for what is missing */
    bool file_new;  /* SCANNING: nothing in it yet */
    enum check_phase phase;
    uint32_t checks; /* rounds of CHECKING that found something amiss */
    struct target_ask asks[SNAPSHOT_WINDOW];
};

static inline bool target_has(const struct snapshot_target *target, uint32_t chunk)
{
    return (target->have[chunk / 8] >> (chunk % 8) & 1) != 0;
}
void target_set_have(struct snapshot_target *target, uint32_t chunk, bool have);

/* At open: takes up the manifest that an earlier process left, or removes what is there. */
STATUS_MUST_USE enum status target_load(struct snapshot_target *target, struct error *error);
/* Room in memory for the chunks of the manifest, none of them here. */
STATUS_MUST_USE enum status target_begin_chunks(struct snapshot_target *target,
                                                struct error *error);
/* The manifest has arrived whole and sound: stores it, and makes the folders. NO_SPACE when the
 * disk has no room for the files. */
STATUS_MUST_USE enum status target_store_manifest(struct snapshot_target *target, uint8_t *encoded,
                                                  size_t size, struct error *error);
/* SCANNING: the next file made ready, or the next chunk of it looked at; *done: that was all. */
STATUS_MUST_USE enum status target_scan(struct snapshot_target *target, bool *done,
                                        struct error *error);
/* Writes a chunk whose sum has been checked. */
STATUS_MUST_USE enum status target_write_chunk(struct snapshot_target *target, uint32_t chunk,
                                               struct bytes data, struct error *error);
/* CHECKING: the next file or folder synced, or the next chunk read back; *done: that was all. */
STATUS_MUST_USE enum status target_check(struct snapshot_target *target, bool *done,
                                         struct error *error);
STATUS_MUST_USE enum status target_store_ready(struct snapshot_target *target, struct error *error);
/* Removes everything, on the disk and here: state IDLE. */
STATUS_MUST_USE enum status target_drop(struct snapshot_target *target, struct error *error);
