/* The scrubber finds what is damaged and keeps to its rate. */
#include "base/assert.h"
#include "base/clock.h"
#include "ledger/node/scrub.h"
#include "sim/sim_disk.h"
#include "tests/ledger_store/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES = 60, BODY_SIZE = 3000, RATE = 1024 * 1024, STEPS_MAX = 400 };

struct data {
    struct sim_disk *disk;
    struct superblock superblock;
    struct log *log;
    struct books books;
    struct scrub scrub;
    uint64_t now_ns;
    struct error error;
};

static void ok(struct data *data, enum status status)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), data->error.text);
    }
}

static void write_log(struct data *data)
{
    struct entry *entries[ENTRIES];
    uint64_t chain = 0;
    for (uint64_t i = 0; i < ENTRIES; i++) {
        entries[i] = entry_new(BODY_SIZE);
        memset(&entries[i]->header, 0, sizeof entries[i]->header);
        memset(entries[i]->body, (int)(i + 1), BODY_SIZE);
        entries[i]->header.index = i + 1;
        entries[i]->header.term = 1;
        entries[i]->header.timestamp = i + 1;
        entries[i]->header.kind = ENTRY_COMMANDS;
        entries[i]->header.body_size = BODY_SIZE;
        entry_seal(entries[i], chain);
        chain = entries[i]->header.chain;
    }
    struct log_write write = {
        .sequence = 1, .term = 1, .entries = entries, .entry_count = ENTRIES, .hard_state = true
    };
    ok(data, log_write(data->log, &write, 1, &data->error));
    for (uint64_t i = 0; i < ENTRIES; i++) {
        entry_release(entries[i]);
    }
}

static struct data *data_new(void)
{
    struct data *data = calloc(1, sizeof *data);
    struct log_recovered *recovered = malloc(sizeof *recovered);
    ASSERT(data != NULL && recovered != NULL);
    data->now_ns = 5 * NS_PER_S;
    data->disk = sim_disk_new();
    data->superblock = (struct superblock){ .sequence = 1,
                                            .cluster = 1,
                                            .node = 1,
                                            .incarnation = 1,
                                            .member_count = 1,
                                            .members = { { .id = 1, .address = "x:1" } } };
    ok(data, superblock_create(&data->disk->disk, "d", &data->superblock, &data->error));
    struct log_options options = { .disk = &data->disk->disk,
                                   .folder = "d",
                                   .segment_size = 128 * 1024 };
    ok(data, log_open(&options, &data->superblock, &data->log, recovered, &data->error));
    free(recovered);
    write_log(data);
    struct kv *kv = NULL;
    ok(data, kv_file_open(&data->disk->disk, "d/db", &kv, &data->error));
    books_open(&data->books, 3, 100, kv);
    while (data->books.entry < 60) {
        if (!books_apply(&data->books)) {
            ok(data, books_seal(&data->books, &data->error));
        }
    }
    ok(data, books_seal(&data->books, &data->error));
    scrub_init(&data->scrub, data->log, data->books.store, RATE, data->now_ns);
    return data;
}

static void data_free(struct data *data)
{
    store_close(data->books.store);
    log_close(data->log);
    sim_disk_free(data->disk);
    free(data);
}

/* Steps, each when it is due, until something is found or a round is over. */
static struct scrub_report run(struct data *data, uint64_t last_index)
{
    struct scrub_report report = { .finding = SCRUB_SOUND };
    uint64_t rounds = data->scrub.rounds;
    for (unsigned i = 0; i < STEPS_MAX && data->scrub.rounds == rounds; i++) {
        uint64_t due_ns = scrub_due_ns(&data->scrub);
        data->now_ns = due_ns > data->now_ns ? due_ns : data->now_ns;
        ok(data, scrub_step(&data->scrub, 1, last_index, data->now_ns, &report, &data->error));
        if (report.finding != SCRUB_SOUND) {
            return report;
        }
    }
    assert_int_equal(data->scrub.rounds, rounds + 1);
    return report;
}

/* The largest file whose name begins so and that holds the pattern (NULL: any). */
static uint8_t *find(struct data *data, const char *folder, const uint8_t *pattern, size_t size)
{
    uint8_t *found = NULL;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < data->disk->name_count; i++) {
        const char *path = data->disk->names[i].path;
        struct sim_bytes *bytes = sim_disk_bytes(data->disk, path);
        if (bytes == NULL || strncmp(path, folder, strlen(folder)) != 0 || bytes->size < size ||
            bytes->size <= largest) {
            continue;
        }
        uint8_t *at = pattern != NULL ? memmem(bytes->data, bytes->size, pattern, size)
                                      : bytes->data + bytes->size / 2;
        if (at != NULL) {
            found = at;
            largest = bytes->size;
        }
    }
    return found;
}

/* Flips a bit of what the disk holds, behind the process's back. */
static void damage(struct data *data, const char *folder, const uint8_t *pattern, size_t size)
{
    uint8_t *at = find(data, folder, pattern, size);
    assert_non_null(at);
    at[size / 2] ^= 1;
}

