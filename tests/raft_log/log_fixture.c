#include "tests/raft_log/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture *fixture_new(uint32_t segment_size, uint64_t seed)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    random_init(&fixture->random, seed);
    fixture->disk = sim_disk_new();
    fixture->options = (struct log_options){ &fixture->disk->disk, "d", segment_size };
    fixture->superblock =
        (struct superblock){ .sequence = 1,
                             .cluster = u128_make(7, seed),
                             .node = 2,
                             .incarnation = 77,
                             .member_count = 2,
                             .members = { { 1, "127.0.0.1:1" }, { 2, "127.0.0.1:2" } } };
    assert_int_equal(
        superblock_create(&fixture->disk->disk, "d", &fixture->superblock, &fixture->error),
        STATUS_OK);
    return fixture;
}

void fixture_free(struct fixture *fixture)
{
    fixture_close(fixture);
    model_free(&fixture->model);
    sim_disk_free(fixture->disk);
    free(fixture);
}

enum status fixture_open(struct fixture *fixture)
{
    uint32_t repaired = 0;
    fixture->options.disk = &fixture->disk->disk;
    TRY(superblock_load(&fixture->disk->disk, "d", &fixture->superblock, &repaired,
                        &fixture->error));
    return log_open(&fixture->options, &fixture->superblock, &fixture->log, &fixture->recovered,
                    &fixture->error);
}

void fixture_close(struct fixture *fixture)
{
    log_close(fixture->log);
    fixture->log = NULL;
}

void fixture_reopen(struct fixture *fixture)
{
    fixture_close(fixture);
    enum status status = fixture_open(fixture);
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), fixture->error.text);
    }
    fixture_check(fixture);
}

struct entry *fixture_entry(struct fixture *fixture, const struct entry *previous, uint64_t index,
                            uint64_t term, uint32_t body_size)
{
    struct entry *entry = entry_new(body_size);
    memset(&entry->header, 0, sizeof entry->header);
    entry->header.index = index;
    entry->header.term = term;
    entry->header.timestamp = previous == NULL ? 1000 : previous->header.timestamp + 3;
    entry->header.body_size = body_size;
    entry->header.kind = body_size == 0 ? ENTRY_NOOP : ENTRY_COMMANDS;
    for (uint32_t i = 0; i < body_size; i++) {
        entry->body[i] = (uint8_t)random_u64(&fixture->random);
    }
    entry_seal(entry, previous == NULL ? 0 : previous->header.chain);
    return entry;
}

void release_entries(struct entry *const *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        entry_release(entries[i]);
    }
}

const struct entry *model_last(const struct model *model)
{
    return model->last == 0 ? NULL : model->entries[model->last];
}

uint64_t model_chain(const struct model *model, uint64_t index)
{
    return index == 0 ? 0 : model->entries[index]->header.chain;
}

void model_cut(struct model *model, uint64_t from)
{
    for (; model->last >= from && model->last > 0; model->last--) {
        entry_release(model->entries[model->last]);
        model->entries[model->last] = NULL;
    }
}

void model_push(struct model *model, struct entry *entry)
{
    model->last++;
    assert_true(model->last < MODEL_ENTRIES_MAX && entry->header.index == model->last);
    model->entries[model->last] = entry_keep(entry);
}

void model_free(struct model *model)
{
    model_cut(model, 1);
}

enum status fixture_replace(struct fixture *fixture, uint64_t from, uint64_t term, uint32_t count,
                            uint32_t body_size)
{
    struct entry *entries[FIXTURE_GROUP_MAX];
    uint64_t first = from == 0 ? fixture->model.last + 1 : from;
    const struct entry *previous = first == 1 ? NULL : fixture->model.entries[first - 1];
    assert_true(count <= FIXTURE_GROUP_MAX);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = fixture_entry(fixture, previous, first + i, term, body_size);
        previous = entries[i];
    }
    struct log_write write = { .truncate_from = from, .entries = entries, .entry_count = count };
    enum status status = log_write(fixture->log, &write, 1, &fixture->error);
    if (status == STATUS_OK) {
        model_cut(&fixture->model, first);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (status == STATUS_OK) {
            model_push(&fixture->model, entries[i]);
        }
        entry_release(entries[i]);
    }
    return status;
}

enum status fixture_append(struct fixture *fixture, uint64_t term, uint32_t count,
                           uint32_t body_size)
{
    return fixture_replace(fixture, 0, term, count, body_size);
}

void fixture_check(struct fixture *fixture)
{
    const struct model *model = &fixture->model;
    struct entry *entry = NULL;
    for (uint64_t index = model->base + 1; index <= model->last; index++) {
        const struct entry *expected = model->entries[index];
        enum status status = log_read(fixture->log, index, &entry, &fixture->error);
        if (status != STATUS_OK) {
            fail_msg("entry %llu: %s", (unsigned long long)index, fixture->error.text);
        }
        assert_memory_equal(&entry->header, &expected->header, entry_size(&expected->header));
        entry_release(entry);
    }
    assert_int_equal(log_read(fixture->log, model->last + 1, &entry, &fixture->error),
                     STATUS_NOT_FOUND);
}
