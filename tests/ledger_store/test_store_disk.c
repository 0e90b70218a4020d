/* test_store_disk.c — the store on kv_file on a disk that fails: the machine goes off at every
 * operation of the disk, with what was not flushed lost, torn or kept; the disk is full at any
 * moment; bytes that were flushed change. What is left replays to the same books, or is refused as
 * damaged; wrong data is never served. */
#include "base/random.h"
#include "tests/ledger_store/crash.h"
#include "tests/ledger_store/folder.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char FOLDER[] = "d/kv";
static struct error error;

static struct books reference;

static int make_reference(void **state)
{
    (void)state;
    crash_reference(&reference);
    return 0;
}

static int drop_reference(void **state)
{
    (void)state;
    store_close(reference.store);
    return 0;
}

static struct kv *open_kv(struct sim_disk *disk)
{
    struct kv *kv;
    if (kv_file_open(&disk->disk, FOLDER, &kv, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return kv;
}

/* Opens the kv and runs the books; the disk may stop anywhere. */
static enum status run(struct sim_disk *disk, uint64_t *durable)
{
    struct kv *kv;
    TRY(kv_file_open(&disk->disk, FOLDER, &kv, &error));
    return crash_run(kv, durable);
}

enum { PATHS_MAX = 32 };
struct paths {
    char paths[PATHS_MAX][64];
    unsigned count;
};

static void see_path(void *context, const char *name)
{
    struct paths *paths = context;
    assert_true(paths->count < PATHS_MAX);
    (void)snprintf(paths->paths[paths->count++], 64, "%s/%s", FOLDER, name);
}

/* --- the machine goes off --------------------------------------------------------------------- */

/* The machine may go off again while the store is opened or at work after the first time. */
static void crash_everywhere(enum sim_crash crash, uint64_t second_chance)
{
    struct random random;
    enum status status = STATUS_IO;
    uint64_t last_recovered = 0;
    uint64_t at = 0;
    random_init(&random, 19 + second_chance);
    while (status != STATUS_OK) {
        struct sim_disk *disk = sim_disk_new();
        uint64_t durable = 0;
        at += second_chance > 0 ? 5 : 1;
        disk->stop_at = at;
        status = run(disk, &durable);
        sim_disk_crash(disk, crash, &random);
        if (second_chance > 0) {
            disk->stop_at = disk->operations + random_between(&random, 1, second_chance);
            status =
                run(disk, &durable) == STATUS_OK && status == STATUS_OK ? STATUS_OK : STATUS_IO;
            sim_disk_crash(disk, crash, &random);
            status = at > 500 ? STATUS_OK : status;
        }
        uint64_t recovered = crash_recover(open_kv(disk), &reference);
        assert_true(recovered >= durable);
        assert_true(crash == SIM_CRASH_TORN || recovered >= last_recovered);
        last_recovered = recovered;
        sim_disk_free(disk);
    }
    assert_true(at > 100);
    assert_true(last_recovered > CRASH_ENTRIES / 2);
}

static void off_anywhere_and_what_was_not_flushed_is_lost(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_LOST, 0);
}

static void off_anywhere_and_what_was_not_flushed_is_torn(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_TORN, 0);
}

static void off_anywhere_and_everything_is_kept(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_KEPT, 0);
}

static void off_anywhere_and_again_soon_after(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_TORN, 12);
}

/* --- the disk is full ------------------------------------------------------------------------- */

/* The books with so little room that seals fail at first: each one is done when there is some. */
static uint64_t run_full(uint64_t space_bytes)
{
    struct sim_disk *disk = sim_disk_new();
    struct books books;
    uint64_t refused = 0;
    books_open(&books, 77, CRASH_SEAL_EVENTS, open_kv(disk));
    while (books.entry < CRASH_ENTRIES) {
        disk->space_bytes = space_bytes;
        enum status status = STATUS_OK;
        if (!books_apply(&books)) {
            status = books_seal(&books, &error);
        }
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_SPACE);
            refused++;
            assert_true(store_seal_busy(books.store));
            disk->space_bytes = UINT64_MAX;
            assert_int_equal(books_seal(&books, &error), STATUS_OK);
        }
    }
    disk->space_bytes = UINT64_MAX;
    assert_int_equal(books_seal(&books, &error), STATUS_OK);
    crash_audit(&books);
    books_assert_equal(&books, &reference);
    store_close(books.store);
    uint64_t recovered = crash_recover(open_kv(disk), &reference);
    assert_true(recovered > CRASH_ENTRIES / 2);
    sim_disk_free(disk);
    return refused;
}

static void a_full_disk_delays_a_seal(void **state)
{
    (void)state;
    uint64_t refused = 0;
    for (uint64_t space_bytes = 0; space_bytes < 16000; space_bytes += 650) {
        refused += run_full(space_bytes);
    }
    assert_true(refused > 40);
    assert_int_equal(run_full(1000000), 0);
}