/* Makes the sector unreadable in which that byte of a file lies, as a disk's EIO. */
static void lose_sector(struct data *data, const uint8_t *byte)
{
    for (uint32_t i = 0; i < SIM_DISK_FILES_MAX; i++) {
        struct sim_file *file = &data->disk->files[i];
        if (file->used && !file->folder && byte >= file->seen.data &&
            byte < file->seen.data + file->seen.size) {
            const uint64_t at = (uint64_t)(byte - file->seen.data);
            file->dirty[at / SIM_DISK_SECTOR] |= SIM_SECTOR_UNREADABLE;
            return;
        }
    }
    fail_msg("no file holds it");
}

static void damage_entry(struct data *data, uint8_t index)
{
    uint8_t body[BODY_SIZE];
    memset(body, index, sizeof body);
    damage(data, "d/log/", body, sizeof body);
}

static void sound_data_is_sound(void **state)
{
    (void)state;
    struct data *data = data_new();
    uint64_t start_ns = data->now_ns;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(run(data, ENTRIES).finding, SCRUB_SOUND);
    }
    assert_int_equal(data->scrub.rounds, 3);
    assert_true(data->scrub.bytes >= UINT64_C(3) * ENTRIES * BODY_SIZE);
    uint64_t least_ns = (data->scrub.bytes - SCRUB_PIECE_BYTES) * NS_PER_S / RATE;
    assert_true(data->now_ns - start_ns + NS_PER_S / 4 >= least_ns);
    data_free(data);
}

static void nothing_is_read_before_it_is_due(void **state)
{
    (void)state;
    struct data *data = data_new();
    struct scrub_report report;
    ok(data, scrub_step(&data->scrub, 1, ENTRIES, data->now_ns, &report, &data->error));
    uint64_t bytes = data->scrub.bytes;
    while (data->now_ns + NS_PER_MS < scrub_due_ns(&data->scrub)) {
        data->now_ns += NS_PER_MS;
        ok(data, scrub_step(&data->scrub, 1, ENTRIES, data->now_ns, &report, &data->error));
        assert_int_equal(data->scrub.bytes, bytes);
    }
    data_free(data);
}

static void a_damaged_entry_is_reported_once_a_round(void **state)
{
    (void)state;
    static const uint8_t INDEXES[] = { 1, 37, ENTRIES };
    for (size_t i = 0; i < sizeof INDEXES; i++) {
        struct data *data = data_new();
        damage_entry(data, INDEXES[i]);
        for (unsigned round = 0; round < 2; round++) {
            struct scrub_report report = run(data, ENTRIES);
            assert_int_equal(report.finding, SCRUB_LOG_DAMAGED);
            assert_int_equal(report.index, INDEXES[i]);
            assert_int_equal(run(data, ENTRIES).finding, SCRUB_SOUND);
        }
        data_free(data);
    }
}

static void several_damaged_entries_are_all_reported(void **state)
{
    (void)state;
    struct data *data = data_new();
    static const uint8_t INDEXES[] = { 3, 4, 50 };
    for (size_t i = 0; i < sizeof INDEXES; i++) {
        damage_entry(data, INDEXES[i]);
    }
    for (size_t i = 0; i < sizeof INDEXES; i++) {
        assert_int_equal(run(data, ENTRIES).index, INDEXES[i]);
    }
    assert_int_equal(run(data, ENTRIES).finding, SCRUB_SOUND);
    data_free(data);
}

/* What is not durable yet may look like anything. */
static void what_is_being_written_is_left_alone(void **state)
{
    (void)state;
    struct data *data = data_new();
    damage_entry(data, 41);
    assert_int_equal(run(data, 40).finding, SCRUB_SOUND);
    assert_int_equal(run(data, 0).finding, SCRUB_SOUND);
    assert_int_equal(run(data, 41).index, 41);
    data_free(data);
}

static void a_damaged_store_is_reported(void **state)
{
    (void)state;
    struct data *data = data_new();
    damage(data, "d/db/", NULL, 64);
    assert_int_equal(run(data, ENTRIES).finding, SCRUB_STORE_DAMAGED);
    assert_int_equal(data->error.status, STATUS_CORRUPT);
    data_free(data);
}

static void an_unreadable_sector_of_the_log_is_reported(void **state)
{
    (void)state;
    struct data *data = data_new();
    uint8_t body[BODY_SIZE];
    memset(body, 37, sizeof body);
    lose_sector(data, find(data, "d/log/", body, sizeof body) + BODY_SIZE / 2);
    const struct scrub_report report = run(data, ENTRIES);
    assert_int_equal(report.finding, SCRUB_LOG_DAMAGED);
    assert_int_equal(report.index, 37);
    data_free(data);
}

/* It is damage to be replaced, and not a failure that ends the process again and again. */
static void an_unreadable_sector_of_the_store_is_reported(void **state)
{
    (void)state;
    struct data *data = data_new();
    lose_sector(data, find(data, "d/db/", NULL, 64));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(run(data, ENTRIES).finding, SCRUB_STORE_DAMAGED);
        assert_int_equal(data->error.status, STATUS_CORRUPT);
    }
    data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_data_is_sound),
        cmocka_unit_test(nothing_is_read_before_it_is_due),
        cmocka_unit_test(a_damaged_entry_is_reported_once_a_round),
        cmocka_unit_test(several_damaged_entries_are_all_reported),
        cmocka_unit_test(what_is_being_written_is_left_alone),
        cmocka_unit_test(a_damaged_store_is_reported),
        cmocka_unit_test(an_unreadable_sector_of_the_log_is_reported),
        cmocka_unit_test(an_unreadable_sector_of_the_store_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
