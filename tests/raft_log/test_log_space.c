/* Room that is promised is there; the head goes, the base stays known; an empty log in place of the
 * old one. */
#include "raft/log/segment.h"
#include "tests/raft_log/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SMALL = 32 * 1024 };

static void must(const struct fixture *fixture, enum status status)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), fixture->error.text);
    }
}

static void prepare_all(struct fixture *fixture)
{
    bool did = true;
    while (did) {
        must(fixture, log_prepare(fixture->log, &did, &fixture->error));
    }
}

/* Sizes of entries, at most a quarter of a segment. */
static uint32_t body_size(struct fixture *fixture, uint32_t shape)
{
    static const uint32_t LIMITS[] = { 1, 64, 600, 3900 };
    uint32_t limit = LIMITS[shape % 4];
    return limit == 1 ? 0 : (uint32_t)random_below(&fixture->random, limit);
}

/* Whatever the sizes, what log_room promises is written although nothing can be allocated. */
static void room_is_there(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        struct fixture *fixture = fixture_new(SMALL, 100 + round);
        fixture_reopen(fixture);
        prepare_all(fixture);
        uint64_t first_room = log_room(fixture->log);
        assert_true(first_room > SMALL / 2);
        fixture->disk->space_bytes = 0;
        for (uint32_t i = 0;; i++) {
            uint32_t size = body_size(fixture, round < 40 ? round : i);
            uint64_t room = log_room(fixture->log);
            if (log_cost(size) > room) {
                assert_true(room < log_cost(3900));
                break;
            }
            must(fixture, fixture_append(fixture, 1, 1, size));
            assert_true(log_room(fixture->log) <= room);
        }
        assert_true(fixture->model.last > 3);
        /* What is kept back takes cuts and the first entry of a term, and hard state always goes.
         */
        must(fixture, fixture_replace(fixture, fixture->model.last, 2, 1, 0));
        for (uint64_t term = 3; term < 20; term++) {
            struct log_write vote = { .hard_state = true, .term = term, .voted_for = 1 };
            must(fixture, log_write(fixture->log, &vote, 1, &fixture->error));
        }
        fixture_reopen(fixture);
        fixture_free(fixture);
    }
}

/* A group of several entries counts the same. */
static void room_counts_groups(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 12; count++) {
        struct fixture *fixture = fixture_new(SMALL, 200 + count);
        fixture_reopen(fixture);
        prepare_all(fixture);
        fixture->disk->space_bytes = 0;
        while (count * log_cost(500) <= log_room(fixture->log)) {
            must(fixture, fixture_append(fixture, 1, count, 500));
        }
        fixture_reopen(fixture);
        fixture_free(fixture);
    }
}

/* So many small entries that the slots run out, not the bytes. */
static void room_counts_slots(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    struct fixture *fixture = fixture_new(512 * 1024, 300);
    fixture_reopen(fixture);
    prepare_all(fixture);
    fixture->disk->space_bytes = 0;
    while (COUNT * log_cost(0) <= log_room(fixture->log)) {
        must(fixture, fixture_append(fixture, 1, COUNT, 0));
    }
    assert_true(fixture->model.last > COUNT);
    fixture_free(fixture);
}

/* Entries that leave as much as possible unused at the end of each segment. */
static void room_counts_what_does_not_fit(void **state)
{
    (void)state;
    for (uint32_t blocks = 96; blocks < 116; blocks += 9) {
        uint32_t size = blocks * LOG_BLOCK_SIZE;
        uint32_t quarter = (segment_entries_end(size) - segment_entries_offset(size)) / 4;
        for (uint32_t body = 10 * LOG_BLOCK_SIZE; body < quarter - 64; body += 1000) {
            struct fixture *fixture = fixture_new(size, 300 + blocks);
            fixture_reopen(fixture);
            prepare_all(fixture);
            fixture->disk->space_bytes = 0;
            /* All at once: the room is not counted again in between. */
            uint32_t count = (uint32_t)(log_room(fixture->log) / log_cost(body));
            assert_true(count > 3);
            must(fixture, fixture_append(fixture, 1, count, body));
            fixture_free(fixture);
        }
    }
}

static void prepares_what_the_disk_has(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 5);
    bool did = false;
    fixture_reopen(fixture);
    must(fixture, fixture_append(fixture, 1, 1, 100));
    uint64_t none = log_room(fixture->log);
    /* One always, a second where there is plenty. */
    fixture->disk->space_bytes = 2 * SMALL;
    must(fixture, log_prepare(fixture->log, &did, &fixture->error));
    assert_true(did);
    uint64_t one = log_room(fixture->log);
    assert_true(one >= none + SMALL / 4);
    must(fixture, log_prepare(fixture->log, &did, &fixture->error));
    assert_false(did);
    fixture->disk->space_bytes = UINT64_MAX;
    must(fixture, log_prepare(fixture->log, &did, &fixture->error));
    assert_true(did && log_room(fixture->log) > one);
    must(fixture, log_prepare(fixture->log, &did, &fixture->error));
    assert_false(did);
    /* Opened again, it counts the same. */
    uint64_t two = log_room(fixture->log);
    fixture_reopen(fixture);
    assert_int_equal(log_room(fixture->log), two);
    fixture_free(fixture);
}

