/* log_fixture.h — a log on a memory disk, and a model of what it must hold. */
#pragma once

#include "base/random.h"
#include "raft/log/log.h"
#include "sim/sim_disk.h"

enum { MODEL_ENTRIES_MAX = 4096, FIXTURE_GROUP_MAX = 64 };

/* Entries base + 1..last; the array keeps a reference of each. */
struct model {
    struct entry *entries[MODEL_ENTRIES_MAX];
    uint64_t base;
    uint64_t last;
};

struct fixture {
    struct sim_disk *disk;
    struct superblock superblock;
    struct log_options options;
    struct log *log;
    struct log_recovered recovered;
    struct error error;
    struct model model;
    struct random random;
};

/* Formats a memory disk; the log is not open yet. */
struct fixture *fixture_new(uint32_t segment_size, uint64_t seed);
/* Closes and frees everything. */
void fixture_free(struct fixture *fixture);
/* Loads the superblock and opens the log. */
enum status fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
/* Opens and checks that it succeeds and holds the model. */
void fixture_reopen(struct fixture *fixture);

struct entry *fixture_entry(struct fixture *fixture, const struct entry *previous, uint64_t index,
                            uint64_t term, uint32_t body_size);
/* One reference to each. */
void release_entries(struct entry *const *entries, uint32_t count);
const struct entry *model_last(const struct model *model);
/* The chain after an index; 0 at the beginning. */
uint64_t model_chain(const struct model *model, uint64_t index);
void model_cut(struct model *model, uint64_t from);
void model_push(struct model *model, struct entry *entry);
void model_free(struct model *model);

/* Writes `count` entries of a term in one element and enters them in the model when that works. */
enum status fixture_append(struct fixture *fixture, uint64_t term, uint32_t count,
                           uint32_t body_size);
/* Cuts from an index and appends, in one element. */
enum status fixture_replace(struct fixture *fixture, uint64_t from, uint64_t term, uint32_t count,
                            uint32_t body_size);
/* The log holds just what the model holds, byte for byte. */
void fixture_check(struct fixture *fixture);
