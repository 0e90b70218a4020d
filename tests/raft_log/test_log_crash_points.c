/* A thousand operations of every kind, and a crash before every write and every flush of them, in
 * each of four ways: what was acknowledged is there, what was under way is there as a prefix or not
 * at all, and the log can be opened and goes on.
 *
 * FENLU_CRASH_SEEDS=N in the environment runs N workloads instead of one.
 */
#include "raft/log/segment.h"
#include "tests/raft_log/crash_disk.h"
#include "tests/raft_log/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENT = 8 * LOG_BLOCK_SIZE, OPERATIONS = 1000, GROUP_MAX = 5, KEPT = 24, EXTRA = 16 };

/* What an operation asked for; it may be there after a crash or not. */
struct pending {
    uint64_t truncate_from;
    struct entry *entries[GROUP_MAX];
    uint32_t count;
    bool hard_state;
    uint64_t term;
    uint32_t voted_for;
    bool reset;
    struct log_point base; /* of the reset */
    uint64_t damaged;      /* an entry that a repair is at */
};

struct workload {
    struct fixture *fixture;
    struct crash_disk *crash;
    struct pending pending;
    uint64_t term; /* reported durable */
    uint32_t voted_for;
    struct log_point base; /* what the model begins behind; the log may still hold more */
    uint64_t boundaries;
    uint64_t opened;
    uint64_t damaged;
    uint64_t resets;
};

/* The log of a crashed disk. */
struct crashed {
    struct superblock superblock;
    struct log *log;
    struct log_recovered recovered;
    struct error error;
};

static void must(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), error->text);
    }
}

static uint64_t chain_of(const struct workload *workload, uint64_t index)
{
    return index == workload->base.index ? workload->base.chain
                                         : workload->fixture->model.entries[index]->header.chain;
}

/* The entry that must stand there when the log goes to `last`; `pending`: that much of what was
 * under way has happened. */
static const struct entry *expected(const struct workload *workload, uint64_t index, bool pending)
{
    const struct pending *under_way = &workload->pending;
    uint64_t first = under_way->truncate_from != 0 ? under_way->truncate_from
                                                   : workload->fixture->model.last + 1;
    if (pending && index >= first) {
        return index - first < under_way->count ? under_way->entries[index - first] : NULL;
    }
    return index <= workload->fixture->model.last ? workload->fixture->model.entries[index] : NULL;
}

static uint64_t expected_chain(const struct workload *workload, uint64_t index, bool pending)
{
    if (index == workload->base.index) {
        return workload->base.chain;
    }
    const struct entry *entry = expected(workload, index, pending);
    assert_non_null(entry);
    return entry->header.chain;
}

static void check_entries(const struct workload *workload, struct crashed *crashed, bool pending)
{
    for (uint64_t index = workload->base.index + 1; index <= crashed->recovered.last_index;
         index++) {
        const struct entry *sound = expected(workload, index, pending);
        assert_non_null(sound);
        struct entry *entry = NULL;
        must(log_read(crashed->log, index, &entry, &crashed->error), &crashed->error);
        assert_memory_equal(&entry->header, &sound->header, entry_size(&sound->header));
        entry_release(entry);
    }
}

/* What a repair was at is damaged or repaired, and can be repaired now. */
static void check_damage(const struct workload *workload, struct crashed *crashed)
{
    const struct log_recovered *recovered = &crashed->recovered;
    assert_int_equal(recovered->lost_index, 0);
    assert_true(recovered->damaged_count <= (workload->pending.damaged != 0));
    if (recovered->damaged_count > 0) {
        assert_int_equal(recovered->damaged[0], workload->pending.damaged);
        const struct entry *sound = workload->fixture->model.entries[recovered->damaged[0]];
        must(log_repair(crashed->log, sound, &crashed->error), &crashed->error);
    }
}

static void check_superblock(const struct workload *workload, const struct superblock *superblock)
{
    const struct pending *pending = &workload->pending;
    if (superblock->term != workload->term || superblock->voted_for != workload->voted_for) {
        assert_true(pending->hard_state);
        assert_int_equal(superblock->term, pending->term);
        assert_int_equal(superblock->voted_for, pending->voted_for);
    }
}

