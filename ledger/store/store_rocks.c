/* store_rocks.c — the key-value seam on RocksDB. Only the files store_rocks*.c know it.
 *
 * Durability   There is no write-ahead log, and but for one commit at creation no memtable: an
 *              ingest links synced tables into the folder and makes all of them known with one
 *              record of RocksDB's manifest, which is synced. kv_commit puts its batch into an
 *              empty memtable and flushes that: one file, made known the same way. A crash leaves
 *              the state before or after such a record. (A WAL with sync writes the same bytes
 *              twice and adds its own rules of what a torn tail may mean.)
 * Integrity    Checksums on every block, verified at every read; paranoid checks; a background
 *              error stops writes, so that the next commit or ingest reports it. Range deletions
 *              are never written and scans ignore them: in 7.8 the code that looks for them hides a
 *              damaged file from an iterator, which then goes on with the next file.
 * Memory       The block cache holds data, indexes and filters; memtables are small, because a
 *              commit empties them; the number of open files is bounded.
 * Files        FOLDER is RocksDB's; FOLDER/tables holds tables that are being written. A crash
 *              leaves them there, and open removes them.
 */
#include "ledger/store/store_rocks.h"

#include "base/assert.h"
#include "base/disk.h"
#include "base/limits.h"

#include <errno.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GET_PIECE = 1024, /* keys of one call: bounds the blocks that it pins */
    OPEN_FREE_BYTES = 4 * 1024 * 1024,
};

struct kv_iterator {
    rocksdb_iterator_t *iterator;
    struct kv_rocks *rocks;
    bool backwards;
    bool begun;
};

/* --- errors ----------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum status status_of(const char *text)
{
    if (begins(text, "Corruption")) {
        return STATUS_CORRUPT;
    }
    if (strstr(text, "No space left") != NULL || strstr(text, "quota exceeded") != NULL ||
        strstr(text, "File too large") != NULL || begins(text, "IO error: Max allowed space")) {
        return STATUS_NO_SPACE;
    }
    if (strstr(text, "lock ") != NULL || strstr(text, "LOCK") != NULL) {
        return STATUS_LOCKED;
    }
    if (strstr(text, "Permission denied") != NULL) {
        return STATUS_DENIED;
    }
    return STATUS_IO;
}

enum status rocks_fail(struct error *error, char *text, const char *what, const char *where)
{
    ASSERT(text != NULL);
    enum status status = error_set(error, status_of(text), "store %s: %s: %s", where, what, text);
    rocksdb_free(text);
    return status;
}

/* --- reads ------------------------------------------------------------------------------------ */

static enum status keep_value(struct kv_rocks *rocks, struct kv_get *get,
                              const rocksdb_pinnableslice_t *slice, struct error *error)
{
    get->found = slice != NULL;
    get->value_size = 0;
    if (slice == NULL) {
        return STATUS_OK;
    }
    size_t size;
    const char *value = rocksdb_pinnableslice_value(slice, &size);
    if (size > get->value_max) {
        return error_set(error, STATUS_CORRUPT,
                         "store %s: a value of %zu bytes where at most %u belong", rocks->folder,
                         size, (unsigned)get->value_max);
    }
    get->value_size = (uint32_t)size;
    memcpy(get->value, value, size);
    return STATUS_OK;
}

static enum status get_piece(struct kv_rocks *rocks, const rocksdb_readoptions_t *options,
                             struct kv_get *gets, size_t count, struct error *error)
{
    const char *keys[GET_PIECE] = { NULL };
    size_t sizes[GET_PIECE] = { 0 };
    rocksdb_pinnableslice_t *values[GET_PIECE];
    char *errors[GET_PIECE];
    bool sorted = true;
    ASSERT(count > 0 && count <= GET_PIECE);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (const char *)gets[i].key.data;
        sizes[i] = gets[i].key.size;
        sorted =
            sorted &&
            (i == 0 || (sizes[i] == sizes[i - 1] && memcmp(keys[i - 1], keys[i], sizes[i]) < 0));
    }
    rocksdb_batched_multi_get_cf(rocks->database, options, rocks->family, count, keys, sizes,
                                 values, errors, sorted);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        if (errors[i] != NULL && status == STATUS_OK) {
            status = rocks_fail(error, errors[i], "read", rocks->folder);
        } else if (errors[i] != NULL) {
            rocksdb_free(errors[i]);
        } else if (status == STATUS_OK) {
            status = keep_value(rocks, &gets[i], values[i], error);
        }
        if (values[i] != NULL) {
            rocksdb_pinnableslice_destroy(values[i]);
        }
    }
    return status;
}

