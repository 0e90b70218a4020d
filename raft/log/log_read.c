/* log_read.c — reading entries, and checking them where they lie. */
#include "base/assert.h"
#include "raft/log/log_internal.h"

#include <inttypes.h>
#include <stdlib.h>

static const char GONE[] = "its identity is gone: slot and header are damaged";

static enum status not_held(uint64_t index, struct error *error)
{
    return error_set(error, STATUS_NOT_FOUND, "the log does not hold entry %" PRIu64, index);
}

static enum status read_slot(struct log *log, const struct log_segment *segment, uint64_t index,
                             const struct log_location *location, struct log_identity *identity,
                             struct error *error)
{
    struct segment_slot slot;
    TRY(log_read_around(log, segment->file, segment_slot_offset(location->slot), &slot, sizeof slot,
                        error));
    identity->slot_sound =
        segment_slot_check(&slot, segment->seed, location->slot, segment->size) &&
        slot.kind == SLOT_ENTRY && slot.index == index && slot.offset == location->offset;
    if (identity->slot_sound) {
        identity->header = segment_slot_header(&slot);
    }
    return STATUS_OK;
}

enum status log_read_identity(struct log *log, const struct log_segment *segment, uint64_t index,
                              const struct log_location *location, struct log_identity *identity,
                              struct error *error)
{
    *identity = (struct log_identity){ 0 };
    if (location->body_size == LOG_UNKNOWN) {
        return STATUS_OK;
    }
    struct entry_header header;
    TRY(read_slot(log, segment, index, location, identity, error));
    TRY(log_read_around(log, segment->file, location->offset, &header, sizeof header, error));
    identity->header_sound = entry_header_check(&header) && header.index == index &&
                             header.body_size == location->body_size;
    if (identity->header_sound && !identity->slot_sound) {
        identity->header = header;
    }
    return STATUS_OK;
}

enum status log_point_at(struct log *log, uint64_t index, struct log_point *point,
                         struct error *error)
{
    struct log_point base;
    log_ends(log, &base, point);
    if (index == point->index) {
        return STATUS_OK;
    }
    if (index == base.index) {
        *point = base;
        return STATUS_OK;
    }
    struct log_location location;
    struct log_segment *segment = log_pin(log, index, &location);
    if (segment == NULL) {
        return not_held(index, error);
    }
    struct log_identity identity;
    enum status status = log_read_identity(log, segment, index, &location, &identity, error);
    if (status == STATUS_OK && !identity.slot_sound && !identity.header_sound) {
        status = log_damaged(log, segment, location.offset, index, GONE, error);
    }
    log_segment_release(log, segment);
    TRY(status);
    *point = (struct log_point){ index, identity.header.term, identity.header.timestamp,
                                 identity.header.chain };
    return STATUS_OK;
}

enum status log_chain_at(struct log *log, uint64_t index, uint64_t *chain, struct error *error)
{
    struct log_point point;
    TRY(log_point_at(log, index, &point, error));
    *chain = point.chain;
    return STATUS_OK;
}

/* Reads header and body; *sound: they are whole, and of that entry. */
static enum status load(struct log *log, const struct log_segment *segment, uint64_t index,
                        const struct log_location *location, struct entry *entry, bool *sound,
                        struct error *error)
{
    TRY(log_read_around(log, segment->file, location->offset, &entry->header,
                        (size_t)RAFT_ENTRY_HEADER_SIZE + location->body_size, error));
    *sound = entry_header_check(&entry->header) && entry->header.index == index &&
             entry->header.body_size == location->body_size &&
             entry_body_check(&entry->header, entry->body);
    return STATUS_OK;
}

static enum status read_pinned(struct log *log, const struct log_segment *segment, uint64_t index,
                               const struct log_location *location, struct entry **entry,
                               struct error *error)
{
    if (location->body_size == LOG_UNKNOWN) {
        return log_damaged(log, segment, location->offset, index, GONE, error);
    }
    struct entry *loaded = entry_new(location->body_size);
    bool sound = false;
    enum status status = load(log, segment, index, location, loaded, &sound, error);
    if (status == STATUS_OK && !sound) {
        status =
            log_damaged(log, segment, location->offset, index, "header or body is damaged", error);
    }
    if (status != STATUS_OK) {
        entry_release(loaded);
        return status;
    }
    *entry = loaded;
    return STATUS_OK;
}

enum status log_read(struct log *log, uint64_t index, struct entry **entry, struct error *error)
{
    struct log_location location;
    struct log_segment *segment = log_pin(log, index, &location);
    if (segment == NULL) {
        return not_held(index, error);
    }
    enum status status = read_pinned(log, segment, index, &location, entry, error);
    log_segment_release(log, segment);
    return status;
}

/* Slot, header and body are there and agree. */
static enum status verify_pinned(struct log *log, const struct log_segment *segment, uint64_t index,
                                 const struct log_location *location, bool *sound,
                                 struct error *error)
{
    struct log_identity identity = { 0 };
    *sound = false;
    if (location->body_size == LOG_UNKNOWN) {
        return STATUS_OK;
    }
    struct entry *loaded = entry_new(location->body_size);
    enum status status = load(log, segment, index, location, loaded, sound, error);
    if (status == STATUS_OK) {
        status = read_slot(log, segment, index, location, &identity, error);
    }
    *sound =
        *sound && identity.slot_sound && identity.header.header_crc == loaded->header.header_crc;
    entry_release(loaded);
    return status;
}

enum status log_verify(struct log *log, uint64_t from_index, uint64_t bytes_budget,
                       uint64_t *next_index, uint64_t *damaged_index, struct error *error)
{
    uint64_t first = log_first_index(log);
    uint64_t index = from_index < first ? first : from_index;
    uint64_t bytes = 0;
    bool sound = true;
    while (sound && (bytes == 0 || bytes < bytes_budget)) {
        struct log_location location;
        struct log_segment *segment = log_pin(log, index, &location);
        if (segment == NULL) {
            /* The end, or what was cut meanwhile. */
            *next_index = 0;
            *damaged_index = 0;
            return STATUS_OK;
        }
        enum status status = verify_pinned(log, segment, index, &location, &sound, error);
        log_segment_release(log, segment);
        TRY(status);
        bytes += location.body_size == LOG_UNKNOWN ? 0 : location.body_size;
        bytes += RAFT_ENTRY_HEADER_SIZE + SEGMENT_SLOT_SIZE;
        index++;
    }
    *next_index = index;
    *damaged_index = sound ? 0 : index - 1;
    return STATUS_OK;
}
