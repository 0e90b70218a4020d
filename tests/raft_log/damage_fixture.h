/* damage_fixture.h — a small log that was closed in good order, ways to damage it, and a judge of
 * what the next open says about it. */
#pragma once

#include "raft/log/segment.h"
#include "tests/raft_log/log_fixture.h"

enum { DAMAGE_SEGMENT = 7 * LOG_BLOCK_SIZE /* three of them for entries */ };

/* Counts of what the opens of a test said. */
struct tally {
    uint32_t intact;
    uint32_t repaired; /* by the log itself */
    uint32_t damaged;  /* and repaired from the model's copies */
    uint32_t lost;     /* the tail, and written again */
    uint32_t corrupt;  /* refused */
};

/* Several segments, a cut across two of them, empty entries, and a tail of one group. */
struct fixture *damage_example(void);
/* The file of a sequence, or NULL. */
struct sim_bytes *damage_segment(struct sim_disk *disk, uint64_t sequence);
/* Its byte at an offset; the file exists. */
uint8_t *damage_byte(struct sim_disk *disk, uint64_t sequence, uint64_t offset);
/* Copies a slot; false when it is not sound. */
bool damage_slot(const struct fixture *fixture, uint64_t sequence, uint32_t number,
                 struct segment_slot *slot);
/* Finds the slot of an entry that the model holds. */
void damage_find(const struct fixture *fixture, uint64_t index, uint64_t *sequence,
                 uint32_t *number, struct segment_slot *slot);
/* The log still holds the entry of that slot. */
bool damage_held(const struct fixture *fixture, const struct segment_slot *slot);
/* Zeros the identity of an entry: its slot and its header. */
void damage_identity(const struct fixture *fixture, struct sim_disk *disk, uint64_t index);
/* Opens the damaged disk. What it says must be true: all is there, or what is not is named, cannot
 * be read, takes no other entry's bytes, and is repaired from the model's. */
enum status damage_judge(struct fixture *fixture, struct sim_disk *damaged, struct tally *tally);
