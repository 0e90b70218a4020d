/* The simulated disk: what a crash, a failed flush and a damaged medium do. */
#include "sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char OLD[] = "what was flushed before";
static const char NEW[] = "what was written later!";

static struct sim_disk *disk;
static struct disk_file file;
static struct error error;

static void write_text(const char *text)
{
    struct disk_slice slice = { text, sizeof OLD };
    assert_int_equal(disk_write(&disk->disk, file, 0, &slice, 1, &error), STATUS_OK);
}

static int set_up(void **state)
{
    (void)state;
    disk = sim_disk_new();
    assert_int_equal(disk_open(&disk->disk, "d/f", DISK_CREATE, &file, &error), STATUS_OK);
    write_text(OLD);
    assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_OK);
    assert_int_equal(disk_sync_folder(&disk->disk, "d", &error), STATUS_OK);
    write_text(NEW);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sim_disk_free(disk);
    return 0;
}

static bool holds(const char *text)
{
    const struct sim_bytes *bytes = sim_disk_bytes(disk, "d/f");
    return bytes != NULL && bytes->size == sizeof OLD && memcmp(bytes->data, text, sizeof OLD) == 0;
}

static void test_crashes(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    sim_disk_crash(disk, SIM_CRASH_LOST, &random);
    assert_true(holds(OLD));
    write_text(NEW);
    sim_disk_crash(disk, SIM_CRASH_KEPT, &random);
    assert_true(holds(NEW));
    bool lost = false;
    bool kept = false;
    for (uint32_t i = 0; i < 50; i++) {
        write_text(OLD);
        assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_OK);
        write_text(NEW);
        sim_disk_crash(disk, SIM_CRASH_TORN, &random);
        lost = lost || holds(OLD);
        kept = kept || holds(NEW);
        assert_true(holds(OLD) || holds(NEW)); /* a sector is whole */
    }
    assert_true(lost && kept);
}

static void test_a_failed_flush_stays_failed(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    disk->flush_fails = true;
    assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_IO);
    assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_IO);
    sim_disk_crash(disk, SIM_CRASH_LOST, &random);
    assert_true(holds(OLD));
    write_text(NEW);
    assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_OK);
}

static void test_an_interrupted_write(void **state)
{
    (void)state;
    disk->stop_at = disk->operations + 1;
    struct disk_slice slice = { OLD, sizeof OLD };
    assert_int_equal(disk_write(&disk->disk, file, 0, &slice, 1, &error), STATUS_IO);
    assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_IO);
    assert_true(disk->stopped);
}

static void test_a_lost_sector_comes_back_when_it_is_written(void **state)
{
    (void)state;
    struct random random;
    uint8_t bytes[2 * SIM_DISK_SECTOR];
    struct disk_slice slice = { bytes, sizeof bytes };
    random_init(&random, 1);
    memset(bytes, 7, sizeof bytes);
    assert_int_equal(disk_write(&disk->disk, file, 0, &slice, 1, &error), STATUS_OK);
    assert_int_equal(disk_sync(&disk->disk, file, &error), STATUS_OK);
    while (!sim_disk_lose_sector(disk, &random)) {
    }
    assert_int_equal(disk_read(&disk->disk, file, 0, bytes, sizeof bytes, &error), STATUS_IO);
    assert_int_equal(disk_write(&disk->disk, file, 0, &slice, 1, &error), STATUS_OK);
    assert_int_equal(disk_read(&disk->disk, file, 0, bytes, sizeof bytes, &error), STATUS_OK);
    assert_int_equal(disk->damages, 1);
}

static void test_room(void **state)
{
    (void)state;
    disk->space_bytes = 10000;
    assert_int_equal(disk_allocate(&disk->disk, file, 9000, &error), STATUS_OK);
    assert_int_equal(disk_allocate(&disk->disk, file, 20000, &error), STATUS_NO_SPACE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_crashes),
        CASE(test_a_failed_flush_stays_failed),
        CASE(test_an_interrupted_write),
        CASE(test_a_lost_sector_comes_back_when_it_is_written),
        CASE(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
