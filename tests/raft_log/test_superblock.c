#include "base/crc32c.h"
#include "raft/log/superblock.h"
#include "sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char PATH[] = "d/superblock";

static struct superblock example(void)
{
    struct superblock superblock = {
        .sequence = 1,
        .cluster = u128_make(0x1122334455667788, 42),
        .node = 3,
        .incarnation = 987654321,
        .term = 5,
        .voted_for = 1,
        .joining = true,
        .features = 0x8000000000000001,
        .lost_index = 77,
        .member_count = 3,
        .members = { { 1, "127.0.0.1:7001" }, { 3, "[::1]:7003" }, { 4, "" } }
    };
    memset(superblock.members[2].address, 'x', MEMBER_ADDRESS_MAX - 1);
    return superblock;
}

static struct sim_disk *formatted(struct superblock *superblock)
{
    struct sim_disk *disk = sim_disk_new();
    struct error error;
    *superblock = example();
    assert_int_equal(superblock_create(&disk->disk, "d", superblock, &error), STATUS_OK);
    return disk;
}

static void check_same(const struct superblock *a, const struct superblock *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_true(a->cluster == b->cluster);
    assert_int_equal(a->node, b->node);
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->term, b->term);
    assert_int_equal(a->voted_for, b->voted_for);
    assert_int_equal(a->installing, b->installing);
    assert_int_equal(a->joining, b->joining);
    assert_int_equal(a->features, b->features);
    assert_int_equal(a->lost_index, b->lost_index);
    assert_int_equal(a->member_count, b->member_count);
    assert_memory_equal(a->members, b->members, sizeof a->members);
}

/* Loads and checks the fields. */
static uint32_t load(struct sim_disk *disk, const struct superblock *expected)
{
    struct superblock superblock;
    uint32_t repaired = 99;
    struct error error;
    assert_int_equal(superblock_load(&disk->disk, "d", &superblock, &repaired, &error), STATUS_OK);
    check_same(&superblock, expected);
    return repaired;
}

static enum status load_fails(struct sim_disk *disk)
{
    struct superblock superblock;
    uint32_t repaired = 0;
    struct error error = { .status = STATUS_OK };
    enum status status = superblock_load(&disk->disk, "d", &superblock, &repaired, &error);
    assert_int_not_equal(status, STATUS_OK);
    assert_int_equal(status, error.status);
    return status;
}

static uint8_t *copy_at(struct sim_disk *disk, uint32_t copy)
{
    return sim_disk_bytes(disk, PATH)->data + (size_t)copy * LOG_BLOCK_SIZE;
}

static void keeps_what_it_is_given(void **state)
{
    (void)state;
    struct superblock superblock;
    struct sim_disk *disk = formatted(&superblock);
    struct error error;
    assert_int_equal(load(disk, &superblock), 0);
    superblock.term = 9;
    superblock.voted_for = 4;
    superblock.installing = true;
    superblock.joining = false;
    assert_int_equal(superblock_store(&disk->disk, "d", &superblock, &error), STATUS_OK);
    assert_int_equal(superblock.sequence, 2);
    sim_disk_crash(disk, SIM_CRASH_LOST, NULL);
    assert_int_equal(load(disk, &superblock), 0);
    assert_int_equal(superblock_create(&disk->disk, "d", &superblock, &error), STATUS_EXISTS);
    sim_disk_free(disk);
}

static void knows_an_unformatted_folder(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new();
    assert_int_equal(load_fails(disk), STATUS_NOT_FOUND);
    sim_disk_free(disk);
}

static void repairs_damaged_copies(void **state)
{
    (void)state;
    for (uint32_t damaged = 1; damaged < 16; damaged++) {
        struct superblock superblock;
        struct sim_disk *disk = formatted(&superblock);
        for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy++) {
            if (damaged & 1U << copy) {
                memset(copy_at(disk, copy), 0xa5, LOG_BLOCK_SIZE);
            }
        }
        if (damaged == 15) {
            assert_int_equal(load_fails(disk), STATUS_CORRUPT);
        } else {
            assert_int_equal(load(disk, &superblock), __builtin_popcount(damaged));
            sim_disk_crash(disk, SIM_CRASH_LOST, NULL);
            assert_int_equal(load(disk, &superblock), 0);
        }
        sim_disk_free(disk);
    }
}