/* All of what was acknowledged, or the same with the cut and a prefix of what was under way. */
static void check_log(const struct workload *workload, struct crashed *crashed)
{
    const struct log_recovered *recovered = &crashed->recovered;
    const struct model *model = &workload->fixture->model;
    uint64_t first = workload->pending.truncate_from;
    bool unchanged = recovered->last_index == model->last &&
                     recovered->last_chain == chain_of(workload, model->last);
    if (!unchanged) {
        assert_true(recovered->last_index + 1 >= (first != 0 ? first : model->last + 1));
        assert_int_equal(recovered->last_chain,
                         expected_chain(workload, recovered->last_index, true));
    }
    assert_true(recovered->base_index <= workload->base.index);
    check_damage(workload, crashed);
    check_entries(workload, crashed, !unchanged);
}

/* One more entry goes in, and stays. */
static void check_goes_on(const struct workload *workload, struct sim_disk *disk,
                          struct crashed *crashed, struct log_options *options)
{
    struct fixture *fixture = workload->fixture;
    struct entry previous = { 0 };
    previous.header.chain = crashed->recovered.last_chain;
    previous.header.timestamp = crashed->recovered.last_timestamp;
    struct entry *entry = fixture_entry(fixture, &previous, crashed->recovered.last_index + 1,
                                        crashed->superblock.term + 1, 700);
    struct log_write write = { .hard_state = true,
                               .term = crashed->superblock.term + 1,
                               .entries = &entry,
                               .entry_count = 1 };
    must(log_write(crashed->log, &write, 1, &crashed->error), &crashed->error);
    log_close(crashed->log);
    sim_disk_crash(disk, SIM_CRASH_LOST, &fixture->random);
    must(log_open(options, &crashed->superblock, &crashed->log, &crashed->recovered,
                  &crashed->error),
         &crashed->error);
    assert_int_equal(crashed->recovered.last_chain, entry->header.chain);
    assert_int_equal(crashed->recovered.damaged_count, 0);
    assert_int_equal(crashed->recovered.torn_entries, 0);
    entry_release(entry);
}

static void check_crashed(struct workload *workload, struct sim_disk *disk)
{
    static struct crashed crashed;
    struct log_options options = { &disk->disk, "d", SEGMENT };
    uint32_t repaired = 0;
    must(superblock_load(&disk->disk, "d", &crashed.superblock, &repaired, &crashed.error),
         &crashed.error);
    check_superblock(workload, &crashed.superblock);
    bool reset = crashed.superblock.installing;
    if (reset) {
        assert_true(workload->pending.reset);
        must(log_reset(&options, &crashed.superblock, &workload->pending.base, &crashed.error),
             &crashed.error);
    }
    must(log_open(&options, &crashed.superblock, &crashed.log, &crashed.recovered, &crashed.error),
         &crashed.error);
    if (reset) {
        assert_int_equal(crashed.recovered.base_index, workload->pending.base.index);
        assert_int_equal(crashed.recovered.base_term, workload->pending.base.term);
        assert_int_equal(crashed.recovered.base_timestamp, workload->pending.base.timestamp);
        assert_int_equal(crashed.recovered.base_chain, workload->pending.base.chain);
        assert_int_equal(crashed.recovered.last_index, workload->pending.base.index);
    } else {
        check_log(workload, &crashed);
    }
    if (workload->opened++ % EXTRA == 0) {
        check_goes_on(workload, disk, &crashed, &options);
    }
    log_close(crashed.log);
}

static void boundary(void *context)
{
    struct workload *workload = context;
    workload->boundaries++;
    for (int kind = 0; kind < CRASHED_KINDS; kind++) {
        struct sim_disk *disk =
            crash_disk_copy(workload->crash, (enum crash_kind)kind, &workload->fixture->random);
        check_crashed(workload, disk);
        sim_disk_free(disk);
    }
}

static void clear(struct pending *pending)
{
    release_entries(pending->entries, pending->count);
    memset(pending, 0, sizeof *pending);
}

