/* Bytes rot in a log that was closed in good order: every open finds all of it (repaired), or says
 * CORRUPT and where, and leaves the files as they are. */
#include "raft/log/segment.h"
#include "tests/raft_log/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 7 * LOG_BLOCK_SIZE /* three of them for entries */, SEGMENTS_MAX = 16 };

/* Counts of what the opens of a test said. */
struct tally {
    uint32_t intact;
    uint32_t repaired;
    uint32_t corrupt;
};

/* The file of a sequence, or NULL. */
static struct memory_bytes *segment_bytes(struct memory_disk *disk, uint64_t sequence)
{
    char name[DISK_NAME_MAX];
    char path[DISK_PATH_MAX];
    segment_name(name, sequence);
    (void)snprintf(path, sizeof path, "d/log/%s", name);
    return memory_disk_bytes(disk, path);
}

/* Its byte at an offset; the file exists. */
static uint8_t *byte_at(struct memory_disk *disk, uint64_t sequence, uint64_t offset)
{
    struct memory_bytes *bytes = segment_bytes(disk, sequence);
    if (bytes == NULL || offset >= bytes->size) {
        fail_msg("segment %llu has no byte %llu", (unsigned long long)sequence,
                 (unsigned long long)offset);
        abort();
    }
    return bytes->data + offset;
}

/* Several segments, a cut across two of them, empty entries, and a tail of one group. */
static struct fixture *example(void)
{
    struct fixture *fixture = fixture_new(SEGMENT, 21);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, 0), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 3, 300), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 1, 1500), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 2, 900), STATUS_OK);
    assert_int_equal(fixture_replace(fixture, 5, 2, 1, 0), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 2, 2, 1200), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 2, 3, 64), STATUS_OK);
    fixture_close(fixture);
    memory_disk_settle(fixture->disk);
    return fixture;
}

/* Opens the damaged disk; what it says must be true. */
static enum status judge(struct fixture *fixture, struct memory_disk *damaged, struct tally *tally)
{
    struct memory_disk *sound = fixture->disk;
    fixture->disk = damaged;
    enum status status = fixture_open(fixture);
    if (status == STATUS_OK) {
        assert_int_equal(fixture->recovered.last_index, fixture->model.last);
        assert_int_equal(fixture->recovered.torn_entries, 0);
        fixture_check(fixture);
        tally->intact += fixture->recovered.repaired == 0;
        tally->repaired += fixture->recovered.repaired > 0;
        fixture_reopen(fixture);
        assert_int_equal(fixture->recovered.repaired, 0);
    } else {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_non_null(strstr(fixture->error.text, ".segment"));
        tally->corrupt++;
    }
    fixture_close(fixture);
    fixture->disk = sound;
    return status;
}

/* Flips a bit of a byte; CORRUPT must name the place when `index` is not 0. */
static enum status flip(struct fixture *fixture, uint64_t sequence, uint64_t at, uint64_t index,
                        struct tally *tally)
{
    struct memory_disk *disk = memory_disk_copy(fixture->disk);
    uint8_t flipped = (uint8_t)(1U << random_below(&fixture->random, 8));
    *byte_at(disk, sequence, at) ^= flipped;
    enum status status = judge(fixture, disk, tally);
    if (status == STATUS_CORRUPT && index != 0) {
        char text[64];
        (void)snprintf(text, sizeof text, "entry %llu:", (unsigned long long)index);
        if (strstr(fixture->error.text, text) == NULL) {
            fail_msg("expected %s in: %s", text, fixture->error.text);
        }
        assert_non_null(strstr(fixture->error.text, "at offset "));
    }
    memory_disk_free(disk);
    return status;
}

/* Copies a slot; false when it is not sound. */
static bool slot_of(const struct fixture *fixture, uint64_t sequence, uint32_t number,
                    struct segment_slot *slot)
{
    const struct memory_bytes *bytes = segment_bytes(fixture->disk, sequence);
    if (bytes == NULL) {
        return false;
    }
    memcpy(slot, bytes->data + segment_slot_offset(number), sizeof *slot);
    uint32_t seed = segment_seed(fixture->superblock.incarnation, sequence);
    return segment_slot_check(slot, seed, number, SEGMENT);
}

static bool has_slots(const struct fixture *fixture, uint64_t sequence)
{
    struct segment_slot slot = { 0 };
    return slot_of(fixture, sequence, 0, &slot);
}

