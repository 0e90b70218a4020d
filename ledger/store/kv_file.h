/* kv_file.h — the parts of the key-value store in files, for its own files (kv_file*.c).
 *
 * A folder has immutable data files, each a run of records in ascending order of their keys, and a
 * manifest that names those which count, oldest first: a later one wins. A commit is one new data
 * file, an ingest makes written ones count, a compaction replaces the newest few by one; each of
 * them is what the manifest says before, or after, and nothing between.
 *
 * In memory   where the records of each file lie, with their keys; values stay on the disk, and
 *             each read of one checks its checksum, so that what became of the bytes is noticed. A
 *             state is the sorted array of the records that count: made anew by each change, never
 *             altered, freed with its last reader; data files are closed with their last state.
 *
 * Data file   NUMBER.data, little-endian:
 *                 0  u32 crc of bytes 4..23    4  u32 magic    8  u64 number
 *                16  u32 records              20  u32 zero
 *             and records, without gaps:
 *                 0  u32 crc of bytes 4.. and of (number, offset), so that a record in another
 *                    place or file than its own is damage
 *                 4  u32 value size, UINT32_MAX: the key is deleted
 *                 8  u16 key size             10  key, value
 * Manifest    manifest-0 and manifest-1, the same bytes, written and synced one after the other:
 *                 0  u32 crc of bytes 4.. end  4  u32 magic    8  u64 sequence
 *                16  u64 next number          24  u32 files   28  u32 zero
 *                32  {u64 number, u64 size} each
 *             So one of them is sound at any moment, what was acknowledged is in both, and one
 *             damaged copy loses nothing: open writes it again.
 */
#pragma once

#include "base/assert.h"
#include "base/disk.h"
#include "ledger/store/kv.h"

#include <pthread.h>

enum {
    KV_FILES_COMPACT = 16, /* data files after which the next change merges some */
    KV_INGEST_MAX = 16,
    KV_FILES_MAX = KV_FILES_COMPACT + KV_INGEST_MAX,
};
static const uint32_t KV_DELETED = UINT32_MAX;

struct kv_data;

/* One record of a data file. */
struct kv_record {
    const struct kv_data *data;
    const uint8_t *key;
    uint64_t offset;
    uint32_t value_size; /* or KV_DELETED */
    uint16_t key_size;
};

struct kv_data {
    struct disk *disk;
    struct disk_file file;
    uint64_t number;
    uint64_t size;
    uint32_t references; /* of states and of kv_table; guarded by the kv's mutex */
    uint32_t count;
    struct kv_record *records;
    uint8_t *keys;
    char path[DISK_PATH_MAX];
};

/* --- kv_file_data.c: data files --------------------------------------------------------------- */

/* A data file being made, in memory. */
struct kv_builder {
    uint64_t number;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    uint32_t count;
    uint8_t last_key[KV_KEY_MAX];
    size_t last_key_size;
};

/* MEMORY. */
STATUS_MUST_USE enum status kv_builder_open(struct kv_builder *builder, uint64_t number,
                                            struct error *error);
/* Keys ascend strictly. value.data == NULL: deleted. MEMORY. */
STATUS_MUST_USE enum status kv_builder_add(struct kv_builder *builder, struct bytes key,
                                           struct bytes value, struct error *error);
void kv_builder_close(struct kv_builder *builder);

/* Writes and syncs the file and its name. NO_SPACE leaves nothing behind. One reference. */
STATUS_MUST_USE enum status kv_data_write(struct disk *disk, const char *folder,
                                          struct kv_builder *builder, struct kv_data **data,
                                          struct error *error);
/* Opens a file that a manifest names, and checks all of it. One reference. */
STATUS_MUST_USE enum status kv_data_open(struct disk *disk, const char *folder, uint64_t number,
                                         uint64_t size, struct kv_data **data, struct error *error);
/* Closes the file and frees all of it. */
void kv_data_free(struct kv_data *data);
STATUS_MUST_USE enum status kv_data_path(char path[DISK_PATH_MAX], const char *folder,
                                         uint64_t number, struct error *error);
/* The number in the name of a data file; false: another file. */
bool kv_data_number(const char *name, uint64_t *number);

