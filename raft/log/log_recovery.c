/* log_recovery.c — opening: which files there are, which of them are live, and what they hold. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct names {
    uint64_t *sequences;
    uint32_t count;
    uint32_t capacity;
};

static void add_name(void *context, const char *name)
{
    struct names *names = context;
    uint64_t sequence = 0;
    if (!segment_name_parse(name, &sequence) || names->count > LOG_SEGMENTS_MAX) {
        return;
    }
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
        uint64_t *grown = realloc(names->sequences, capacity * sizeof *grown);
        ASSERT(grown != NULL);
        names->sequences = grown;
        names->capacity = capacity;
    }
    names->sequences[names->count++] = sequence;
}

static const char LOST[] = "is lost: restore it, or replace this node by a node with a new id";

static enum status unsuitable(const struct log *log, uint64_t sequence, enum status status,
                              const char *what, struct error *error)
{
    return error_set(error, status, "%.200s/%016" PRIx64 ".segment %s", log->folder, sequence,
                     what);
}

/* The header of a file, when it has a sound one that was written for it; copies that differ are
 * written anew later. */
static enum status read_header(struct log *log, const struct log_segment *segment,
                               struct segment_header *header, uint32_t *sound_copies,
                               struct error *error)
{
    *sound_copies = 0;
    for (int copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
        struct segment_header read;
        TRY(disk_read(log->disk, segment->file, (uint64_t)copy * LOG_BLOCK_SIZE, &read, sizeof read,
                      error));
        if (segment_header_check(&read) && read.sequence == segment->sequence) {
            *header = read;
            (*sound_copies)++;
        }
    }
    return STATUS_OK;
}

static enum status check_header(const struct log *log, uint64_t sequence, uint64_t size,
                                const struct segment_header *header, struct error *error)
{
    const struct superblock *superblock = log->superblock;
    if (header->version != SEGMENT_VERSION) {
        return unsuitable(log, sequence, STATUS_VERSION,
                          "was written by another release: run that release", error);
    }
    if (header->cluster != superblock->cluster) {
        return unsuitable(log, sequence, STATUS_WRONG_CLUSTER,
                          "belongs to another cluster than the superblock", error);
    }
    if (header->node != superblock->node || header->incarnation != superblock->incarnation) {
        return unsuitable(log, sequence, STATUS_WRONG_NODE,
                          "belongs to another node than the superblock", error);
    }
    if (header->base_index > INT64_MAX) {
        return unsuitable(log, sequence, STATUS_CORRUPT, "begins at an impossible index", error);
    }
    if (header->size != size) {
        return unsuitable(log, sequence, STATUS_CORRUPT,
                          "is not as long as its header says: restore it, or replace this node by "
                          "a node with a new id",
                          error);
    }
    return STATUS_OK;
}

/* A file of the log as it was found. */
struct found {
    struct log_segment *segment; /* NULL once the table has it */
    struct segment_header header;
    uint32_t header_copies; /* sound ones; 0: not live */
    uint32_t proved;        /* slots that were durable */
};

/* Looks at an open file. One without a header of its own is a spare; a crash may have left it too
 * small, and then its allocation is completed. A live one must be as long as its header says. */
static enum status inspect(struct log *log, struct found *found, uint64_t sequence,
                           struct disk_file file, struct error *error)
{
    uint64_t size = 0;
    TRY(disk_size(log->disk, file, &size, error));
    struct log_segment probe = { .sequence = sequence, .file = file };
    if (size >= SEGMENT_SLOTS_OFFSET) {
        TRY(read_header(log, &probe, &found->header, &found->header_copies, error));
    }
    if (found->header_copies > 0) {
        TRY(check_header(log, sequence, size, &found->header, error));
    } else if (size < log->segment_size) {
        size = log->segment_size;
        TRY(disk_allocate(log->disk, file, size, error));
        TRY(disk_sync(log->disk, file, error));
    }
    if (!segment_size_check(size)) {
        return unsuitable(log, sequence, STATUS_CORRUPT, "has a size that no segment has", error);
    }
    found->segment = log_segment_new(log, sequence, file, (uint32_t)size);
    return STATUS_OK;
}

static enum status open_segment(struct log *log, struct found *found, uint64_t sequence,
                                struct error *error)
{
    char path[DISK_PATH_MAX];
    struct disk_file file;
    TRY(log_path(log, sequence, path, error));
    TRY(disk_open(log->disk, path, DISK_WRITE, &file, error));
    enum status status = inspect(log, found, sequence, file, error);
    if (status != STATUS_OK) {
        disk_close(log->disk, file);
    }
    return status;
}

