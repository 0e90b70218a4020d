/* log_repair.c — a damaged entry made again, in place, from a sound copy that came from elsewhere.
 *
 * Which entry stood there is known from what is left of its identity, or proved by the chain of the
 * entry behind it, so that no other entry can take its place (segment.h, "Why repair is safe").
 */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <string.h>

static enum status refuse(uint64_t index, const char *what, struct error *error)
{
    return error_set(error, STATUS_INVALID, "entry %" PRIu64 " cannot be repaired: %s", index,
                     what);
}

/* The chain of an entry that has no identity left: the log's end, or the entry behind it, tells. */
static enum status prove_chain(struct log *log, const struct entry_header *header,
                               struct error *error)
{
    bool proved = false;
    if (header->index == log->tail.index) {
        proved = header->chain == log->tail.chain;
    } else {
        struct log_location location;
        struct log_identity next;
        struct log_segment *segment = log_pin(log, header->index + 1, &location);
        ASSERT(segment != NULL);
        enum status status =
            log_read_identity(log, segment, header->index + 1, &location, &next, error);
        log_segment_release(log, segment);
        TRY(status);
        if (!next.slot_sound && !next.header_sound) {
            return refuse(header->index, "the entry behind it must be repaired first", error);
        }
        proved = entry_chain(header->chain, &next.header) == next.header.chain;
    }
    struct error unknown;
    struct log_point before;
    if (proved && log_point_at(log, header->index - 1, &before, &unknown) == STATUS_OK) {
        proved = entry_chain(before.chain, header) == header->chain;
    }
    return proved ? STATUS_OK : refuse(header->index, "the chain does not prove the copy", error);
}

/* The copy is the very entry that stood there. */
static enum status prove(struct log *log, const struct log_identity *identity,
                         const struct log_location *location, const struct entry *entry,
                         struct error *error)
{
    const struct entry_header *header = &entry->header;
    if (!entry_header_check(header) || !entry_body_check(header, entry->body)) {
        return refuse(header->index, "the copy is damaged too", error);
    }
    if (identity->slot_sound || identity->header_sound) {
        return memcmp(header, &identity->header, sizeof *header) == 0
                   ? STATUS_OK
                   : refuse(header->index, "the copy is of another entry", error);
    }
    if (location->body_size != LOG_UNKNOWN && location->body_size != header->body_size) {
        return refuse(header->index, "the copy has another size", error);
    }
    return prove_chain(log, header, error);
}

/* Body and header first, then the slot, one flush. Before it another one, for the mark behind the
 * last group: without the mark a crash in the middle would leave what looks like a torn group. */
static enum status write_entry(struct log *log, const struct log_segment *segment,
                               const struct log_location *location, bool slot_sound,
                               const struct entry *entry, struct error *error)
{
    TRY(disk_sync(log->disk, segment->file, error));
    TRY(log_patch(log, segment->file, location->offset, &entry->header, entry_size(&entry->header),
                  error));
    if (!slot_sound) {
        struct segment_slot slot = segment_slot_entry(&entry->header, location->offset, 0);
        segment_slot_seal(&slot, segment->seed, location->slot);
        TRY(log_patch(log, segment->file, segment_slot_offset(location->slot), &slot, sizeof slot,
                      error));
    }
    return disk_sync(log->disk, segment->file, error);
}

static enum status repair_pinned(struct log *log, struct log_segment *segment,
                                 struct log_location location, const struct entry *entry,
                                 struct error *error)
{
    struct log_identity identity;
    uint64_t index = entry->header.index;
    TRY(log_read_identity(log, segment, index, &location, &identity, error));
    TRY(prove(log, &identity, &location, entry, error));
    if (location.body_size == LOG_UNKNOWN) {
        /* Whatever the hole held fits before what follows it, this entry as the last of it. */
        uint32_t room = segment_align(entry_size(&entry->header), SEGMENT_ENTRY_ALIGN);
        if (location.offset < segment_entries_offset(segment->size) + room) {
            return refuse(index, "there is no room where it stood", error);
        }
        location.offset -= room;
        location.body_size = entry->header.body_size;
    }
    enum status status = write_entry(log, segment, &location, identity.slot_sound, entry, error);
    log->failed = status != STATUS_OK;
    TRY(status);
    log_set_location(log, segment, index, &location);
    return STATUS_OK;
}

enum status log_repair(struct log *log, const struct entry *entry, struct error *error)
{
    if (log->failed) {
        return error_set(error, STATUS_IO, "an earlier write to %s failed", log->folder);
    }
    struct log_location location;
    struct log_segment *segment = log_pin(log, entry->header.index, &location);
    if (segment == NULL) {
        return error_set(error, STATUS_NOT_FOUND, "the log does not hold entry %" PRIu64,
                         entry->header.index);
    }
    enum status status = repair_pinned(log, segment, location, entry, error);
    log_segment_release(log, segment);
    return status;
}
