/* store_rocks_options.c — what Fenlu sets in RocksDB, and why: docs/store-tuning.md has what was
 * tried and measured. */
#include "base/limits.h"
#include "ledger/store/store_rocks.h"

#include <rocksdb/c.h>

enum {
    BLOCK_SIZE = 32 * 1024,
    MEMTABLE_BYTES = 1024 * 1024, /* for the one commit at creation */
    TABLE_BYTES = 16 * 1024 * 1024,
    LEVEL_0_FILES = 24, /* of some seven seals, that gather before one compaction */
    /* A filter of a table of ids has 3.5 MB: among RocksDB's 64 shards of its choice two of them
     * would drive each other out at every look-up. */
    CACHE_SHARD_BITS = 2,
    LEVEL_BASE_BYTES = 512 * 1024 * 1024,
    SYNC_BYTES = 1024 * 1024, /* written back at once, so that a sync has little left */
    INFO_LOG_BYTES = 1024 * 1024,
    INFO_LOG_HEADER = 5,
};

static rocksdb_cache_t *cache_new(uint64_t bytes)
{
    rocksdb_lru_cache_options_t *set = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(set, bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(set, CACHE_SHARD_BITS);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(set);
    rocksdb_lru_cache_options_destroy(set);
    return cache;
}

static void set_table(struct rocks_options *with, const struct kv_rocks_options *options)
{
    with->cache = cache_new(options->cache_bytes);
    with->table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(with->table, with->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(with->table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(with->table,
                                                                                     1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(with->table, 1);
    rocksdb_block_based_options_set_block_size(with->table, BLOCK_SIZE);
    rocksdb_block_based_options_set_format_version(with->table, 5);
    rocksdb_block_based_options_set_filter_policy(
        with->table, rocksdb_filterpolicy_create_bloom_full(ROCKS_FILTER_BITS));
}

static void set_compaction(rocksdb_options_t *set)
{
    rocksdb_options_set_compression(set, rocksdb_lz4_compression);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(set, 1);
    rocksdb_options_set_max_bytes_for_level_base(set, LEVEL_BASE_BYTES);
    rocksdb_options_set_target_file_size_base(set, TABLE_BYTES);
    rocksdb_options_set_level0_file_num_compaction_trigger(set, LEVEL_0_FILES);
}

void rocks_options_open(struct rocks_options *with, const struct kv_rocks_options *options)
{
    rocksdb_options_t *set = with->options = rocksdb_options_create();
    set_table(with, options);
    rocksdb_options_set_block_based_table_factory(set, with->table);
    set_compaction(set);
    rocksdb_options_set_create_if_missing(set, 1);
    rocksdb_options_set_paranoid_checks(set, 1);
    rocksdb_options_set_max_background_jobs(set, (int)options->background_jobs);
    /* Who reads last what a compaction has replaced would remove its files, and wait for the disk. */
    rocksdb_options_set_avoid_unnecessary_blocking_io(set, 1);
    rocksdb_options_set_max_open_files(set, STORE_OPEN_FILES_MAX);
    rocksdb_options_set_write_buffer_size(set, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(set, 2);
    rocksdb_options_set_bytes_per_sync(set, SYNC_BYTES);
    rocksdb_options_set_info_log_level(set, INFO_LOG_HEADER);
    rocksdb_options_set_max_log_file_size(set, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(set, 2);
    rocksdb_options_set_stats_dump_period_sec(set, 0);

    with->file_options = rocksdb_envoptions_create();
    with->read = rocksdb_readoptions_create();
    with->scan = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(with->scan, 0);
    rocksdb_readoptions_set_ignore_range_deletions(with->scan, 1);
    with->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(with->write, 1);
    with->flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(with->flush, 1);
    with->ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(with->ingest, 1);
}

void rocks_options_close(struct rocks_options *with)
{
    rocksdb_ingestexternalfileoptions_destroy(with->ingest);
    rocksdb_flushoptions_destroy(with->flush);
    rocksdb_writeoptions_destroy(with->write);
    rocksdb_readoptions_destroy(with->scan);
    rocksdb_readoptions_destroy(with->read);
    rocksdb_envoptions_destroy(with->file_options);
    rocksdb_options_destroy(with->options);
    rocksdb_block_based_options_destroy(with->table);
    rocksdb_cache_destroy(with->cache);
}