static void sees_every_bit_flip(void **state)
{
    (void)state;
    struct superblock superblock;
    struct sim_disk *disk = formatted(&superblock);
    for (uint32_t bit = 0; bit < LOG_BLOCK_SIZE * 8; bit++) {
        copy_at(disk, bit % SUPERBLOCK_COPIES)[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(load(disk, &superblock), 1);
    }
    assert_int_equal(load(disk, &superblock), 0);
    sim_disk_free(disk);
}

static void survives_a_short_file(void **state)
{
    (void)state;
    struct superblock superblock;
    struct sim_disk *disk = formatted(&superblock);
    sim_disk_bytes(disk, PATH)->size = LOG_BLOCK_SIZE + 100;
    assert_int_equal(load(disk, &superblock), 3);
    sim_disk_bytes(disk, PATH)->size = 100;
    assert_int_equal(load_fails(disk), STATUS_CORRUPT);
    sim_disk_free(disk);
}

static void refuses_a_newer_version(void **state)
{
    (void)state;
    struct superblock superblock;
    struct sim_disk *disk = formatted(&superblock);
    uint8_t *block = copy_at(disk, 2);
    block[8] = SUPERBLOCK_VERSION + 1;
    uint32_t crc = crc32c(block, LOG_BLOCK_SIZE - 4);
    memcpy(block + LOG_BLOCK_SIZE - 4, &crc, sizeof crc);
    assert_int_equal(load_fails(disk), STATUS_VERSION);
    sim_disk_free(disk);
}

/* A copy that was written in another place is none. */
static void refuses_a_misplaced_copy(void **state)
{
    (void)state;
    struct superblock superblock;
    struct sim_disk *disk = formatted(&superblock);
    memcpy(copy_at(disk, 1), copy_at(disk, 0), LOG_BLOCK_SIZE);
    assert_int_equal(load(disk, &superblock), 1);
    sim_disk_free(disk);
}

/* Power fails at an operation of two stores: the loaded state is one that was stored, and not older
 * than what was reported. */
static void store_and_crash(uint64_t stop, enum sim_crash crash, struct random *random)
{
    struct superblock versions[3];
    struct sim_disk *disk = formatted(&versions[0]);
    struct error error;
    int reported = 0;
    disk->stop_at = disk->operations + stop;
    for (int i = 1; i < 3; i++) {
        struct superblock next = versions[i - 1];
        next.term++;
        versions[i] = next;
        versions[i].sequence++;
        if (superblock_store(&disk->disk, "d", &next, &error) == STATUS_OK) {
            assert_int_equal(reported, i - 1);
            reported = i;
        }
    }
    sim_disk_crash(disk, crash, random);
    struct superblock loaded;
    uint32_t repaired = 0;
    assert_int_equal(superblock_load(&disk->disk, "d", &loaded, &repaired, &error), STATUS_OK);
    assert_true(loaded.sequence >= versions[reported].sequence);
    check_same(&loaded, &versions[loaded.sequence - 1]);
    /* What was loaded once stays, whatever happens next. */
    sim_disk_crash(disk, SIM_CRASH_LOST, random);
    assert_int_equal(load(disk, &loaded), 0);
    sim_disk_free(disk);
}

static void survives_crashes(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 7);
    for (uint64_t stop = 1; stop < 20; stop++) {
        store_and_crash(stop, SIM_CRASH_LOST, &random);
        store_and_crash(stop, SIM_CRASH_TORN, &random);
        store_and_crash(stop, SIM_CRASH_KEPT, &random);
    }
}

/* Formatting that a crash interrupts leaves nothing or all of it, and can be done again. */
static void survives_crashes_while_formatting(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 8);
    for (uint64_t stop = 1; stop < 16; stop++) {
        struct sim_disk *disk = sim_disk_new();
        struct superblock superblock = example();
        struct error error;
        disk->stop_at = stop;
        enum status status = superblock_create(&disk->disk, "d", &superblock, &error);
        sim_disk_crash(disk, SIM_CRASH_TORN, &random);
        if (status != STATUS_OK) {
            status = superblock_create(&disk->disk, "d", &superblock, &error);
            assert_true(status == STATUS_OK || status == STATUS_EXISTS);
        }
        assert_int_equal(load(disk, &superblock), 0);
        sim_disk_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_is_given),
        cmocka_unit_test(knows_an_unformatted_folder),
        cmocka_unit_test(repairs_damaged_copies),
        cmocka_unit_test(sees_every_bit_flip),
        cmocka_unit_test(survives_a_short_file),
        cmocka_unit_test(refuses_a_newer_version),
        cmocka_unit_test(refuses_a_misplaced_copy),
        cmocka_unit_test(survives_crashes),
        cmocka_unit_test(survives_crashes_while_formatting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
