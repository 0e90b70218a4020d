/* model.h — the ledger once more, written from the documentation and from nothing else, built in
 * another way than ledger/core and ledger/store: it keeps everything, and the past with it.
 *
 * Statuses   every status that applies to an event is noted, in no order, and the one with the
 *            smallest number, which is the first in the list of result.h, is the answer.
 * Chains     an event that fails puts back what the events of its chain before it did, but failed
 *            ids: an id's failure is for ever.
 * Past       an account keeps its balances after each log entry that changed them, so that a read
 *            can be compared with the state at the entry that it names.
 * Digest     the sum of the contributions of all records, as delta.h documents it; the hash of one
 *            record is the production's.
 *
 * Memory     grows; out of memory ends the process. Deterministic. See model_log.h for entries.
 */
#pragma once

#include "ledger/core/ledger.h"

#include <stdbool.h>

struct model;

struct model *model_new(void);
void model_free(struct model *model);

/* What is created from now on belongs to this log entry; never smaller than before. */
void model_set_index(struct model *model, uint64_t log_index);
void model_create_accounts(struct model *model, const struct account *events, uint32_t count,
                           uint64_t first_timestamp, struct result *results);
void model_create_transfers(struct model *model, const struct transfer *events, uint32_t count,
                            uint64_t first_timestamp, struct result *results);

/* NULL: there is none. Valid until something is created. */
const struct account *model_account(const struct model *model, u128 id);
const struct transfer *model_transfer(const struct model *model, u128 id);
bool model_failed(const struct model *model, u128 id);
/* In the order of creation. */
uint32_t model_account_count(const struct model *model);
uint32_t model_transfer_count(const struct model *model);
const struct account *model_account_number(const struct model *model, uint32_t i);
const struct transfer *model_transfer_number(const struct model *model, uint32_t i);

/* The record as it was after the entry `log_index`. False: there was none of that id. */
bool model_account_at(const struct model *model, u128 id, uint64_t log_index,
                      struct account *account);
bool model_transfer_at(const struct model *model, u128 id, uint64_t log_index,
                       struct transfer *transfer);

/* What the digest must be: every record's contribution. */
u128 model_digest(const struct model *model);
/* What the sums of the ledger must be: every account's balances, every transfer counted. */
struct ledger_sums model_sums(const struct model *model, uint32_t ledger);
