/* Writing, reading, cutting and opening again, without faults. */
#include "raft/log/segment.h"
#include "tests/raft_log/log_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SMALL = 32 * 1024 };

static void check_ends(const struct fixture *fixture)
{
    const struct entry *last = model_last(&fixture->model);
    assert_int_equal(fixture->recovered.last_index, fixture->model.last);
    assert_int_equal(fixture->recovered.last_chain, last == NULL ? 0 : last->header.chain);
    assert_int_equal(fixture->recovered.last_timestamp, last == NULL ? 0 : last->header.timestamp);
}

static void opens_empty(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 1);
    for (int i = 0; i < 3; i++) {
        fixture_reopen(fixture);
        check_ends(fixture);
        assert_int_equal(fixture->recovered.run_count, 0);
        assert_int_equal(fixture->recovered.base_index, 0);
    }
    fixture_free(fixture);
}

static void appends_and_reads(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 2);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, 0), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 5, 100), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 3, 1, 9000), STATUS_OK);
    fixture_check(fixture);
    fixture_reopen(fixture);
    check_ends(fixture);
    assert_int_equal(fixture->recovered.run_count, 2);
    assert_int_equal(fixture->recovered.runs[1].first_index, 7);
    assert_int_equal(fixture->recovered.runs[1].term, 3);
    assert_int_equal(fixture->recovered.torn_entries, 0);
    assert_int_equal(fixture->recovered.repaired, 0);
    fixture_free(fixture);
}

static void one_flush_a_group(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(1024 * 1024, 3);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, 10), STATUS_OK);
    uint64_t syncs = fixture->disk->syncs;
    struct entry *entries[2];
    entries[0] = fixture_entry(fixture, model_last(&fixture->model), 2, 1, 500);
    entries[1] = fixture_entry(fixture, entries[0], 3, 1, 500);
    struct log_write writes[2] = { { .sequence = 1, .entries = entries, .entry_count = 1 },
                                   { .sequence = 2, .entries = entries + 1, .entry_count = 1 } };
    assert_int_equal(log_write(fixture->log, writes, 2, &fixture->error), STATUS_OK);
    assert_int_equal(fixture->disk->syncs, syncs + 1);
    for (int i = 0; i < 2; i++) {
        model_push(&fixture->model, entries[i]);
        entry_release(entries[i]);
    }
    fixture_reopen(fixture);
    fixture_free(fixture);
}

/* A group of three elements where a later one cuts what an earlier one of the group appended. */
static void cuts_inside_a_group(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 4);
    fixture_reopen(fixture);
    struct entry *a = fixture_entry(fixture, NULL, 1, 1, 64);
    struct entry *b = fixture_entry(fixture, a, 2, 1, 64);
    struct entry *c = fixture_entry(fixture, a, 2, 2, 65);
    struct entry *old[2] = { a, b };
    struct log_write writes[3] = {
        { .sequence = 1, .entries = old, .entry_count = 2 },
        { .sequence = 2, .hard_state = true, .term = 2, .voted_for = 1 },
        { .sequence = 3, .truncate_from = 2, .entries = &c, .entry_count = 1 },
    };
    assert_int_equal(log_write(fixture->log, writes, 3, &fixture->error), STATUS_OK);
    model_push(&fixture->model, a);
    model_push(&fixture->model, c);
    fixture_check(fixture);
    fixture_reopen(fixture);
    check_ends(fixture);
    assert_int_equal(fixture->superblock.term, 2);
    assert_int_equal(fixture->superblock.voted_for, 1);
    assert_int_equal(fixture->recovered.run_count, 2);
    entry_release(a);
    entry_release(b);
    entry_release(c);
    fixture_free(fixture);
}

static void fills_many_segments(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 5);
    fixture_reopen(fixture);
    for (uint32_t i = 0; i < 120; i++) {
        bool did = false;
        assert_int_equal(fixture_append(fixture, 1 + i / 40, 1 + i % 4, i * 37 % 3000), STATUS_OK);
        if (i % 3 == 0) {
            assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_OK);
        }
        if (i % 17 == 0) {
            fixture_reopen(fixture);
            check_ends(fixture);
        }
    }
    assert_true(fixture->recovered.segments > 5);
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.run_count, 3);
    fixture_free(fixture);
}

