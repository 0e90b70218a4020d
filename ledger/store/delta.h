/* delta.h — the recent past of the ledger in memory, and whatever of the sealed past the current
 * batch needs: all that `apply` ever touches.
 *
 * Two generations: the live one takes what is applied; at a point that the log determines it is
 * frozen (a seal writes it to the store) and a fresh one takes over. Records that change, accounts
 * and holds, are one table each (delta_table.h): those changed since the last freeze are dirty and
 * stay; clean ones are a cache. Before a batch is applied, prefetch (store.h) has brought in every
 * account, hold, earlier transfer, failed id and taken timestamp that the batch names, so that a
 * look-up here that finds nothing means that there is nothing.
 *
 * Invariants  (1) an id is in at most one of: transfers, failed ids;
 *             (2) digest = the sum, modulo 2^128, of delta_hash over all accounts, transfers,
 *                 failed ids, holds, changes, objects and versions of the whole ledger (sealed ones
 *                 too): equal on all replicas after the same log entry, and recomputable from the
 *                 data in any order;
 *             (3) pointers to records are valid until the batch ends;
 *             (4) in the order of commit, timestamps of changes ascend strictly, those of transfers
 *                 are among them, and timestamps of accounts ascend strictly; so what an earlier
 *                 generation has is earlier, and arrays are sorted by construction.
 * Chains      between chain_open and chain_close every change is remembered; close with
 *             keep = false undoes all of it but failed ids (an id's failure is for ever).
 * Memory      delta_footprint() bytes of the caller's, all zero; capacities are fixed, and exceeding
 *             one is a bug of the caller (the limits of an entry and of a seal prevent it).
 * Threads     the state machine's; the frozen generation is read-only and may be read by the sealer
 *             at the same time. Pure.
 */
#pragma once

#include "ledger/store/objects.h"
#include "ledger/store/records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delta;

struct delta_options {
    uint32_t seal_events;     /* events, or changed accounts, after which a freeze is due */
    uint32_t accounts_cached; /* clean accounts kept beside the dirty ones */
};

/* About 36 MB for what one entry can name and change, 2 KB for each of seal_events (two generations
 * of transfers, changes and ids, and two times as many accounts and holds as can change in one)
 * and 250 bytes for each cached account. `memory` is all zero and aligned to 64 bytes (16 will do,
 * slower); of fresh pages, only those that are used are ever touched. */
size_t delta_footprint(const struct delta_options *options);
struct delta *delta_init(void *memory, const struct delta_options *options);

/* --- what apply uses -------------------------------------------------------------------------- */
void delta_batch_begin(struct delta *delta);
void delta_batch_end(struct delta *delta);

/* NULL: there is none. Change it only after delta_account_change. */
struct account *delta_account(struct delta *delta, u128 id);
/* Must come before each change of balances or flags: remembers the old value for the digest, the
 * chain's undo and the seal. Cheap when repeated. */
void delta_account_change(struct delta *delta, struct account *account);
struct account *delta_account_insert(struct delta *delta, const struct account *account);

const struct transfer *delta_transfer(struct delta *delta, u128 id);
/* NULL: there is none with this timestamp, live or brought in by prefetch. */
const struct transfer *delta_transfer_at(struct delta *delta, uint64_t timestamp);
/* The accounts of the transfer exist. Its change follows, before the next transfer. */
const struct transfer *delta_transfer_insert(struct delta *delta, const struct transfer *transfer);

/* Of the pending transfer with this timestamp; NULL: there is none. Prefetch brings it when the
 * batch names the pending transfer, by its id or as one that is due. */
struct hold *delta_hold(struct delta *delta, uint64_t timestamp);
/* As delta_account_change. */
void delta_hold_change(struct delta *delta, struct hold *hold);
/* Of the transfer inserted last. With expires_at != 0 it will come up as due. */
struct hold *delta_hold_insert(struct delta *delta, const struct hold *hold);