static bool live(const struct fixture *fixture, const struct segment_slot *slot)
{
    return slot->kind == SLOT_ENTRY && slot->index <= fixture->model.last &&
           fixture->model.entries[slot->index]->header.chain == slot->chain;
}

static void identifiers_are_repaired(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct tally tally = { 0 };
    struct segment_slot slot = { 0 };
    uint32_t cuts = 0;
    for (uint64_t sequence = 1; segment_bytes(fixture->disk, sequence) != NULL; sequence++) {
        for (uint32_t number = 0; slot_of(fixture, sequence, number, &slot); number++) {
            uint32_t kind = slot.kind;
            cuts += kind == SLOT_CUT;
            for (uint32_t byte = 0; byte < SEGMENT_SLOT_SIZE; byte++) {
                enum status status =
                    flip(fixture, sequence, segment_slot_offset(number) + byte, 0, &tally);
                /* An entry's identifier has a second copy, a cut has none. */
                assert_int_equal(status, kind == SLOT_CUT ? STATUS_CORRUPT : STATUS_OK);
            }
        }
    }
    assert_int_equal(cuts, 1);
    assert_int_equal(tally.corrupt, SEGMENT_SLOT_SIZE);
    assert_int_equal(tally.repaired, 13 * SEGMENT_SLOT_SIZE);
    fixture_free(fixture);
}

static void headers_are_repaired(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct tally tally = { 0 };
    uint64_t sequence = 1;
    for (; has_slots(fixture, sequence); sequence++) {
        for (uint32_t byte = 0; byte < sizeof(struct segment_header); byte++) {
            uint64_t copy = byte % SEGMENT_HEADER_COPIES;
            assert_int_equal(flip(fixture, sequence, copy * LOG_BLOCK_SIZE + byte, 0, &tally),
                             STATUS_OK);
        }
        /* Both copies. */
        struct memory_disk *disk = memory_disk_copy(fixture->disk);
        memset(byte_at(disk, sequence, 0), 0, SEGMENT_SLOTS_OFFSET);
        assert_int_equal(judge(fixture, disk, &tally), STATUS_CORRUPT);
        memory_disk_free(disk);
    }
    assert_true(sequence > 3);
    assert_int_equal(tally.repaired, (sequence - 1) * sizeof(struct segment_header));
    fixture_free(fixture);
}

static void bodies_are_never_cut(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct tally tally = { 0 };
    struct segment_slot slot = { 0 };
    uint32_t seen = 0;
    for (uint64_t sequence = 1; segment_bytes(fixture->disk, sequence) != NULL; sequence++) {
        for (uint32_t number = 0; slot_of(fixture, sequence, number, &slot); number++) {
            bool held = live(fixture, &slot);
            seen += held;
            for (uint32_t byte = 0; slot.kind == SLOT_ENTRY && byte < slot.body_size;
                 byte += byte % 64 == 0 ? 1 : 13) {
                uint64_t at = slot.offset + RAFT_ENTRY_HEADER_SIZE + byte;
                assert_int_equal(flip(fixture, sequence, at, slot.index, &tally),
                                 held ? STATUS_CORRUPT : STATUS_OK);
            }
            for (uint32_t byte = 0; held && byte < RAFT_ENTRY_HEADER_SIZE; byte++) {
                uint32_t before = tally.repaired;
                assert_int_equal(flip(fixture, sequence, slot.offset + byte, 0, &tally), STATUS_OK);
                assert_int_equal(tally.repaired, before + 1);
            }
        }
    }
    assert_int_equal(seen, fixture->model.last);
    fixture_free(fixture);
}

/* The mark is lost: later groups still prove the earlier ones. */
static void groups_prove_each_other(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct segment_slot slot = { 0 };
    struct tally tally = { 0 };
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 2, 1, 10), STATUS_OK);
    fixture_close(fixture);
    assert_true(slot_of(fixture, 3, 3, &slot) && slot.durable == 3);
    memset(byte_at(fixture->disk, 3, slot.offset + LOG_BLOCK_SIZE), 0, LOG_BLOCK_SIZE);
    for (uint32_t number = 0; number < 3; number++) {
        assert_true(slot_of(fixture, 3, number, &slot));
        assert_int_equal(flip(fixture, 3, slot.offset + RAFT_ENTRY_HEADER_SIZE, slot.index, &tally),
                         STATUS_CORRUPT);
    }
    fixture_free(fixture);
}

