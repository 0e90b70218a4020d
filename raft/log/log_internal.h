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

/* Where an entry is. The identity of one that LOG_UNKNOWN stands for is gone: slot and header are
 * damaged; it ends at `offset` or before. */
struct log_location {
    uint32_t offset;
    uint32_t body_size;
    uint32_t slot;
};

#define LOG_UNKNOWN UINT32_MAX

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
    uint64_t room;      /* atomic; log_room */
    uint64_t last_room; /* atomic; log_last_room */
    /* What the writer gathers for one call of the disk. */
    struct segment_slot slots[LOG_STAGED_SLOTS_MAX];
    struct disk_slice slices[2 * LOG_STAGED_SLOTS_MAX + 2];
};

/* log.c */
/* A log without segments; its paths are joined. */
enum status log_new(const struct log_options *options, struct superblock *superblock,
                    struct log **log, struct error *error);
enum status log_path(const struct log *log, uint64_t sequence, char path[DISK_PATH_MAX],
                     struct error *error);
/* Memory that is gone ends the process: the sizes are bounded by limits.h. */
void *log_allocate(size_t size);
/* CORRUPT, naming segment, offset and index. */
enum status log_corrupt(const struct log *log, const struct log_segment *segment, uint64_t offset,
                        uint64_t index, const char *what, struct error *error);
/* CORRUPT for an entry that is held although it is damaged. */
enum status log_damaged(const struct log *log, const struct log_segment *segment, uint64_t offset,
                        uint64_t index, const char *what, struct error *error);

/* log_media.c: sectors that the disk cannot read are damage like any other. */
/* Reads `size` bytes; those that cannot be read are zeros. */
enum status log_read_around(struct log *log, struct disk_file file, uint64_t offset, void *data,
                            size_t size, struct error *error);
/* Writes in place, by whole blocks: a block with a sector that cannot be read takes no less. */
enum status log_patch(struct log *log, struct disk_file file, uint64_t offset, const void *data,
                      size_t size, struct error *error);

/* log_table.c */
/* Puts a segment at the end of the table, which takes the reference over. */
void log_add_segment(struct log *log, struct log_segment *segment);
struct log_segment *log_segment_new(const struct log *log, uint64_t sequence, struct disk_file file,
                                    uint32_t size);
void log_segment_release(struct log *log, struct log_segment *segment);
/* What a durable slot means for table and tail; `segment` is the last live one. */
void log_apply_slot(struct log *log, struct log_segment *segment, const struct segment_slot *slot);
/* The same for `slots` damaged ones, which amount to `entries` (all of them, or none) of unknown
 * identity that end at `offset`, and lead to the tail `point`. */
void log_apply_hole(struct log *log, struct log_segment *segment, uint32_t slots, uint32_t entries,
                    uint32_t offset, const struct log_point *point);
/* Finds an entry and pins its segment until log_segment_release, or NULL. */
struct log_segment *log_pin(struct log *log, uint64_t index, struct log_location *location);
/* Where an entry is now; those of the same hole before it end there at the latest. */
void log_set_location(struct log *log, struct log_segment *segment, uint64_t index,
                      const struct log_location *location);
void log_ends(struct log *log, struct log_point *base, struct log_point *tail);

/* log_read.c */
/* Reads the point of an index that is held, or the base. */
enum status log_point_at(struct log *log, uint64_t index, struct log_point *point,
                         struct error *error);
/* Reads what slot and header say the entry is. Each of the two flags: that copy is sound. */
struct log_identity {
    struct entry_header header; /* of a sound one */
    bool slot_sound;
    bool header_sound;
};
enum status log_read_identity(struct log *log, const struct log_segment *segment, uint64_t index,
                              const struct log_location *location, struct log_identity *identity,
                              struct error *error);

/* log_write.c */
/* The header of a segment that begins at the log's tail. */
struct segment_header log_begin_header(const struct log *log, const struct log_segment *segment,
                                       uint32_t previous_slots);
enum status log_write_header(struct log *log, const struct log_segment *segment,
                             const struct segment_header *header, struct error *error);
/* Writes the mark behind the segment's entries; next_sequence: of the durable segment that follows,
 * or 0. */
enum status log_write_mark(struct log *log, const struct log_segment *segment,
                           uint64_t next_sequence, struct error *error);

/* log_space.c */
/* Allocates one more spare; NO_SPACE leaves nothing behind. */
enum status log_add_spare(struct log *log, struct error *error);
/* Counts anew what log_room answers. */
void log_count_room(struct log *log);

