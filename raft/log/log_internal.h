/* log_internal.h — what the files of raft/log share.
 *
 * Invariants  (1) segments[0..live) hold the log in the order of their sequences, which have no
 *                 gap; segments[live..count) are spares, allocated and without a header;
 *             (2) the entries a segment holds live are first..first + count - 1, these ranges
 *                 ascend with the segments, and together they are base.index + 1..tail.index;
 *             (3) only the writer thread changes the table and the segments; it does so under the
 *                 mutex, which readers take to find an entry and to pin its segment. I/O is done
 *                 outside the mutex.
 * Memory      a segment is freed by the last of its references: the table's and readers'.
 */
#pragma once

#include "raft/log/log.h"
#include "raft/log/segment.h"

#include <pthread.h>

struct log_point {
    uint64_t index;
    uint64_t term;
    uint64_t timestamp;
    uint64_t chain;
};

struct log_location {
    uint32_t offset;
    uint32_t body_size;
};

struct log_segment {
    uint64_t sequence;
    struct disk_file file;
    uint32_t seed; /* of its checksums */
    uint32_t size;
    uint32_t slots;  /* used */
    uint32_t offset; /* where the next entry goes; whole blocks between groups */
    uint64_t first;
    uint32_t count;
    uint32_t capacity;
    struct log_location *locations; /* of first.. */
    uint32_t references;            /* guarded by the mutex */
};

struct log {
    struct disk *disk;
    struct superblock *superblock;
    uint32_t segment_size;
    bool failed; /* a write failed: nothing more may be believed of this object */
    char data_folder[DISK_PATH_MAX];
    char folder[DISK_PATH_MAX];
    pthread_mutex_t mutex;
    struct log_segment **segments;
    uint32_t live;
    uint32_t count;
    uint32_t capacity;
    struct log_point base;
    struct log_point tail;
    /* What the writer gathers for one call of the disk. */
    struct segment_slot slots[LOG_STAGED_SLOTS_MAX];
    struct disk_slice slices[2 * LOG_STAGED_SLOTS_MAX + 1];
};

/* log.c */
enum status log_path(const struct log *log, uint64_t sequence, char path[DISK_PATH_MAX],
                     struct error *error);
/* Memory that is gone ends the process: the sizes are bounded by limits.h. */
void *log_allocate(size_t size);
/* Puts a segment at the end of the table, which takes the reference over. */
void log_add_segment(struct log *log, struct log_segment *segment);
struct log_segment *log_segment_new(const struct log *log, uint64_t sequence, struct disk_file file,
                                    uint32_t size);
void log_segment_release(struct log *log, struct log_segment *segment);
/* What a durable slot means for table and tail; `segment` is the last live one. */
void log_apply_slot(struct log *log, struct log_segment *segment, const struct segment_slot *slot);
/* Reads the point of an index that is held, or the base. */
enum status log_point_at(struct log *log, uint64_t index, struct log_point *point,
                         struct error *error);
/* CORRUPT, naming segment, offset and index. */
enum status log_corrupt(const struct log *log, const struct log_segment *segment, uint64_t offset,
                        uint64_t index, const char *what, struct error *error);
/* Writes the mark behind the segment's entries; next_sequence: of the durable segment that follows,
 * or 0. */
enum status log_write_mark(struct log *log, const struct log_segment *segment,
                           uint64_t next_sequence, struct error *error);

/* log_space.c: allocates one more spare; NO_SPACE leaves nothing behind. */
enum status log_add_spare(struct log *log, struct error *error);

/* log_replay.c */
struct log_replay {
    struct log *log;
    struct log_recovered *recovered;
    struct error *error;
    struct segment_slot *slots; /* of the segment at hand */
    uint8_t *entry;             /* one, of any size */
    struct raft_run *runs;
    uint32_t run_count;
    uint32_t run_capacity;
};
/* Reads the slots of a segment into replay->slots. */
enum status log_replay_load(struct log_replay *replay, const struct log_segment *segment);
/* How many slots of the loaded segment its slots prove to have been durable. */
uint32_t log_replay_proved(const struct log_replay *replay, const struct log_segment *segment);
/* The same from its marks, which may stand at any block. */
enum status log_replay_marked(struct log_replay *replay, const struct log_segment *segment,
                              uint32_t *proved);
/* Replays a live segment: the first `proved` slots must be sound (or be repaired); if it is the
 * last one, what follows them is taken as far as it is sound, and the rest is wiped. */
enum status log_replay_segment(struct log_replay *replay, struct log_segment *segment,
                               uint32_t proved, bool last);
/* Checks the bodies of the live entries of a segment, repairs their headers. */
enum status log_replay_bodies(struct log_replay *replay, struct log_segment *segment);
/* Writes zeros over the sound slots from `from` on and flushes; counts torn entries. */
enum status log_replay_wipe(struct log_replay *replay, const struct log_segment *segment,
                            uint32_t from);
