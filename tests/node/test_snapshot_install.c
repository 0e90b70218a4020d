/* The switch: what stays of the log, what is refused, and that every crash on the way, from the
 * first byte pulled to the last file removed, ends in the old store or in the new one. */
#include "base/clock.h"
#include "ledger/node/snapshot_folder.h"
#include "tests/node/snapshot_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 3000, OLD = 5 };

static struct rig *arrived(uint64_t entries, uint64_t fork)
{
    struct rig *rig = rig_new(entries, OLD, fork);
    struct error error;
    rig_ok(rig_open_target(rig, &error), &error);
    rig_ok(rig_run(rig, ROUNDS, &error), &error);
    rig_close_target(rig);
    return rig;
}

static enum snapshot_install_outcome finish(struct rig *rig)
{
    enum snapshot_install_outcome outcome;
    struct error error;
    rig_ok(rig_finish(rig, &outcome, &error), &error);
    rig_check_clean(rig);
    enum snapshot_install_outcome again;
    rig_ok(rig_finish(rig, &again, &error), &error);
    assert_int_equal(again, INSTALL_NOTHING);
    return outcome;
}

/* The id of the one that has arrived. */
static u128 arrived_snapshot(struct rig *rig)
{
    struct snapshot_manifest manifest;
    struct error error;
    uint8_t *data = NULL;
    size_t size = 0;
    rig_ok(snapshot_read_file(&rig->target_disk->disk, "d/install", "manifest",
                              SNAPSHOT_MANIFEST_BYTES_MAX, &data, &size, &error),
           &error);
    rig_ok(snapshot_manifest_decode((struct bytes){ data, size }, &manifest, &error), &error);
    free(data);
    u128 snapshot = manifest.snapshot;
    snapshot_manifest_free(&manifest);
    return snapshot;
}

static void a_short_log_begins_at_the_snapshot(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_check_installed(rig, RIG_ENTRIES, RIG_ENTRIES, RIG_ENTRIES);
    rig_free(rig);
}

/* What follows the snapshot in the log may have been acknowledged: it stays (pitfall 17). */
static void a_log_that_holds_the_entry_stays(void **state)
{
    (void)state;
    struct rig *rig = arrived(RIG_ENTRIES + 10, 0);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_check_installed(rig, RIG_ENTRIES, 0, RIG_ENTRIES + 10);
    rig_free(rig);
}

static void a_log_that_ends_with_the_entry_stays(void **state)
{
    (void)state;
    struct rig *rig = arrived(RIG_ENTRIES, 0);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_check_installed(rig, RIG_ENTRIES, 0, RIG_ENTRIES);
    rig_free(rig);
}

/* Another entry at the snapshot's index: nothing behind it can have been committed. */
static void a_log_of_another_history_goes(void **state)
{
    (void)state;
    struct rig *rig = arrived(RIG_ENTRIES + 10, RIG_ENTRIES - 3);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_check_installed(rig, RIG_ENTRIES, RIG_ENTRIES, RIG_ENTRIES);
    rig_free(rig);
}

/* The sender has a newer leader than the one whose offer this node followed. */
static void a_snapshot_of_a_later_term_brings_its_term(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct disk *disk = &rig->target_disk->disk;
    struct error error;
    uint32_t repaired = 0;
    rig->superblock.term = 2;
    rig_ok(superblock_store(disk, "d", &rig->superblock, &error), &error);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_ok(superblock_load(disk, "d", &rig->superblock, &repaired, &error), &error);
    assert_int_equal(rig->superblock.term, 1 + RIG_ENTRIES / 10);
    assert_int_equal(rig->superblock.voted_for, 0); /* it was for a candidate of term 2 */
    rig_free(rig);
}

/* It promised entries that neither its old log nor the snapshot has. */
static void a_lost_tail_stays_lost(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct disk *disk = &rig->target_disk->disk;
    struct error error;
    uint32_t repaired = 0;
    rig->superblock.lost_index = 2 * RIG_ENTRIES;
    rig_ok(superblock_store(disk, "d", &rig->superblock, &error), &error);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_ok(superblock_load(disk, "d", &rig->superblock, &repaired, &error), &error);
    assert_int_equal(rig->superblock.lost_index, 2 * RIG_ENTRIES);
    rig_free(rig);
}

