/* ledger.h — the rules of the books: accounts and transfers applied to a delta.
 *
 * Deterministic in (delta, events, timestamps); no I/O, no clock, no failure but a business result.
 * The caller has prefetched what the events name and stands between delta_batch_begin and _end.
 *
 * Invariants  (1) per ledger, the sum of all debits posted equals the sum of all credits posted,
 * and likewise pending: kept as running sums wider than 128 bits, checked in every call; (2) an id
 * has one outcome for ever (result.h); (3) results are dense: one for each event, in order;
 * statuses by precedence. Linked events (flag linked) form a chain up to the next event without the
 * flag: all succeed or all fail (linked_event_failed for all but the one that failed); a chain that
 * is open at the end of the call fails with linked_event_chain_open for its last event; (4) what is
 * pending is the sum of the holds that are pending; (5) timestamps of calls ascend, and every
 * created transfer and every expiry appends one change (records.h). What the rules are, and why:
 * docs/ledger.md.
 *
 * Memory   ledger_footprint() bytes of the caller's, all zero. Threads: the state machine's. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"
#include "ledger/core/result.h"
#include "ledger/store/delta.h"

/* The largest timestamp that a record, or the end of a hold, can have. */
#define TIMESTAMP_MAX ((uint64_t)INT64_MAX)

struct ledger;

size_t ledger_footprint(void);
struct ledger *ledger_init(void *memory, struct delta *delta);

/* Event i takes the timestamp first_timestamp + i (an imported one keeps its own), which is after
 * those of every earlier call. `results` has room for `count`. */
void ledger_create_accounts(struct ledger *ledger, const struct account *events, uint32_t count,
                            uint64_t first_timestamp, struct result *results);
void ledger_create_transfers(struct ledger *ledger, const struct transfer *events, uint32_t count,
                             uint64_t first_timestamp, struct result *results);

/* A journal: all of its legs, or nothing (journal.h). It takes first_timestamp and each leg the
 * next one, of the `count` that the command takes. results[0] is the journal's, results[1 + i] that
 * of leg i. */
void ledger_post_journal(struct ledger *ledger, const struct journal_request *request,
                         const struct transfer *legs, const uint8_t *metadata, uint32_t count,
                         uint64_t first_timestamp, struct result *results);
/* results[0] is the reversal's, results[1] that of its first leg or of the leg that stopped it,
 * which has the timestamp that the leg would have had. */
void ledger_reverse_journal(struct ledger *ledger, const struct journal_request *request,
                            const uint8_t *metadata, uint64_t first_timestamp,
                            struct result results[2]);

/* The answer to a command that is applied after its not_after: nothing is done, no id used up. */
void ledger_refuse_late(uint32_t count, uint64_t first_timestamp, struct result *results);

/* Expires what delta_due_* names: event i takes first_timestamp + i. Returns how many. What is due
 * was due before first_timestamp. */
uint32_t ledger_pulse(struct ledger *ledger, uint64_t first_timestamp);

/* Running sums of one ledger, or of its accounts with one code. A sum is high * 2^128 + low. */
struct ledger_sums {
    uint32_t ledger;
    uint16_t code; /* of accounts; 0: of the whole ledger */
    uint64_t accounts;
    uint64_t transfers; /* of the whole ledger; by code 0 */
    u128 debits_posted, credits_posted, debits_pending, credits_pending;
    uint64_t debits_posted_high, credits_posted_high, debits_pending_high, credits_pending_high;
};
/* Over all ledgers; kept as they change. */
struct ledger_totals {
    uint64_t accounts;
    uint64_t transfers;
};
struct ledger_totals ledger_totals(const struct ledger *ledger);
uint32_t ledger_sums_count(const struct ledger *ledger);
/* i < ledger_sums_count, ascending by ledger number. */
void ledger_sums_at(const struct ledger *ledger, uint32_t i, struct ledger_sums *sums);

/* The trial balance: a row for each ledger and account code that an account has, ascending by both;
 * i < ledger_trial_count. */
uint32_t ledger_trial_count(const struct ledger *ledger);
void ledger_trial_at(const struct ledger *ledger, uint32_t i, struct trial_row *row);
/* At the freeze of a generation: the rows that changed since the last one, at most
 * ACCOUNT_CODES_MAX, for the seal to keep; and up to when they stand. Between calls. */
uint32_t ledger_trial_take_changed(struct ledger *ledger, struct trial_changed *rows);
uint64_t ledger_last_change(const struct ledger *ledger);
uint64_t ledger_last_account(const struct ledger *ledger);

/* What of the ledger is not in the delta, for the checkpoint; at most
 * LEDGER_SAVE_SIZE bytes. Load is into a fresh ledger, which it leaves unchanged when it answers
 * CORRUPT: the bytes are not what save wrote. */
enum {
    LEDGER_SAVE_SIZE = 32 + 2 * 12 + (LEDGERS_MAX + ACCOUNT_CODES_MAX) * 118 + 16 +
                       LEDGERS_MAX * 5 + (UINT16_MAX + 1) / 8,
};
size_t ledger_save_size(const struct ledger *ledger);
void ledger_save(const struct ledger *ledger, struct writer *writer);
STATUS_MUST_USE enum status ledger_load(struct ledger *ledger, struct reader *reader);

/* For scripts alone: sets the four balances of an account, and the sums of its ledger and code as
 * if an account of the same code that nobody sees had taken the other side. False when there is no
 * such account. */
bool ledger_set_balances(struct ledger *ledger, u128 id, u128 debits_pending, u128 debits_posted,
                         u128 credits_pending, u128 credits_posted);