/* The disk is full: no spare, and the log as it was. */
static void a_full_disk_is_a_note(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 6);
    bool did = false;
    fixture_reopen(fixture);
    must(fixture, fixture_append(fixture, 1, 1, 100));
    fixture->disk->space_bytes = SMALL / 2;
    assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_NO_SPACE);
    assert_false(did);
    must(fixture, fixture_append(fixture, 1, 1, 100));
    /* Cutting the head gives room without the disk. */
    fixture->disk->space_bytes = UINT64_MAX;
    for (int i = 0; i < 12; i++) {
        must(fixture, fixture_append(fixture, 1, 2, 3000));
    }
    fixture->disk->space_bytes = 0;
    uint64_t room = log_room(fixture->log);
    must(fixture, log_cut_head(fixture->log, fixture->model.last - 2, &fixture->error));
    assert_true(log_room(fixture->log) > room + SMALL);
    fixture_free(fixture);
}

/* A crash between the creation of a spare and its allocation, of which any part reached the disk;
 * then the disk is full. The log needs no spare to be opened, and makes one when there is room. */
static void a_spare_cut_off_needs_no_room(void **state)
{
    (void)state;
    for (uint64_t point = 1; point <= 4; point++) { /* create, allocate, sync, sync of the folder */
        struct fixture *fixture = fixture_new(SMALL, 60 + point);
        struct sim_disk *disk = fixture->disk;
        bool did = false;
        fixture_reopen(fixture);
        must(fixture, fixture_append(fixture, 1, 3, 100));
        disk->stop_at = disk->operations + point;
        assert_int_equal(log_prepare(fixture->log, &did, &fixture->error), STATUS_IO);
        fixture_close(fixture);
        sim_disk_crash(disk, SIM_CRASH_KEPT, &fixture->random);
        disk->space_bytes = SMALL / 2;
        fixture_reopen(fixture);
        must(fixture, fixture_append(fixture, 1, 1, 100));
        fixture_reopen(fixture); /* what was dropped stays away */
        disk->space_bytes = UINT64_MAX;
        uint64_t room = log_room(fixture->log);
        prepare_all(fixture);
        assert_true(log_room(fixture->log) >= room + SMALL / 4);
        fixture_reopen(fixture);
        fixture_free(fixture);
    }
}

static void knows_base_and_chains(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 7);
    struct model *model = &fixture->model;
    fixture_reopen(fixture);
    for (uint64_t round = 0; round < 40; round++) {
        must(fixture, fixture_append(fixture, 1 + round / 7, 2, 2500));
        must(fixture,
             log_cut_head(fixture->log, model->last > 9 ? model->last - 9 : 0, &fixture->error));
        fixture_close(fixture);
        must(fixture, fixture_open(fixture));
        const struct log_recovered *recovered = &fixture->recovered;
        model->base = recovered->base_index;
        assert_int_equal(log_first_index(fixture->log), model->base + 1);
        assert_true(model->base == 0 || model->base + 9 <= model->last);
        for (uint64_t index = model->base; index <= model->last; index++) {
            uint64_t chain = 1;
            must(fixture, log_chain_at(fixture->log, index, &chain, &fixture->error));
            assert_int_equal(chain, model_chain(model, index));
        }
        assert_int_equal(recovered->base_chain, model_chain(model, model->base));
        if (model->base > 0) {
            const struct entry_header *header = &model->entries[model->base]->header;
            uint64_t chain = 0;
            assert_int_equal(recovered->base_term, header->term);
            assert_int_equal(recovered->base_timestamp, header->timestamp);
            assert_int_equal(log_chain_at(fixture->log, model->base - 1, &chain, &fixture->error),
                             STATUS_NOT_FOUND);
        }
        fixture_check(fixture);
    }
    assert_true(model->base > 50);
    fixture_free(fixture);
}

/* An entry whose identity is gone cannot become the base. */
static void keeps_the_head_that_is_damaged(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 8);
    fixture_reopen(fixture);
    for (int i = 0; i < 12; i++) {
        must(fixture, fixture_append(fixture, 1, 1, 3000));
    }
    fixture_close(fixture);
    sim_disk_settle(fixture->disk);
    struct sim_bytes *bytes = sim_disk_bytes(fixture->disk, "d/log/0000000000000001.segment");
    assert_non_null(bytes);
    /* The fourth entry is the segment's last. */
    struct segment_slot slot;
    memcpy(&slot, bytes->data + segment_slot_offset(3), sizeof slot);
    memset(bytes->data + segment_slot_offset(3), 0, sizeof slot);
    memset(bytes->data + slot.offset, 0, RAFT_ENTRY_HEADER_SIZE);
    must(fixture, fixture_open(fixture));
    assert_int_equal(fixture->recovered.damaged_count, 1);
    uint64_t last = fixture->recovered.damaged[0];
    must(fixture, log_cut_head(fixture->log, last, &fixture->error));
    assert_int_equal(log_first_index(fixture->log), 1);
    must(fixture, log_repair(fixture->log, fixture->model.entries[last], &fixture->error));
    must(fixture, log_cut_head(fixture->log, last, &fixture->error));
    assert_int_equal(log_first_index(fixture->log), last + 1);
    fixture->model.base = last;
    fixture_reopen(fixture);
    fixture_free(fixture);
}

