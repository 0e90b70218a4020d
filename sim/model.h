/* model.h — the ledger once more, written from the documentation and from nothing else, built in
 * another way than ledger/core and ledger/store: it keeps everything, and the past with it.
 *
 * Statuses   every status that applies to an event is noted, in no order, and the first in the list
 *            of result.h is the answer.
 * Chains     an event that fails puts back what the events of its chain before it did, but failed
 *            ids: an id's failure is for ever.
 * Changes    every transfer and every expiry is one change, and all of them are a list by time: the
 *            change feed. Each change of an account leaves a version of it, so balances after any
 *            change, or at any log entry, can be had. Queries look at every record.
 * Controls   freezes, limits and groups are a history, too (model_controls.h): counters and sums are
 *            computed from it whenever they are asked for.
 * Digest     the sum of the contributions of all records, as delta.h documents it; the hash of one
 *            record is the production's.
 *
 * Memory     grows; out of memory ends the process. Deterministic. See model_log.h for entries.
 */
#pragma once

#include "ledger/core/ledger.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/registry.h"
#include "ledger/core/resolve.h"
#include "ledger/store/records_control.h"

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
void model_resolve(struct model *model, const struct resolve_request *events, uint32_t count,
                   uint64_t first_timestamp, struct result *results);
/* As ledger_post_journal and ledger_reverse_journal. */
void model_post_journal(struct model *model, const struct journal_request *request,
                        const struct transfer *legs, const uint8_t *metadata,
                        uint64_t first_timestamp, struct result *results);
void model_reverse_journal(struct model *model, const struct journal_request *request,
                           const uint8_t *metadata, uint64_t first_timestamp,
                           struct result results[2]);
/* Of each event, as the functions of ledger/core with these names. */
void model_place_freezes(struct model *model, const struct freeze_event *events, uint32_t count,
                         uint64_t first_timestamp, struct result *results);
void model_release_freezes(struct model *model, const struct release_event *events, uint32_t count,
                           uint64_t first_timestamp, struct result *results);
void model_set_limits(struct model *model, const struct limit_event *events, uint32_t count,
                      uint64_t first_timestamp, struct result *results);
void model_set_group_members(struct model *model, const struct member_event *events, uint32_t count,
                             uint64_t first_timestamp, struct result *results);
void model_create_ledgers(struct model *model, const struct ledger_record *events, uint32_t count,
                          uint64_t first_timestamp, struct result *results);
void model_create_account_codes(struct model *model, const struct account_code_record *events,
                                uint32_t count, uint64_t first_timestamp, struct result *results);
void model_set_registry_mode(struct model *model, const struct registry_mode_event *events,
                             uint32_t count, uint64_t first_timestamp, struct result *results);
/* The patch has at most METADATA_BYTES_MAX bytes. */
void model_set_metadata(struct model *model, const struct metadata_request *request,
                        const uint8_t *patch, uint64_t timestamp, struct result *result);
/* NULL: there is none, and its id is not used up either. Valid until something is created. */
const struct journal *model_journal(const struct model *model, u128 id);

/* Expires holds that were due before first_timestamp, `most` at the most, by (expires_at, time of
 * creation); the nth takes the timestamp first_timestamp + n. Returns how many. */
uint32_t model_pulse(struct model *model, uint32_t most, uint64_t first_timestamp);
/* When the first hold that is pending expires; UINT64_MAX: none ever. */
uint64_t model_next_due(const struct model *model);

/* NULL: there is none. Valid until something is created. */
const struct account *model_account(const struct model *model, u128 id);
const struct transfer *model_transfer(const struct model *model, u128 id);
bool model_failed(const struct model *model, u128 id);
/* The status that it failed with; UINT16_MAX: it was fenced; 0: it did not fail. */
unsigned model_failure(const struct model *model, u128 id);
/* In the order of creation, which is the order of timestamps. */
uint32_t model_account_count(const struct model *model);
uint32_t model_transfer_count(const struct model *model);
const struct account *model_account_number(const struct model *model, uint32_t i);
const struct transfer *model_transfer_number(const struct model *model, uint32_t i);

/* What became of a pending transfer; its state is 0 when the transfer is not a pending one, or
 * there is none. */
struct hold model_hold(const struct model *model, u128 id);

/* The record as it was after the entry `log_index`. False: there was none of that id. */
bool model_account_at(const struct model *model, u128 id, uint64_t log_index,
                      struct account *account);
