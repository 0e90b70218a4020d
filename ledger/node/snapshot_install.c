#include "ledger/node/snapshot_install.h"

#include "base/assert.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/snapshot_folder.h"

#include <stdlib.h>
#include <string.h>

/* What becomes of the log; the value of DIR/install/plan. */
enum log_plan { LOG_KEPT = 1, LOG_RESET = 2, LOG_PAST = 3 /* no install */ };

struct switching {
    const struct snapshot_install *install;
    struct disk *disk;
    const char *folder;
    char root[DISK_PATH_MAX]; /* DIR/install */
    char from[DISK_PATH_MAX]; /* DIR/install/db */
    char to[DISK_PATH_MAX];   /* DIR/db */
    struct snapshot_manifest manifest;
};

/* --- 1: is it what it says, and does it help --- */

static enum status differs(struct error *error, const char *what)
{
    return error_set(error, STATUS_CORRUPT,
                     "the store of the snapshot is not what its manifest says (%s)", what);
}

static bool marked(const struct switching *switching, const char *name)
{
    uint8_t value = 0;
    struct error ignored;
    return snapshot_read_mark(switching->disk, switching->root, name, switching->manifest.snapshot,
                              &value, &ignored) == STATUS_OK;
}

static enum status check_digest(const struct switching *switching, struct store *store,
                                struct error *error)
{
    u128 digest = 0;
    if (marked(switching, "checked")) {
        return STATUS_OK;
    }
    TRY(store_audit(store, &switching->install->watch, &digest, error));
    if (digest != switching->manifest.digest) {
        return differs(error, "its digest");
    }
    return snapshot_write_mark(switching->disk, switching->root, "checked",
                               switching->manifest.snapshot, 1, error);
}

static enum status compare_store(const struct switching *switching, struct store *store,
                                 const struct store_checkpoint *checkpoint, struct error *error)
{
    const struct snapshot_manifest *manifest = &switching->manifest;
    if (checkpoint->log_index != manifest->index || checkpoint->log_term != manifest->term ||
        checkpoint->timestamp != manifest->timestamp || checkpoint->log_chain != manifest->chain) {
        return differs(error, "its place in the log");
    }
    return check_digest(switching, store, error);
}

static enum status check_store(const struct switching *switching, struct error *error)
{
    const struct snapshot_install *install = switching->install;
    struct store *store = NULL;
    struct store_checkpoint checkpoint;
    TRY(install->open_store(install->context, switching->from, &store, &checkpoint, error));
    enum status status = compare_store(switching, store, &checkpoint, error);
    store_close(store);
    return status;
}

/* The entry that the snapshot ends with is the log's own (pitfall 17): what follows it stays. */
static enum status plan_log(const struct switching *switching, struct log *log,
                            const struct log_recovered *recovered, enum log_plan *plan,
                            struct error *error)
{
    const struct snapshot_manifest *manifest = &switching->manifest;
    struct superblock *superblock = switching->install->superblock;
    uint64_t chain = 0;
    *plan = LOG_RESET;
    if (recovered->base_index >= manifest->index) {
        *plan = LOG_PAST;
        return STATUS_OK;
    }
    if (recovered->last_index < manifest->index) {
        return STATUS_OK;
    }
    enum status status = log_chain_at(log, manifest->index, &chain, error);
    if (status == STATUS_CORRUPT) {
        /* It cannot be told whether what follows belongs to the snapshot: it is given up as a tail
         * that was acknowledged and is gone. */
        bool further = recovered->last_index > superblock->lost_index;
        superblock->lost_index = further ? recovered->last_index : superblock->lost_index;
        return STATUS_OK;
    }
    TRY(status);
    if (chain == manifest->chain || MUTATION(snapshot_keeps_a_conflicting_log)) {
        *plan = LOG_KEPT;
        SITUATION(snapshot_log_kept);
    }
    return STATUS_OK;
}