/* log_folder.c */
struct log_names {
    uint64_t *sequences; /* ascending */
    uint32_t count;
    uint32_t capacity;
};
/* Lists the segments in the log's folder; NOT_FOUND when there is no folder. */
enum status log_list(struct log *log, struct log_names *names, struct error *error);
/* A file of the log as it was found. */
struct log_found {
    struct log_segment *segment; /* NULL once the table has it */
    struct segment_header header;
    uint32_t header_copies; /* sound ones */
    uint32_t proved;        /* slots that were durable */
};
/* Opens a file and looks at it. One without a header is a spare, unless its neighbours know better;
 * a crash may have left it too small, and then its allocation is completed. NO_SPACE: there is no
 * room for that; nothing was ever written there. */
enum status log_open_segment(struct log *log, struct log_found *found, uint64_t sequence,
                             struct error *error);
/* Removes such a file, the log's last: log_prepare makes it again when there is room. */
enum status log_drop_spare(struct log *log, uint64_t sequence, struct error *error);
/* `status`, with a text about a file. */
enum status log_unsuitable(const struct log *log, uint64_t sequence, enum status status,
                           const char *what, struct error *error);

/* log_replay.c */
struct log_replay {
    struct log *log;
    struct log_recovered *recovered;
    struct error *error;
    struct segment_slot *slots; /* of the segment at hand */
    uint32_t hole;              /* damaged slots before the one at hand */
    bool marked;                /* the segment has a mark, so it once began */
    uint64_t marked_next;       /* the sequence that a mark of the segment names, or 0 */
    uint8_t *entry;             /* one, of any size */
    struct raft_run *runs;
    uint32_t run_count;
    uint32_t run_capacity;
};
/* Reads the slots of a segment into replay->slots. */
enum status log_replay_load(struct log_replay *replay, const struct log_segment *segment);
/* A slot of the loaded segment is sound. */
bool log_replay_sound(const struct log_replay *replay, const struct log_segment *segment,
                      uint32_t number);
/* The slot may follow the log's tail. */
bool log_replay_follows(const struct log_replay *replay, const struct log_segment *segment,
                        const struct segment_slot *slot);
/* Replays a live segment: the first `proved` slots are sound, or repaired, or damaged; if it is the
 * last one, what follows them is taken as far as it is sound, and the rest is wiped. `next`: where
 * the next segment begins, or NULL. */
enum status log_replay_segment(struct log_replay *replay, struct log_segment *segment,
                               uint32_t proved, bool last, const struct log_point *next);
/* The term of an entry that is held, or of the base. */
uint64_t log_replay_term(const struct log_replay *replay, uint64_t index);
/* An entry of that term follows. */
void log_replay_add_run(struct log_replay *replay, uint64_t index, uint64_t term);
/* The runs of terms end at `index`. */
void log_replay_cut_runs(struct log_replay *replay, uint64_t index);
/* Writes zeros over the sound slots from `from` on and flushes; counts torn entries. */
enum status log_replay_wipe(struct log_replay *replay, const struct log_segment *segment,
                            uint32_t from);

/* log_replay_proof.c: how many slots of the loaded segment its slots and its marks prove to have
 * been durable; sets replay->marked and marked_next. */
enum status log_replay_proved(struct log_replay *replay, const struct log_segment *segment,
                              uint32_t *proved);

/* log_replay_hole.c: damaged slots, replay->hole of them behind the tail. */
/* *found: `slot` can follow them; *entries: how many of them it proves to be entries, all or none.
 * *point: the tail that they lead to. */
struct log_bridge {
    bool found;
    uint32_t entries;
    uint32_t offset; /* where the entries end at the latest */
    struct log_point point;
};
enum status log_bridge_slot(struct log_replay *replay, const struct log_segment *segment,
                            const struct segment_slot *slot, struct log_bridge *bridge);
/* Enters in the table what the hole amounts to, and makes slots again that were no entries. */
enum status log_bridge_take(struct log_replay *replay, struct log_segment *segment,
                            const struct log_bridge *bridge);
/* The hole ends the segment, and the next one begins at `next` (NULL: nobody knows). */
enum status log_bridge_segments(struct log_replay *replay, struct log_segment *segment,
                                const struct log_point *next);
/* The hole ends the log, which was acknowledged that far: it is lost, and remembered. */
enum status log_lose_tail(struct log_replay *replay, struct log_segment *segment);

/* log_replay_bodies.c */
/* Checks the bodies of the live entries of a segment, repairs their headers, notes damage. */
enum status log_replay_bodies(struct log_replay *replay, struct log_segment *segment);
