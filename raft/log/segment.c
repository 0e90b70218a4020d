#include "raft/log/segment.h"

#include "base/assert.h"
#include "base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const uint64_t MAGIC = 0x4745534c554e4546; /* "FENLUSEG" */

static const char SUFFIX[] = ".segment";

enum { SEQUENCE_DIGITS = 16, SLOTS_SHARE = 32 };

uint32_t segment_slot_count(uint32_t size)
{
    return segment_align(size / SLOTS_SHARE, LOG_BLOCK_SIZE) / SEGMENT_SLOT_SIZE;
}

uint32_t segment_entries_offset(uint32_t size)
{
    return SEGMENT_SLOTS_OFFSET + segment_slot_count(size) * SEGMENT_SLOT_SIZE;
}

bool segment_size_check(uint64_t size)
{
    return size % LOG_BLOCK_SIZE == 0 && size >= LOG_SEGMENT_SIZE_MIN &&
           size <= LOG_SEGMENT_SIZE_MAX;
}

void segment_name(char name[DISK_NAME_MAX], uint64_t sequence)
{
    int size = snprintf(name, DISK_NAME_MAX, "%016" PRIx64 "%s", sequence, SUFFIX);
    ASSERT(size > 0 && size < DISK_NAME_MAX);
}

bool segment_name_parse(const char *name, uint64_t *sequence)
{
    if (strlen(name) != SEQUENCE_DIGITS + sizeof SUFFIX - 1 ||
        strcmp(name + SEQUENCE_DIGITS, SUFFIX) != 0) {
        return false;
    }
    uint64_t value = 0;
    for (int i = 0; i < SEQUENCE_DIGITS; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = strchr(digits, name[i]);
        if (digit == NULL) {
            return false;
        }
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *sequence = value;
    return value != 0 && value != UINT64_MAX;
}

void segment_header_seal(struct segment_header *header)
{
    header->magic = MAGIC;
    header->version = SEGMENT_VERSION;
    header->crc = crc32c(header, offsetof(struct segment_header, crc));
}

bool segment_header_check(const struct segment_header *header)
{
    return header->magic == MAGIC &&
           header->crc == crc32c(header, offsetof(struct segment_header, crc));
}

uint32_t segment_seed(uint64_t incarnation, uint64_t sequence)
{
    const uint64_t owner[2] = { incarnation, sequence };
    return crc32c(owner, sizeof owner);
}

static uint32_t slot_crc(const struct segment_slot *slot, uint32_t seed, uint32_t number)
{
    const uint64_t place = number;
    const uint8_t *bytes = (const uint8_t *)slot;
    return crc32c_extend(crc32c_extend(seed, &place, sizeof place), bytes + 4, sizeof *slot - 4);
}

void segment_slot_seal(struct segment_slot *slot, uint32_t seed, uint32_t number)
{
    slot->crc = slot_crc(slot, seed, number);
}

bool segment_slot_check(const struct segment_slot *slot, uint32_t seed, uint32_t number,
                        uint32_t size)
{
    if (slot->crc != slot_crc(slot, seed, number) || slot->durable > number) {
        return false;
    }
    if (slot->kind != SLOT_ENTRY) {
        return slot->kind == SLOT_CUT;
    }
    struct entry_header header = segment_slot_header(slot);
    return entry_header_check(&header) && slot->index > 0 &&
           slot->offset % SEGMENT_ENTRY_ALIGN == 0 &&
           slot->offset >= segment_entries_offset(size) &&
           slot->offset < segment_entries_end(size) &&
           segment_entries_end(size) - slot->offset >= entry_size(&header);
}

bool segment_mark_check(const struct segment_slot *mark, uint32_t seed, uint32_t offset,
                        uint32_t size)
{
    return mark->kind == SLOT_MARK && mark->offset == offset &&
           mark->crc == slot_crc(mark, seed, mark->durable) &&
           mark->durable <= segment_slot_count(size);
}

struct segment_slot segment_slot_entry(const struct entry_header *header, uint32_t offset,
                                       uint32_t durable)
{
    struct segment_slot slot = {
        .body_crc = header->body_crc,
        .index = header->index,
        .term = header->term,
        .timestamp = header->timestamp,
        .chain = header->chain,
        .body_size = header->body_size,
        .entry_kind = header->kind,
        .entry_version = header->version,
        .offset = offset,
        .durable = durable,
        .kind = SLOT_ENTRY,
    };
    return slot;
}

struct entry_header segment_slot_header(const struct segment_slot *slot)
{
    struct entry_header header = {
        .body_crc = slot->body_crc,
        .index = slot->index,
        .term = slot->term,
        .timestamp = slot->timestamp,
        .chain = slot->chain,
        .body_size = slot->body_size,
        .kind = slot->entry_kind,
        .version = slot->entry_version,
    };
    header.header_crc = crc32c((const uint8_t *)&header + 4, sizeof header - 4);
    return header;
}
