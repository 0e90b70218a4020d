/* replies_parts.h — what the parts of replies share. Included by replies*.c alone.
 *
 * Two rings: replies in the order of the log, and the rows of their results that are not plain.
 * Invariants  (1) the rows of the replies, oldest first, are the used part of the row ring;
 *             (2) newest_by_key names the newest reply of each key, which leads to the older ones;
 *             (3) digest = the sum of the hashes of the replies.
 * Pure.
 */
#pragma once

#include "base/hash.h"
#include "base/map.h"
#include "ledger/core/replies.h"

#define REPLY_NONE UINT32_MAX

struct reply {
    u128 client;
    u128 hash;
    uint64_t sequence;
    uint64_t log_index;
    uint64_t base;  /* timestamp of event 0 */
    uint32_t count; /* events */
    uint32_t rows;
    uint32_t first_row;
    uint32_t older; /* place of the next reply with the same key, or REPLY_NONE */
};

struct reply_row {
    uint64_t timestamp;
    uint16_t event;
    uint16_t status;
    uint32_t reserved; /* zero; hashed with the rest */
};

struct replies {
    struct reply *list;
    struct reply_row *rows;
    struct map newest_by_key;
    u128 digest;
    uint32_t first; /* place of the oldest */
    uint32_t count;
    uint32_t first_row;
    uint32_t rows_used;
};

/* The i-th, 0 being the oldest. */
struct reply *replies_at(const struct replies *replies, uint32_t i);
struct reply_row *replies_row(const struct replies *replies, const struct reply *reply, uint32_t i);
bool replies_has(const struct replies *replies, u128 client, uint64_t sequence);
/* Makes room, takes the fields that are saved from `head`, and leaves the rows to be filled; then
 * replies_seal. */
struct reply *replies_append(struct replies *replies, const struct reply *head);
void replies_seal(struct replies *replies, struct reply *reply);

/* The fields that are saved: client, sequence, log_index, base, count, rows. */
enum { REPLY_SAVED_SIZE = 16 + 3 * 8 + 2 * 4 };
void reply_write(const struct reply *reply, struct writer *writer);