static enum status look_at_log(const struct switching *switching, enum log_plan *plan,
                               struct error *error)
{
    struct log *log = NULL;
    struct log_recovered *recovered = malloc(sizeof *recovered);
    if (recovered == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the log's recovery");
    }
    enum status status =
        log_open(&switching->install->log, switching->install->superblock, &log, recovered, error);
    if (status == STATUS_OK) {
        status = plan_log(switching, log, recovered, plan, error);
        log_close(log);
    }
    free(recovered);
    return status;
}

static void note_damaged(const struct switching *switching, const struct error *error)
{
    log_line(LOG_ERROR, "snapshot_refused", LOG_UINT("node", switching->install->superblock->node),
             LOG_UINT("index", switching->manifest.index), LOG_TEXT("reason", error->text),
             LOG_END);
}

/* Says nothing about the snapshot: the next start may see it through. */
static bool of_the_machine(enum status status)
{
    return status == STATUS_IO || status == STATUS_NO_SPACE || status == STATUS_MEMORY ||
           status == STATUS_DENIED || status == STATUS_SHUTTING_DOWN;
}

/* A snapshot may come from a term that this node has not heard of, when its sender has a newer
 * leader than the one that offered it. A log never ends in a later term than the node is in. */
static void raise_term(struct superblock *superblock, uint64_t term)
{
    if (superblock->term < term) {
        superblock->term = term;
        superblock->voted_for = 0;
    }
}

/* Commits to the switch, or drops the snapshot. */
static enum status decide(const struct switching *switching, enum snapshot_install_outcome *outcome,
                          struct error *error)
{
    struct superblock *superblock = switching->install->superblock;
    enum log_plan plan = LOG_PAST;
    enum status status = check_store(switching, error);
    if (status != STATUS_OK && !of_the_machine(status)) {
        note_damaged(switching, error);
        *outcome = INSTALL_DAMAGED;
        return snapshot_discard_install(switching->disk, switching->folder, error);
    }
    TRY(status);
    TRY(look_at_log(switching, &plan, error));
    if (plan == LOG_PAST) {
        *outcome = INSTALL_DROPPED;
        return snapshot_discard_install(switching->disk, switching->folder, error);
    }
    TRY(snapshot_write_mark(switching->disk, switching->root, "plan", switching->manifest.snapshot,
                            (uint8_t)plan, error));
    raise_term(superblock, switching->manifest.term);
    if (MUTATION(snapshot_forgets_lost_tail)) {
        superblock->lost_index = 0;
    }
    superblock->installing = true;
    return superblock_store(switching->disk, switching->folder, superblock, error);
}

/* --- 3: the store --- */

static enum status clear_db(const struct switching *switching, struct error *error)
{
    uint8_t value = 0;
    enum status status = snapshot_read_mark(switching->disk, switching->root, "cleared",
                                            switching->manifest.snapshot, &value, error);
    if (status != STATUS_NOT_FOUND) {
        return status; /* done: what is there now has been moved there */
    }
    TRY(snapshot_remove_tree(switching->disk, switching->to, error));
    TRY(snapshot_make_folder(switching->disk, switching->folder, "db", error));
    if (MUTATION(snapshot_clear_not_remembered)) {
        return STATUS_OK;
    }
    return snapshot_write_mark(switching->disk, switching->root, "cleared",
                               switching->manifest.snapshot, 1, error);
}

/* Folders are not part of a snapshot: who opened the store made them, and makes them again. */
static enum status move_name(const struct switching *switching, const char *name,
                             struct error *error)
{
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    struct snapshot_names names;
    TRY(disk_join(from, switching->from, name, error));
    TRY(disk_join(to, switching->to, name, error));
    if (snapshot_list(switching->disk, from, &names, error) == STATUS_OK) {
        snapshot_names_free(&names);
        return snapshot_remove_tree(switching->disk, from, error);
    }
    return disk_rename(switching->disk, from, to, error);
}

static enum status move_files(const struct switching *switching, struct error *error)
{
    struct snapshot_names names;
    TRY(snapshot_list(switching->disk, switching->from, &names, error));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < names.count && status == STATUS_OK; i++) {
        status = move_name(switching, names.names[i], error);
    }
    snapshot_names_free(&names);
    TRY(status);
    if (MUTATION(snapshot_moves_not_flushed)) {
        return STATUS_OK;
    }
    TRY(disk_sync_folder(switching->disk, switching->to, error)); /* there before gone here */
    return disk_sync_folder(switching->disk, switching->from, error);
}

