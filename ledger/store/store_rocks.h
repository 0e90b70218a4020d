/* store_rocks.h — between the files that know RocksDB: its options, and reading all of a database
 * from its files while another handle in this process has it open.
 *
 * That handle's block cache would hide what became of the bytes on the medium, and RocksDB has no
 * read that goes past it. So the verifier is a second, reading instance of the same folder
 * ("secondary") with a small cache of its own, that reads past the kernel's cache too where the
 * file system lets it. It is opened for a part of a walk through the data and sees the files of
 * that moment. Filters are not read.
 *
 * RocksDB advises a secondary to open all its files at once, so that it keeps those that a
 * compaction removes meanwhile. Of a large store those are thousands, so this one opens
 * STORE_VERIFY_FILES_MAX, and when one that it has not opened yet is gone, the step is tried again
 * by a new verifier, which sees the files of its moment.
 *
 * A secondary passes over what it has no files for, so each walk begins with a look whether all the
 * files that the database has are there.
 *
 * Threads  one at a time. Files  FOLDER/scrub holds its info log.
 */
#pragma once

#include "ledger/store/kv.h"

struct rocks_verifier;
struct rocksdb_t;
struct rocksdb_column_family_handle_t;

/* --- store_rocks_options.c -------------------------------------------------------------------- */

enum { ROCKS_FILTER_BITS = 14 }; /* a key */

struct rocks_options {
    struct rocksdb_options_t *options;
    struct rocksdb_block_based_table_options_t *table;
    struct rocksdb_cache_t *cache;
    struct rocksdb_envoptions_t *file_options;
    struct rocksdb_readoptions_t *read;
    struct rocksdb_readoptions_t *scan;
    struct rocksdb_writeoptions_t *write;
    struct rocksdb_flushoptions_t *flush;
    struct rocksdb_ingestexternalfileoptions_t *ingest;
};
void rocks_options_open(struct rocks_options *with, const struct kv_rocks_options *options);
void rocks_options_close(struct rocks_options *with);

/* --- store_rocks.c ---------------------------------------------------------------------------- */

enum {
    ROCKS_INGEST_MAX = 16,    /* tables of one call */
    ROCKS_LEVEL_0_SLOW = 64,  /* tables in level 0 from which on seals are slowed down, */
    ROCKS_LEVEL_0_WAIT = 128, /* and at which an ingest waits for compaction */
    ROCKS_LEVEL_0_MAX = ROCKS_LEVEL_0_WAIT + ROCKS_INGEST_MAX,
};

/* Zeros: none has begun. */
struct rocks_walk {
    struct rocks_verifier *verifier; /* NULL: none is open */
    uint32_t failures;               /* in a row */
};

struct kv_rocks {
    struct kv kv;
    char folder[DISK_PATH_MAX];
    char tables[DISK_PATH_MAX];
    struct rocks_options with;
    struct rocksdb_column_family_handle_t *family;
    struct rocksdb_t *database;
    struct rocks_walk walk;
};

static inline struct kv_rocks *rocks_of(struct kv *kv)
{
    return (struct kv_rocks *)kv; /* kv is its first member */
}

/* How RocksDB's own work stands; of a kv of RocksDB. Any thread. */
struct rocks_load {
    uint32_t level_0_files; /* tables that lie over each other: each look-up may ask all of them */
    bool merging;           /* a compaction runs, or is due */
    bool failed;            /* one has failed: RocksDB takes no more writes */
};
struct rocks_load rocks_load(struct kv *kv);
/* NO_SPACE when the disk has too little left to open a database: store_rocks.c. */
STATUS_MUST_USE enum status rocks_check_free(const char *folder, struct error *error);

/* --- store_rocks_table.c: kv_ops of these names ------------------------------------------------ */

STATUS_MUST_USE enum status rocks_table_open(struct kv *kv, const char *name,
                                             struct kv_table **table, struct error *error);
STATUS_MUST_USE enum status rocks_table_add(struct kv_table *table, struct bytes key,
                                            struct bytes value, struct error *error);
STATUS_MUST_USE enum status rocks_table_close(struct kv_table *table, uint64_t *size,
                                              struct error *error);
void rocks_table_abandon(struct kv_table *table);
/* Where the table of that name lies. */
STATUS_MUST_USE enum status rocks_table_path(struct kv_rocks *rocks, const char *name,
                                             char path[DISK_PATH_MAX], struct error *error);
/* Of tables that a crash left half written, or closed and not ingested. */
STATUS_MUST_USE enum status rocks_tables_remove(const char *folder, struct error *error);

/* --- store_rocks_pace.c ----------------------------------------------------------------------- */

struct rocks_load rocks_load_of(struct rocksdb_t *database,
                                struct rocksdb_column_family_handle_t *family);
/* After each piece of a table that is written: so many bytes, and for each record some more, which
 * is about what the table costs. */
enum { ROCKS_PACE_RECORD = 64, ROCKS_PACE_PIECE = 1024 * 1024 };
void rocks_slow_down(struct rocksdb_t *database, struct rocksdb_column_family_handle_t *family);
/* Before an ingest. */
void rocks_wait(struct rocksdb_t *database, struct rocksdb_column_family_handle_t *family);

/* --- store_rocks_verify.c --------------------------------------------------------------------- */

/* As kv_ops.verify. What fails is tried again in a later call, with *place as it was: a compaction
 * may remove files while the verifier is opened. What fails each time is CORRUPT, be it a sector
 * that cannot be read or a file that is gone. On a full disk it waits: OK, and *place as it was. */
STATUS_MUST_USE enum status rocks_walk_step(struct rocks_walk *walk, struct rocksdb_t *database,
                                            const char *folder, struct kv_place *place,
                                            uint64_t bytes_budget, bool *done, struct error *error);
void rocks_walk_end(struct rocks_walk *walk);

/* Takes RocksDB's text, which names the file, and frees it. */
enum status rocks_fail(struct error *error, char *text, const char *what, const char *where);
