/* Damage that the log cannot mend alone: entries are kept, proved by the chain and made again from
 * a copy; a lost tail is remembered until it has been written again; the scrubber finds what rots.
 */
#include "tests/raft_log/crash_disk.h"
#include "tests/raft_log/damage_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LARGE = 256 * 1024 };

static void must(const struct fixture *fixture, enum status status)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), fixture->error.text);
    }
}

/* Slot and header of one entry, or of several in a row, are gone. */
static void lost_identities_are_proved(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct tally tally = { 0 };
    for (uint64_t first = 1; first <= fixture->model.last; first++) {
        for (uint64_t last = first; last <= fixture->model.last; last++) {
            struct sim_disk *disk = sim_disk_copy(fixture->disk);
            for (uint64_t index = first; index <= last; index++) {
                damage_identity(fixture, disk, index);
            }
            uint32_t lost = tally.lost;
            uint32_t damaged = tally.damaged;
            enum status status = damage_judge(fixture, disk, &tally);
            if (last == fixture->model.last && first >= 8) {
                assert_int_equal(tally.lost, lost + 1); /* the last segment's, acknowledged */
            } else if ((first >= 2 && last <= 4) || (first >= 6 && last < fixture->model.last)) {
                assert_int_equal(tally.damaged, damaged + 1); /* inside of one term */
                assert_int_equal(fixture->recovered.last_index, fixture->model.last);
            } else {
                assert_true(status == STATUS_CORRUPT || tally.lost > lost);
            }
            sim_disk_free(disk);
        }
    }
    assert_true(tally.lost > 2 && tally.damaged > 12 && tally.corrupt > 5);
    fixture_free(fixture);
}

static bool has_mark(const struct fixture *fixture, uint64_t sequence, uint64_t at)
{
    struct segment_slot mark;
    memcpy(&mark, damage_byte(fixture->disk, sequence, at), sizeof mark);
    uint32_t seed = segment_seed(fixture->superblock.incarnation, sequence);
    return segment_mark_check(&mark, seed, (uint32_t)at, DAMAGE_SEGMENT);
}

/* Any two sectors, but not the proof of the last group together with what it proves. */
static void two_lost_sectors(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct tally tally = { 0 };
    enum { SECTORS = DAMAGE_SEGMENT / SIM_DISK_SECTOR, ALL = 3 * SECTORS };
    for (uint32_t a = 0; a < ALL; a++) {
        uint64_t at_a = (uint64_t)(a % SECTORS) * SIM_DISK_SECTOR;
        for (uint32_t b = a + 1; b < ALL; b++) {
            uint64_t at_b = (uint64_t)(b % SECTORS) * SIM_DISK_SECTOR;
            if (has_mark(fixture, 1 + a / SECTORS, at_a) ||
                has_mark(fixture, 1 + b / SECTORS, at_b)) {
                continue;
            }
            struct sim_disk *disk = sim_disk_copy(fixture->disk);
            memset(damage_byte(disk, 1 + a / SECTORS, at_a), 0, SIM_DISK_SECTOR);
            memset(damage_byte(disk, 1 + b / SECTORS, at_b), 0, SIM_DISK_SECTOR);
            (void)!damage_judge(fixture, disk, &tally);
            sim_disk_free(disk);
        }
    }
    assert_true(tally.damaged > 1000 && tally.repaired > 1000 && tally.lost > 0);
    assert_true(tally.corrupt < tally.damaged / 20);
    fixture_free(fixture);
}

