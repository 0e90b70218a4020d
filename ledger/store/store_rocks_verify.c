#include "base/assert.h"
#include "base/limits.h"
#include "ledger/store/store_rocks.h"

#include <errno.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CACHE_BYTES = 4 * 1024 * 1024, /* indexes of the files under way */
    READ_AHEAD_BYTES = 256 * 1024,
    INFO_LOG_BYTES = 256 * 1024,
    INFO_LOG_HEADER = 5,
    ATTEMPTS = 3,
};

struct rocks_verifier {
    char folder[DISK_PATH_MAX];
    char scratch[DISK_PATH_MAX];
    rocksdb_cache_t *cache;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    rocksdb_t *database;
    uint64_t bytes; /* read, about */
};

/* Read by one verifier: a file that it keeps open and that a compaction has removed takes room on
 * the disk. */
static const uint64_t BYTES_MAX = (uint64_t)1 << 30;

static void set_options(struct rocks_verifier *verifier)
{
    verifier->cache = rocksdb_cache_create_lru(CACHE_BYTES);
    verifier->table_options = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(verifier->table_options, verifier->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(verifier->table_options, 1);
    verifier->options = rocksdb_options_create();
    rocksdb_options_set_block_based_table_factory(verifier->options, verifier->table_options);
    rocksdb_options_set_paranoid_checks(verifier->options, 1);
    rocksdb_options_set_max_open_files(verifier->options, STORE_VERIFY_FILES_MAX);
    rocksdb_options_set_info_log_level(verifier->options, INFO_LOG_HEADER);
    rocksdb_options_set_max_log_file_size(verifier->options, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(verifier->options, 1);
    rocksdb_options_set_stats_dump_period_sec(verifier->options, 0);
    rocksdb_options_set_use_direct_reads(verifier->options, 1);
    verifier->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(verifier->read, 1);
    rocksdb_readoptions_set_fill_cache(verifier->read, 0);
    rocksdb_readoptions_set_readahead_size(verifier->read, READ_AHEAD_BYTES);
    rocksdb_readoptions_set_ignore_range_deletions(verifier->read, 1);
}

static enum status open_database(struct rocks_verifier *verifier, struct error *error)
{
    if (mkdir(verifier->scratch, 0777) != 0 && errno != EEXIST) {
        return error_set_errno(error, errno, "create the folder %s", verifier->scratch);
    }
    char *text = NULL;
    verifier->database =
        rocksdb_open_as_secondary(verifier->options, verifier->folder, verifier->scratch, &text);
    if (text != NULL) { /* not every file system has direct reads: then the kernel's cache it is */
        rocksdb_free(text);
        text = NULL;
        rocksdb_options_set_use_direct_reads(verifier->options, 0);
        verifier->database = rocksdb_open_as_secondary(verifier->options, verifier->folder,
                                                       verifier->scratch, &text);
    }
    return text == NULL ? STATUS_OK : rocks_fail(error, text, "open to verify", verifier->folder);
}

static void verifier_close(struct rocks_verifier *verifier)
{
    if (verifier->database != NULL) {
        rocksdb_close(verifier->database);
    }
    rocksdb_readoptions_destroy(verifier->read);
    rocksdb_options_destroy(verifier->options);
    rocksdb_block_based_options_destroy(verifier->table_options);
    rocksdb_cache_destroy(verifier->cache);
    free(verifier);
}

static enum status verifier_open(const char *folder, struct rocks_verifier **verifier,
                                 struct error *error)
{
    struct rocks_verifier *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory to verify the store in %s", folder);
    }
    set_options(opened);
    ASSERT(strlen(folder) < sizeof opened->folder); /* it is open already */
    memcpy(opened->folder, folder, strlen(folder) + 1);
    enum status status = disk_join(opened->scratch, folder, "scrub", error);
    if (status == STATUS_OK) {
        status = open_database(opened, error);
    }
    if (status != STATUS_OK) {
        verifier_close(opened);
        return status;
    }
    *verifier = opened;
    return STATUS_OK;
}

/* Reads on from the place until the budget is spent; the place becomes the key to read next. */
static uint64_t read_on(rocksdb_iterator_t *iterator, struct kv_place *place, uint64_t bytes_budget)
{
    uint64_t bytes = 0;
    rocksdb_iter_seek(iterator, (const char *)place->bytes, place->size);
    while (rocksdb_iter_valid(iterator) && (bytes == 0 || bytes < bytes_budget)) {
        size_t key_size, value_size;
        (void)rocksdb_iter_key(iterator, &key_size);
        (void)rocksdb_iter_value(iterator, &value_size);
        bytes += key_size + value_size;
        rocksdb_iter_next(iterator);
    }
    place->size = 0;
    if (rocksdb_iter_valid(iterator)) {
        size_t size;
        const char *key = rocksdb_iter_key(iterator, &size);
        ASSERT(size > 0 && size <= sizeof place->bytes);
        memcpy(place->bytes, key, size);
        place->size = (uint32_t)size;
    }
    return bytes;
}

static enum status verifier_step(struct rocks_verifier *verifier, struct kv_place *place,
                                 uint64_t bytes_budget, bool *done, struct error *error)
{
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(verifier->database, verifier->read);
    verifier->bytes += read_on(iterator, place, bytes_budget);
    char *text = NULL;
    rocksdb_iter_get_error(iterator, &text);
    rocksdb_iter_destroy(iterator);
    *done = place->size == 0;
    return text == NULL ? STATUS_OK : rocks_fail(error, text, "verify", verifier->folder);
}

void rocks_walk_end(struct rocks_walk *walk)
{
    if (walk->verifier != NULL) {
        verifier_close(walk->verifier);
        walk->verifier = NULL;
    }
}

static enum status fail(struct rocks_walk *walk, enum status status, struct error *error)
{
    rocks_walk_end(walk);
    if (++walk->failures < ATTEMPTS) {
        return STATUS_OK;
    }
    walk->failures = 0;
    error->status = status == STATUS_IO || status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
    return error->status;
}

/* The files of the database are there, with their sizes. */
static enum status check_files(rocksdb_t *database, const char *folder, struct error *error)
{
    enum status status = STATUS_OK;
    const rocksdb_livefiles_t *files = rocksdb_livefiles(database);
    for (int i = 0; i < rocksdb_livefiles_count(files) && status == STATUS_OK; i++) {
        char path[DISK_PATH_MAX];
        struct stat found;
        status = disk_join(path, folder, rocksdb_livefiles_name(files, i) + 1 /* a slash */, error);
        if (status == STATUS_OK && stat(path, &found) != 0) {
            status = error_set_errno(error, errno, "find %s of the store", path);
        } else if (status == STATUS_OK &&
                   (uint64_t)found.st_size != rocksdb_livefiles_size(files, i)) {
            status = error_set(error, STATUS_IO, "%s of the store has another size", path);
        }
    }
    rocksdb_livefiles_destroy(files);
    return status;
}

enum status rocks_walk_step(struct rocks_walk *walk, struct rocksdb_t *database, const char *folder,
                            struct kv_place *place, uint64_t bytes_budget, bool *done,
                            struct error *error)
{
    struct kv_place next = *place;
    enum status status = STATUS_OK;
    *done = false;
    if (place->size == 0) {
        rocks_walk_end(walk);
        status = check_files(database, folder, error);
    }
    if (status == STATUS_OK && walk->verifier == NULL) {
        /* It would write an info log, and RocksDB 7.8 ends the process by an assertion when it goes
         * on with one that has met a full disk. */
        if (rocks_check_free(folder, error) == STATUS_NO_SPACE) {
            return STATUS_OK; /* it waits for better days */
        }
        status = verifier_open(folder, &walk->verifier, error);
    }
    if (status != STATUS_OK) {
        return fail(walk, status, error);
    }
    bool end = false;
    status = verifier_step(walk->verifier, &next, bytes_budget, &end, error);
    if (status == STATUS_CORRUPT) {
        rocks_walk_end(walk);
        return status;
    }
    if (status != STATUS_OK) {
        return fail(walk, status, error);
    }
    *place = next;
    *done = end;
    walk->failures = 0;
    if (end || walk->verifier->bytes >= BYTES_MAX) {
        rocks_walk_end(walk);
    }
    return STATUS_OK;
}
