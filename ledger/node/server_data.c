#include "ledger/node/server_data.h"

#include "base/entropy.h"
#include "base/log_line.h"
#include "base/metrics.h"
#include "base/version.h"
#include "ledger/node/snapshot_install.h"

#include <stdlib.h>
#include <string.h>

enum {
    SEAL_EVENTS = 256 * 1024,
    ACCOUNTS_CACHED = 256 * 1024,
    CHECK_TELL_S = 10 /* between two lines on how far the digest of a snapshot is */
};

/* First what to do, because RocksDB's words are long. A file that is gone is an error of reading to
 * it, and damage to us. */
static enum status with_remedy(enum status status, struct error *error)
{
    bool lost = strstr(error->text, "No such file or directory") != NULL;
    if (status != STATUS_CORRUPT && !lost) {
        return status;
    }
    return error_set(error, STATUS_CORRUPT,
                     "the store is damaged: replace this node (fenlu admin member replace; one "
                     "without other members needs a backup). %s",
                     error->text);
}

static enum status open_store(void *context, const char *path, struct store **store_out,
                              struct store_checkpoint *checkpoint, struct error *error)
{
    const struct server_data_options *options = context;
    struct kv_rocks_options rocks = { .folder = path,
                                      .cache_bytes = options->cache_bytes,
                                      .background_jobs = 2 };
    struct store_options store = {
        .delta = { .seal_events = SEAL_EVENTS, .accounts_cached = ACCOUNTS_CACHED },
        .id_filter_bytes = options->cache_bytes / 2,
    };
    enum status status = kv_rocks_open(&rocks, &store.kv, error);
    if (status == STATUS_OK) {
        status = store_open(&store, store_out, checkpoint, error);
        if (status != STATUS_OK) {
            store.kv->ops->close(store.kv);
        }
    }
    return status == STATUS_OK ? STATUS_OK : with_remedy(status, error);
}

static enum status open_node(const struct server_data_options *options, struct server_data *data,
                             const struct log_recovered *recovered,
                             const struct store_checkpoint *checkpoint, struct error *error)
{
    struct entropy entropy = entropy_os();
    struct node_options node = {
        .clock = clock_os(),
        .seed = entropy_u64(&entropy),
        .identity = &options->folder->superblock,
        .disk = options->folder->disk,
        .folder = options->folder->path,
        .log = data->log,
        .recovered = recovered,
        .store = data->store,
        .checkpoint = checkpoint,
        .election_timeout_ns = options->election_timeout_ms * NS_PER_MS,
        .heartbeat_interval_ns = options->heartbeat_ms * NS_PER_MS,
        .disk_reserve_bytes = options->disk_reserve_bytes,
        .log_keep_bytes = options->log_keep_bytes,
        .snapshot_bytes_per_s = options->snapshot_bytes_per_s,
        .scrub_bytes_per_s = options->scrub_bytes_per_s,
        .host = options->host,
    };
    return node_open(&node, &data->node, error);
}

/* --- a snapshot that has arrived is switched in first --- */

static struct metric checked_records = { .name = "fenlu_snapshot_checked_records",
                                         .help = "Records read so far of the snapshot whose digest "
                                                 "is computed before it is switched in.",
                                         .kind = METRIC_GAUGE };
static struct metric checking_records = { .name = "fenlu_snapshot_checking_records",
                                          .help = "Records of the snapshot whose digest is "
                                                  "computed before it is switched in; 0: none is.",
                                          .kind = METRIC_GAUGE };

void server_data_register_metrics(void)
{
    metrics_register(&checked_records);
    metrics_register(&checking_records);
}

struct digest_watch {
    const struct server_data_options *options;
    struct clock clock;
    uint64_t tell_ns;
};

static bool on_checked(void *context, uint64_t records, uint64_t of_records)
{
    struct digest_watch *watch = context;
    const struct server_data_options *options = watch->options;
    uint64_t now_ns = clock_mono_ns(&watch->clock);
    metric_set(&checked_records, records);
    metric_set(&checking_records, of_records);
    if (now_ns >= watch->tell_ns) {
        watch->tell_ns = now_ns + CHECK_TELL_S * NS_PER_S;
        log_line(LOG_INFO, "snapshot_checking", LOG_UINT("node", options->folder->superblock.node),
                 LOG_UINT("records", records), LOG_UINT("of_records", of_records),
                 LOG_UINT("percent", records < of_records ? records * 100 / of_records : 100),
                 LOG_END);
    }
    return options->abandon == NULL || !__atomic_load_n(options->abandon, __ATOMIC_ACQUIRE);
}

static enum status finish_install(struct server_data_options *options,
                                  const struct log_options *log, struct error *error)
{
    struct digest_watch watch = { .options = options, .clock = clock_os() };
    struct snapshot_install install = { .log = *log,
                                        .superblock = &options->folder->superblock,
                                        .open_store = open_store,
                                        .context = options,
                                        .watch = { on_checked, &watch } };
    enum snapshot_install_outcome outcome = INSTALL_NOTHING;
    enum status status = snapshot_finish_install(&install, &outcome, error);
    metric_set(&checked_records, 0);
    metric_set(&checking_records, 0);
    return status;
}

enum status server_data_open(struct server_data_options *options, struct server_data *data,
                             struct error *error)
{
    struct data_folder *folder = options->folder;
    struct log_options log = { .disk = folder->disk,
                               .folder = folder->path,
                               .segment_size = LOG_SEGMENT_SIZE };
    char db_path[DISK_PATH_MAX];
    TRY(disk_join(db_path, folder->path, "db", error));
    TRY(finish_install(options, &log, error));
    struct log_recovered *recovered = malloc(sizeof *recovered);
    if (recovered == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the log's recovery");
    }
    struct store_checkpoint checkpoint;
    enum status status = log_open(&log, &folder->superblock, &data->log, recovered, error);
    if (status != STATUS_OK) {
        goto free_recovered;
    }
    status = open_store(options, db_path, &data->store, &checkpoint, error);
    if (status != STATUS_OK) {
        goto close_log;
    }
    status = open_node(options, data, recovered, &checkpoint, error);
    if (status != STATUS_OK) {
        goto close_store;
    }
    log_line(LOG_INFO, "opened", LOG_TEXT("version", FENLU_VERSION),
             LOG_UINT("node", folder->superblock.node), LOG_TEXT("folder", folder->path),
             LOG_UINT("last_index", recovered->last_index),
             LOG_UINT("checkpoint_index", checkpoint.log_index),
             LOG_UINT("torn_entries", recovered->torn_entries), LOG_END);
    free(recovered);
    return STATUS_OK;

close_store:
    store_close(data->store);
close_log:
    log_close(data->log);
free_recovered:
    free(recovered);
    *data = (struct server_data){ .node = NULL };
    return status;
}

void server_data_close(struct server_data *data)
{
    if (data->node == NULL) {
        return;
    }
    node_close(data->node);
    store_close(data->store);
    log_close(data->log);
    *data = (struct server_data){ .node = NULL };
}