static void a_log_that_has_gone_past_drops_it(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct error error;
    uint64_t later = RIG_ENTRIES + 3;
    struct log_options options = { .disk = &rig->target_disk->disk,
                                   .folder = "d",
                                   .segment_size = 64 * 1024 };
    struct log_point base = {
        .index = later, .term = 1 + later / 10, .timestamp = later * 1000, .chain = rig_chain(later)
    };
    rig_ok(log_reset(&options, &rig->superblock, &base, &error), &error);
    rig_ok(superblock_store(&rig->target_disk->disk, "d", &rig->superblock, &error), &error);
    assert_int_equal(finish(rig), INSTALL_DROPPED);
    u128 digest;
    assert_int_equal(rig_store_index(rig, "d/db", &digest), OLD);
    rig_free(rig);
}

/* A byte of a file that has arrived changes on the disk between ready and the switch. */
static void a_damaged_store_is_not_switched_in(void **state)
{
    (void)state;
    unsigned damaged = 0;
    struct rig *rig = arrived(8, 0);
    struct sim_disk *whole = rig->target_disk;
    for (uint32_t i = 0; i < whole->name_count; i++) {
        const char *path = whole->names[i].path;
        struct sim_bytes *bytes = sim_disk_bytes(whole, path);
        if (bytes == NULL || bytes->size == 0 || strncmp(path, "d/install/db/", 13) != 0) {
            continue;
        }
        for (uint64_t at = 0; at < bytes->size; at += bytes->size / 3 + 1) {
            rig->target_disk = sim_disk_copy(whole);
            sim_disk_bytes(rig->target_disk, path)->data[at] ^= 0x20;
            enum snapshot_install_outcome outcome = finish(rig);
            if (outcome == INSTALL_DAMAGED) {
                u128 digest;
                damaged++;
                assert_int_equal(rig_store_index(rig, "d/db", &digest), OLD);
            } else { /* a byte that says nothing */
                assert_int_equal(outcome, INSTALL_DONE);
                rig_check_installed(rig, RIG_ENTRIES, RIG_ENTRIES, RIG_ENTRIES);
            }
            sim_disk_free(rig->target_disk);
        }
    }
    assert_true(damaged >= 3);
    rig->target_disk = whole;
    rig_free(rig);
}

/* A store that is sound, and not the one that the manifest tells of. */
static void check_other_store(uint64_t seed, uint64_t index, enum snapshot_install_outcome outcome)
{
    struct rig *rig = arrived(8, 0);
    struct error error;
    u128 digest;
    rig_ok(snapshot_remove_tree(&rig->target_disk->disk, "d/install/db", &error), &error);
    rig_make_store(rig, "d/install/db", seed, index);
    assert_int_equal(finish(rig), outcome);
    uint64_t expected = outcome == INSTALL_DONE ? index : OLD;
    assert_int_equal(rig_store_index(rig, "d/db", &digest), expected);
    rig_free(rig);
}

static void another_store_is_not_switched_in(void **state)
{
    (void)state;
    check_other_store(RIG_SEED, RIG_ENTRIES, INSTALL_DONE);
    check_other_store(RIG_SEED + 1, RIG_ENTRIES, INSTALL_DAMAGED); /* other books */
    check_other_store(RIG_SEED, RIG_ENTRIES - 1, INSTALL_DAMAGED); /* another place */
}

static void a_manifest_of_another_cluster_is_not_switched_in(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct error error;
    rig->superblock.cluster++;
    rig_ok(superblock_store(&rig->target_disk->disk, "d", &rig->superblock, &error), &error);
    assert_int_equal(finish(rig), INSTALL_DAMAGED);
    rig_free(rig);
}

/* --- the digest of a large store takes long --- */

struct looks {
    unsigned count;
    bool give_up;
};

static bool look(void *context, uint64_t records, uint64_t of_records)
{
    struct looks *looks = context;
    assert_true(records <= of_records);
    assert_true(of_records > RIG_ENTRIES);
    looks->count++;
    return !looks->give_up;
}