/* Every bit of 64 KiB of bodies, in an open log. */
static void every_bit_of_bodies(void **state)
{
    (void)state;
    enum { ENTRIES = 128, BODY = 512 };
    struct fixture *fixture = fixture_new(LARGE, 31);
    fixture_reopen(fixture);
    for (int i = 0; i < ENTRIES / FIXTURE_GROUP_MAX; i++) {
        must(fixture, fixture_append(fixture, 1, FIXTURE_GROUP_MAX, BODY));
    }
    const struct sim_bytes *bytes = damage_segment(fixture->disk, 1);
    assert_non_null(bytes);
    uint8_t *before = malloc(bytes->size);
    assert_non_null(before);
    memcpy(before, bytes->data, bytes->size);
    uint32_t at = segment_entries_offset(LARGE);
    for (uint64_t index = 1; index <= ENTRIES; index++) {
        uint32_t size = segment_align(RAFT_ENTRY_HEADER_SIZE + BODY, SEGMENT_ENTRY_ALIGN);
        at += index == FIXTURE_GROUP_MAX + 1 ? SEGMENT_SLOT_SIZE : 0; /* the second group's mark */
        for (uint32_t bit = 0; bit < 8 * BODY; bit++) {
            struct entry *entry = NULL;
            uint64_t next = 0;
            uint64_t damaged = 0;
            bytes->data[at + RAFT_ENTRY_HEADER_SIZE + bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(log_read(fixture->log, index, &entry, &fixture->error),
                             STATUS_CORRUPT);
            must(fixture, log_verify(fixture->log, index, 1, &next, &damaged, &fixture->error));
            assert_int_equal(damaged, index);
            must(fixture, log_repair(fixture->log, fixture->model.entries[index], &fixture->error));
        }
        assert_memory_equal(bytes->data + at, before + at, size);
        at += size;
    }
    assert_memory_equal(bytes->data, before, bytes->size);
    free(before);
    fixture_reopen(fixture);
    fixture_free(fixture);
}

/* The scrubber's way: what rots while the log is open is found, and mended. */
static void scrubs(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct segment_slot slot = { 0 };
    fixture_reopen(fixture);
    for (uint64_t index = 1; index <= fixture->model.last; index++) {
        for (int what = 1; what < 8; what++) {
            uint64_t sequence = 0;
            uint32_t number = 0;
            uint64_t next = 0;
            uint64_t damaged = 0;
            damage_find(fixture, index, &sequence, &number, &slot);
            if (what & 1) {
                *damage_byte(fixture->disk, sequence, segment_slot_offset(number) + 9) ^= 1;
            }
            if (what & 2) {
                *damage_byte(fixture->disk, sequence, slot.offset + 40) ^= 1;
            }
            if (what & 4 && slot.body_size > 0) {
                *damage_byte(fixture->disk, sequence, slot.offset + 64) ^= 1;
            }
            must(fixture,
                 log_verify(fixture->log, 0, UINT64_MAX, &next, &damaged, &fixture->error));
            if (what == 4 && slot.body_size == 0) {
                assert_int_equal(damaged, 0);
                continue;
            }
            assert_int_equal(damaged, index);
            assert_int_equal(next, index + 1);
            struct entry *entry = NULL;
            enum status status = log_read(fixture->log, index, &entry, &fixture->error);
            bool whole = (what & 2) == 0 && ((what & 4) == 0 || slot.body_size == 0);
            assert_int_equal(status, whole ? STATUS_OK : STATUS_CORRUPT);
            const struct entry *copy = status == STATUS_OK ? entry : fixture->model.entries[index];
            uint64_t chain = 0;
            status = log_chain_at(fixture->log, index, &chain, &fixture->error);
            /* Either identifier tells; the log's end is known in any case. */
            bool known = (what & 3) != 3 || index == fixture->model.last;
            assert_int_equal(status, known ? STATUS_OK : STATUS_CORRUPT);
            assert_true(!known || chain == model_chain(&fixture->model, index));
            must(fixture, log_repair(fixture->log, copy, &fixture->error));
            if (copy == entry) {
                entry_release(entry);
            }
        }
    }
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.repaired, 0);
    assert_int_equal(fixture->recovered.damaged_count, 0);
    fixture_free(fixture);
}

/* Both identifiers of neighbours are gone: the one behind must come first. */
static void repairs_from_the_highest(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct model *model = &fixture->model;
    damage_identity(fixture, fixture->disk, 2);
    damage_identity(fixture, fixture->disk, 3);
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.damaged_count, 2);
    assert_int_equal(fixture->recovered.damaged[0], 2);
    assert_int_equal(fixture->recovered.damaged[1], 3);
    uint64_t chain = 0;
    assert_int_equal(log_chain_at(fixture->log, 2, &chain, &fixture->error), STATUS_CORRUPT);
    assert_int_equal(log_repair(fixture->log, model->entries[2], &fixture->error), STATUS_INVALID);
    must(fixture, log_repair(fixture->log, model->entries[3], &fixture->error));
    /* A crash in between keeps what was repaired. */
    fixture_close(fixture);
    sim_disk_crash(fixture->disk, SIM_CRASH_LOST, &fixture->random);
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.damaged_count, 1);
    assert_int_equal(fixture->recovered.damaged[0], 2);
    must(fixture, log_repair(fixture->log, model->entries[2], &fixture->error));
    fixture_check(fixture);
    assert_int_equal(log_repair(fixture->log, model->entries[2], &fixture->error), STATUS_OK);
    struct entry *beyond = fixture_entry(fixture, model_last(model), model->last + 1, 2, 10);
    assert_int_equal(log_repair(fixture->log, beyond, &fixture->error), STATUS_NOT_FOUND);
    entry_release(beyond);
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.damaged_count, 0);
    fixture_free(fixture);
}

/* A damaged entry that is cut is no damage any more. */
static void cuts_damage_away(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    damage_identity(fixture, fixture->disk, 9);
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.damaged_count, 1);
    must(fixture, fixture_replace(fixture, 9, 3, 2, 100));
    fixture_check(fixture);
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.damaged_count, 0);
    fixture_free(fixture);
}

