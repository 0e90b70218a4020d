#include "tests/raft_log/damage_fixture.h"

#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sim_bytes *damage_segment(struct sim_disk *disk, uint64_t sequence)
{
    char name[DISK_NAME_MAX];
    char path[DISK_PATH_MAX];
    segment_name(name, sequence);
    (void)snprintf(path, sizeof path, "d/log/%s", name);
    return sim_disk_bytes(disk, path);
}

uint8_t *damage_byte(struct sim_disk *disk, uint64_t sequence, uint64_t offset)
{
    struct sim_bytes *bytes = damage_segment(disk, sequence);
    if (bytes == NULL || offset >= bytes->size) {
        fail_msg("segment %llu has no byte %llu", (unsigned long long)sequence,
                 (unsigned long long)offset);
        abort();
    }
    return bytes->data + offset;
}

struct fixture *damage_example(void)
{
    struct fixture *fixture = fixture_new(DAMAGE_SEGMENT, 21);
    fixture_reopen(fixture);
    assert_int_equal(fixture_append(fixture, 1, 1, 0), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 3, 300), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 1, 1500), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 1, 2, 900), STATUS_OK);
    assert_int_equal(fixture_replace(fixture, 5, 2, 1, 0), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 2, 2, 1200), STATUS_OK);
    assert_int_equal(fixture_append(fixture, 2, 3, 64), STATUS_OK);
    fixture_close(fixture);
    sim_disk_settle(fixture->disk);
    return fixture;
}

bool damage_slot(const struct fixture *fixture, uint64_t sequence, uint32_t number,
                 struct segment_slot *slot)
{
    const struct sim_bytes *bytes = damage_segment(fixture->disk, sequence);
    if (bytes == NULL) {
        return false;
    }
    memcpy(slot, bytes->data + segment_slot_offset(number), sizeof *slot);
    uint32_t seed = segment_seed(fixture->superblock.incarnation, sequence);
    return segment_slot_check(slot, seed, number, DAMAGE_SEGMENT);
}

bool damage_held(const struct fixture *fixture, const struct segment_slot *slot)
{
    return slot->kind == SLOT_ENTRY && slot->index <= fixture->model.last &&
           fixture->model.entries[slot->index]->header.chain == slot->chain;
}

void damage_find(const struct fixture *fixture, uint64_t index, uint64_t *sequence,
                 uint32_t *number, struct segment_slot *slot)
{
    for (*sequence = 1; damage_segment(fixture->disk, *sequence) != NULL; (*sequence)++) {
        for (*number = 0; *number < segment_slot_count(DAMAGE_SEGMENT); (*number)++) {
            if (damage_slot(fixture, *sequence, *number, slot) && damage_held(fixture, slot) &&
                slot->index == index) {
                return;
            }
        }
    }
    fail_msg("no slot of entry %llu", (unsigned long long)index);
}

void damage_identity(const struct fixture *fixture, struct sim_disk *disk, uint64_t index)
{
    uint64_t sequence = 0;
    uint32_t number = 0;
    struct segment_slot slot = { 0 };
    damage_find(fixture, index, &sequence, &number, &slot);
    memset(damage_byte(disk, sequence, segment_slot_offset(number)), 0, sizeof slot);
    memset(damage_byte(disk, sequence, slot.offset), 0, RAFT_ENTRY_HEADER_SIZE);
}

/* Entries that are like it, and are not it. */
static void refuses_others(struct fixture *fixture, const struct entry *sound)
{
    const struct log_recovered *recovered = &fixture->recovered;
    struct entry *other = entry_new(sound->header.body_size);
    memcpy(&other->header, &sound->header, entry_size(&sound->header));
    other->header.timestamp++;
    entry_seal(other, model_chain(&fixture->model, sound->header.index - 1));
    assert_int_equal(log_repair(fixture->log, other, &fixture->error), STATUS_INVALID);
    /* The right chain, but not of these fields. */
    other->header.chain = sound->header.chain;
    other->header.header_crc =
        crc32c((const uint8_t *)&other->header + 4, sizeof other->header - 4);
    bool alone = recovered->damaged_count == 1;
    assert_true(!alone || log_repair(fixture->log, other, &fixture->error) == STATUS_INVALID);
    memcpy(&other->header, &sound->header, entry_size(&sound->header));
    if (sound->header.body_size > 0) {
        other->body[0] ^= 1;
    } else {
        other->header.header_crc ^= 1;
    }
    assert_int_equal(log_repair(fixture->log, other, &fixture->error), STATUS_INVALID);
    entry_release(other);
}

