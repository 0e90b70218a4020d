#include "sim/sim_open.h"

#include "base/assert.h"
#include "ledger/node/snapshot_install.h"

#include <stdio.h>
#include <string.h>

enum { ACCOUNTS_CACHED = 64, ID_FILTER_BYTES = 16 * 1024 };

void sim_first_members(const struct sim_cluster *cluster, struct superblock *identity)
{
    *identity =
        (struct superblock){ .cluster = u128_make(7, 7), .member_count = cluster->options.count };
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        identity->members[i].id = i + 1;
        (void)snprintf(identity->members[i].address, MEMBER_ADDRESS_MAX, "127.0.0.1:%u", i + 1);
    }
}

void sim_identity_joining(struct superblock *identity, const struct sim_node *node, bool joining)
{
    identity->joining = joining;
    for (uint32_t i = 0; i < identity->member_count; i++) {
        if (identity->members[i].id == node->at + 1) {
            return;
        }
    }
    ASSERT(joining && identity->member_count < RAFT_MEMBERS_MAX);
    struct superblock_member *member = &identity->members[identity->member_count++];
    member->id = node->at + 1; /* above all others: the first members have the lowest ids */
    (void)snprintf(member->address, MEMBER_ADDRESS_MAX, "127.0.0.1:%u", node->at + 1);
}

static enum status open_store(void *context, const char *folder, struct store **store,
                              struct store_checkpoint *checkpoint, struct error *error)
{
    struct sim_node *node = context;
    struct store_options options = { .delta = { .seal_events = node->cluster->options.seal_events,
                                                .accounts_cached = ACCOUNTS_CACHED },
                                     .id_filter_bytes = ID_FILTER_BYTES };
    TRY(kv_file_open(&node->disk->disk, folder, &options.kv, error));
    enum status status = store_open(&options, store, checkpoint, error);
    if (status != STATUS_OK) {
        options.kv->ops->close(options.kv);
    }
    return status;
}

/* A snapshot that has arrived is switched in first. */
static enum status finish_install(struct sim_node *node, const struct log_options *log,
                                  struct error *error)
{
    struct snapshot_install install = {
        .log = *log, .superblock = &node->superblock, .open_store = open_store, .context = node
    };
    enum snapshot_install_outcome outcome = INSTALL_NOTHING;
    return snapshot_finish_install(&install, &outcome, error);
}

enum status sim_open(struct sim_node *node, struct node_options *options,
                     struct log_recovered *recovered, struct error *error)
{
    struct disk *disk = &node->disk->disk;
    struct store_checkpoint checkpoint;
    uint32_t repaired = 0;
    struct log_options log = { .disk = disk,
                               .folder = "d",
                               .segment_size = node->cluster->options.segment_size };
    TRY(superblock_load(disk, "d", &node->superblock, &repaired, error));
    TRY(finish_install(node, &log, error));
    TRY(log_open(&log, &node->superblock, &node->log, recovered, error));
    enum status status = open_store(node, "d/db", &node->store, &checkpoint, error);
    if (status != STATUS_OK) {
        log_close(node->log);
        return status;
    }
    options->identity = &node->superblock;
    options->disk = disk;
    options->folder = "d";
    options->log = node->log;
    options->recovered = recovered;
    options->store = node->store;
    options->checkpoint = &checkpoint;
    status = node_open(options, &node->node, error);
    if (status != STATUS_OK) {
        store_close(node->store);
        log_close(node->log);
    }
    return status;
}

void sim_close(struct sim_node *node)
{
    node_close(node->node);
    store_close(node->store);
    log_close(node->log);
}
