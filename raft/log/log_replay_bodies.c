/* log_replay_bodies.c — the entries that the log holds, at open, after all slots are replayed: what
 * is damaged is noted, never cut. */
#include "base/situation.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <string.h>

/* More damage than can be told apart from a lost disk is for the operator. */
static enum status note(struct log_replay *replay, const struct log_segment *segment,
                        uint64_t offset, uint64_t index, const char *what)
{
    struct log_recovered *recovered = replay->recovered;
    if (recovered->damaged_count == LOG_DAMAGED_MAX) {
        return log_corrupt(replay->log, segment, offset, index, "too many entries are damaged",
                           replay->error);
    }
    if (recovered->damaged_count == 0) {
        (void)!log_damaged(replay->log, segment, offset, index, what, &recovered->damage);
    }
    SITUATION(log_damaged_entry_found);
    recovered->damaged[recovered->damaged_count++] = index;
    return STATUS_OK;
}

/* The entry's own header is made again from the slot when its body is sound. */
static enum status check_entry(struct log_replay *replay, const struct log_segment *segment,
                               const struct segment_slot *slot)
{
    struct entry_header header = segment_slot_header(slot);
    TRY(log_read_around(replay->log, segment->file, slot->offset, replay->entry,
                        entry_size(&header), replay->error));
    if (!entry_body_check(&header, replay->entry + RAFT_ENTRY_HEADER_SIZE)) {
        return note(replay, segment, slot->offset, slot->index, "its body is damaged");
    }
    if (memcmp(&header, replay->entry, sizeof header) == 0) {
        return STATUS_OK;
    }
    replay->recovered->repaired++;
    TRY(log_patch(replay->log, segment->file, slot->offset, &header, sizeof header, replay->error));
    return disk_sync(replay->log->disk, segment->file, replay->error);
}

static void note_kind(struct log_replay *replay, const struct segment_slot *slot)
{
    struct log_recovered *recovered = replay->recovered;
    if (slot->entry_kind == ENTRY_MEMBERS) {
        recovered->config_indexes[1] = recovered->config_indexes[0];
        recovered->config_indexes[0] = slot->index;
    }
}

static enum status check_location(struct log_replay *replay, const struct log_segment *segment,
                                  uint64_t index, const struct log_location *location)
{
    const struct segment_slot *slot = &replay->slots[location->slot];
    /* It was read anew: a disk that puts one write of this recovery elsewhere may have hit it. */
    const bool sound = log_replay_sound(replay, segment, location->slot) &&
                       slot->kind == SLOT_ENTRY && slot->index == index;
    if (location->body_size == LOG_UNKNOWN || !sound) {
        return note(replay, segment, segment_slot_offset(location->slot), index,
                    "its identity is damaged");
    }
    note_kind(replay, slot);
    return check_entry(replay, segment, slot);
}

enum status log_replay_bodies(struct log_replay *replay, struct log_segment *segment)
{
    for (uint32_t i = 0; i < segment->count; i++) {
        TRY(check_location(replay, segment, segment->first + i, &segment->locations[i]));
    }
    return STATUS_OK;
}
