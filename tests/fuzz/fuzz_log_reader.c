/* fuzz_log_reader.c — bytes become the files of a data folder: log_open must not crash, hang or
 * allocate without bound, and a log that it opens must be whole and go on.
 *
 * Input: u8 flags, then for FLAG_SUPERBLOCK the file itself; else up to three segments, each
 *   128 bytes of header, u8 slots, 64 bytes a slot, u16 size of the entry area, its bytes.
 * FLAG_SEAL makes the checksums and the chain right, so that fuzzing gets behind them; what follows
 * from bytes that pass every check is then tried, not only that the checks refuse.
 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "raft/log/log.h"
#include "raft/log/segment.h"
#include "sim/sim_disk.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum {
    FLAG_SUPERBLOCK = 1,
    FLAG_SEAL = 2,
    FLAG_MARK = 4, /* a mark behind the last slot's entry */
    FLAG_SHORT = 8,
    SEGMENT = 8 * LOG_BLOCK_SIZE,
    SEGMENTS_MAX = 3,
    INCARNATION = 5,
};

static void put_file(struct sim_disk *disk, const char *path, const void *data, size_t size)
{
    struct disk_file file;
    struct error error;
    struct disk_slice slice = { data, size };
    enum status status = disk_open(&disk->disk, path, DISK_CREATE, &file, &error);
    ASSERT(status == STATUS_OK);
    status = disk_write(&disk->disk, file, 0, &slice, 1, &error);
    ASSERT(status == STATUS_OK);
    disk_close(&disk->disk, file);
}

static void read_some(struct reader *reader, void *target, size_t size)
{
    size_t left = reader_left(reader);
    size = size < left ? size : left;
    const uint8_t *bytes = read_bytes(reader, size);
    if (size > 0 && bytes != NULL) {
        memcpy(target, bytes, size);
    }
}

/* Makes slot, entry header and chain agree; the body is what the image has there. */
static void seal_slot(uint8_t *image, uint32_t seed, uint32_t number, uint64_t *chain)
{
    struct segment_slot slot;
    uint8_t *at = image + segment_slot_offset(number);
    memcpy(&slot, at, sizeof slot);
    slot.durable = slot.durable <= number ? slot.durable : 0;
    if (slot.kind == SLOT_ENTRY && slot.offset <= SEGMENT - RAFT_ENTRY_HEADER_SIZE &&
        slot.body_size <= SEGMENT - RAFT_ENTRY_HEADER_SIZE - slot.offset) {
        slot.entry_version = ENTRY_VERSION;
        slot.body_crc = crc32c(image + slot.offset + RAFT_ENTRY_HEADER_SIZE, slot.body_size);
        struct entry_header header = segment_slot_header(&slot);
        slot.chain = entry_chain(*chain, &header);
        header = segment_slot_header(&slot);
        memcpy(image + slot.offset, &header, sizeof header);
    }
    *chain = slot.chain;
    segment_slot_seal(&slot, seed, number);
    memcpy(at, &slot, sizeof slot);
}

static void seal(uint8_t *image, uint64_t sequence, uint32_t slots, uint8_t flags, uint64_t *chain)
{
    struct segment_header header;
    memcpy(&header, image, sizeof header);
    header.cluster = 1;
    header.node = 1;
    header.incarnation = INCARNATION;
    header.sequence = sequence;
    header.size = SEGMENT;
    if (sequence == 1) {
        *chain = header.base_chain;
    }
    header.base_chain = *chain;
    segment_header_seal(&header);
    memcpy(image, &header, sizeof header);
    memcpy(image + LOG_BLOCK_SIZE, &header, sizeof header);
    uint32_t seed = segment_seed(INCARNATION, sequence);
    for (uint32_t number = 0; number < slots; number++) {
        seal_slot(image, seed, number, chain);
    }
    if (flags & FLAG_MARK) {
        uint32_t offset = segment_entries_end(SEGMENT);
        struct segment_slot mark = { .kind = SLOT_MARK, .durable = slots, .offset = offset };
        segment_slot_seal(&mark, seed, slots);
        memcpy(image + offset, &mark, sizeof mark);
    }
}

