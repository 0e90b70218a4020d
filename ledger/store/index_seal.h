/* index_seal.h — the posting lists of a frozen generation, for the table that a seal writes.
 *
 * A field at a time: gather (its records, by timestamp), sort by time, take the field's values
 * instead, sort by value (which keeps the order of time), and hand out chunks: in the order of
 * their keys, all fields together. Each step is one bounded piece.
 *
 * Long values of which each is there many times, such as account ids, are sorted in two stages that
 * take a third of the time: all items by 32 bits of hash, then one for each value by the whole of
 * it. When there are too many values for that, all items are sorted by the whole of it.
 *
 * Memory   two arrays of id_items are the caller's, each with room for the transfers, and for the
 *          changed accounts, of a generation.
 * Threads  the sealer's. Pure.
 */
#pragma once

#include "ledger/store/delta_internal.h"
#include "ledger/store/id_sort.h"
#include "ledger/store/index.h"

enum { SEAL_PIECE = 4096 }; /* records of one step, of this and every phase of a seal */

static inline uint32_t seal_piece_end(uint32_t position, uint32_t count)
{
    return count - position < SEAL_PIECE ? count : position + SEAL_PIECE;
}

enum index_seal_state {
    INDEX_SEAL_GATHER,
    INDEX_SEAL_SORT_TIMES,
    INDEX_SEAL_VALUES,
    INDEX_SEAL_SORT_HASHES, /* left out when values are short, and so is the next */
    INDEX_SEAL_GROUPS,
    INDEX_SEAL_SORT_VALUES,
    INDEX_SEAL_CHUNKS, /* ask for them */
    INDEX_SEAL_DONE,
};

struct index_seal {
    const struct delta *delta;
    struct id_item *items;
    struct id_item *other;
    enum index_seal_state state;
    enum index_field field;
    uint32_t position; /* in the state's work */
    uint32_t count;    /* items gathered */
    struct id_sort sort;
    /* Items by hash, and for each value an item whose payload and tag are place and number of its
     * items there. */
    bool grouped;
    struct id_item *hashed;
    uint32_t group_count;
    uint32_t group_position; /* within the group that is being handed out */
};

struct index_chunk {
    size_t key_size;
    size_t value_size;
    uint32_t count; /* of its timestamps */
    uint8_t key[INDEX_KEY_MAX];
    uint8_t value[INDEX_CHUNK_MAX];
};

void index_seal_begin(struct index_seal *seal, const struct delta *delta, struct id_item *items,
                      struct id_item *other);
/* About what the whole of it adds up to in `index_seal_step` and chunks' counts. */
uint64_t index_seal_work(const struct delta *delta);
/* The next piece of a state other than CHUNKS and DONE; gives how much of the work that was. */
uint32_t index_seal_step(struct index_seal *seal);
/* In the state CHUNKS: the next one of the field; false: there was none left. */
bool index_seal_chunk(struct index_seal *seal, struct index_chunk *chunk);
