/* kv.h — the seam to a sorted key-value store: RocksDB in production (store_rocks.c), a table in
 * memory in tests (kv_memory.c), a crashing one in the simulator.
 *
 * Contract    keys are bytes, ordered as by memcmp, at most KV_KEY_MAX; values at most
 *             KV_VALUE_MAX. There is no write-ahead log: only kv_commit and kv_ingest make data
 *             durable, and each is atomic. Ingested tables that lie later in the same call, or in
 *             a later call, win over earlier values of the same key.
 * Threads     one writer (the sealer: tables, ingest, commit, checkpoint); reads from any thread at
 *             any time, each call seeing one consistent state.
 * Errors      CORRUPT (a checksum failed; `error` names the file), NO_SPACE, IO. A failed commit or
 *             ingest leaves it unknown whether it happened: the process ends and replays.
 */
#pragma once

#include "base/cursor.h"
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

struct kv;
struct kv_table;    /* a sorted table being written */
struct kv_iterator; /* one consistent state, ascending */

struct kv_ops {
    enum status (*multi_get)(struct kv *, struct kv_get *gets, size_t count, struct error *);
    /* Starts at the first key >= `from`; *key and *value are valid until the next call; a NULL
     * key.data from next means the end. */
    enum status (*iterate)(struct kv *, struct bytes from, struct kv_iterator **, struct error *);
    enum status (*next)(struct kv_iterator *, struct bytes *key, struct bytes *value,
                        struct error *);
    void (*iterate_end)(struct kv_iterator *);
    /* A sorted table: keys strictly ascending. Not visible before it is ingested. */
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
    /* A consistent copy in a folder that does not exist yet (hard links where it can). */
    enum status (*checkpoint)(struct kv *, const char *folder, struct error *);
    void (*close)(struct kv *);
};

struct kv {
    const struct kv_ops *ops;
};

/* In memory; for tests. */
STATUS_MUST_USE enum status kv_memory_open(struct kv **kv, struct error *error);

struct kv_rocks_options {
    const char *folder;   /* created when missing */
    uint64_t cache_bytes; /* block cache, all of RocksDB's memory that a flag bounds */
    uint32_t background_jobs;
};
STATUS_MUST_USE enum status kv_rocks_open(const struct kv_rocks_options *options, struct kv **kv,
                                          struct error *error);
