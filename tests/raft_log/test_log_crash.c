/* Power fails, or the process dies, at every operation of a workload: what was reported durable is
 * there after the next open, what was under way is there as a prefix or not at all, and the log
 * goes on from where it is. */
#include "tests/raft_log/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 32 * 1024, STEPS = 56, GROUP_MAX = 6, MODES = 4, MODE_KILL = 3 };

/* What a step asked for; it may be there after a crash or not. */
struct pending {
    uint64_t truncate_from;
    struct entry *entries[GROUP_MAX];
    uint32_t count;
    bool hard_state;
    uint64_t term;
    uint32_t voted_for;
};

struct workload {
    struct fixture *fixture;
    struct pending pending;
    uint64_t term; /* reported durable */
    uint32_t voted_for;
    uint64_t head; /* cut up to here at most */
};

static void clear(struct pending *pending)
{
    release_entries(pending->entries, pending->count);
    memset(pending, 0, sizeof *pending);
}

static void plan_write(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct random *random = &fixture->random;
    struct model *model = &fixture->model;
    struct pending *pending = &workload->pending;
    pending->term = workload->term;
    pending->voted_for = workload->voted_for;
    uint64_t first = model->last + 1;
    if (workload->term == 0 || random_chance(random, 1, 4)) {
        pending->hard_state = true;
        pending->term++;
        pending->voted_for = (uint32_t)random_between(random, 1, 2);
    }
    if (random_chance(random, 1, 4) && model->last > workload->head + 1) {
        uint64_t low = workload->head + 1;
        first = random_between(random, model->last - low > 12 ? model->last - 12 : low + 1,
                               model->last);
        pending->truncate_from = first;
    }
    pending->count = (uint32_t)random_between(random, pending->hard_state ? 0 : 1, GROUP_MAX);
    const struct entry *previous = first == 1 ? NULL : model->entries[first - 1];
    for (uint32_t i = 0; i < pending->count; i++) {
        uint32_t size = (uint32_t)random_below(random, random_chance(random, 1, 3) ? 4000 : 200);
        pending->entries[i] = fixture_entry(fixture, previous, first + i, pending->term, size);
        previous = pending->entries[i];
    }
}

static enum status do_write(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct pending *pending = &workload->pending;
    struct error error;
    plan_write(workload);
    struct log_write write = { .hard_state = pending->hard_state,
                               .term = pending->term,
                               .voted_for = pending->voted_for,
                               .truncate_from = pending->truncate_from,
                               .entries = pending->entries,
                               .entry_count = pending->count };
    TRY(log_write(fixture->log, &write, 1, &error));
    workload->term = pending->term;
    workload->voted_for = pending->voted_for;
    if (pending->truncate_from != 0) {
        model_cut(&fixture->model, pending->truncate_from);
    }
    for (uint32_t i = 0; i < pending->count; i++) {
        model_push(&fixture->model, pending->entries[i]);
    }
    clear(pending);
    return STATUS_OK;
}

static enum status do_step(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct error error;
    bool did = false;
    switch (random_below(&fixture->random, 10)) {
    case 0:
        return log_prepare(fixture->log, &did, &error);
    case 1:
        if (fixture->model.last > workload->head + 6) {
            workload->head = fixture->model.last - 6;
        }
        return log_cut_head(fixture->log, workload->head, &error);
    default:
        return do_write(workload);
    }
}

/* Runs until the machine stops or the steps are done. */
static void run(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    if (fixture_open(fixture) != STATUS_OK) {
        assert_true(fixture->disk->stopped);
        return;
    }
    for (int i = 0; i < STEPS; i++) {
        if (do_step(workload) != STATUS_OK) {
            assert_true(fixture->disk->stopped);
            return;
        }
    }
}

/* Enters in the model what recovery kept of the step under way. */
static void accept_pending(struct workload *workload)
{
    struct model *model = &workload->fixture->model;
    const struct pending *pending = &workload->pending;
    const struct log_recovered *recovered = &workload->fixture->recovered;
    uint64_t chain = model->last == 0 ? 0 : model_last(model)->header.chain;
    if (recovered->last_index == model->last && recovered->last_chain == chain) {
        return;
    }
    /* Something of it is there: then so is its cut, and a prefix of its entries. */
    if (pending->truncate_from != 0) {
        model_cut(model, pending->truncate_from);
    }
    for (uint32_t i = 0; i < pending->count && model->last < recovered->last_index; i++) {
        model_push(model, pending->entries[i]);
    }
}

static void check_recovered(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    const struct pending *pending = &workload->pending;
    const struct log_recovered *recovered = &fixture->recovered;
    struct model *model = &fixture->model;
    if (fixture->superblock.term != workload->term ||
        fixture->superblock.voted_for != workload->voted_for) {
        assert_true(pending->hard_state);
        assert_int_equal(fixture->superblock.term, pending->term);
        assert_int_equal(fixture->superblock.voted_for, pending->voted_for);
        workload->term = pending->term;
        workload->voted_for = pending->voted_for;
    }
    accept_pending(workload);
    assert_int_equal(recovered->last_index, model->last);
    assert_int_equal(recovered->last_chain, model->last == 0 ? 0 : model_last(model)->header.chain);
    assert_true(recovered->base_index <= workload->head);
    assert_int_equal(recovered->repaired, 0);
    for (uint32_t i = 0; i < recovered->run_count; i++) {
        assert_int_equal(model->entries[recovered->runs[i].first_index]->header.term,
                         recovered->runs[i].term);
    }
    model->base = recovered->base_index;
    fixture_check(fixture);
    /* Entries of a term that no superblock knows would let an old leader overwrite them. */
    assert_true(model->last == 0 || model_last(model)->header.term <= workload->term);
}