/* A refused change leaves nothing: no record, and no file that keeps some of the space. */
static void a_full_disk_leaves_nothing_behind(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new();
    struct kv *kv = open_kv(disk);
    uint8_t key = 'k';
    uint8_t value[3000] = { 1 };
    struct kv_put put = { .key = { &key, 1 }, .value = { value, sizeof value } };
    disk->space_bytes = 2000;
    assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_NO_SPACE);
    struct kv_get get = { .key = { &key, 1 }, .value = value, .value_max = sizeof value };
    assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_OK);
    assert_false(get.found);
    struct paths paths = { .count = 0 };
    assert_int_equal(disk_list(&disk->disk, FOLDER, see_path, &paths, &error), STATUS_OK);
    assert_int_equal(paths.count, 2);
    disk->space_bytes = 5000;
    assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
    kv->ops->close(kv);
    kv = open_kv(disk);
    assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_OK);
    assert_true(get.found);
    kv->ops->close(kv);
    sim_disk_free(disk);
}

/* --- damage ----------------------------------------------------------------------------------- */

/* Every record of a sound store, to compare with. */
struct dump {
    uint8_t *bytes;
    size_t size;
};

static enum status dump(struct kv *kv, struct dump *all)
{
    static const uint8_t lowest[1] = { 0 };
    struct kv_iterator *iterator;
    struct bytes key, value;
    *all = (struct dump){ 0 };
    TRY(kv->ops->iterate(kv, (struct bytes){ lowest, 1 }, false, &iterator, &error));
    enum status status = kv->ops->next(iterator, &key, &value, &error);
    while (status == STATUS_OK && key.data != NULL) {
        all->bytes = realloc(all->bytes, all->size + key.size + value.size);
        assert_non_null(all->bytes);
        memcpy(all->bytes + all->size, key.data, key.size);
        memcpy(all->bytes + all->size + key.size, value.data, value.size);
        all->size += key.size + value.size;
        status = kv->ops->next(iterator, &key, &value, &error);
    }
    kv->ops->iterate_end(iterator);
    return status;
}

static struct sim_disk *sound_disk(struct dump *expected)
{
    struct sim_disk *disk = sim_disk_new();
    uint64_t durable;
    assert_int_equal(run(disk, &durable), STATUS_OK);
    struct kv *kv = open_kv(disk);
    assert_int_equal(dump(kv, expected), STATUS_OK);
    kv->ops->close(kv);
    sim_disk_settle(disk);
    return disk;
}

/* The store as it is now: everything right, or CORRUPT with the damaged file's name; both when it
 * is opened and when it was open before. */
static bool open_finds_damage(struct sim_disk *disk, const char *path, const struct dump *expected)
{
    struct kv *kv;
    enum status status = kv_file_open(&disk->disk, FOLDER, &kv, &error);
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_non_null(strstr(error.text, path));
        return true;
    }
    struct dump all;
    assert_int_equal(dump(kv, &all), STATUS_OK);
    assert_int_equal(all.size, expected->size);
    assert_memory_equal(all.bytes, expected->bytes, all.size);
    free(all.bytes);
    kv->ops->close(kv);
    return false;
}

static bool reads_find_damage(struct kv *kv, const char *path, const struct dump *expected)
{
    struct dump all;
    enum status status = dump(kv, &all);
    assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
    assert_true(status == STATUS_OK || strstr(error.text, path) != NULL);
    assert_true(all.size <= expected->size); /* whatever was given away is right */
    assert_memory_equal(all.bytes, expected->bytes, all.size);
    assert_true(status == STATUS_CORRUPT || all.size == expected->size);
    free(all.bytes);
    return status == STATUS_CORRUPT;
}

static void any_changed_byte_is_found(void **state)
{
    (void)state;
    struct dump expected;
    struct paths paths = { .count = 0 };
    struct sim_disk *disk = sound_disk(&expected);
    assert_int_equal(disk_list(&disk->disk, FOLDER, see_path, &paths, &error), STATUS_OK);
    unsigned found = 0;
    unsigned tried = 0;
    unsigned manifests = 0;
    struct kv *kv = open_kv(disk);
    for (unsigned i = 0; i < paths.count; i++) {
        bool manifest = strstr(paths.paths[i], "manifest") != NULL;
        struct sim_bytes *bytes = sim_disk_bytes(disk, paths.paths[i]);
        for (uint64_t at = 0; at < bytes->size; at += manifest ? 3 : 41) {
            uint8_t bit = (uint8_t)(1U << (at % 8));
            bytes->data[at] ^= bit;
            bool read = reads_find_damage(kv, paths.paths[i], &expected);
            bool opened = open_finds_damage(disk, paths.paths[i], &expected);
            assert_true(!read || opened);
            assert_int_equal(opened, !manifest); /* the other copy, and it is written again */
            bytes = sim_disk_bytes(disk, paths.paths[i]);
            if (!manifest) {
                bytes->data[at] ^= bit;
            }
            found += read;
            manifests += manifest;
            tried++;
        }
    }
    kv->ops->close(kv);
    assert_true(tried > 300 && found > 100 && manifests > 100);
    assert_false(open_finds_damage(disk, "", &expected));
    free(expected.bytes);
    sim_disk_free(disk);
}