/* Pieces of one call see one state: the snapshot's. */
static enum status get_in_pieces(struct kv_rocks *rocks, struct kv_get *gets, size_t count,
                                 struct error *error)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    const rocksdb_snapshot_t *snapshot = rocksdb_create_snapshot(rocks->database);
    rocksdb_readoptions_set_snapshot(options, snapshot);
    enum status status = STATUS_OK;
    for (size_t at = 0; at < count && status == STATUS_OK; at += GET_PIECE) {
        size_t piece = count - at < GET_PIECE ? count - at : GET_PIECE;
        status = get_piece(rocks, options, gets + at, piece, error);
    }
    rocksdb_readoptions_destroy(options);
    rocksdb_release_snapshot(rocks->database, snapshot);
    return status;
}

static enum status rocks_multi_get(struct kv *kv, struct kv_get *gets, size_t count,
                                   struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    if (count == 0) {
        return STATUS_OK;
    }
    return count <= GET_PIECE ? get_piece(rocks, rocks->with.read, gets, count, error)
                              : get_in_pieces(rocks, gets, count, error);
}

/* A failure shows in next. */
static enum status rocks_seek(struct kv_iterator *iterator, struct bytes to, struct error *error)
{
    (void)error;
    const char *key = (const char *)to.data;
    if (iterator->backwards) {
        rocksdb_iter_seek_for_prev(iterator->iterator, key, to.size);
    } else {
        rocksdb_iter_seek(iterator->iterator, key, to.size);
    }
    iterator->begun = false;
    return STATUS_OK;
}

static enum status rocks_iterate(struct kv *kv, struct bytes from, bool backwards,
                                 struct kv_iterator **iterator, struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    struct kv_iterator *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for an iterator");
    }
    opened->rocks = rocks;
    opened->backwards = backwards;
    opened->iterator = rocksdb_create_iterator(rocks->database, rocks->with.scan);
    *iterator = opened;
    return rocks_seek(opened, from, error);
}

static enum status rocks_next(struct kv_iterator *iterator, struct bytes *key, struct bytes *value,
                              struct error *error)
{
    bool step = iterator->begun && rocksdb_iter_valid(iterator->iterator);
    if (step && iterator->backwards) {
        rocksdb_iter_prev(iterator->iterator);
    } else if (step) {
        rocksdb_iter_next(iterator->iterator);
    }
    iterator->begun = true;
    *key = (struct bytes){ NULL, 0 };
    *value = (struct bytes){ NULL, 0 };
    if (!rocksdb_iter_valid(iterator->iterator)) {
        char *text = NULL;
        rocksdb_iter_get_error(iterator->iterator, &text);
        return text == NULL ? STATUS_OK : rocks_fail(error, text, "read", iterator->rocks->folder);
    }
    key->data = (const uint8_t *)rocksdb_iter_key(iterator->iterator, &key->size);
    value->data = (const uint8_t *)rocksdb_iter_value(iterator->iterator, &value->size);
    return STATUS_OK;
}

static void rocks_iterate_end(struct kv_iterator *iterator)
{
    rocksdb_iter_destroy(iterator->iterator);
    free(iterator);
}

/* --- what makes data durable ------------------------------------------------------------------ */

struct rocks_load rocks_load(struct kv *kv)
{
    const struct kv_rocks *rocks = rocks_of(kv);
    return rocks_load_of(rocks->database, rocks->family);
}

/* RocksDB takes files that overlap in one call too: the later one gets the higher number. */
static enum status rocks_ingest(struct kv *kv, const char *const *names, size_t count,
                                struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    char paths[ROCKS_INGEST_MAX][DISK_PATH_MAX];
    const char *list[ROCKS_INGEST_MAX];
    ASSERT(count > 0 && count <= ROCKS_INGEST_MAX);
    for (size_t i = 0; i < count; i++) {
        TRY(rocks_table_path(rocks, names[i], paths[i], error));
        list[i] = paths[i];
    }
    rocks_wait(rocks->database, rocks->family);
    char *text = NULL;
    rocksdb_ingest_external_file(rocks->database, list, count, rocks->with.ingest, &text);
    return text == NULL ? STATUS_OK : rocks_fail(error, text, "ingest tables", rocks->folder);
}

static enum status rocks_commit(struct kv *kv, const struct kv_put *puts, size_t count,
                                struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < count; i++) {
        const char *key = (const char *)puts[i].key.data;
        const char *value = (const char *)puts[i].value.data;
        if (value == NULL) {
            rocksdb_writebatch_delete(batch, key, puts[i].key.size);
        } else {
            rocksdb_writebatch_put(batch, key, puts[i].key.size, value, puts[i].value.size);
        }
    }
    char *text = NULL;
    rocksdb_write(rocks->database, rocks->with.write, batch, &text);
    rocksdb_writebatch_destroy(batch);
    if (text == NULL) {
        rocksdb_flush(rocks->database, rocks->with.flush, &text);
    }
    return text == NULL ? STATUS_OK : rocks_fail(error, text, "commit", rocks->folder);
}

