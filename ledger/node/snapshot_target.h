/* snapshot_target.h — the side of a snapshot that needs it: a node that is too far behind.
 *
 * Raft tells that the leader no longer has the entries this node needs: an offer. The target then
 * pulls a snapshot: its manifest, then the chunks, SNAPSHOT_WINDOW of them under way, each checked
 * against the manifest's checksum before it is written. Everything lies in
 *   DIR/install/manifest   the encoded manifest, synced before the first chunk
 *   DIR/install/db/        the files
 *   DIR/install/ready      written last: the files are complete, synced, and were read back from
 *                          the disk and checked; the id of the snapshot
 * so what has arrived outlives the process: after a restart the files are read, and the chunks
 * whose checksum is right are not asked for again. What is ready is switched in by the next opening
 * (snapshot_install.h).
 *
 * A transfer goes on with the node that has the snapshot, whoever leads. A newer offer does not
 * disturb it, unless the snapshot is refused (gone), its source is silent, or it does not reach the
 * base of the log of the leader that offers: then what has arrived is dropped and another one asked
 * for, of the node that offers. A node that catches up by entries drops it too.
 *
 * Threads  the keeper's alone.
 * Errors   of the disk are fatal to the process, except NO_SPACE: the transfer pauses and goes on
 * at a later offer. Messages that are not sound, not from the source, or not asked for are dropped.
 */
#pragma once

#include "base/disk.h"
#include "ledger/node/snapshot_manifest.h"
#include "ledger/node/snapshot_wire.h"

struct snapshot_target;

struct snapshot_target_options {
    struct disk *disk;
    const char *folder; /* the data folder; copied */
    u128 cluster;
    uint64_t disk_reserve_bytes; /* left free by a transfer */
    void (*send)(void *context, uint32_t to, const struct snapshot_message *message,
                 uint8_t *payload, size_t size);
    void *context;
};

enum snapshot_target_state {
    TARGET_IDLE,
    TARGET_ASKING,   /* for the manifest */
    TARGET_SCANNING, /* what an earlier process left */
    TARGET_PULLING,
    TARGET_CHECKING, /* all of it, from the disk */
    TARGET_READY
};

struct snapshot_target_view {
    enum snapshot_target_state state;
    uint32_t source;
    u128 snapshot;
    uint64_t index;
    uint64_t bytes;    /* of the whole */
    uint64_t received; /* of them, here and sound */
};

/* Takes up what an earlier process left; anything unsound there is removed. */
STATUS_MUST_USE enum status snapshot_target_open(const struct snapshot_target_options *options,
                                                 struct snapshot_target **target,
                                                 struct error *error);
void snapshot_target_close(struct snapshot_target *target);
/* The leader `from` has no entries up to base_index any more, and this node needs them. Comes again
 * and again while that is so. */
STATUS_MUST_USE enum status snapshot_target_offer(struct snapshot_target *target, uint32_t from,
                                                  uint64_t base_index, uint64_t now_ns,
                                                  struct error *error);
/* This node's log is applied up to here without a snapshot. */
STATUS_MUST_USE enum status snapshot_target_applied(struct snapshot_target *target, uint64_t index,
                                                    struct error *error);
/* A message that answers, from a peer; its payload is borrowed. */
STATUS_MUST_USE enum status snapshot_target_receive(struct snapshot_target *target, uint32_t from,
                                                    const struct snapshot_message *message,
                                                    struct bytes payload, uint64_t now_ns,
                                                    struct error *error);
/* The next bounded piece of work; *more: another is due at once. */
STATUS_MUST_USE enum status snapshot_target_step(struct snapshot_target *target, uint64_t now_ns,
                                                 bool *more, struct error *error);
/* When a step is due without a message; UINT64_MAX: never. */
uint64_t snapshot_target_due_ns(const struct snapshot_target *target);
/* DIR/install/ready is there: the host shall restart the node. */
bool snapshot_target_ready(const struct snapshot_target *target);
void snapshot_target_view(const struct snapshot_target *target, struct snapshot_target_view *view);
