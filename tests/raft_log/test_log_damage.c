/* Bytes rot in a log that was closed in good order: every open finds all of it and repairs it, or
 * says what is damaged, or CORRUPT and where. It is never silently wrong. */
#include "tests/raft_log/damage_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { UNREADABLE_SECTORS = 2 };

/* Flips a bit of a copy of the disk. */
static enum status flip(struct fixture *fixture, uint64_t sequence, uint64_t at, uint32_t bit,
                        struct tally *tally)
{
    struct sim_disk *disk = sim_disk_copy(fixture->disk);
    *damage_byte(disk, sequence, at) ^= (uint8_t)(1U << bit);
    enum status status = damage_judge(fixture, disk, tally);
    sim_disk_free(disk);
    return status;
}

/* Every bit of some bytes, one after the other; each is repaired at open. */
static void flip_all(struct fixture *fixture, uint64_t sequence, uint64_t at, uint32_t size)
{
    for (uint32_t bit = 0; bit < 8 * size; bit++) {
        struct tally tally = { 0 };
        assert_int_equal(flip(fixture, sequence, at + bit / 8, bit % 8, &tally), STATUS_OK);
        assert_int_equal(tally.repaired, 1);
    }
}

static void make_unreadable(struct sim_disk *disk, uint64_t sequence, uint64_t at)
{
    const struct sim_bytes *bytes = damage_segment(disk, sequence);
    for (uint32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (&disk->files[i].seen == bytes) {
            disk->files[i].dirty[at / SIM_DISK_SECTOR] |= SIM_SECTOR_UNREADABLE;
        }
    }
}

static bool has_slots(const struct fixture *fixture, uint64_t sequence)
{
    struct segment_slot slot = { 0 };
    return damage_slot(fixture, sequence, 0, &slot);
}

static void identifiers_are_repaired(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct segment_slot slot = { 0 };
    uint32_t cuts = 0;
    uint32_t entries = 0;
    for (uint64_t sequence = 1; damage_segment(fixture->disk, sequence) != NULL; sequence++) {
        for (uint32_t number = 0; damage_slot(fixture, sequence, number, &slot); number++) {
            cuts += slot.kind == SLOT_CUT;
            entries += slot.kind == SLOT_ENTRY;
            flip_all(fixture, sequence, segment_slot_offset(number), SEGMENT_SLOT_SIZE);
        }
    }
    assert_int_equal(cuts, 1);
    assert_int_equal(entries, 13);
    fixture_free(fixture);
}

static void entry_headers_are_repaired(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    for (uint64_t index = 1; index <= fixture->model.last; index++) {
        uint64_t sequence = 0;
        uint32_t number = 0;
        struct segment_slot slot = { 0 };
        damage_find(fixture, index, &sequence, &number, &slot);
        flip_all(fixture, sequence, slot.offset, RAFT_ENTRY_HEADER_SIZE);
    }
    fixture_free(fixture);
}

static void headers_are_repaired(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct tally tally = { 0 };
    uint64_t sequence = 1;
    for (; has_slots(fixture, sequence); sequence++) {
        for (uint64_t copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
            flip_all(fixture, sequence, copy * LOG_BLOCK_SIZE, sizeof(struct segment_header));
        }
        /* Both copies: the neighbours know. */
        struct sim_disk *disk = sim_disk_copy(fixture->disk);
        memset(damage_byte(disk, sequence, 0), 0, SEGMENT_SLOTS_OFFSET);
        assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_OK);
        sim_disk_free(disk);
    }
    assert_true(sequence > 3);
    assert_int_equal(tally.repaired, sequence - 1);
    fixture_free(fixture);
}

/* In a log without the segments before, nobody knows where it begins. */
static void a_lost_base_is_refused(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct tally tally = { 0 };
    fixture_reopen(fixture);
    assert_int_equal(log_cut_head(fixture->log, 4, &fixture->error), STATUS_OK);
    assert_true(log_first_index(fixture->log) > 1);
    fixture_close(fixture);
    sim_disk_settle(fixture->disk);
    assert_null(damage_segment(fixture->disk, 1));
    memset(damage_byte(fixture->disk, 2, 0), 0, SEGMENT_SLOTS_OFFSET);
    struct sim_disk *disk = sim_disk_copy(fixture->disk);
    assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_CORRUPT);
    sim_disk_free(disk);
    fixture_free(fixture);
}

