/* sums.h — the running trial balance: what all accounts of a ledger add up to.
 *
 * One row a ledger number, O(1) per transfer, in sums of 192 bits so that no number of accounts
 * overflows them. Each side of a posting adds to its own sum what it adds to its account, so a
 * posting whose sides differ is noticed at the end of the call.
 *
 * Invariants  (1) outside a call debits equal credits in every row, posted and pending;
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

struct sums {
    struct map rows_by_ledger;
    struct ledger_sums *rows; /* in the order of their ledgers' first account */
    uint32_t *sorted;         /* row numbers, ascending by ledger */
    bool *touched;            /* by row: changed in this call */
    bool *saved;              /* by row: in `undo` */
    uint32_t *touched_rows;
    struct sums_undo *undo;
    struct ledger_totals totals;
    struct ledger_totals totals_at_chain_open;
    uint32_t count;
    uint32_t touched_count;
    uint32_t undo_count;
    uint32_t count_at_chain_open;
    uint32_t last_row; /* of the last find: most calls stay in one ledger */
    bool chain_is_open;
};

size_t sums_footprint(void);
void sums_init(struct sums *sums, void *memory);

/* Whether there is a row for the ledger, or room for one. */
bool sums_has_room_for(const struct sums *sums, uint32_t ledger);
/* The row of the ledger, made when there is none (there is room), for changes within this call. */
struct ledger_sums *sums_change(struct sums *sums, uint32_t ledger);
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