static void plan_entries(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct random *random = &fixture->random;
    struct pending *pending = &workload->pending;
    uint64_t first = fixture->model.last + 1;
    if (random_chance(random, 1, 6) && fixture->model.last > workload->base.index + 1) {
        uint64_t span = fixture->model.last - workload->base.index - 1;
        first = fixture->model.last - random_below(random, span < 8 ? span : 8);
        pending->truncate_from = first;
    }
    pending->count = (uint32_t)random_between(random, pending->truncate_from == 0, GROUP_MAX);
    struct entry base = { 0 };
    base.header.chain = workload->base.chain;
    base.header.timestamp = workload->base.timestamp;
    const struct entry *previous =
        first == workload->base.index + 1 ? &base : fixture->model.entries[first - 1];
    for (uint32_t i = 0; i < pending->count; i++) {
        uint32_t size = (uint32_t)random_below(random, random_chance(random, 1, 4) ? 4000 : 150);
        pending->entries[i] = fixture_entry(fixture, previous, first + i, pending->term, size);
        previous = pending->entries[i];
    }
}

static void do_write(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct pending *pending = &workload->pending;
    pending->term = workload->term;
    pending->voted_for = workload->voted_for;
    pending->hard_state = workload->term == 0 || random_chance(&fixture->random, 1, 8);
    if (pending->hard_state) {
        pending->term++;
        pending->voted_for = (uint32_t)random_between(&fixture->random, 0, 2);
    }
    if (!pending->hard_state || random_chance(&fixture->random, 1, 2)) {
        plan_entries(workload);
    }
    struct log_write write = { .hard_state = pending->hard_state,
                               .term = pending->term,
                               .voted_for = pending->voted_for,
                               .truncate_from = pending->truncate_from,
                               .entries = pending->entries,
                               .entry_count = pending->count };
    must(log_write(fixture->log, &write, 1, &fixture->error), &fixture->error);
    workload->term = pending->term;
    workload->voted_for = pending->voted_for;
    if (pending->truncate_from != 0) {
        model_cut(&fixture->model, pending->truncate_from);
    }
    for (uint32_t i = 0; i < pending->count; i++) {
        model_push(&fixture->model, pending->entries[i]);
    }
    clear(pending);
}

static struct log_point point_of(const struct workload *workload, uint64_t index)
{
    const struct entry_header *header = &workload->fixture->model.entries[index]->header;
    return index == workload->base.index
               ? workload->base
               : (struct log_point){ index, header->term, header->timestamp, header->chain };
}

static void cut_head(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    if (fixture->model.last > workload->base.index + KEPT) {
        workload->base = point_of(workload, fixture->model.last - KEPT);
    }
    must(log_cut_head(fixture->log, workload->base.index, &fixture->error), &fixture->error);
}

/* A snapshot of somewhere ahead, or of what the log holds, takes the log's place. */
static void reset(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct random *random = &fixture->random;
    struct pending *pending = &workload->pending;
    uint64_t index = fixture->model.last + random_below(random, 3);
    pending->base = (struct log_point){ index, workload->term, fixture->recovered.last_timestamp,
                                        random_u64(random) };
    pending->reset = true;
    fixture->superblock.installing = true;
    must(superblock_store(&fixture->disk->disk, "d", &fixture->superblock, &fixture->error),
         &fixture->error);
    fixture_close(fixture);
    must(log_reset(&fixture->options, &fixture->superblock, &pending->base, &fixture->error),
         &fixture->error);
    must(log_open(&fixture->options, &fixture->superblock, &fixture->log, &fixture->recovered,
                  &fixture->error),
         &fixture->error);
    model_cut(&fixture->model, workload->base.index + 1);
    workload->base = pending->base;
    fixture->model.base = index;
    fixture->model.last = index;
    fixture->superblock.installing = false;
    must(superblock_store(&fixture->disk->disk, "d", &fixture->superblock, &fixture->error),
         &fixture->error);
    clear(pending);
    workload->resets++;
}

/* Turns bits on the medium. */
static void rot(struct sim_disk *disk, const char *path, uint64_t offset)
{
    struct sim_bytes *bytes = sim_disk_bytes(disk, path);
    assert_true(bytes != NULL && offset < bytes->size);
    sim_disk_flip(disk, path, offset);
}

