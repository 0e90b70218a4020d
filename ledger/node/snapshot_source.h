/* snapshot_source.h — the side of a snapshot that has it: takes it, describes it, hands it out.
 *
 * A snapshot is a copy of the store (store_copy: hard links) in DIR/snapshot/ID, and its manifest
 * in DIR/snapshot/ID.manifest, written last: what has a sound manifest is complete, and serves on
 * after a restart; anything else there is removed at open. There is one at a time. It is taken when
 * a receiver asks for one that reaches further than what there is, or when the operator wants one,
 * and it is given up when nobody has asked for SNAPSHOT_LEASE_MS, when it is found damaged, or when
 * the disk is short (hard links keep files that the store has dropped).
 *
 * One receiver is served; others are told BUSY until it has not got further for SNAPSHOT_SILENCE_MS,
 * be it silent, or deaf to what it is sent.
 * Pieces are read and sent no faster than bytes_per_s; checksums for a new manifest are made at
 * four times that rate.
 *
 * Threads  the keeper's alone, but for snapshot_source_held_index (any). The copying is the
 *          sealer's: `copy` asks for it, snapshot_source_copied brings the outcome.
 * Errors   a file of the snapshot that cannot be read, or is not what its checksum says, and a full
 *          disk give the snapshot up; other failures of the disk are the caller's, and fatal.
 */
#pragma once

#include "base/disk.h"
#include "ledger/node/snapshot_wire.h"
#include "ledger/store/store.h"

struct snapshot_source;

struct snapshot_source_options {
    struct disk *disk;
    const char *folder; /* the data folder; copied */
    u128 cluster;
    uint32_t node;
    uint64_t bytes_per_s; /* 0: SNAPSHOT_BYTES_PER_S */
    uint32_t chunk_size;  /* 0: SNAPSHOT_CHUNK_SIZE; tests use less */
    uint64_t seed;        /* of ids: another one at each start */
    /* Sends a message; takes over `payload` (malloc; NULL: none). May drop it: who needs the answer
     * asks again. */
    void (*send)(void *context, uint32_t to, const struct snapshot_message *message,
                 uint8_t *payload, size_t size);
    /* The sealer shall store_copy into the folder, which does not exist; answered by one call of
     * snapshot_source_copied. `path` is copied. */
    void (*copy)(void *context, const char *path);
    void *context;
};

/* What the steps need to know. */
struct snapshot_now {
    uint64_t now_ns;
    uint64_t checkpoint_index; /* how far a copy of the store would reach */
    bool disk_short;           /* no room for what can be done without */
};

enum snapshot_source_state { SOURCE_NONE, SOURCE_COPYING, SOURCE_SUMMING, SOURCE_READY };

struct snapshot_source_view {
    enum snapshot_source_state state;
    u128 snapshot;
    uint64_t index;
    uint64_t bytes;
    uint64_t sent_bytes; /* of files, by all snapshots since the open */
    uint32_t receiver;   /* node being served; 0: none */
};

STATUS_MUST_USE enum status snapshot_source_open(const struct snapshot_source_options *options,
                                                 uint64_t now_ns, struct snapshot_source **source,
                                                 struct error *error);
/* A copy under way has ended or never will be. The snapshot stays on the disk. */
void snapshot_source_close(struct snapshot_source *source);
/* The operator wants one: taken unless there is one of this checkpoint. BUSY when one is being
 * taken or sent, NO_SPACE when the disk is short, NOT_FOUND when nothing has been sealed yet. */
STATUS_MUST_USE enum status snapshot_source_want(struct snapshot_source *source,
                                                 const struct snapshot_now *now);
/* A message that asks (snapshot_message_asks), from a peer. */
void snapshot_source_receive(struct snapshot_source *source, uint32_t from,
                             const struct snapshot_message *message,
                             const struct snapshot_now *now);
/* The copy ended: with OK the folder holds the store as of `checkpoint`. */
STATUS_MUST_USE enum status snapshot_source_copied(struct snapshot_source *source,
                                                   enum status status,
                                                   const struct store_checkpoint *checkpoint,
                                                   uint64_t now_ns, struct error *error);
/* The next bounded piece of work; *more: another is due at once. */
STATUS_MUST_USE enum status snapshot_source_step(struct snapshot_source *source,
                                                 const struct snapshot_now *now, bool *more,
                                                 struct error *error);
/* When a step is due without a message; UINT64_MAX: never. */
uint64_t snapshot_source_due_ns(const struct snapshot_source *source);
/* Entries after this index are needed by a receiver of the snapshot; UINT64_MAX: none are. */
uint64_t snapshot_source_held_index(const struct snapshot_source *source);
void snapshot_source_view(const struct snapshot_source *source, struct snapshot_source_view *view);