static void a_switch_that_is_given_up_begins_again(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct looks looks = { .give_up = true };
    struct error error;
    enum snapshot_install_outcome outcome;
    u128 digest;
    rig->watch = (struct store_watch){ look, &looks };
    assert_int_equal(rig_finish(rig, &outcome, &error), STATUS_SHUTTING_DOWN);
    assert_int_equal(looks.count, 1);
    assert_int_equal(rig_store_index(rig, "d/db", &digest), OLD);
    looks.give_up = false;
    assert_int_equal(finish(rig), INSTALL_DONE);
    assert_int_equal(looks.count, 2);
    rig_check_installed(rig, RIG_ENTRIES, RIG_ENTRIES, RIG_ENTRIES);
    rig_free(rig);
}

/* A process that ends at any point behind the digest does not compute it again; before, it does. */
static void a_digest_that_was_right_is_not_computed_again(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct sim_disk *start = rig->target_disk;
    struct looks looks = { .count = 0 };
    struct error error;
    struct random random;
    u128 snapshot = arrived_snapshot(rig);
    unsigned spared = 0;
    bool stopped = true;
    random_init(&random, 5);
    rig->watch = (struct store_watch){ look, &looks };
    for (uint64_t at = 1; stopped; at++) {
        enum snapshot_install_outcome outcome;
        uint8_t value;
        rig->target_disk = sim_disk_copy(start);
        rig->target_disk->operations = 0;
        rig->target_disk->stop_at = at;
        enum status status = rig_finish(rig, &outcome, &error);
        stopped = rig->target_disk->stopped;
        assert_int_equal(stopped, status != STATUS_OK);
        sim_disk_crash(rig->target_disk, SIM_CRASH_LOST, &random);
        bool checked = snapshot_read_mark(&rig->target_disk->disk, "d/install", "checked", snapshot,
                                          &value, &error) == STATUS_OK;
        looks.count = 0;
        rig_ok(rig_finish(rig, &outcome, &error), &error);
        if (stopped && outcome == INSTALL_DONE) {
            assert_int_equal(looks.count, checked ? 0 : 1);
            spared += checked ? 1 : 0;
        }
        sim_disk_free(rig->target_disk);
    }
    assert_true(spared > 5);
    rig->target_disk = start;
    rig_free(rig);
}

/* Of a snapshot that is dropped, nothing is believed later. */
static void what_was_checked_goes_with_the_snapshot(void **state)
{
    (void)state;
    struct rig *rig = arrived(8, 0);
    struct disk *disk = &rig->target_disk->disk;
    struct error error;
    uint8_t value;
    u128 snapshot = arrived_snapshot(rig);
    rig_ok(snapshot_write_mark(disk, "d/install", "checked", snapshot, 1, &error), &error);
    sim_disk_settle(rig->target_disk);
    struct sim_disk *start = rig->target_disk;
    bool stopped = true;
    struct random random;
    random_init(&random, 6);
    for (uint64_t turn = 4; stopped; turn++) {
        rig->target_disk = sim_disk_copy(start);
        disk = &rig->target_disk->disk;
        rig->target_disk->operations = 0;
        rig->target_disk->stop_at = turn / 4;
        enum status status = snapshot_discard_install(disk, "d", &error);
        stopped = rig->target_disk->stopped;
        assert_int_equal(stopped, status != STATUS_OK);
        sim_disk_crash(rig->target_disk, SIM_CRASH_TORN, &random);
        bool ready =
            snapshot_read_mark(disk, "d/install", "ready", snapshot, &value, &error) == STATUS_OK;
        bool checked =
            snapshot_read_mark(disk, "d/install", "checked", snapshot, &value, &error) == STATUS_OK;
        assert_true(ready || !checked);
        sim_disk_free(rig->target_disk);
    }
    rig->target_disk = start;
    rig_free(rig);
}

/* --- crashes --- */

/* One life of the target's process: opening, pulling if there is nothing to switch in. True: the
 * snapshot is in. */