/* An empty log behind a snapshot has nothing but its header. */
static void a_lost_empty_log_is_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(DAMAGE_SEGMENT, 34);
    struct log_point base = { 50, 3, 1000, 99 };
    struct tally tally = { 0 };
    assert_int_equal(log_reset(&fixture->options, &fixture->superblock, &base, &fixture->error),
                     STATUS_OK);
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    fixture_close(fixture);
    sim_disk_settle(fixture->disk);
    memset(damage_byte(fixture->disk, 1, 0), 0, SEGMENT_SLOTS_OFFSET);
    struct sim_disk *disk = sim_disk_copy(fixture->disk);
    assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_CORRUPT);
    sim_disk_free(disk);
    fixture_free(fixture);
}

/* Marks are proofs that a whole log does not need. */
static void marks_are_made_again(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    uint32_t marks = 0;
    for (uint64_t sequence = 1; has_slots(fixture, sequence); sequence++) {
        uint32_t seed = segment_seed(fixture->superblock.incarnation, sequence);
        for (uint32_t at = segment_entries_offset(DAMAGE_SEGMENT); at < DAMAGE_SEGMENT;
             at += LOG_BLOCK_SIZE) {
            struct segment_slot mark;
            memcpy(&mark, damage_byte(fixture->disk, sequence, at), sizeof mark);
            if (!segment_mark_check(&mark, seed, at, DAMAGE_SEGMENT)) {
                continue;
            }
            marks++;
            for (uint32_t bit = 0; bit < 8 * sizeof mark; bit++) {
                struct tally tally = { 0 };
                assert_int_equal(flip(fixture, sequence, at + bit / 8, bit % 8, &tally), STATUS_OK);
                assert_int_equal(tally.intact, 1);
            }
        }
    }
    assert_int_equal(marks, 3 + 4); /* behind the last groups, and in front of others */
    fixture_free(fixture);
}

static void bodies_are_never_cut(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct segment_slot slot = { 0 };
    uint32_t seen = 0;
    for (uint64_t sequence = 1; damage_segment(fixture->disk, sequence) != NULL; sequence++) {
        for (uint32_t number = 0; damage_slot(fixture, sequence, number, &slot); number++) {
            bool held = damage_held(fixture, &slot);
            seen += held;
            for (uint32_t byte = 0; slot.kind == SLOT_ENTRY && byte < slot.body_size;
                 byte += byte % 64 == 0 ? 1 : 13) {
                struct tally tally = { 0 };
                uint64_t at = slot.offset + RAFT_ENTRY_HEADER_SIZE + byte;
                assert_int_equal(flip(fixture, sequence, at, byte % 8, &tally), STATUS_OK);
                assert_int_equal(held ? tally.damaged : tally.intact, 1);
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
    struct fixture *fixture = damage_example();
    struct segment_slot slot = { 0 };
    struct tally tally = { 0 };
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 2, 1, 10), STATUS_OK);
    fixture_close(fixture);
    assert_true(damage_slot(fixture, 3, 3, &slot) && slot.durable == 3);
    memset(damage_byte(fixture->disk, 3, slot.offset + LOG_BLOCK_SIZE), 0, LOG_BLOCK_SIZE);
    for (uint32_t number = 0; number < 3; number++) {
        assert_true(damage_slot(fixture, 3, number, &slot));
        assert_int_equal(flip(fixture, 3, slot.offset + RAFT_ENTRY_HEADER_SIZE, 3, &tally),
                         STATUS_OK);
    }
    assert_int_equal(tally.damaged, 3);
    fixture_free(fixture);
}

/* Every checksum is right, but the entry continues another history. */
static void a_broken_chain_is_seen(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct segment_slot slot = { 0 };
    struct tally tally = { 0 };
    assert_true(damage_slot(fixture, 1, 1, &slot));
    slot.chain ^= 1;
    segment_slot_seal(&slot, segment_seed(fixture->superblock.incarnation, 1), 1);
    struct entry_header header = segment_slot_header(&slot);
    struct sim_disk *disk = sim_disk_copy(fixture->disk);
    memcpy(damage_byte(disk, 1, segment_slot_offset(1)), &slot, sizeof slot);
    memcpy(damage_byte(disk, 1, slot.offset), &header, sizeof header);
    assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->error.text, "does not follow"));
    sim_disk_free(disk);
    fixture_free(fixture);
}

