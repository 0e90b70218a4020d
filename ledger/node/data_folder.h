/* data_folder.h — a server's data folder: made once by `fenlu format`, owned by one process.
 *
 *   DIR/lock        locked (flock) by the server that runs on it
 *   DIR/superblock  identity and Raft's hard state (raft/log/superblock.h)
 *   DIR/log/        segments (raft/log/segment.h)
 *   DIR/db/         RocksDB (ledger/store/keys.h)
 *   DIR/snapshot/   one that this node hands out (snapshot_source.h), at times
 *   DIR/install/    one on its way in (snapshot_target.h, snapshot_install.h), at times
 *
 * Errors are texts for an operator: which folder, what is wrong with it, what to do.
 */
#pragma once

#include "base/disk.h"
#include "base/entropy.h"
#include "raft/log/superblock.h"

struct data_folder {
    struct disk *disk;
    char path[DISK_PATH_MAX];
    struct disk_file lock;
    struct superblock superblock;
};

/* Makes the folder (its parent exists) or takes an empty one, and writes lock and superblock.
 * EXISTS when it is formatted already. `identity`: cluster, node, members; the incarnation comes
 * from `entropy`. */
STATUS_MUST_USE enum status data_folder_format(struct disk *disk, const char *path,
                                               const struct superblock *identity,
                                               const struct entropy *entropy, struct error *error);
/* Locks the folder and loads its superblock. NOT_FOUND: no such folder, or never formatted. */
STATUS_MUST_USE enum status data_folder_open(struct disk *disk, const char *path,
                                             struct data_folder *folder, struct error *error);
void data_folder_close(struct data_folder *folder);
