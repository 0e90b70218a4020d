/* index_seal.h — the posting lists of a frozen generation, for the table that a seal writes.
 *
 * First the generation's transfers are gathered: their timestamps, and for each field the hashes of
 * the values that are not zero, in the order of time. Then, a field after the other, what was
 * gathered is sorted by bucket, which keeps the order of time, and handed out by the chunk: in the
 * order of their keys, all fields together. Then the same for the accounts that were created, which
 * are sorted by time before, for expiries and for journals. Each step is one bounded piece.
 *
 * Memory   the caller's, with room for the events of a generation; `by_time` for its changed
 *          accounts.
 * Threads  the sealer's. Pure.
 */
#pragma once

#include "ledger/store/delta_internal.h"
#include "ledger/store/id_sort.h"
#include "ledger/store/index.h"

enum {
    SEAL_PIECE = 4096, /* records of one step, of this and every phase of a seal */
    INDEX_SEAL_FIELDS_MAX = INDEX_FIELD_FIRST_OF_ACCOUNTS - INDEX_FIELD_FIRST,
};

static inline uint32_t seal_piece_end(uint32_t position, uint32_t count)
{
    return count - position < SEAL_PIECE ? count : position + SEAL_PIECE;
}

struct index_item {
    uint32_t hash;
    uint32_t record; /* by time */
};

struct index_seal_memory {
    uint64_t *timestamps;
    struct index_item *items[INDEX_SEAL_FIELDS_MAX];
    struct index_item *sorted;
    struct id_item *by_time[2];
};

enum index_seal_state {
    INDEX_SEAL_GATHER,  /* accounts only: those that were created */
    INDEX_SEAL_BY_TIME, /* and in order */
    INDEX_SEAL_VALUES,  /* of all fields */
    INDEX_SEAL_BUCKETS, /* of one field */
    INDEX_SEAL_CHUNKS,  /* of that field: ask for them */
    INDEX_SEAL_DONE,
};

struct index_seal {
    const struct delta *delta;
    uint64_t era_begin; /* of the era that the changes are in */
    struct index_seal_memory memory;
    enum index_seal_state state;
    uint32_t source;   /* transfers, accounts, .. */
    uint32_t position; /* in the state's work */
    uint32_t records;  /* of the source; of accounts, those that were created */
    uint32_t counts[INDEX_SEAL_FIELDS_MAX];
    struct id_sort sort;    /* of accounts */
    enum index_field field; /* whose chunks are next */
};

struct index_chunk {
    size_t value_size;
    uint32_t count; /* of its timestamps */
    uint8_t key[INDEX_KEY_SIZE];
    uint8_t value[INDEX_CHUNK_MAX];
};

void index_seal_begin(struct index_seal *seal, const struct delta *delta, uint64_t era_begin,
                      const struct index_seal_memory *memory);
/* What the whole of it adds up to in `index_seal_step` and chunks' counts. */
uint64_t index_seal_work(const struct delta *delta);
/* How many records' values the states VALUES take, all sources together. */
uint32_t index_seal_records(const struct delta *delta);
/* The next piece of a state other than CHUNKS and DONE; gives how much of the work that was. */
uint32_t index_seal_step(struct index_seal *seal);
/* In the state CHUNKS: the next one of the field; false: there was none left. */
bool index_seal_chunk(struct index_seal *seal, struct index_chunk *chunk);