/* One group that needs several segments, and more slots than one call of the disk takes. */
static void writes_large_groups(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(512 * 1024, 6);
    fixture_reopen(fixture);
    enum { COUNT = 1500 };
    struct entry **entries = calloc(COUNT, sizeof(struct entry *));
    assert_non_null(entries);
    const struct entry *previous = NULL;
    for (uint32_t i = 0; i < COUNT; i++) {
        entries[i] = fixture_entry(fixture, previous, i + 1, 1, i % 2 == 0 ? 40 : 1000);
        previous = entries[i];
        model_push(&fixture->model, entries[i]);
    }
    struct log_write write = { .entries = entries, .entry_count = COUNT };
    assert_int_equal(log_write(fixture->log, &write, 1, &fixture->error), STATUS_OK);
    fixture_check(fixture);
    fixture_reopen(fixture);
    assert_true(fixture->recovered.segments > 2);
    for (uint32_t i = 0; i < COUNT; i++) {
        entry_release(entries[i]);
    }
    free(entries);
    fixture_free(fixture);
}

static void cuts_across_segments(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 7);
    fixture_reopen(fixture);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fixture_append(fixture, 1, 2, 2500), STATUS_OK);
    }
    assert_int_equal(fixture_replace(fixture, 12, 2, 0, 0), STATUS_OK);
    assert_int_equal(fixture->model.last, 11);
    fixture_check(fixture);
    fixture_reopen(fixture);
    check_ends(fixture);
    assert_int_equal(fixture_replace(fixture, 3, 2, 10, 2000), STATUS_OK);
    assert_int_equal(fixture_replace(fixture, 1, 3, 1, 20), STATUS_OK);
    fixture_check(fixture);
    fixture_reopen(fixture);
    check_ends(fixture);
    assert_int_equal(fixture->recovered.run_count, 1);
    /* A cut behind the end is none. */
    assert_int_equal(fixture_replace(fixture, 2, 3, 2, 20), STATUS_OK);
    fixture_reopen(fixture);
    check_ends(fixture);
    fixture_free(fixture);
}

static void cuts_the_head(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 8);
    fixture_reopen(fixture);
    struct model *model = &fixture->model;
    for (uint64_t round = 0; round < 60; round++) {
        assert_int_equal(fixture_append(fixture, 1 + round / 10, 3, 2000), STATUS_OK);
        if (round % 5 == 4) {
            /* Keep a few; tails are cut too, never below what the head gave up. */
            assert_int_equal(log_cut_head(fixture->log, model->last - 4, &fixture->error),
                             STATUS_OK);
            uint64_t before = model->last;
            assert_int_equal(fixture_replace(fixture, before - 2, 1 + round / 10, 0, 0), STATUS_OK);
            fixture_close(fixture);
            assert_int_equal(fixture_open(fixture), STATUS_OK);
            assert_true(fixture->recovered.base_index <= before - 4);
            assert_true(fixture->recovered.segments <= 4);
            model->base = fixture->recovered.base_index;
            if (model->base > 0) {
                assert_int_equal(fixture->recovered.base_term,
                                 model->entries[model->base]->header.term);
            }
            fixture_check(fixture);
            check_ends(fixture);
        }
    }
    struct entry *entry = NULL;
    assert_true(model->base > 100);
    assert_int_equal(log_read(fixture->log, model->base, &entry, &fixture->error),
                     STATUS_NOT_FOUND);
    fixture_free(fixture);
}