static void put_segments(struct sim_disk *disk, struct reader *reader, uint8_t flags)
{
    uint64_t chain = 0;
    for (uint64_t sequence = 1; sequence <= SEGMENTS_MAX && reader_left(reader) > 0; sequence++) {
        static uint8_t image[SEGMENT];
        char name[DISK_NAME_MAX];
        char path[DISK_PATH_MAX];
        struct error error;
        memset(image, 0, sizeof image);
        read_some(reader, image, sizeof(struct segment_header));
        uint8_t slots = read_u8(reader) & 63;
        read_some(reader, image + SEGMENT_SLOTS_OFFSET, (size_t)slots * SEGMENT_SLOT_SIZE);
        uint32_t entries = segment_entries_offset(SEGMENT);
        size_t size = read_u16(reader);
        read_some(reader, image + entries, size < SEGMENT - entries ? size : SEGMENT - entries);
        if (flags & FLAG_SEAL) {
            seal(image, sequence, slots, flags, &chain);
        }
        segment_name(name, sequence);
        enum status status = disk_join(path, "d/log", name, &error);
        ASSERT(status == STATUS_OK);
        put_file(disk, path, image, flags & FLAG_SHORT ? SEGMENT / 2 : SEGMENT);
    }
}

static bool is_damaged(const struct log_recovered *recovered, uint64_t index)
{
    for (uint32_t i = 0; i < recovered->damaged_count; i++) {
        if (recovered->damaged[i] == index) {
            return true;
        }
    }
    return false;
}

/* The scrubber finds what recovery did. */
static void verify_log(struct log *log, const struct log_recovered *recovered)
{
    uint64_t next = log_first_index(log);
    uint64_t damaged = 0;
    struct error error;
    while (next != 0) {
        enum status status = log_verify(log, next, UINT64_MAX, &next, &damaged, &error);
        ASSERT(status == STATUS_OK);
        ASSERT(damaged == 0 || is_damaged(recovered, damaged));
    }
}

/* Reads every entry and appends one more. */
static void use_log(struct log *log, const struct log_recovered *recovered)
{
    struct error error;
    uint64_t term = recovered->base_term;
    for (uint64_t index = recovered->base_index + 1; index <= recovered->last_index; index++) {
        struct entry *entry = NULL;
        enum status status = log_read(log, index, &entry, &error);
        if (is_damaged(recovered, index)) {
            ASSERT(status == STATUS_CORRUPT);
            continue;
        }
        ASSERT(status == STATUS_OK && entry->header.index == index);
        ASSERT(entry->header.term >= term);
        term = entry->header.term;
        entry_release(entry);
    }
    verify_log(log, recovered);
    struct entry *entry = entry_new(0);
    memset(&entry->header, 0, sizeof entry->header);
    entry->header.index = recovered->last_index + 1;
    term = recovered->run_count > 0 ? recovered->runs[recovered->run_count - 1].term
                                    : recovered->base_term;
    entry->header.term = term == 0 ? 1 : term;
    entry->header.timestamp = recovered->last_timestamp;
    entry->header.kind = ENTRY_NOOP;
    entry_seal(entry, recovered->last_chain);
    struct log_write write = { .entries = &entry, .entry_count = 1 };
    enum status status = log_write(log, &write, 1, &error);
    ASSERT(status == STATUS_OK);
    entry_release(entry);
}

static void open_log(struct sim_disk *disk)
{
    static struct log_recovered recovered;
    struct superblock superblock = {
        .sequence = 1, .cluster = 1, .node = 1, .incarnation = INCARNATION
    };
    struct log_options options = { &disk->disk, "d", SEGMENT };
    struct log *log = NULL;
    struct error error;
    uint64_t last = 0;
    enum status created = superblock_create(&disk->disk, "d", &superblock, &error);
    ASSERT(created == STATUS_OK);
    for (int round = 0; round < 2; round++) {
        enum status status = log_open(&options, &superblock, &log, &recovered, &error);
        if (status != STATUS_OK) {
            /* What was opened and written once must open again. */
            ASSERT(round == 0 && status == error.status);
            return;
        }
        if (round == 1) {
            ASSERT(recovered.last_index == last + 1 && recovered.torn_entries == 0);
        }
        last = recovered.last_index;
        use_log(log, &recovered);
        log_close(log);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_disk *disk = sim_disk_new();
    struct reader reader = reader_init(data, size);
    uint8_t flags = read_u8(&reader);
    struct error error;
    if (flags & FLAG_SUPERBLOCK) {
        struct superblock superblock;
        uint32_t repaired = 0;
        put_file(disk, "d/superblock", reader.at, reader_left(&reader));
        enum status status = superblock_load(&disk->disk, "d", &superblock, &repaired, &error);
        if (status == STATUS_OK) {
            status = superblock_store(&disk->disk, "d", &superblock, &error);
            ASSERT(status == STATUS_OK);
        }
    } else {
        enum status status = disk_make_folder(&disk->disk, "d/log", &error);
        ASSERT(status == STATUS_OK);
        put_segments(disk, &reader, flags);
        open_log(disk);
    }
    sim_disk_free(disk);
    return 0;
}