static void must(const struct fixture *fixture, enum status status)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), fixture->error.text);
    }
}

static void repair_all(struct fixture *fixture)
{
    const struct log_recovered *recovered = &fixture->recovered;
    assert_int_equal(recovered->damage.status, STATUS_CORRUPT);
    assert_non_null(strstr(recovered->damage.text, ".segment at offset "));
    for (uint32_t i = recovered->damaged_count; i > 0; i--) {
        uint64_t index = recovered->damaged[i - 1];
        struct entry *entry = NULL;
        assert_true(i == 1 || recovered->damaged[i - 2] < index);
        assert_int_equal(log_read(fixture->log, index, &entry, &fixture->error), STATUS_CORRUPT);
        refuses_others(fixture, fixture->model.entries[index]);
        must(fixture, log_repair(fixture->log, fixture->model.entries[index], &fixture->error));
    }
}

/* What a leader would do: the entries that are gone are written again. */
static void write_again(struct fixture *fixture)
{
    const struct log_recovered *recovered = &fixture->recovered;
    const struct model *model = &fixture->model;
    uint64_t last = recovered->last_index;
    assert_true(recovered->lost_index >= model->last && last < model->last);
    for (uint64_t index = last; index < model->last; index++) {
        struct log_write write = { .entries = &fixture->model.entries[index + 1],
                                   .entry_count = 1 };
        /* A crash on the way forgets nothing. */
        fixture_close(fixture);
        must(fixture, fixture_open(fixture));
        assert_true(recovered->lost_index >= model->last && recovered->last_index == index);
        must(fixture, log_write(fixture->log, &write, 1, &fixture->error));
    }
}

/* The medium itself is sound. */
static void verify(struct fixture *fixture)
{
    uint64_t next = 1;
    uint64_t damaged = 0;
    while (next != 0) {
        must(fixture, log_verify(fixture->log, next, 1000, &next, &damaged, &fixture->error));
        assert_int_equal(damaged, 0);
    }
}

static void heal(struct fixture *fixture, struct tally *tally)
{
    const struct log_recovered *recovered = &fixture->recovered;
    assert_int_equal(recovered->torn_entries, 0);
    tally->damaged += recovered->damaged_count > 0;
    tally->lost += recovered->lost_index > 0;
    if (recovered->damaged_count == 0 && recovered->lost_index == 0) {
        tally->intact += recovered->repaired == 0;
        tally->repaired += recovered->repaired > 0;
    }
    if (recovered->damaged_count > 0) {
        repair_all(fixture);
    }
    if (recovered->lost_index > 0) {
        assert_int_equal(recovered->damage.status, STATUS_CORRUPT);
        write_again(fixture);
    }
}

enum status damage_judge(struct fixture *fixture, struct sim_disk *damaged, struct tally *tally)
{
    struct sim_disk *sound = fixture->disk;
    fixture->disk = damaged;
    enum status status = fixture_open(fixture);
    if (status == STATUS_OK) {
        heal(fixture, tally);
        fixture_check(fixture);
        verify(fixture);
        fixture_close(fixture);
        sim_disk_crash(damaged, SIM_CRASH_LOST, &fixture->random);
        fixture_reopen(fixture);
        assert_int_equal(fixture->recovered.last_index, fixture->model.last);
        assert_int_equal(fixture->recovered.repaired, 0);
        assert_int_equal(fixture->recovered.damaged_count, 0);
        assert_int_equal(fixture->recovered.lost_index, 0);
    } else {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_non_null(strstr(fixture->error.text, ".segment"));
        assert_non_null(strstr(fixture->error.text, "replace this node"));
        tally->corrupt++;
    }
    fixture_close(fixture);
    fixture->disk = sound;
    return status;
}