static void reopen_and_check(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    fixture_close(fixture);
    enum status status = fixture_open(fixture);
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), fixture->error.text);
    }
    check_recovered(workload);
    clear(&workload->pending);
}

static void fail_power(struct workload *workload, int mode)
{
    struct fixture *fixture = workload->fixture;
    struct sim_disk *disk = fixture->disk;
    fixture_close(fixture);
    if (mode == MODE_KILL) {
        sim_disk_kill(disk);
    } else {
        sim_disk_crash(disk, (enum sim_crash)mode, &fixture->random);
    }
}

/* Stops at one operation; false when the workload ended before. */
static bool scenario(uint64_t seed, uint64_t stop, int mode)
{
    struct fixture *fixture = fixture_new(SEGMENT, seed);
    struct workload workload = { .fixture = fixture };
    fixture->disk->stop_at = fixture->disk->operations + stop;
    run(&workload);
    bool stopped = fixture->disk->stopped;
    fail_power(&workload, mode);
    /* The recovery itself is interrupted too; and what it once reported stays. */
    fixture->disk->stop_at = fixture->disk->operations + random_between(&fixture->random, 1, 4);
    (void)!fixture_open(fixture);
    fail_power(&workload, mode == MODE_KILL ? MODE_KILL : SIM_CRASH_TORN);
    reopen_and_check(&workload);
    for (int round = 0; round < 3; round++) {
        /* With new entries on top of what was found, and when only power failed also without. */
        int steps = mode == MODE_KILL ? 8 : 4 * round;
        for (int i = 0; i < steps; i++) {
            assert_int_equal(do_step(&workload), STATUS_OK);
        }
        fail_power(&workload, SIM_CRASH_LOST);
        reopen_and_check(&workload);
        /* The first open wiped what it cut. */
        assert_int_equal(fixture->recovered.torn_entries, 0);
    }
    fixture_free(fixture);
    return stopped;
}

static void sweep(uint64_t seed, int mode)
{
    uint64_t stop = 1;
    while (scenario(seed, stop, mode)) {
        stop++;
    }
    assert_true(stop > 250);
}

static void loses_what_was_not_flushed(void **state)
{
    (void)state;
    sweep(1, SIM_CRASH_LOST);
}

static void tears_what_was_not_flushed(void **state)
{
    (void)state;
    for (uint64_t seed = 2; seed < 7; seed++) {
        sweep(seed, SIM_CRASH_TORN);
    }
}

static void keeps_what_was_not_flushed(void **state)
{
    (void)state;
    sweep(7, SIM_CRASH_KEPT);
}

/* The cache outlives the process: what the next one reports must not be lost later. */
static void outlives_the_process(void **state)
{
    (void)state;
    for (uint64_t seed = 8; seed < 11; seed++) {
        sweep(seed, MODE_KILL);
    }
}

/* A process dies before the name of a spare is durable; the next one uses the spare. */
static void settles_names(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SEGMENT, 12);
    bool did = false;
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 3, 3000), STATUS_OK);
    fixture->disk->stop_at = fixture->disk->operations + 4; /* create, allocate, sync, this */
    assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_IO);
    fixture_close(fixture);
    sim_disk_kill(fixture->disk);
    fixture_reopen(fixture);
    /* The one is there; the second is only made where the disk has room for it. */
    fixture->disk->space_bytes = 1024 * 1024;
    uint64_t operations = fixture->disk->operations;
    assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_OK);
    assert_false(did);
    assert_int_equal(fixture->disk->operations, operations);
    assert_int_equal(fixture_append(fixture, 1, 4, 3000), STATUS_OK);
    fixture_close(fixture);
    sim_disk_crash(fixture->disk, SIM_CRASH_LOST, &fixture->random);
    fixture_reopen(fixture);
    assert_int_equal(fixture->recovered.segments, 2);
    fixture_free(fixture);
}

/* One operation fails and the machine stays on: the log refuses everything after it. */
static void fails_one_operation(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        struct fixture *fixture = fixture_new(SEGMENT, 11);
        struct workload workload = { .fixture = fixture };
        uint64_t before = fixture->disk->operations;
        fixture->disk->fail_at = before + at;
        bool failed = fixture_open(fixture) != STATUS_OK;
        for (int i = 0; i < STEPS && !failed; i++) {
            failed = do_step(&workload) != STATUS_OK;
        }
        assert_int_equal(failed, fixture->disk->operations >= before + at);
        fail_power(&workload, SIM_CRASH_TORN);
        reopen_and_check(&workload);
        fixture_free(fixture);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loses_what_was_not_flushed),
        cmocka_unit_test(tears_what_was_not_flushed),
        cmocka_unit_test(keeps_what_was_not_flushed),
        cmocka_unit_test(outlives_the_process),
        cmocka_unit_test(settles_names),
        cmocka_unit_test(fails_one_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