/* Opens every file and counts the live ones, which must come first and have no gap. */
static enum status open_segments(struct log *log, const struct names *names, struct found *founds,
                                 uint32_t *live, struct error *error)
{
    *live = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        uint64_t sequence = names->sequences[i];
        if (i > 0 && sequence != names->sequences[i - 1] + 1) {
            return unsuitable(log, names->sequences[i - 1] + 1, STATUS_CORRUPT, LOST, error);
        }
        TRY(open_segment(log, &founds[i], sequence, error));
        if (founds[i].header_copies == 0) {
            continue;
        }
        if (*live < i) {
            return unsuitable(log, sequence - 1, STATUS_CORRUPT,
                              "has lost its header, and a later segment is in use: restore it, or "
                              "replace this node by a node with a new id",
                              error);
        }
        *live = i + 1;
    }
    /* The first segment ever is durable before the first vote. */
    bool lost = names->count == 0 ? log->superblock->term > 0 : names->sequences[0] != 1;
    if (*live == 0 && lost) {
        return unsuitable(log, 1, STATUS_CORRUPT, LOST, error);
    }
    return STATUS_OK;
}

/* The slots of a segment that its own slots and marks prove to have been durable. */
static enum status find_proved(struct log_replay *replay, const struct log_segment *segment,
                               uint32_t *proved)
{
    uint32_t marked = 0;
    TRY(log_replay_marked(replay, segment, &marked));
    *proved = log_replay_proved(replay, segment);
    *proved = marked > *proved ? marked : *proved;
    return STATUS_OK;
}

/* Enters a live segment in the table and replays it; `next` is the live one behind it, or NULL. */
static enum status replay_live(struct log_replay *replay, struct found *found,
                               const struct found *next)
{
    struct log *log = replay->log;
    struct log_segment *segment = found->segment;
    const struct segment_header *header = &found->header;
    struct log_point base = { header->base_index, header->base_term, header->base_timestamp,
                              header->base_chain };
    log_add_segment(log, segment);
    found->segment = NULL;
    log->live++;
    if (log->live == 1) {
        log->base = base;
        log->tail = base;
    }
    if (base.index != log->tail.index || base.chain != log->tail.chain) {
        return log_corrupt(log, segment, 0, log->tail.index + 1,
                           "the segment does not follow the one before it", replay->error);
    }
    TRY(log_replay_load(replay, segment));
    if (next != NULL) {
        found->proved = next->header.previous_slots;
    } else {
        TRY(find_proved(replay, segment, &found->proved));
    }
    if (found->proved > segment_slot_count(segment->size)) {
        return log_corrupt(log, segment, 0, log->tail.index + 1,
                           "the next segment's header names more slots than it has", replay->error);
    }
    return log_replay_segment(replay, segment, found->proved, next == NULL);
}

/* Writes both copies of the header when one was not sound. */
static enum status repair_header(struct log_replay *replay, const struct log_segment *segment,
                                 const struct found *found)
{
    struct disk *disk = replay->log->disk;
    if (found->header_copies == SEGMENT_HEADER_COPIES) {
        return STATUS_OK;
    }
    /* A header that may have been torn, not damaged, is no repair worth telling of. */
    replay->recovered->repaired += found->proved > 0;
    struct disk_slice slice = { &found->header, sizeof found->header };
    for (int copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
        TRY(disk_write(disk, segment->file, (uint64_t)copy * LOG_BLOCK_SIZE, &slice, 1,
                       replay->error));
        TRY(disk_sync(disk, segment->file, replay->error));
    }
    return STATUS_OK;
}

/* A spare, unless something proves that its header was durable once. What a torn group left in it
 * is wiped. */
static enum status adopt_spare(struct log_replay *replay, struct found *found)
{
    struct log *log = replay->log;
    TRY(log_replay_load(replay, found->segment));
    TRY(find_proved(replay, found->segment, &found->proved));
    if (found->proved > 0) {
        return log_corrupt(log, found->segment, 0, log->tail.index + 1,
                           "the segment's header is damaged", replay->error);
    }
    TRY(log_replay_wipe(replay, found->segment, 0));
    log_add_segment(log, found->segment);
    found->segment = NULL;
    return STATUS_OK;
}

/* The mark behind the last entry may say that a durable segment follows. */
static enum status check_end(struct log_replay *replay)
{
    struct log *log = replay->log;
    if (log->live == 0) {
        return STATUS_OK;
    }
    const struct log_segment *segment = log->segments[log->live - 1];
    struct segment_slot mark;
    TRY(disk_read(log->disk, segment->file, segment->offset, &mark, sizeof mark, replay->error));
    if (segment_mark_check(&mark, segment->seed, segment->offset, segment->size) &&
        mark.index != 0) {
        return unsuitable(log, segment->sequence + 1, STATUS_CORRUPT, LOST, replay->error);
    }
    return STATUS_OK;
}

static enum status replay_all(struct log_replay *replay, struct found *founds, uint32_t count,
                              uint32_t live)
{
    struct log *log = replay->log;
    for (uint32_t i = 0; i < live; i++) {
        TRY(replay_live(replay, &founds[i], i + 1 < live ? &founds[i + 1] : NULL));
    }
    for (uint32_t i = 0; i < live; i++) {
        TRY(log_replay_load(replay, log->segments[i]));
        TRY(log_replay_bodies(replay, log->segments[i]));
    }
    TRY(check_end(replay));
    for (uint32_t i = 0; i < live; i++) {
        TRY(repair_header(replay, log->segments[i], &founds[i]));
    }
    for (uint32_t i = live; i < count; i++) {
        TRY(adopt_spare(replay, &founds[i]));
    }
    return STATUS_OK;
}

