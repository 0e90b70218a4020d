/* sums.h — the running trial balance: what all accounts of a ledger add up to, and those of each
 * account code.
 *
 * Two instances: one row a ledger number, and one row a pair of ledger and account code; O(1) per
 * transfer, in sums of 192 bits so that no number of accounts overflows them. Each side of a
 * posting adds to its own sum what it adds to its account, so a posting whose sides differ is
 * noticed at the end of the call.
 *
 * Invariants  (1) outside a call debits equal credits in every row of a ledger, posted and pending;
 *             (2) totals = the accounts and transfers of all rows;
 *             (3) between sums_chain_open and sums_chain_close the first change of a row remembers
 *                 the old one: closing with keep = false restores all of them, and takes away rows
 *                 that the chain added.
 * Memory      sums_footprint() bytes of the caller's, aligned to 16. Part of ledger/core. Pure.
 */
#pragma once

#include "base/map.h"
#include "ledger/core/ledger.h"

struct sums_undo {
    struct ledger_sums before;
    uint32_t row;
};

/* Parts of a row that changed since the last seal. */
enum sums_unsealed { SUMS_UNSEALED_SUMS = 1, SUMS_UNSEALED_ACCOUNTS = 2 };

enum { SUMS_RECENT = 64 };

struct sums {
    struct map rows_by_key;
    struct ledger_sums *rows; /* in the order of their first account */
    uint32_t *sorted;         /* row numbers, ascending by ledger and code */
    uint8_t *unsealed;        /* by row: enum sums_unsealed */
    bool *touched;            /* by row: changed in this call; of ledgers */
    bool *saved;              /* by row: in `undo` */
    uint32_t *touched_rows;
    struct sums_undo *undo;
    struct ledger_totals totals;
    struct ledger_totals totals_at_chain_open;
    uint32_t count;
    uint32_t touched_count;
    uint32_t undo_count;
    uint32_t count_at_chain_open;
    uint32_t capacity;
    bool by_code;
    bool chain_is_open;
    uint32_t recent[SUMS_RECENT]; /* rows that were found last, by a few bits of their key */
};

size_t sums_footprint(bool by_code);
void sums_init(struct sums *sums, void *memory, bool by_code);
/* Without rows again. */
void sums_clear(struct sums *sums);

/* Whether there is a row for the ledger (and code; else 0), or room for one. */
bool sums_has_room_for(const struct sums *sums, uint32_t ledger, uint16_t code);
/* The row of a whole ledger; NULL: there is none. */
const struct ledger_sums *sums_find(const struct sums *sums, uint32_t ledger);
/* The row, made when there is none (there is room), for changes within this call. */
struct ledger_sums *sums_change_code(struct sums *sums, uint32_t ledger, uint16_t code);
static inline struct ledger_sums *sums_change(struct sums *sums, uint32_t ledger)
{
    return sums_change_code(sums, ledger, 0);
}
/* What a seal is to keep of a row that sums_change gave. */
void sums_mark(struct sums *sums, const struct ledger_sums *row, enum sums_unsealed what);
/* Counts one account, or one transfer, in a row that sums_change gave. */
void sums_count_account(struct sums *sums, struct ledger_sums *row);
void sums_count_transfer(struct sums *sums, struct ledger_sums *row);
/* *high * 2^128 + *low, plus or minus an amount. */
void sum_add(u128 *low, uint64_t *high, u128 amount);
void sum_subtract(u128 *low, uint64_t *high, u128 amount);

void sums_chain_open(struct sums *sums);
void sums_chain_close(struct sums *sums, bool keep);
/* Ends a call: invariant (1) of every row that it touched. */
void sums_check(struct sums *sums);

const struct ledger_sums *sums_row(const struct sums *sums, uint32_t i);
/* Bytes that sums_save writes. */
size_t sums_save_size(const struct sums *sums);
void sums_save(const struct sums *sums, struct writer *writer);
STATUS_MUST_USE enum status sums_load(struct sums *sums, struct reader *reader);
