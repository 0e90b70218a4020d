/* log_recovery.c — opening: which segments are live, how they follow each other, what they hold. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char LOST[] = "is lost: restore it, or replace this node (fenlu admin member replace)";

/* The segments of the folder, ascending; the first `live` of them are in use. */
struct folder {
    struct log_found *founds;
    uint32_t count;
    uint32_t live;
};

/* Opens every file. Those up to the last one with a header are live, and have no gap. */
static enum status open_segments(struct log *log, const struct log_names *names,
                                 struct folder *folder, struct error *error)
{
    for (uint32_t i = 0; i < names->count; i++) {
        uint64_t sequence = names->sequences[i];
        if (i > 0 && sequence != names->sequences[i - 1] + 1) {
            return log_unsuitable(log, names->sequences[i - 1] + 1, STATUS_CORRUPT, LOST, error);
        }
        struct error found;
        enum status status = log_open_segment(log, &folder->founds[i], sequence, &found);
        if (status == STATUS_NO_SPACE && i > 0 && i + 1 == names->count) {
            folder->count = i;
            return log_drop_spare(log, sequence, error);
        }
        if (status != STATUS_OK) {
            *error = found;
            return status;
        }
        folder->live = folder->founds[i].header_copies > 0 ? i + 1 : folder->live;
    }
    return STATUS_OK;
}

/* Segments behind them are live too when their own slots or marks prove it. */
static enum status find_headless(struct log_replay *replay, struct folder *folder)
{
    for (; folder->live < folder->count; folder->live++) {
        struct log_found *found = &folder->founds[folder->live];
        TRY(log_replay_load(replay, found->segment));
        TRY(log_replay_proved(replay, found->segment, &found->proved));
        if (found->proved == 0 && !replay->marked) {
            break;
        }
    }
    return STATUS_OK;
}

/* The first segment ever is durable before the first vote. */
static enum status check_begin(const struct log *log, const struct folder *folder,
                               struct error *error)
{
    bool lost =
        folder->count == 0 ? log->superblock->term > 0 : folder->founds[0].segment->sequence != 1;
    if (folder->live == 0 && lost) {
        return log_unsuitable(log, 1, STATUS_CORRUPT, LOST, error);
    }
    return STATUS_OK;
}

/* Both copies of the header are damaged. It is known all the same when the log so far ends where
 * the segment goes on: the last mark says that this segment follows, or its first entry's chain
 * does. The first segment can only be the beginning of the log. */
static enum status rebuild_header(struct log_replay *replay, struct log_found *found,
                                  uint64_t marked_next)
{
    struct log *log = replay->log;
    struct log_segment *segment = found->segment;
    uint32_t previous_slots = log->live == 0 ? 0 : log->segments[log->live - 1]->slots;
    found->header = log_begin_header(log, segment, previous_slots);
    if (log->live > 0 && marked_next == segment->sequence) {
        return STATUS_OK;
    }
    TRY(log_replay_load(replay, segment));
    const struct segment_slot *slot = &replay->slots[0];
    if (log_replay_sound(replay, segment, 0) && slot->kind == SLOT_ENTRY &&
        log_replay_follows(replay, segment, slot)) {
        return STATUS_OK;
    }
    return log_corrupt(log, segment, 0, log->tail.index + 1, "the segment's header is damaged",
                       replay->error);
}

/* Enters a live segment in the table; it must follow the one before it. */
static enum status enter_live(struct log_replay *replay, struct log_found *found)
{
    struct log *log = replay->log;
    const struct segment_header *header = &found->header;
    struct log_segment *segment = found->segment;
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
    return log_replay_load(replay, segment);
}

/* Replays the live segment `i`. */
static enum status replay_live(struct log_replay *replay, const struct folder *folder, uint32_t i)
{
    struct log *log = replay->log;
    struct log_found *found = &folder->founds[i];
    struct log_segment *segment = found->segment;
    uint64_t marked_next = replay->marked_next;
    if (found->header_copies == 0) {
        TRY(rebuild_header(replay, found, marked_next));
    }
    TRY(enter_live(replay, found));
    const struct log_found *next = i + 1 < folder->count ? &folder->founds[i + 1] : NULL;
    if (next != NULL && next->header_copies > 0) {
        const struct segment_header *header = &next->header;
        struct log_point end = { header->base_index, header->base_term, header->base_timestamp,
                                 header->base_chain };
        found->proved = header->previous_slots;
        if (found->proved > segment_slot_count(segment->size)) {
            return log_corrupt(log, segment, 0, log->tail.index + 1,
                               "the next segment's header names more slots than it has",
                               replay->error);
        }
        return log_replay_segment(replay, segment, found->proved, false, &end);
    }
    TRY(log_replay_proved(replay, segment, &found->proved));
    bool last = folder->live == i + 1;
    if (last && replay->marked_next != 0) {
        /* What that segment held, nothing in it tells. */
        return log_unsuitable(log, segment->sequence + 1, STATUS_CORRUPT, LOST, replay->error);
    }
    return log_replay_segment(replay, segment, found->proved, last, NULL);
}

/* Writes both copies of the header when one was not sound. */
static enum status repair_header(struct log_replay *replay, const struct log_segment *segment,
                                 const struct log_found *found)
{
    if (found->header_copies == SEGMENT_HEADER_COPIES) {
        return STATUS_OK;
    }
    /* A header that may have been torn, not damaged, is no repair worth telling of. */
    replay->recovered->repaired += found->proved > 0 || found->header_copies == 0;
    return log_write_header(replay->log, segment, &found->header, replay->error);
}