/* Every checksum is right, but the entry continues another history. */
static void a_broken_chain_is_seen(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct segment_slot slot = { 0 };
    struct tally tally = { 0 };
    assert_true(slot_of(fixture, 1, 1, &slot));
    slot.chain ^= 1;
    segment_slot_seal(&slot, segment_seed(fixture->superblock.incarnation, 1), 1);
    struct entry_header header = segment_slot_header(&slot);
    struct memory_disk *disk = memory_disk_copy(fixture->disk);
    memcpy(byte_at(disk, 1, segment_slot_offset(1)), &slot, sizeof slot);
    memcpy(byte_at(disk, 1, slot.offset), &header, sizeof header);
    assert_int_equal(judge(fixture, disk, &tally), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->error.text, "does not follow"));
    memory_disk_free(disk);
    fixture_free(fixture);
}

/* Sectors come back as zeros. */
static void lost_sectors_are_seen(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct tally tally = { 0 };
    for (uint64_t sequence = 1; segment_bytes(fixture->disk, sequence) != NULL; sequence++) {
        for (uint64_t at = 0; at < SEGMENT; at += MEMORY_DISK_SECTOR) {
            struct memory_disk *disk = memory_disk_copy(fixture->disk);
            memset(byte_at(disk, sequence, at), 0, MEMORY_DISK_SECTOR);
            (void)!judge(fixture, disk, &tally);
            memory_disk_free(disk);
        }
    }
    assert_true(tally.corrupt > 5 && tally.intact > 5 && tally.repaired > 5);
    fixture_free(fixture);
}

static void lost_files_are_seen(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    struct tally tally = { 0 };
    for (uint64_t sequence = 2; has_slots(fixture, sequence); sequence++) {
        struct memory_disk *disk = memory_disk_copy(fixture->disk);
        char name[DISK_NAME_MAX];
        char path[DISK_PATH_MAX];
        segment_name(name, sequence);
        (void)snprintf(path, sizeof path, "d/log/%s", name);
        /* Emptied, and gone. */
        segment_bytes(disk, sequence)->size = 0;
        assert_int_equal(judge(fixture, disk, &tally), STATUS_CORRUPT);
        assert_int_equal(disk->disk.ops->remove(&disk->disk, path, &fixture->error), STATUS_OK);
        assert_int_equal(judge(fixture, disk, &tally), STATUS_CORRUPT);
        memory_disk_free(disk);
        disk = memory_disk_copy(fixture->disk);
        segment_bytes(disk, sequence)->size = SEGMENT - LOG_BLOCK_SIZE;
        assert_int_equal(judge(fixture, disk, &tally), STATUS_CORRUPT);
        memory_disk_free(disk);
    }
    fixture_free(fixture);
}

/* A node that has voted cannot have a log without a single file. */
static void a_lost_log_is_seen(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SEGMENT, 22);
    fixture_reopen(fixture);
    struct log_write write = { .hard_state = true, .term = 1, .voted_for = 1 };
    assert_int_equal(log_write(fixture->log, &write, 1, &fixture->error), STATUS_OK);
    fixture_reopen(fixture);
    fixture_close(fixture);
    assert_int_equal(fixture->disk->disk.ops->remove(
                         &fixture->disk->disk, "d/log/0000000000000001.segment", &fixture->error),
                     STATUS_OK);
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT);
    fixture_free(fixture);
}

/* Damage while the log is open is seen by the reader. */
static void readers_see_damage(void **state)
{
    (void)state;
    struct fixture *fixture = example();
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    struct segment_slot slot = { 0 };
    assert_true(slot_of(fixture, 1, 1, &slot));
    *byte_at(fixture->disk, 1, slot.offset + 100) ^= 1;
    struct entry *entry = NULL;
    assert_int_equal(log_read(fixture->log, slot.index, &entry, &fixture->error), STATUS_CORRUPT);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_repaired), cmocka_unit_test(headers_are_repaired),
        cmocka_unit_test(bodies_are_never_cut),     cmocka_unit_test(lost_sectors_are_seen),
        cmocka_unit_test(lost_files_are_seen),      cmocka_unit_test(groups_prove_each_other),
        cmocka_unit_test(a_broken_chain_is_seen),   cmocka_unit_test(a_lost_log_is_seen),
        cmocka_unit_test(readers_see_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