static void too_much_damage_is_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(LARGE, 33);
    fixture_reopen(fixture);
    for (int i = 0; i < 2; i++) {
        must(fixture, fixture_append(fixture, 1, FIXTURE_GROUP_MAX, 10));
    }
    fixture_close(fixture);
    for (uint32_t i = 0; i <= LOG_DAMAGED_MAX; i++) {
        uint64_t at = segment_entries_offset(LARGE) + (uint64_t)i * 128 + 70;
        at += i < FIXTURE_GROUP_MAX ? 0 : SEGMENT_SLOT_SIZE; /* the second group's mark */
        *damage_byte(fixture->disk, 1, at) ^= 1;
        enum status status = fixture_open(fixture);
        assert_int_equal(status, i < LOG_DAMAGED_MAX ? STATUS_OK : STATUS_CORRUPT);
        if (status == STATUS_OK) {
            assert_int_equal(fixture->recovered.damaged_count, i + 1);
            fixture_close(fixture);
        }
    }
    assert_non_null(strstr(fixture->error.text, "replace this node"));
    fixture_free(fixture);
}

/* What was lost is remembered until the log has been written up to there, whatever happens. */
static void a_lost_tail_is_remembered(void **state)
{
    (void)state;
    struct fixture *fixture = damage_example();
    struct log_point base = { 0 };
    uint64_t last = fixture->model.last;
    damage_identity(fixture, fixture->disk, last);
    damage_identity(fixture, fixture->disk, last - 1);
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.lost_index, last);
    assert_int_equal(fixture->recovered.last_index, last - 2);
    model_cut(&fixture->model, last - 1);
    fixture_check(fixture);
    must(fixture, fixture_append(fixture, 3, 1, 100));
    /* Other writes of the superblock do not forget it. */
    struct log_write vote = { .hard_state = true, .term = 4 };
    must(fixture, log_write(fixture->log, &vote, 1, &fixture->error));
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.lost_index, last);
    /* An older snapshot does not bring it back, a newer one does. */
    fixture_close(fixture);
    base.index = last - 1;
    must(fixture, log_reset(&fixture->options, &fixture->superblock, &base, &fixture->error));
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.lost_index, last);
    fixture_close(fixture);
    base.index = last;
    must(fixture, log_reset(&fixture->options, &fixture->superblock, &base, &fixture->error));
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.lost_index, 0);
    fixture_free(fixture);
}

struct mending {
    struct fixture *fixture;
    struct crash_disk *crash;
    struct tally tally;
    uint32_t points;
};

static void crash_and_judge(void *context)
{
    struct mending *mending = context;
    struct fixture probe = *mending->fixture;
    probe.log = NULL;
    mending->points++;
    for (int kind = 0; kind < CRASHED_KINDS; kind++) {
        struct sim_disk *disk =
            crash_disk_copy(mending->crash, (enum crash_kind)kind, &mending->fixture->random);
        assert_int_equal(damage_judge(&probe, disk, &mending->tally), STATUS_OK);
        sim_disk_free(disk);
    }
}

/* Damages in one of several ways. */
static void damage_somehow(struct fixture *fixture, int how)
{
    struct segment_slot slot = { 0 };
    uint64_t sequence = 0;
    uint32_t number = 0;
    uint64_t index = how < 4 ? 3 : fixture->model.last;
    damage_find(fixture, index, &sequence, &number, &slot);
    if (how == 0) {
        *damage_byte(fixture->disk, sequence, slot.offset + 70) ^= 4;
    } else if (how == 1) {
        *damage_byte(fixture->disk, sequence, segment_slot_offset(number) + 20) ^= 4;
    } else if (how < 6) {
        damage_identity(fixture, fixture->disk, index);
        if (how % 2 == 1) {
            damage_identity(fixture, fixture->disk, index - 1);
        }
    } else {
        /* The cut, which begins its group. */
        for (sequence = 1, number = 0; slot.kind != SLOT_CUT; number++) {
            if (!damage_slot(fixture, sequence, number, &slot)) {
                number = 0;
                sequence++;
                (void)damage_slot(fixture, sequence, number, &slot);
            }
        }
        memset(damage_byte(fixture->disk, sequence, segment_slot_offset(number - 1)), 0,
               sizeof slot);
    }
}