/* Memory that reads of values share; grows. Zero is an empty one. */
struct kv_room {
    uint8_t *bytes;
    size_t size;
};
void kv_room_free(struct kv_room *room);
/* Reads the record from the disk and checks it; *value points into the room. CORRUPT. */
STATUS_MUST_USE enum status kv_data_read(const struct kv_record *record, struct kv_room *room,
                                         struct bytes *value, struct error *error);

/* --- kv_file_manifest.c ----------------------------------------------------------------------- */

struct kv_manifest {
    uint64_t sequence;
    uint64_t next_number;
    uint32_t count;
    struct {
        uint64_t number;
        uint64_t size;
    } files[KV_FILES_MAX];
};

/* Both copies; creates their files, and syncs their names, when `create`. After a failure either
 * state may be there. */
STATUS_MUST_USE enum status kv_manifest_write(struct disk *disk, const char *folder,
                                              const struct kv_manifest *manifest, bool create,
                                              struct error *error);
/* NOT_FOUND: there is no sound copy. *repair: one is missing, damaged or behind. */
STATUS_MUST_USE enum status kv_manifest_read(struct disk *disk, const char *folder,
                                             struct kv_manifest *manifest, bool *repair,
                                             struct error *error);

/* --- kv_file_state.c -------------------------------------------------------------------------- */

struct kv_state {
    uint32_t readers; /* guarded by the mutex; being the present state counts as one */
    uint32_t file_count;
    struct kv_data *files[KV_FILES_MAX]; /* a reference each */
    size_t count;
    const struct kv_record *records[]; /* none that is deleted */
};

int kv_compare(struct bytes a, struct bytes b);
/* `records`, ascending, on top of those of `old` (NULL: none), in an array of malloc. */
const struct kv_record **kv_merge(const struct kv_record *const *old, size_t old_count,
                                  const struct kv_record *records, size_t count, bool keep_deleted,
                                  size_t *merged);
/* The state of these files; takes no references. */
struct kv_state *kv_state_new(struct kv_data *const *files, uint32_t count);
/* The same, made from the state of all files but the last `fresh`. */
struct kv_state *kv_state_extend(const struct kv_state *old, struct kv_data *const *fresh,
                                 uint32_t count);
/* The first record whose key is not below `key`. */
size_t kv_state_search(const struct kv_state *state, struct bytes key);

/* --- the whole -------------------------------------------------------------------------------- */

struct kv_table {
    struct kv_table *next; /* of the closed ones */
    struct kv_file *file;
    char name[DISK_NAME_MAX];
    struct kv_builder builder;
    struct kv_data *data; /* once closed */
};

struct kv_file {
    struct kv kv;
    struct disk *disk;
    char folder[DISK_PATH_MAX];
    pthread_mutex_t mutex;
    struct kv_state *state;
    uint64_t sequence;    /* of the manifest */
    uint64_t next_number; /* of data files */
    struct kv_table *closed;
};

static inline struct kv_file *kv_file_of(struct kv *kv)
{
    return (struct kv_file *)kv; /* kv is its first member */
}

/* kv_file_state.c: the present state, and who reads it. */
void kv_data_release(struct kv_file *file, struct kv_data *data);
struct kv_state *kv_state_hold(struct kv_file *file);
void kv_state_release(struct kv_file *file, struct kv_state *state);
/* Adds references of the state's own to its files. */
void kv_state_publish(struct kv_file *file, struct kv_state *state);

/* kv_file_open.c: folder, manifest, remnants of a crash, the first state. */
STATUS_MUST_USE enum status kv_file_load(struct kv_file *file, const char *folder,
                                         struct error *error);

/* kv_file_change.c: what makes data durable; as kv_ops. */
STATUS_MUST_USE enum status kv_file_ingest(struct kv *kv, const char *const *tables, size_t count,
                                           struct error *error);
STATUS_MUST_USE enum status kv_file_commit(struct kv *kv, const struct kv_put *puts, size_t count,
                                           struct error *error);
STATUS_MUST_USE enum status kv_file_checkpoint(struct kv *kv, const char *folder,
                                               struct error *error);
/* Takes the closed table of that name out of the list, or NULL. */
struct kv_table *kv_closed_take(struct kv_file *file, const char *name);
void kv_closed_free(struct kv_file *file, struct kv_table *table);