/* The only segment left begins behind a tail that it cuts itself. */
static void cuts_below_the_first_header(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 9);
    fixture_reopen(fixture);
    /* Fills segment 1 exactly up to entry 9; the cut to 5 stands in segment 2. */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fixture_append(fixture, 1, 1, 2000), STATUS_OK);
    }
    assert_int_equal(fixture_replace(fixture, 6, 2, 1, 2000), STATUS_OK);
    assert_int_equal(log_cut_head(fixture->log, 5, &fixture->error), STATUS_OK);
    fixture->model.base = 5;
    fixture_reopen(fixture);
    check_ends(fixture);
    assert_int_equal(fixture->recovered.base_index, 5);
    assert_int_equal(fixture->recovered.base_term, 1);
    assert_int_equal(fixture->recovered.segments, 1);
    assert_int_equal(fixture_replace(fixture, 6, 3, 2, 10), STATUS_OK);
    fixture_reopen(fixture);
    fixture_free(fixture);
}

static void refuses_without_space(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 10);
    fixture_reopen(fixture);
    bool did = false;
    fixture->disk->space_bytes = SMALL + 100;
    assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_OK);
    enum status status = STATUS_OK;
    uint32_t written = 0;
    for (; status == STATUS_OK; written++) {
        status = fixture_append(fixture, 1, 2, 1500);
    }
    assert_int_equal(status, STATUS_NO_SPACE);
    assert_true(written > 2);
    fixture_check(fixture);
    assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_NO_SPACE);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 10, 1500), STATUS_NO_SPACE);
    fixture->disk->space_bytes = UINT64_MAX;
    assert_int_equal(fixture_append(fixture, 1, 10, 1500), STATUS_OK);
    fixture_reopen(fixture);
    fixture_free(fixture);
}

static void refuses_what_never_fits(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 11);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, SMALL), STATUS_TOO_LARGE);
    assert_int_equal(fixture_append(fixture, 1, 1, 100), STATUS_OK);
    fixture_reopen(fixture);
    fixture_free(fixture);
}

static void stops_after_a_failed_flush(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 12);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, 100), STATUS_OK);
    fixture->disk->fail_at = fixture->disk->operations + 3; /* bodies, slots, flush */
    assert_int_equal(fixture_append(fixture, 1, 1, 100), STATUS_IO);
    assert_int_equal(fixture_append(fixture, 1, 1, 100), STATUS_IO);
    fixture_free(fixture);
}

static void refuses_strangers(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 13);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, 100), STATUS_OK);
    fixture_close(fixture);
    struct superblock other = fixture->superblock;
    other.cluster++;
    assert_int_equal(
        log_open(&fixture->options, &other, &fixture->log, &fixture->recovered, &fixture->error),
        STATUS_WRONG_CLUSTER);
    other = fixture->superblock;
    other.incarnation++;
    assert_int_equal(
        log_open(&fixture->options, &other, &fixture->log, &fixture->recovered, &fixture->error),
        STATUS_WRONG_NODE);
    fixture_free(fixture);
}

/* The disk of `hooked`, which cuts the head and writes in the middle of a read. */
static struct fixture *hooked;
static struct disk_ops hooked_ops;
static const struct disk_ops *plain_ops;

static enum status read_after_cut(struct disk *disk, struct disk_file file, uint64_t offset,
                                  void *data, size_t size, struct error *error)
{
    struct fixture *fixture = hooked;
    hooked = NULL;
    if (fixture != NULL) {
        assert_int_equal(log_cut_head(fixture->log, fixture->model.last, error), STATUS_OK);
        for (int i = 0; i < 12; i++) {
            assert_int_equal(fixture_append(fixture, 1, 1, 3000), STATUS_OK);
        }
    }
    return plain_ops->read(disk, file, offset, data, size, error);
}

/* A segment that a reader uses is never written over. */
static void keeps_what_is_being_read(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 15);
    fixture_reopen(fixture);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(fixture_append(fixture, 1, 1, 3000), STATUS_OK);
    }
    plain_ops = fixture->disk->disk.ops;
    hooked_ops = *plain_ops;
    hooked_ops.read = read_after_cut;
    fixture->disk->disk.ops = &hooked_ops;
    hooked = fixture;
    struct entry *entry = NULL;
    assert_int_equal(log_read(fixture->log, 1, &entry, &fixture->error), STATUS_OK);
    assert_null(hooked);
    assert_memory_equal(&entry->header, &fixture->model.entries[1]->header,
                        entry_size(&entry->header));
    entry_release(entry);
    fixture_free(fixture);
}