static enum status live(struct rig *rig, bool *installed, struct error *error)
{
    enum snapshot_install_outcome outcome;
    TRY(rig_finish(rig, &outcome, error));
    assert_true(outcome == INSTALL_NOTHING || outcome == INSTALL_DONE);
    enum status status = rig_open_target(rig, error); /* cleans up, too */
    u128 digest = 0;
    uint64_t index = 0;
    status = status == STATUS_OK ? rig_try_store(rig, "d/db", &index, &digest, error) : status;
    if (status == STATUS_OK) {
        *installed = outcome == INSTALL_DONE || index != OLD;
        status = *installed ? STATUS_OK : rig_run(rig, ROUNDS, error);
    }
    if (rig->target != NULL) {
        rig_close_target(rig);
    }
    return status;
}

static void live_on(struct rig *rig, enum sim_crash crash, struct random *random)
{
    struct error error;
    bool installed = false;
    /* A second crash, somewhere on the way back. */
    rig_drop_letters(rig);
    rig->target_disk->stop_at = rig->target_disk->operations + random_between(random, 1, 70);
    enum status status = live(rig, &installed, &error);
    assert_true(status == STATUS_OK || rig->target_disk->stopped);
    sim_disk_crash(rig->target_disk, crash, random);
    installed = false;
    for (unsigned lives = 0; lives < 4 && !installed; lives++) {
        rig_drop_letters(rig);
        rig_ok(live(rig, &installed, &error), &error);
    }
    assert_true(installed);
}

/* After the crash nothing is known but what the disk says. */
static void check_either(struct rig *rig)
{
    struct error error;
    uint32_t repaired = 0;
    u128 digest;
    rig_ok(superblock_load(&rig->target_disk->disk, "d", &rig->superblock, &repaired, &error),
           &error);
    assert_int_equal(rig->superblock.term, 17);
    assert_int_equal(rig->superblock.voted_for, 2);
    if (!rig->superblock.installing) {
        uint64_t index = rig_store_index(rig, "d/db", &digest);
        assert_true(index == OLD || index == RIG_ENTRIES);
        assert_true(index == OLD || digest == books_digest(&rig->books));
    }
}

static bool crash_at(struct rig *rig, const struct sim_disk *start, uint64_t at,
                     enum sim_crash crash, uint64_t last)
{
    struct error error;
    bool installed = false;
    enum status status = STATUS_OK;
    struct random random;
    random_init(&random, at * 3 + (uint64_t)crash);
    sim_disk_free(rig->target_disk);
    rig->target_disk = sim_disk_copy(start);
    rig->target_disk->operations = 0;
    rig->target_disk->stop_at = at;
    rig_drop_letters(rig);
    while (!installed && status == STATUS_OK) {
        status = live(rig, &installed, &error);
    }
    bool stopped = rig->target_disk->stopped;
    assert_int_equal(stopped, status != STATUS_OK);
    sim_disk_crash(rig->target_disk, crash, &random);
    struct sim_disk *after = sim_disk_copy(rig->target_disk);
    check_either(rig);
    sim_disk_free(rig->target_disk); /* what looking opened is forgotten */
    rig->target_disk = after;
    if (stopped) {
        live_on(rig, crash, &random);
    }
    rig_check_installed(rig, RIG_ENTRIES, last > RIG_ENTRIES ? 0 : RIG_ENTRIES, last);
    rig_check_clean(rig);
    return stopped;
}

static void crash_everywhere(uint64_t entries, uint64_t last)
{
    struct rig *rig = rig_new(entries, OLD, 0);
    struct sim_disk *start = sim_disk_copy(rig->target_disk);
    uint64_t points = 0;
    for (uint64_t at = 1;; at++) {
        bool stopped = false;
        for (int crash = SIM_CRASH_LOST; crash <= SIM_CRASH_KEPT; crash++) {
            stopped = crash_at(rig, start, at, (enum sim_crash)crash, last);
        }
        if (!stopped) {
            points = at;
            break;
        }
    }
    print_message("%u crash points\n", (unsigned)points);
    assert_true(points > 80);
    sim_disk_free(start);
    rig_free(rig);
}

static void a_crash_anywhere_ends_in_the_old_or_the_new(void **state)
{
    (void)state;
    crash_everywhere(8, RIG_ENTRIES);
}