/* --- 4 and 5 --- */

static enum status reset_log(const struct switching *switching, struct error *error)
{
    uint8_t plan = 0;
    const struct snapshot_manifest *manifest = &switching->manifest;
    enum status status = snapshot_read_mark(switching->disk, switching->root, "plan",
                                            manifest->snapshot, &plan, error);
    if (status == STATUS_NOT_FOUND) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: a snapshot is half installed, and the plan for the log is gone: "
                         "replace this node",
                         switching->folder);
    }
    TRY(status);
    if (plan == LOG_KEPT) {
        return STATUS_OK;
    }
    struct log_point base = { .index = manifest->index,
                              .term = manifest->term,
                              .timestamp = manifest->timestamp,
                              .chain = manifest->chain };
    return log_reset(&switching->install->log, switching->install->superblock, &base, error);
}

static enum status switch_over(const struct switching *switching, struct error *error)
{
    struct superblock *superblock = switching->install->superblock;
    SITUATION(snapshot_installed);
    TRY(clear_db(switching, error));
    TRY(move_files(switching, error));
    TRY(reset_log(switching, error));
    superblock->installing = false;
    TRY(superblock_store(switching->disk, switching->folder, superblock, error));
    log_line(LOG_INFO, "snapshot_installed", LOG_UINT("node", superblock->node),
             LOG_UINT("index", switching->manifest.index),
             LOG_UINT("source", switching->manifest.source), LOG_END);
    return snapshot_discard_install(switching->disk, switching->folder, error);
}

/* --- what is there --- */

static enum status load_manifest(struct switching *switching, struct error *error)
{
    uint8_t *data = NULL;
    size_t size = 0;
    TRY(snapshot_read_file(switching->disk, switching->root, "manifest",
                           SNAPSHOT_MANIFEST_BYTES_MAX, &data, &size, error));
    enum status status =
        snapshot_manifest_decode((struct bytes){ data, size }, &switching->manifest, error);
    free(data);
    return status;
}

static enum status finish(const struct switching *switching, enum snapshot_install_outcome *outcome,
                          struct error *error)
{
    const struct superblock *superblock = switching->install->superblock;
    if (!superblock->installing) {
        if (marked(switching, "cleared")) { /* over, but for the rest of step 5 */
            return snapshot_discard_install(switching->disk, switching->folder, error);
        }
        if (!marked(switching, "ready")) {
            return STATUS_OK;
        }
        if (switching->manifest.cluster != superblock->cluster) {
            *outcome = INSTALL_DAMAGED;
            return snapshot_discard_install(switching->disk, switching->folder, error);
        }
        TRY(decide(switching, outcome, error));
    } else {
        SITUATION(snapshot_install_went_on);
    }
    if (!superblock->installing) {
        return STATUS_OK;
    }
    TRY(switch_over(switching, error));
    *outcome = INSTALL_DONE;
    return STATUS_OK;
}

enum status snapshot_finish_install(const struct snapshot_install *install,
                                    enum snapshot_install_outcome *outcome, struct error *error)
{
    struct switching switching = { .install = install,
                                   .disk = install->log.disk,
                                   .folder = install->log.folder };
    *outcome = INSTALL_NOTHING;
    TRY(disk_join(switching.root, switching.folder, "install", error));
    TRY(disk_join(switching.from, switching.root, "db", error));
    TRY(disk_join(switching.to, switching.folder, "db", error));
    struct error why;
    enum status status = load_manifest(&switching, &why);
    if (status != STATUS_OK && !install->superblock->installing) {
        return STATUS_OK; /* nothing is ready; the target removes what is not sound */
    }
    if (status != STATUS_OK) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: a snapshot is half installed and its manifest is gone (%s): replace "
                         "this node",
                         switching.folder, why.text);
    }
    status = finish(&switching, outcome, error);
    snapshot_manifest_free(&switching.manifest);
    return status;
}