/* Where the entry lies: its slot is the last sound one with its chain. */
static bool find_entry(struct workload *workload, const struct entry *entry, char path[64],
                       struct segment_slot *slot, uint32_t *number)
{
    struct fixture *fixture = workload->fixture;
    for (uint64_t sequence = 1; sequence < 4096; sequence++) {
        (void)snprintf(path, 64, "d/log/%016llx.segment", (unsigned long long)sequence);
        const struct sim_bytes *bytes = sim_disk_bytes(fixture->disk, path);
        uint32_t seed = segment_seed(fixture->superblock.incarnation, sequence);
        for (*number = 0; bytes != NULL && *number < segment_slot_count(SEGMENT); (*number)++) {
            memcpy(slot, bytes->data + segment_slot_offset(*number), sizeof *slot);
            if (segment_slot_check(slot, seed, *number, SEGMENT) && slot->kind == SLOT_ENTRY &&
                slot->chain == entry->header.chain) {
                return true;
            }
        }
    }
    return false;
}

/* Damages an entry that is not the last: its body, and perhaps slot and header. */
static void repair(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    struct random *random = &fixture->random;
    struct segment_slot slot = { 0 };
    char path[64];
    uint32_t number = 0;
    if (fixture->model.last < workload->base.index + 3) {
        return;
    }
    uint64_t index = random_between(random, workload->base.index + 2, fixture->model.last - 1);
    const struct entry *entry = fixture->model.entries[index];
    const struct entry *behind = fixture->model.entries[index + 1];
    const struct entry *before = fixture->model.entries[index - 1];
    bool known = before->header.term == behind->header.term;
    /* Damage to a group whose mark is not durable yet looks like a torn write (segment.h). */
    crash_disk_settle(workload->crash);
    assert_true(find_entry(workload, entry, path, &slot, &number));
    uint64_t what = random_below(random, known ? 4 : 3);
    if (slot.body_size > 0 && what != 2) {
        rot(fixture->disk, path,
            slot.offset + RAFT_ENTRY_HEADER_SIZE + random_below(random, slot.body_size));
    }
    if (what == 1 || what == 3) {
        rot(fixture->disk, path, slot.offset + random_below(random, RAFT_ENTRY_HEADER_SIZE));
    }
    if (what == 2 || what == 3) {
        rot(fixture->disk, path, segment_slot_offset(number) + random_below(random, 60));
    }
    workload->pending.damaged = index;
    if (what == 3) {
        /* Its identity is gone only for who opens the log anew. */
        fixture_close(fixture);
        must(log_open(&fixture->options, &fixture->superblock, &fixture->log, &fixture->recovered,
                      &fixture->error),
             &fixture->error);
        assert_int_equal(fixture->recovered.damaged_count, 1);
    }
    must(log_repair(fixture->log, entry, &fixture->error), &fixture->error);
    clear(&workload->pending);
    workload->damaged++;
}

static void do_operation(struct workload *workload)
{
    struct fixture *fixture = workload->fixture;
    uint64_t choice = random_below(&fixture->random, 100);
    bool did = false;
    if (choice < 8) {
        cut_head(workload);
    } else if (choice < 14) {
        must(log_prepare(fixture->log, &did, &fixture->error), &fixture->error);
    } else if (choice < 16) {
        reset(workload);
    } else if (choice < 22) {
        repair(workload);
    } else {
        do_write(workload);
    }
}

static void run(uint64_t seed)
{
    struct fixture *fixture = fixture_new(SEGMENT, seed);
    struct workload workload = { .fixture = fixture };
    must(fixture_open(fixture), &fixture->error);
    workload.crash = crash_disk_wrap(fixture->disk, boundary, &workload);
    fixture->options.disk = &fixture->disk->disk;
    for (int i = 0; i < OPERATIONS; i++) {
        do_operation(&workload);
    }
    crash_disk_free(workload.crash);
    printf("seed %llu: %llu crashes at %llu points, %llu repairs, %llu resets\n",
           (unsigned long long)seed, (unsigned long long)workload.opened,
           (unsigned long long)workload.boundaries, (unsigned long long)workload.damaged,
           (unsigned long long)workload.resets);
    assert_true(workload.boundaries > 4 * OPERATIONS);
    model_cut(&fixture->model, workload.base.index + 1);
    fixture->model.last = 0;
    fixture_free(fixture);
}

static void crashes_everywhere(void **state)
{
    (void)state;
    const char *seeds = getenv("FENLU_CRASH_SEEDS");
    long count = seeds == NULL ? 1 : strtol(seeds, NULL, 10);
    for (long seed = 1; seed <= count; seed++) {
        run((uint64_t)seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