static void a_crash_anywhere_with_a_log_that_stays(void **state)
{
    (void)state;
    crash_everywhere(RIG_ENTRIES + 10, RIG_ENTRIES + 10);
}

/* The source takes a snapshot, and its lease ends. */
static enum status take_and_drop(struct rig *rig, struct error *error)
{
    struct snapshot_now now = { .now_ns = rig->now_ns, .checkpoint_index = RIG_ENTRIES };
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_OK);
    for (unsigned i = 0; i < 60; i++) {
        TRY(rig_round(rig, error));
    }
    rig->now_ns += SNAPSHOT_LEASE_MS * NS_PER_MS;
    for (unsigned i = 0; i < 5; i++) {
        TRY(rig_round(rig, error));
    }
    return STATUS_OK;
}

static unsigned snapshots_on_disk(struct rig *rig)
{
    unsigned manifests = 0;
    for (uint32_t i = 0; i < rig->source_disk->name_count; i++) {
        const struct sim_name *name = &rig->source_disk->names[i];
        bool inside = name->seen >= 0 && strncmp(name->path, "d/snapshot/", 11) == 0;
        manifests += inside && strstr(name->path, ".manifest") != NULL ? 1 : 0;
    }
    return manifests;
}

/* True: the machine stopped on the way. */
static bool crash_source_at(uint64_t at, enum sim_crash crash)
{
    struct rig *rig = rig_new(8, OLD, 0);
    struct error error;
    struct random random;
    random_init(&random, at);
    sim_disk_settle(rig->source_disk);
    rig->source_disk->operations = 0;
    rig->source_disk->stop_at = at;
    enum status status = take_and_drop(rig, &error);
    bool stopped = rig->source_disk->stopped;
    assert_true(stopped || status == STATUS_OK);
    rig_crash_source(rig, crash, &random);
    struct snapshot_source_view view;
    snapshot_source_view(rig->source, &view);
    assert_int_equal(snapshots_on_disk(rig), view.state == SOURCE_READY ? 1 : 0);
    rig_ok(rig_open_target(rig, &error), &error);
    rig_ok(rig_run(rig, ROUNDS, &error), &error);
    rig_close_target(rig);
    assert_int_equal(finish(rig), INSTALL_DONE);
    rig_check_installed(rig, RIG_ENTRIES, RIG_ENTRIES, RIG_ENTRIES);
    rig_free(rig);
    return stopped;
}

static void a_crash_of_the_source_leaves_a_whole_snapshot_or_none(void **state)
{
    (void)state;
    bool stopped = true;
    uint64_t at = 0;
    while (stopped) {
        at++;
        for (int crash = SIM_CRASH_LOST; crash <= SIM_CRASH_KEPT; crash++) {
            stopped = crash_source_at(at, (enum sim_crash)crash);
        }
    }
    print_message("%u crash points\n", (unsigned)at);
    assert_true(at > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_log_begins_at_the_snapshot),
        cmocka_unit_test(a_log_that_holds_the_entry_stays),
        cmocka_unit_test(a_log_that_ends_with_the_entry_stays),
        cmocka_unit_test(a_log_of_another_history_goes),
        cmocka_unit_test(a_snapshot_of_a_later_term_brings_its_term),
        cmocka_unit_test(a_lost_tail_stays_lost),
        cmocka_unit_test(a_log_that_has_gone_past_drops_it),
        cmocka_unit_test(a_damaged_store_is_not_switched_in),
        cmocka_unit_test(another_store_is_not_switched_in),
        cmocka_unit_test(a_manifest_of_another_cluster_is_not_switched_in),
        cmocka_unit_test(a_switch_that_is_given_up_begins_again),
        cmocka_unit_test(a_digest_that_was_right_is_not_computed_again),
        cmocka_unit_test(what_was_checked_goes_with_the_snapshot),
        cmocka_unit_test(a_crash_anywhere_ends_in_the_old_or_the_new),
        cmocka_unit_test(a_crash_anywhere_with_a_log_that_stays),
        cmocka_unit_test(a_crash_of_the_source_leaves_a_whole_snapshot_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