bool model_transfer_at(const struct model *model, u128 id, uint64_t log_index,
                       struct transfer *transfer);

/* What the digest must be: every record's contribution. */
u128 model_digest(const struct model *model);
/* What the sums of the ledger must be: every account's balances, every transfer counted. */
struct ledger_sums model_sums(const struct model *model, uint32_t ledger);

/* --- questions ------------------------------------------------------------------------------- */

/* What one event did. Borrowed; valid until something is created. */
struct model_change {
    enum change_kind kind;
    uint64_t timestamp;
    u128 amount;                     /* of the transfer; of an expiry, what was released */
    const struct transfer *transfer; /* NULL: an expiry */
    const struct transfer *pending;  /* what was posted, voided or has expired; else NULL */
    const struct account *debit;     /* after the change */
    const struct account *credit;
    uint64_t log_index;
    struct change record; /* as production keeps it */
};
uint32_t model_change_count(const struct model *model);
struct model_change model_change_number(const struct model *model, uint32_t i);

/* Of every field, 0 is any. A filter that cannot be meant finds nothing: a limit of zero, a bound
 * that is no timestamp, a range upside down; of an account's transfers also an account id that
 * cannot be, or neither debits nor credits. A larger limit than LOOKUP_IDS_MAX is that. */
struct model_filter {
    u128 account_id;
    u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t ledger;
    uint16_t code;
    uint64_t timestamp_min;
    uint64_t timestamp_max;
    uint32_t limit;
    bool debits;
    bool credits;
    bool reversed;
    uint64_t log_index; /* as of this entry; 0: now */
};
/* Places for model_transfer_number and model_account_number, in the order of the answer; `places`
 * has room for LOOKUP_IDS_MAX. Return how many. */
uint32_t model_account_transfers(const struct model *model, const struct model_filter *filter,
                                 uint32_t *places);
uint32_t model_query_transfers(const struct model *model, const struct model_filter *filter,
                               uint32_t *places);
uint32_t model_query_accounts(const struct model *model, const struct model_filter *filter,
                              uint32_t *places);
/* The account as it was after each of its transfers; none without ACCOUNT_HISTORY. `places` are
 * those of the transfers; model_account_after gives the account. */
uint32_t model_account_balances(const struct model *model, const struct model_filter *filter,
                                uint32_t *places);
const struct account *model_account_after(const struct model *model, u128 id, uint32_t place);
/* Of the filter: timestamps and limit. Places for model_change_number. */
uint32_t model_changes(const struct model *model, const struct model_filter *filter,
                       uint32_t *places);

/* --- as of an entry of the log, and a time (0: of that entry) ------------------------------------ */

/* An account with its balances, and the time of the change that left it so, its own when there was
 * none. False: there was none. */
bool model_account_as_of(const struct model *model, u128 id, uint64_t log_index, uint64_t as_of,
                         struct account *account, uint64_t *timestamp);
/* Whether the account, as it is in `account`, was so at some entry from `log_index` on. */
bool model_account_was(const struct model *model, const struct account *account,
                       uint64_t log_index);
/* Rows of the trial balance, ascending; `rows` has room for all pairs. Returns how many. */
uint32_t model_trial_balance(const struct model *model, uint64_t log_index, uint64_t as_of,
                             struct trial_row *rows, uint32_t room);
/* False: it was no pending transfer then. */
bool model_hold_at(const struct model *model, u128 id, uint64_t log_index, struct hold_view *view);
/* A journal that was posted by then; NULL. By `number`, from 0, in the order of time, failed ones
 * among them; `journal_count` of them. */
uint32_t model_journal_count(const struct model *model);
bool model_journal_at(const struct model *model, uint32_t number, uint64_t log_index,
                      struct journal *journal);
/* The entry that reversed it; UINT64_MAX: none. */
uint64_t model_journal_reversed(const struct model *model, uint32_t number);
/* What was posted with the timestamp. */
const struct transfer *model_transfer_timed(const struct model *model, uint64_t timestamp);
/* NULL: no version then. */
const struct metadata_record *model_metadata_at(const struct model *model, enum object_kind kind,
                                                u128 id, uint64_t log_index, uint64_t as_of);
/* False: there was no such order. */
bool model_freeze_at(const struct model *model, u128 id, uint64_t log_index, struct freeze *freeze);