/* Sectors that lie elsewhere than they belong: sound bytes in the wrong place. */
static void a_misdirected_write_is_found(void **state)
{
    (void)state;
    struct dump expected;
    struct paths paths = { .count = 0 };
    struct sim_disk *disk = sound_disk(&expected);
    assert_int_equal(disk_list(&disk->disk, FOLDER, see_path, &paths, &error), STATUS_OK);
    unsigned found = 0;
    for (unsigned i = 0; i < paths.count; i++) {
        struct sim_bytes *target = sim_disk_bytes(disk, paths.paths[i]);
        for (unsigned from = 0; from < paths.count; from++) {
            const struct sim_bytes *source = sim_disk_bytes(disk, paths.paths[from]);
            uint64_t size = target->size < source->size ? target->size : source->size;
            size = size < SIM_DISK_SECTOR ? size : SIM_DISK_SECTOR;
            uint8_t kept[SIM_DISK_SECTOR];
            memcpy(kept, target->data, size);
            if (memcmp(kept, source->data, size) == 0) {
                continue;
            }
            memcpy(target->data, source->data, size);
            found += open_finds_damage(disk, paths.paths[i], &expected);
            target = sim_disk_bytes(disk, paths.paths[i]);
            memcpy(target->data, kept, size);
        }
    }
    assert_true(found > 8);
    free(expected.bytes);
    sim_disk_free(disk);
}

static void without_a_manifest_there_is_no_store(void **state)
{
    (void)state;
    struct dump expected;
    struct sim_disk *disk = sound_disk(&expected);
    struct kv *kv;
    static const char *const paths[2] = { "d/kv/manifest-0", "d/kv/manifest-1" };
    for (int i = 0; i < 2; i++) { /* one is enough, and makes the other again */
        assert_int_equal(disk_remove(&disk->disk, paths[i], &error), STATUS_OK);
        assert_false(open_finds_damage(disk, "", &expected));
        assert_non_null(sim_disk_bytes(disk, paths[i]));
    }
    assert_int_equal(disk_remove(&disk->disk, paths[0], &error), STATUS_OK);
    assert_int_equal(disk_remove(&disk->disk, paths[1], &error), STATUS_OK);
    assert_int_equal(kv_file_open(&disk->disk, FOLDER, &kv, &error), STATUS_CORRUPT);
    assert_int_equal(kv_file_open(&disk->disk, FOLDER, &kv, &error), STATUS_CORRUPT);
    free(expected.bytes);
    sim_disk_free(disk);
}

/* The same keys in another file, at the same offsets: what a write that went to the wrong place
 * leaves there is sound in itself. */
static void records_of_another_file_are_found(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new();
    struct kv *kv = open_kv(disk);
    static const uint8_t keys[2] = { 'a', 'b' };
    for (uint8_t round = 1; round <= 2; round++) {
        struct kv_put puts[2];
        for (int i = 0; i < 2; i++) {
            puts[i] = (struct kv_put){ .key = { &keys[i], 1 }, .value = { &round, 1 } };
        }
        assert_int_equal(kv->ops->commit(kv, puts, 2, &error), STATUS_OK);
    }
    struct sim_bytes *old = sim_disk_bytes(disk, "d/kv/0000000000000001.data");
    struct sim_bytes *new = sim_disk_bytes(disk, "d/kv/0000000000000002.data");
    assert_int_equal(old->size, new->size);
    enum { HEADER = 24, RECORD = 12 };
    assert_int_equal(new->size, HEADER + 2 * RECORD);
    memcpy(new->data + HEADER, old->data + HEADER, RECORD);
    uint8_t value;
    struct kv_get get = { .key = { keys, 1 }, .value = &value, .value_max = 1 };
    assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "d/kv/0000000000000002.data"));
    memcpy(new->data + HEADER, new->data + HEADER + RECORD, RECORD); /* or of the same one */
    assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_CORRUPT);
    get.key.data = &keys[1];
    assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_OK);
    assert_int_equal(value, 2);
    kv->ops->close(kv);
    sim_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_anywhere_and_what_was_not_flushed_is_lost),
        cmocka_unit_test(off_anywhere_and_what_was_not_flushed_is_torn),
        cmocka_unit_test(off_anywhere_and_everything_is_kept),
        cmocka_unit_test(off_anywhere_and_again_soon_after),
        cmocka_unit_test(a_full_disk_delays_a_seal),
        cmocka_unit_test(a_full_disk_leaves_nothing_behind),
        cmocka_unit_test(any_changed_byte_is_found),
        cmocka_unit_test(a_misdirected_write_is_found),
        cmocka_unit_test(records_of_another_file_are_found),
        cmocka_unit_test(without_a_manifest_there_is_no_store),
    };
    return cmocka_run_group_tests(tests, make_reference, drop_reference);
}