/* What was found may stand in the kernel's cache alone, left there by a process that was killed;
 * it is made durable before anybody believes in it. */
static enum status settle(struct log *log, struct error *error)
{
    TRY(disk_sync_folder(log->disk, log->data_folder, error));
    TRY(disk_sync_folder(log->disk, log->folder, error));
    if (log->count == 0) {
        TRY(log_add_spare(log, error));
    }
    if (log->live == 0) {
        return STATUS_OK;
    }
    const struct log_segment *last = log->segments[log->live - 1];
    TRY(disk_sync(log->disk, last->file, error));
    return log_write_mark(log, last, 0, error);
}

/* The core remembers a bounded number of runs: entries before them count as not held. */
static void report(const struct log_replay *replay)
{
    const struct log *log = replay->log;
    struct log_recovered *recovered = replay->recovered;
    uint32_t skip =
        replay->run_count > RAFT_TERM_RUNS_MAX ? replay->run_count - RAFT_TERM_RUNS_MAX : 0;
    recovered->base_index = log->base.index;
    recovered->base_term = log->base.term;
    if (skip > 0) {
        recovered->base_index = replay->runs[skip].first_index - 1;
        recovered->base_term = replay->runs[skip - 1].term;
    }
    recovered->last_index = log->tail.index;
    recovered->last_timestamp = log->tail.timestamp;
    recovered->last_chain = log->tail.chain;
    recovered->run_count = replay->run_count - skip;
    if (recovered->run_count > 0) {
        memcpy(recovered->runs, replay->runs + skip,
               recovered->run_count * sizeof *recovered->runs);
    }
    recovered->segments = log->live;
}

static enum status recover(struct log *log, const struct names *names, struct found *founds,
                           struct log_recovered *recovered, struct error *error)
{
    uint32_t live = 0;
    TRY(open_segments(log, names, founds, &live, error));
    struct log_replay replay = { .log = log, .recovered = recovered, .error = error };
    replay.entry = log_allocate(RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX);
    enum status status = replay_all(&replay, founds, names->count, live);
    if (status == STATUS_OK) {
        status = settle(log, error);
    }
    if (status == STATUS_OK) {
        report(&replay);
    }
    free(replay.slots);
    free(replay.entry);
    free(replay.runs);
    return status;
}

/* Lists the folder of the log; makes it for a node that never voted. */
static enum status list_folder(struct log *log, struct names *names, struct error *error)
{
    struct error found = { 0 };
    enum status status = disk_list(log->disk, log->folder, add_name, names, &found);
    if (status == STATUS_NOT_FOUND && log->superblock->term == 0) {
        return disk_make_folder(log->disk, log->folder, error);
    }
    if (status == STATUS_NOT_FOUND) {
        return unsuitable(log, 1, STATUS_CORRUPT, LOST, error);
    }
    if (status != STATUS_OK) {
        *error = found;
        return status;
    }
    if (names->count > LOG_SEGMENTS_MAX) {
        return error_set(error, STATUS_TOO_LARGE, "%.200s holds more than %d segments", log->folder,
                         LOG_SEGMENTS_MAX);
    }
    return STATUS_OK;
}

static enum status open_log(struct log *log, struct log_recovered *recovered, struct error *error)
{
    struct names names = { 0 };
    enum status status = list_folder(log, &names, error);
    if (status == STATUS_OK) {
        struct found *founds = log_allocate((names.count + 1) * sizeof *founds);
        status = recover(log, &names, founds, recovered, error);
        for (uint32_t i = 0; i < names.count; i++) {
            if (founds[i].segment != NULL) {
                log_segment_release(log, founds[i].segment);
            }
        }
        free(founds);
    }
    free(names.sequences);
    return status;
}

enum status log_open(const struct log_options *options, struct superblock *superblock,
                     struct log **log, struct log_recovered *recovered, struct error *error)
{
    ASSERT(segment_size_check(options->segment_size));
    struct log *opened = log_allocate(sizeof *opened);
    int result = pthread_mutex_init(&opened->mutex, NULL);
    ASSERT(result == 0);
    opened->disk = options->disk;
    opened->superblock = superblock;
    opened->segment_size = options->segment_size;
    memset(recovered, 0, sizeof *recovered);
    enum status status = disk_join(opened->folder, options->folder, "log", error);
    if (status == STATUS_OK) {
        /* It is shorter than what was joined. */
        memcpy(opened->data_folder, options->folder, strlen(options->folder) + 1);
        status = open_log(opened, recovered, error);
    }
    if (status != STATUS_OK) {
        log_close(opened);
        return status;
    }
    *log = opened;
    return STATUS_OK;
}