static void append_kind(struct fixture *fixture, enum entry_kind kind)
{
    struct model *model = &fixture->model;
    struct entry *entry = fixture_entry(fixture, model_last(model), model->last + 1, 1, 100);
    entry->header.kind = (uint16_t)kind;
    entry_seal(entry, model_chain(model, model->last));
    struct log_write write = { .entries = &entry, .entry_count = 1 };
    must(fixture, log_write(fixture->log, &write, 1, &fixture->error));
    model_push(model, entry);
    entry_release(entry);
}

static void finds_configurations(void **state)
{
    (void)state;
    static const enum entry_kind KINDS[] = { ENTRY_COMMANDS, ENTRY_MEMBERS, ENTRY_MEMBERS,
                                             ENTRY_COMMANDS, ENTRY_MEMBERS, ENTRY_COMMANDS };
    static const uint64_t FOUND[][2] = {
        { 0, 0 }, { 2, 0 }, { 3, 2 }, { 3, 2 }, { 5, 3 }, { 5, 3 }
    };
    struct fixture *fixture = fixture_new(SMALL, 9);
    const struct log_recovered *recovered = &fixture->recovered;
    fixture_reopen(fixture);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        append_kind(fixture, KINDS[i]);
        fixture_reopen(fixture);
        assert_int_equal(recovered->config_indexes[0], FOUND[i][0]);
        assert_int_equal(recovered->config_indexes[1], FOUND[i][1]);
    }
    /* A cut takes the last one away. */
    must(fixture, fixture_replace(fixture, 5, 2, 1, 10));
    fixture_reopen(fixture);
    assert_int_equal(recovered->config_indexes[0], 3);
    assert_int_equal(recovered->config_indexes[1], 2);
    fixture_free(fixture);
}

/* The log behind a snapshot: empty, with a base, and it goes on from there. */
static void resets(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new(SMALL, 10);
    struct model *model = &fixture->model;
    fixture_reopen(fixture);
    for (int round = 1; round < 5; round++) {
        struct log_point base = { (uint64_t)round * 100, (uint64_t)round, 5000U * (uint64_t)round,
                                  0xabcdef + (uint64_t)round };
        fixture_close(fixture);
        for (int again = 0; again < 2; again++) {
            must(fixture,
                 log_reset(&fixture->options, &fixture->superblock, &base, &fixture->error));
        }
        sim_disk_crash(fixture->disk, SIM_CRASH_LOST, &fixture->random);
        must(fixture, fixture_open(fixture));
        assert_int_equal(fixture->recovered.base_index, base.index);
        assert_int_equal(fixture->recovered.base_term, base.term);
        assert_int_equal(fixture->recovered.last_index, base.index);
        assert_int_equal(fixture->recovered.last_timestamp, base.timestamp);
        assert_int_equal(fixture->recovered.last_chain, base.chain);
        assert_int_equal(log_first_index(fixture->log), base.index + 1);
        struct entry previous = { 0 };
        previous.header.chain = base.chain;
        previous.header.timestamp = base.timestamp;
        model_cut(model, model->base + 1);
        model->base = base.index;
        model->last = base.index;
        for (uint64_t i = 1; i < 15; i++) {
            const struct entry *before = i == 1 ? &previous : model_last(model);
            struct entry *entry = fixture_entry(fixture, before, base.index + i, base.term, 2000);
            struct log_write write = { .entries = &entry, .entry_count = 1 };
            must(fixture, log_write(fixture->log, &write, 1, &fixture->error));
            model_push(model, entry);
            entry_release(entry);
        }
        fixture_reopen(fixture);
    }
    model_cut(model, model->base + 1);
    model->last = 0;
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_there),
        cmocka_unit_test(room_counts_groups),
        cmocka_unit_test(room_counts_slots),
        cmocka_unit_test(room_counts_what_does_not_fit),
        cmocka_unit_test(prepares_what_the_disk_has),
        cmocka_unit_test(a_full_disk_is_a_note),
        cmocka_unit_test(a_spare_cut_off_needs_no_room),
        cmocka_unit_test(knows_base_and_chains),
        cmocka_unit_test(keeps_the_head_that_is_damaged),
        cmocka_unit_test(finds_configurations),
        cmocka_unit_test(resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