/* Last thing of each event that created a transfer (its change has the transfer's timestamp) or
 * expired a hold. Timestamps ascend strictly. */
void delta_change_append(struct delta *delta, const struct change *change);
/* Before the change of an expiry, which has this timestamp; not within a chain. */
void delta_expiry_append(struct delta *delta, uint64_t timestamp, const struct transfer *pending);

/* An account (a transfer) has this timestamp: for imported events, whose timestamps prefetch has
 * asked for. */
bool delta_account_timestamp_taken(struct delta *delta, uint64_t timestamp);
bool delta_transfer_timestamp_taken(struct delta *delta, uint64_t timestamp);

bool delta_id_failed(struct delta *delta, u128 id);
/* Why it did: what delta_id_fail was told, which is not 0; 0: it did not fail. */
uint16_t delta_id_failure(struct delta *delta, u128 id);
void delta_id_fail(struct delta *delta, u128 id, uint16_t why);

/* Objects (objects.h). NULL: there is none (prefetch brings what the batch names). */
void *delta_object(struct delta *delta, enum object_kind kind, u128 id);
/* As delta_account_change. */
void delta_object_change(struct delta *delta, enum object_kind kind, void *record);
/* The record begins with its id, of which there is none yet. */
void *delta_object_insert(struct delta *delta, enum object_kind kind, const void *record);
/* How many there are of the kind, sealed ones too. */
uint64_t delta_object_count(const struct delta *delta, enum object_kind kind);
/* Accounts with this id or a higher one, and in a group, lead to more groups than one entry may
 * touch (ENTRY_GROUPS_MAX), and prefetch has not brought these; U128_MAX: none do. The same on all
 * replicas, whatever is in memory. */
u128 delta_groups_cut(const struct delta *delta);
/* Keeps this value of the record for ever, as of that time: timestamps of a batch do not descend,
 * and no object has two versions with one timestamp. */
void delta_version_append(struct delta *delta, enum object_kind kind, const void *record,
                          uint64_t timestamp);

/* One that was posted, with all of its legs; not within a chain. Timestamps ascend. */
void delta_journal_insert(struct delta *delta, const struct journal *journal);

void delta_chain_open(struct delta *delta);
void delta_chain_close(struct delta *delta, bool keep);
bool delta_chain_is_open(const struct delta *delta);

/* --- due holds -------------------------------------------------------------------------------- */
/* What prefetch picked for a pulse: the first holds that are pending with expires_at <= its time,
 * by (expires_at, timestamp), each with its transfer (delta_transfer_at) and its accounts. */
uint32_t delta_due_count(const struct delta *delta);
/* Timestamp of the pending transfer; i < delta_due_count. */
uint64_t delta_due_at(const struct delta *delta, uint32_t i);
/* The prefetch of a pulse where there is no store: picks at most `max` (<= BATCH_EVENTS_MAX). */
void delta_prefetch_due(struct delta *delta, uint64_t now_ns, uint32_t max);
/* expires_at of the first pending timed hold in memory (live or frozen); UINT64_MAX: there is none.
 * Between batches. */
uint64_t delta_next_due(struct delta *delta);

/* Optional: ask the processor to fetch what the transfer will look up, some events ahead; the
 * second one, which needs the lines of the first, somewhat less far ahead. */
void delta_hint_ids(const struct delta *delta, const struct transfer *transfer);
void delta_hint_accounts(const struct delta *delta, const struct transfer *transfer);

/* Sum over everything; valid between batches. */
u128 delta_digest(const struct delta *delta);
/* The contribution of one record, all its fields. */
u128 delta_hash_account(const struct account *account);
u128 delta_hash_transfer(const struct transfer *transfer);
u128 delta_hash_failed_id(u128 id, uint16_t why);
u128 delta_hash_hold(const struct hold *hold);
u128 delta_hash_change(const struct change *change);