/* What a torn group left in a spare is wiped. */
static enum status adopt_spare(struct log_replay *replay, struct log_found *found)
{
    TRY(log_replay_load(replay, found->segment));
    TRY(log_replay_wipe(replay, found->segment, 0));
    log_add_segment(replay->log, found->segment);
    found->segment = NULL;
    return STATUS_OK;
}

static enum status replay_all(struct log_replay *replay, struct folder *folder)
{
    struct log *log = replay->log;
    TRY(find_headless(replay, folder));
    TRY(check_begin(log, folder, replay->error));
    replay->marked_next = 0;
    for (uint32_t i = 0; i < folder->live; i++) {
        TRY(replay_live(replay, folder, i));
    }
    for (uint32_t i = 0; i < folder->live; i++) {
        TRY(log_replay_load(replay, log->segments[i]));
        TRY(log_replay_bodies(replay, log->segments[i]));
    }
    for (uint32_t i = 0; i < folder->live; i++) {
        TRY(repair_header(replay, log->segments[i], &folder->founds[i]));
    }
    for (uint32_t i = folder->live; i < folder->count; i++) {
        TRY(adopt_spare(replay, &folder->founds[i]));
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
static enum status report_base(const struct log_replay *replay)
{
    struct log *log = replay->log;
    struct log_recovered *recovered = replay->recovered;
    uint32_t skip =
        replay->run_count > RAFT_TERM_RUNS_MAX ? replay->run_count - RAFT_TERM_RUNS_MAX : 0;
    struct log_point base = log->base;
    if (skip > 0) {
        TRY(log_point_at(log, replay->runs[skip].first_index - 1, &base, replay->error));
    }
    recovered->base_index = base.index;
    recovered->base_term = base.term;
    recovered->base_timestamp = base.timestamp;
    recovered->base_chain = base.chain;
    recovered->run_count = replay->run_count - skip;
    if (recovered->run_count > 0) {
        memcpy(recovered->runs, replay->runs + skip,
               recovered->run_count * sizeof *recovered->runs);
    }
    return STATUS_OK;
}

static enum status report(const struct log_replay *replay)
{
    const struct log *log = replay->log;
    struct log_recovered *recovered = replay->recovered;
    TRY(report_base(replay));
    recovered->last_index = log->tail.index;
    recovered->last_timestamp = log->tail.timestamp;
    recovered->last_chain = log->tail.chain;
    recovered->segments = log->live;
    if (log->superblock->lost_index > log->tail.index) {
        recovered->lost_index = log->superblock->lost_index;
    }
    if (recovered->lost_index > 0 && recovered->damaged_count == 0) {
        (void)error_set(&recovered->damage, STATUS_CORRUPT,
                        "%.200s: entries %" PRIu64 " to %" PRIu64 " at the log's end are damaged "
                        "beyond recognition. They may have been acknowledged: a leader's copy "
                        "brings them back; where there is none, restore the files, or replace this "
                        "node (fenlu admin member replace)",
                        log->folder, log->tail.index + 1, recovered->lost_index);
    }
    return STATUS_OK;
}

static enum status recover(struct log *log, const struct log_names *names, struct folder *folder,
                           struct log_recovered *recovered, struct error *error)
{
    TRY(open_segments(log, names, folder, error));
    struct log_replay replay = { .log = log, .recovered = recovered, .error = error };
    replay.entry = malloc(RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX);
    ASSERT(replay.entry != NULL);
    enum status status = replay_all(&replay, folder);
    if (status == STATUS_OK) {
        status = settle(log, error);
    }
    if (status == STATUS_OK) {
        status = report(&replay);
    }
    free(replay.slots);
    free(replay.entry);
    free(replay.runs);
    return status;
}

/* Lists the folder of the log; makes it for a node that never voted. */
static enum status list_folder(struct log *log, struct log_names *names, struct error *error)
{
    struct error found = { 0 };
    enum status status = log_list(log, names, &found);
    if (status == STATUS_NOT_FOUND && log->superblock->term == 0) {
        return disk_make_folder(log->disk, log->folder, error);
    }
    if (status == STATUS_NOT_FOUND) {
        return log_unsuitable(log, 1, STATUS_CORRUPT, LOST, error);
    }
    if (status != STATUS_OK) {
        *error = found;
    }
    return status;
}

static enum status open_log(struct log *log, struct log_recovered *recovered, struct error *error)
{
    struct log_names names = { 0 };
    enum status status = list_folder(log, &names, error);
    if (status == STATUS_OK) {
        struct folder folder = { .count = names.count };
        folder.founds = log_allocate((names.count + 1) * sizeof *folder.founds);
        status = recover(log, &names, &folder, recovered, error);
        for (uint32_t i = 0; i < names.count; i++) {
            if (folder.founds[i].segment != NULL) {
                log_segment_release(log, folder.founds[i].segment);
            }
        }
        free(folder.founds);
    }
    free(names.sequences);
    return status;
}

enum status log_open(const struct log_options *options, struct superblock *superblock,
                     struct log **log, struct log_recovered *recovered, struct error *error)
{
    struct log *opened = NULL;
    memset(recovered, 0, sizeof *recovered);
    TRY(log_new(options, superblock, &opened, error));
    enum status status = open_log(opened, recovered, error);
    if (status != STATUS_OK) {
        log_close(opened);
        return status;
    }
    log_count_room(opened);
    *log = opened;
    return STATUS_OK;
}