/* Sectors come back as zeros, or not at all. */
static void lost_sectors_are_seen(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    for (int how = 0; how < UNREADABLE_SECTORS; how++) {
        struct tally tally = { 0 };
        for (uint64_t sequence = 1; damage_segment(fixture->disk, sequence) != NULL; sequence++) {
            for (uint64_t at = 0; at < DAMAGE_SEGMENT; at += SIM_DISK_SECTOR) {
                struct sim_disk *disk = sim_disk_copy(fixture->disk);
                memset(damage_byte(disk, sequence, at), 0, SIM_DISK_SECTOR);
                if (how == 1) {
                    make_unreadable(disk, sequence, at);
                }
                assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_OK);
                sim_disk_free(disk);
            }
        }
        assert_true(tally.damaged > 5 && tally.intact > 5 && tally.repaired > 5);
        assert_true(tally.lost == 0);
    }
    fixture_free(fixture);
}

static void lost_files_are_seen(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct tally tally = { 0 };
    for (uint64_t sequence = 2; has_slots(fixture, sequence); sequence++) {
        struct sim_disk *disk = sim_disk_copy(fixture->disk);
        char name[DISK_NAME_MAX];
        char path[DISK_PATH_MAX];
        segment_name(name, sequence);
        (void)snprintf(path, sizeof path, "d/log/%s", name);
        /* Emptied, and gone. */
        damage_segment(disk, sequence)->size = 0;
        assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_CORRUPT);
        assert_int_equal(disk->disk.ops->remove(&disk->disk, path, &fixture->error), STATUS_OK);
        assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_CORRUPT);
        sim_disk_free(disk);
        disk = sim_disk_copy(fixture->disk);
        damage_segment(disk, sequence)->size = DAMAGE_SEGMENT - LOG_BLOCK_SIZE;
        assert_int_equal(damage_judge(fixture, disk, &tally), STATUS_CORRUPT);
        sim_disk_free(disk);
    }
    fixture_free(fixture);
}

/* A node that has voted cannot have a log without a single file. */
static void a_lost_log_is_seen(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(DAMAGE_SEGMENT, 22);
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

/* Where a lost tail went is remembered until the log is that long again, or Raft has what it needs
 * of it, which may be a shorter log of a later leader. */
static void a_lost_tail_is_remembered_until_found(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(DAMAGE_SEGMENT, 23);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 3, 10), STATUS_OK);
    fixture->superblock.lost_index = 9;
    struct log_write write = { .hard_state = true, .term = 2 };
    assert_int_equal(log_write(fixture->log, &write, 1, &fixture->error), STATUS_OK);
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.lost_index, 9);
    write = (struct log_write){ .hard_state = true, .term = 3, .lost_found = true };
    assert_int_equal(log_write(fixture->log, &write, 1, &fixture->error), STATUS_OK);
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.lost_index, 0);
    assert_int_equal(fixture->superblock.lost_index, 0);
    fixture_free(fixture);
}

/* Damage while the log is open is seen by the reader. */
static void readers_see_damage(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    struct segment_slot slot = { 0 };
    assert_true(damage_slot(fixture, 1, 1, &slot));
    *damage_byte(fixture->disk, 1, slot.offset + 100) ^= 1;
    struct entry *entry = NULL;
    assert_int_equal(log_read(fixture->log, slot.index, &entry, &fixture->error), STATUS_CORRUPT);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_repaired),
        cmocka_unit_test(entry_headers_are_repaired),
        cmocka_unit_test(headers_are_repaired),
        cmocka_unit_test(a_lost_base_is_refused),
        cmocka_unit_test(a_lost_empty_log_is_refused),
        cmocka_unit_test(marks_are_made_again),
        cmocka_unit_test(bodies_are_never_cut),
        cmocka_unit_test(lost_sectors_are_seen),
        cmocka_unit_test(lost_files_are_seen),
        cmocka_unit_test(groups_prove_each_other),
        cmocka_unit_test(a_broken_chain_is_seen),
        cmocka_unit_test(a_lost_log_is_seen),
        cmocka_unit_test(a_lost_tail_is_remembered_until_found),
        cmocka_unit_test(readers_see_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
