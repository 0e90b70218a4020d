/* snapshot_install.h — the switch to a snapshot that has arrived: part of opening a data folder.
 *
 * Called before log and store are opened, every time. In order, each step durable before the next:
 *   1  DIR/install/ready is there: the store in DIR/install/db is opened, it stands where the
 *      manifest says, and its digest, recomputed from all of its data, is the manifest's.
 *      DIR/install/checked says so: of a large store that takes an hour, and a process that ends
 *      after it does not begin it again. Nobody writes records to that store; what its disk does
 *      to it later, the store's checksums tell, as everywhere.
 *      The log is opened: when it holds the snapshot's entry (index and chain) it stays as it is,
 *      when it has gone past it the snapshot is dropped, else it will be replaced (what it holds is
 *      in the snapshot, or was never committed). DIR/install/plan says which.
 *   2  superblock.installing = true: from here on there is no way back, only on.
 *   3  DIR/db is emptied, then DIR/install/cleared made, then the files moved one by one.
 *   4  the log is reset to the snapshot's base, if so planned.
 *   5  superblock.installing = false, and DIR/install is removed.
 * A crash anywhere leaves what the next call continues from. Term and vote stay what they are,
 * unless the snapshot is of a later term: then that one counts, without a vote. A transfer that is
 * not ready is left to the target (snapshot_target.h).
 *
 * Threads  one, any.
 * Errors   SHUTTING_DOWN when the watch gave up: the next call begins with step 1 again. CORRUPT
 *          when what is ready is not what it says: it is removed, the node goes on as it was, and
 *          *outcome tells; anything returned is of the disk, the log or the superblock, and the
 *          node cannot open.
 */
#pragma once

#include "ledger/node/snapshot_manifest.h"
#include "ledger/store/store.h"
#include "raft/log/log.h"

struct snapshot_install {
    struct log_options log; /* with disk and data folder */
    struct superblock *superblock;
    /* Opens the store in a folder, as the host opens DIR/db. */
    enum status (*open_store)(void *context, const char *folder, struct store **store,
                              struct store_checkpoint *checkpoint, struct error *error);
    void *context;
    struct store_watch watch; /* of the digest; with who gives up, all of it is given up */
};

enum snapshot_install_outcome {
    INSTALL_NOTHING, /* none was ready */
    INSTALL_DONE,    /* the store is the snapshot's; the log was kept or reset */
    INSTALL_DROPPED, /* the log had gone past it */
    INSTALL_DAMAGED, /* it did not stand the checks */
};

STATUS_MUST_USE enum status snapshot_finish_install(const struct snapshot_install *install,
                                                    enum snapshot_install_outcome *outcome,
                                                    struct error *error);