/* Recovery and repair are stopped at every point themselves. */
static void crashes_while_mending(void **state)
{
    (void)state;
    for (int how = 0; how < 7; how++) {
        struct fixture *fixture = damage_example();
        struct mending mending = { .fixture = fixture };
        damage_somehow(fixture, how);
        /* It is on the medium, not only in the cache. */
        sim_disk_settle(fixture->disk);
        mending.crash = crash_disk_wrap(fixture->disk, crash_and_judge, &mending);
        must(fixture, fixture_open(fixture));
        for (uint32_t i = fixture->recovered.damaged_count; i > 0; i--) {
            uint64_t index = fixture->recovered.damaged[i - 1];
            must(fixture, log_repair(fixture->log, fixture->model.entries[index], &fixture->error));
        }
        if (how == 4 || how == 5) {
            assert_int_equal(fixture->recovered.lost_index, fixture->model.last);
            assert_true(mending.tally.lost == 4 * mending.points);
        } else {
            assert_int_equal(mending.tally.lost, 0);
        }
        assert_true(mending.points > 2);
        crash_disk_free(mending.crash);
        fixture_free(fixture);
    }
}

/* Three entries in one group that was acknowledged; the last of them rots on the medium. */
static struct fixture *young_damage(uint64_t seed)
{
    struct fixture *fixture = fixture_new(LARGE, seed);
    struct segment_slot slot = { 0 };
    uint64_t sequence = 0;
    uint32_t number = 0;
    fixture_reopen(fixture);
    must(fixture, fixture_append(fixture, 1, 3, 100));
    damage_find(fixture, 3, &sequence, &number, &slot);
    *damage_byte(fixture->disk, sequence, slot.offset + 70) ^= 4; /* flushed: on the medium, too */
    return fixture;
}

/* The mark behind the last group may not have reached the disk: a repair that a crash stops must
 * not leave what is taken for a torn write. */
static void a_repair_of_the_last_group_denies_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = young_damage(1);
    uint64_t before = fixture->disk->operations;
    must(fixture, log_repair(fixture->log, fixture->model.entries[3], &fixture->error));
    uint64_t operations = fixture->disk->operations - before;
    fixture_check(fixture);
    fixture_free(fixture);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        fixture = young_damage(seed);
        fixture->disk->stop_at = fixture->disk->operations + operations;
        enum status status = log_repair(fixture->log, fixture->model.entries[3], &fixture->error);
        assert_int_equal(status, STATUS_IO);
        fixture_close(fixture);
        sim_disk_crash(fixture->disk, SIM_CRASH_TORN, &fixture->random);
        must(fixture, fixture_open(fixture));
        assert_int_equal(fixture->recovered.last_index, 3);
        fixture_free(fixture);
    }
}

/* The damage of a last group whose mark is on the disk; found at open, or not found yet. */
static struct fixture *marked_damage(uint64_t seed, bool found)
{
    struct fixture *fixture = young_damage(seed);
    sim_disk_settle(fixture->disk);
    if (found) {
        fixture_close(fixture);
        must(fixture, fixture_open(fixture));
        assert_int_equal(fixture->recovered.damaged_count, 1);
    }
    return fixture;
}

/* The next group is written over the mark, and torn. True: the write came to its end. */
static bool tear_next_group(uint64_t seed, uint64_t stop, enum sim_crash crash, bool found)
{
    struct fixture *fixture = marked_damage(seed, found);
    fixture->disk->stop_at = fixture->disk->operations + stop;
    bool ended = fixture_append(fixture, 1, 3, 3000) == STATUS_OK;
    fixture_close(fixture);
    sim_disk_crash(fixture->disk, crash, &fixture->random);
    must(fixture, fixture_open(fixture));
    assert_true(fixture->recovered.last_index >= 3);
    assert_int_equal(fixture->recovered.damaged_count, 1);
    assert_int_equal(fixture->recovered.damaged[0], 3);
    must(fixture, log_repair(fixture->log, fixture->model.entries[3], &fixture->error));
    fixture_free(fixture);
    return ended;
}

/* The mark behind the last group may be all that proves it, so whatever a crash leaves of the group
 * that covers the mark must prove as much. */
static void a_torn_group_denies_nothing_before_it(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 2 * 3 * 20; i++) {
        bool found = i % 2 == 0;
        enum sim_crash crash = (enum sim_crash)(i / 2 % 3);
        uint64_t stop = 1;
        while (!tear_next_group(1 + i, stop, crash, found)) {
            stop++;
        }
        assert_true(stop > 3); /* bodies, slots, the flush */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_identities_are_proved),
        cmocka_unit_test(two_lost_sectors),
        cmocka_unit_test(every_bit_of_bodies),
        cmocka_unit_test(scrubs),
        cmocka_unit_test(repairs_from_the_highest),
        cmocka_unit_test(cuts_damage_away),
        cmocka_unit_test(too_much_damage_is_refused),
        cmocka_unit_test(a_lost_tail_is_remembered),
        cmocka_unit_test(crashes_while_mending),
        cmocka_unit_test(a_repair_of_the_last_group_denies_nothing),
        cmocka_unit_test(a_torn_group_denies_nothing_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
