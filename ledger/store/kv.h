/* kv.h — the seam to a sorted key-value store: RocksDB in production (store_rocks.c), files on the
 * disk seam in the simulator and in tests (kv_file.c), so that lost, torn and rotten bytes of a
 * simulated disk reach the store too.
 *
 * Contract    keys are bytes, ordered as by memcmp, at most KV_KEY_MAX; values at most
 *             KV_VALUE_MAX. There is no write-ahead log: only commit and ingest make data durable,
 *             and each is atomic: after a crash all of a call is there, or nothing of it. Ingested
 *             tables that lie later in the same call, or in a later call, win over earlier values
 *             of the same key.
 * Threads     one writer (the sealer: tables, ingest, commit, checkpoint); reads and verify from
 *             any thread at any time, each call seeing one consistent state.
 * Errors      CORRUPT (a checksum failed; `error` names the file), NO_SPACE, IO. A failed commit or
 *             ingest leaves it unknown whether it happened: the process ends and replays, or, when
 *             the disk was full, does the same again.
 */
#pragma once

#include "base/cursor.h"
#include "base/disk.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KV_KEY_MAX = 64, KV_VALUE_MAX = 32 * 1024 * 1024 };

/* One look-up of a batch: the value is copied to `value`, at most value_max bytes (a longer one is
 * CORRUPT: the caller knows its records). */
struct kv_get {
    struct bytes key;
    void *value;
    uint32_t value_max;
    uint32_t value_size; /* out */
    bool found;          /* out */
};

struct kv_put {
    struct bytes key;
    struct bytes value; /* data == NULL: delete the key */
};

/* Where a walk through all bytes of a kv stands: opaque; size 0 is the beginning. */
struct kv_place {
    uint8_t bytes[KV_KEY_MAX];
    uint32_t size;
};

struct kv;
struct kv_table;    /* a sorted table being written */
struct kv_iterator; /* one consistent state, in one direction */

struct kv_ops {
    enum status (*multi_get)(struct kv *, struct kv_get *gets, size_t count, struct error *);
    /* Starts at the first key >= `from`, or backwards at the last key <= `from`; *key and *value
     * are valid until the next call; a NULL key.data from next means the end. */
    enum status (*iterate)(struct kv *, struct bytes from, bool backwards, struct kv_iterator **,
                           struct error *);
    /* Goes to the first key >= `to` (backwards: the last key <= `to`), be it ahead or behind: next
     * gives that one. */
    enum status (*seek)(struct kv_iterator *, struct bytes to, struct error *);
    enum status (*next)(struct kv_iterator *, struct bytes *key, struct bytes *value,
                        struct error *);
    void (*iterate_end)(struct kv_iterator *);
    /* A sorted table: keys strictly ascending. Not visible before it is ingested. value.data ==
     * NULL: what lies below it under this key is deleted. */
    enum status (*table_open)(struct kv *, const char *name, struct kv_table **, struct error *);
    enum status (*table_add)(struct kv_table *, struct bytes key, struct bytes value,
                             struct error *);
    /* Ends and syncs the table; table_abandon gives it up instead. */
    enum status (*table_close)(struct kv_table *, uint64_t *size, struct error *);
    void (*table_abandon)(struct kv_table *);
    /* Makes the closed tables of these names visible, all or none, durably. */
    enum status (*ingest)(struct kv *, const char *const *names, size_t count, struct error *);
    /* One atomic, synced batch. */
    enum status (*commit)(struct kv *, const struct kv_put *puts, size_t count, struct error *);
    /* A consistent copy in a folder that does not exist yet (hard links where it can), durable when
     * it returns but for the folder's own name; it opens like any other. EXISTS when the folder is
     * there. A failed one may leave a folder behind, which is the caller's to remove. */
    enum status (*checkpoint)(struct kv *, const char *folder, struct error *);
    /* Reads on from *place for about `bytes_budget` bytes (one record at least), from the files and
     * past every cache of ours, and checks their checksums; fills no cache. *done: that was the
     * end, and *place is the beginning again. What is written during a walk may be left out, never
     * what lay there before it. CORRUPT also for what the disk does not give. One walk at a time.
     */
    enum status (*verify)(struct kv *, struct kv_place *place, uint64_t bytes_budget, bool *done,
                          struct error *);
    void (*close)(struct kv *);
};

struct kv {
    const struct kv_ops *ops;
};

/* Files in `folder` of the disk, created when missing; see kv_file.c. `disk` stays the caller's and
 * outlives the kv. */
STATUS_MUST_USE enum status kv_file_open(struct disk *disk, const char *folder, struct kv **kv,
                                         struct error *error);

struct kv_rocks_options {
    const char *folder;   /* created when missing */
    uint64_t cache_bytes; /* block cache, all of RocksDB's memory that a flag bounds */
    uint32_t background_jobs;
};
STATUS_MUST_USE enum status kv_rocks_open(const struct kv_rocks_options *options, struct kv **kv,
                                          struct error *error);