static enum status rocks_checkpoint(struct kv *kv, const char *folder, struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    struct disk disk = disk_os();
    struct stat there;
    char *text = NULL;
    if (stat(folder, &there) == 0) {
        return error_set(error, STATUS_EXISTS, "copy the store to %s: it exists", folder);
    }
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(rocks->database, &text);
    if (text == NULL) {
        rocksdb_checkpoint_create(checkpoint, folder, 0, &text);
        rocksdb_checkpoint_object_destroy(checkpoint);
    }
    if (text != NULL) {
        return rocks_fail(error, text, "copy the store to", folder);
    }
    return disk_sync_folder(&disk, folder, error);
}

static enum status rocks_verify(struct kv *kv, struct kv_place *place, uint64_t bytes_budget,
                                bool *done, struct error *error)
{
    struct kv_rocks *rocks = rocks_of(kv);
    return rocks_walk_step(&rocks->walk, rocks->database, rocks->folder, place, bytes_budget, done,
                           error);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void rocks_close(struct kv *kv)
{
    struct kv_rocks *rocks = rocks_of(kv);
    rocks_walk_end(&rocks->walk);
    if (rocks->family != NULL) {
        rocksdb_column_family_handle_destroy(rocks->family);
    }
    if (rocks->database != NULL) {
        rocksdb_close(rocks->database);
    }
    rocks_options_close(&rocks->with);
    free(rocks);
}

static const struct kv_ops rocks_ops = {
    .multi_get = rocks_multi_get,
    .iterate = rocks_iterate,
    .seek = rocks_seek,
    .next = rocks_next,
    .iterate_end = rocks_iterate_end,
    .table_open = rocks_table_open,
    .table_add = rocks_table_add,
    .table_close = rocks_table_close,
    .table_abandon = rocks_table_abandon,
    .ingest = rocks_ingest,
    .commit = rocks_commit,
    .checkpoint = rocks_checkpoint,
    .verify = rocks_verify,
    .close = rocks_close,
};

static enum status make_folder(const char *path, struct error *error)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return error_set_errno(error, errno, "create the folder %s", path);
    }
    return STATUS_OK;
}

/* See "Full disk" above. */
enum status rocks_check_free(const char *folder, struct error *error)
{
    struct disk disk = disk_os();
    uint64_t bytes = 0;
    TRY(disk_free_bytes(&disk, folder, &bytes, error));
    if (bytes < OPEN_FREE_BYTES) {
        return error_set(error, STATUS_NO_SPACE,
                         "No space left on the disk of %s: %llu KiB, and %d are wanted to open it; "
                         "free space or grow the disk",
                         folder, (unsigned long long)(bytes >> 10), OPEN_FREE_BYTES >> 10);
    }
    return STATUS_OK;
}

static enum status open_database(struct kv_rocks *rocks, const char *folder, struct error *error)
{
    size_t size = strlen(folder);
    if (size >= sizeof rocks->folder) {
        return error_set(error, STATUS_TOO_LARGE, "the folder name %s is too long", folder);
    }
    memcpy(rocks->folder, folder, size + 1);
    TRY(disk_join(rocks->tables, folder, "tables", error));
    TRY(make_folder(rocks->folder, error));
    TRY(rocks_check_free(rocks->folder, error));
    char *text = NULL;
    static const char *const families[1] = { "default" };
    const rocksdb_options_t *const family_options[1] = { rocks->with.options };
    rocks->database = rocksdb_open_column_families(rocks->with.options, folder, 1, families,
                                                   family_options, &rocks->family, &text);
    if (text != NULL) { /* in use by another process, among other reasons */
        return rocks_fail(error, text, "open", folder);
    }
    TRY(make_folder(rocks->tables, error));
    return rocks_tables_remove(rocks->tables, error);
}

enum status kv_rocks_open(const struct kv_rocks_options *options, struct kv **kv,
                          struct error *error)
{
    struct kv_rocks *rocks = calloc(1, sizeof *rocks);
    if (rocks == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the store in %s", options->folder);
    }
    rocks->kv.ops = &rocks_ops;
    rocks_options_open(&rocks->with, options);
    enum status status = open_database(rocks, options->folder, error);
    if (status != STATUS_OK) {
        rocks_close(&rocks->kv);
        return status;
    }
    *kv = &rocks->kv;
    return STATUS_OK;
}