/* Readers on their own threads while the writer appends, rolls, and cuts the head behind them. */
struct reader_job {
    struct fixture *fixture;
    uint64_t low;  /* atomic */
    uint64_t high; /* atomic */
    bool stop;     /* atomic */
    uint64_t reads;
    uint64_t failures;
};

static void *read_all(void *context)
{
    struct reader_job *job = context;
    struct random random;
    random_init(&random, 99);
    while (!__atomic_load_n(&job->stop, __ATOMIC_ACQUIRE)) {
        uint64_t high = __atomic_load_n(&job->high, __ATOMIC_ACQUIRE);
        uint64_t index = random_between(&random, high > 20 ? high - 20 : 1, high);
        struct entry *entry = NULL;
        struct error error;
        enum status status = log_read(job->fixture->log, index, &entry, &error);
        if (status == STATUS_OK) {
            job->failures += entry->header.index != index;
            entry_release(entry);
            job->reads++;
        } else {
            /* Only what was cut meanwhile may be missing. */
            job->failures += index > __atomic_load_n(&job->low, __ATOMIC_ACQUIRE);
        }
    }
    return NULL;
}

static void remove_each(void *context, const char *name)
{
    char path[DISK_PATH_MAX];
    struct error error;
    struct disk disk = disk_os();
    assert_int_equal(disk_join(path, context, name, &error), STATUS_OK);
    assert_int_equal(disk_remove(&disk, path, &error), STATUS_OK);
}

static void remove_folder(struct disk *disk, char *folder)
{
    char log[DISK_PATH_MAX];
    struct error error;
    assert_int_equal(disk_join(log, folder, "log", &error), STATUS_OK);
    assert_int_equal(disk_list(disk, log, remove_each, log, &error), STATUS_OK);
    assert_int_equal(disk_list(disk, folder, remove_each, folder, &error), STATUS_OK);
    assert_int_equal(disk_remove(disk, folder, &error), STATUS_OK);
}

static void reads_while_writing(void **state)
{
    (void)state;
    char folder[] = "/tmp/fenlu-log-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct disk disk = disk_os();
    struct fixture *fixture = fixture_new(SMALL, 14);
    struct error *error = &fixture->error;
    fixture->options.disk = &disk;
    fixture->options.folder = folder;
    assert_int_equal(log_open(&fixture->options, &fixture->superblock, &fixture->log,
                              &fixture->recovered, error),
                     STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 1, 300), STATUS_OK);
    struct reader_job job = { .fixture = fixture, .high = 1 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_all, &job), 0);
    for (uint64_t i = 0; i < 300; i++) {
        assert_int_equal(fixture_append(fixture, 1, 2, 700), STATUS_OK);
        __atomic_store_n(&job.high, fixture->model.last, __ATOMIC_RELEASE);
        if (i % 20 == 19) {
            uint64_t cut = fixture->model.last - 30;
            __atomic_store_n(&job.low, cut, __ATOMIC_RELEASE);
            assert_int_equal(log_cut_head(fixture->log, cut, error), STATUS_OK);
        }
    }
    __atomic_store_n(&job.stop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(job.failures, 0);
    fixture_free(fixture);
    remove_folder(&disk, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_empty),
        cmocka_unit_test(appends_and_reads),
        cmocka_unit_test(one_flush_a_group),
        cmocka_unit_test(cuts_inside_a_group),
        cmocka_unit_test(fills_many_segments),
        cmocka_unit_test(writes_large_groups),
        cmocka_unit_test(cuts_across_segments),
        cmocka_unit_test(cuts_the_head),
        cmocka_unit_test(cuts_below_the_first_header),
        cmocka_unit_test(refuses_without_space),
        cmocka_unit_test(refuses_what_never_fits),
        cmocka_unit_test(stops_after_a_failed_flush),
        cmocka_unit_test(refuses_strangers),
        cmocka_unit_test(keeps_what_is_being_read),
        cmocka_unit_test(reads_while_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
