/* delta.h — the recent past of the ledger in memory, and whatever of the sealed past the current
 * batch needs: all that `apply` ever touches.
 *
 * Two generations: the live one takes what is applied; at a point that the log determines it is
 * frozen (a seal writes it to the store) and a fresh one takes over. Accounts are one table: those
 * changed since the last freeze are dirty and stay; clean ones are a cache. Before a batch is
 * applied, prefetch (store.h) has brought in every account and every earlier transfer or failed id
 * that the batch names, so that a look-up here that finds nothing means that there is nothing.
 *
 * Invariants  (1) an id is in at most one of: transfers, failed ids;
 *             (2) digest = the sum, modulo 2^128, of delta_hash over all accounts, transfers and
 *                 failed ids of the whole ledger (sealed ones too): equal on all replicas after the
 *                 same log entry, and recomputable from the data in any order;
 *             (3) pointers to accounts and transfers are valid until the batch ends.
 * Chains      between chain_open and chain_close every change is remembered; close with
 *             keep = false undoes all of it but failed ids (an id's failure is for ever).
 * Memory      delta_footprint() bytes of the caller's; capacities are fixed, and exceeding one is a
 *             bug of the caller (the limits of an entry and of a seal prevent it).
 * Threads     the state machine's; the frozen generation is read-only and may be read by the sealer
 *             at the same time. Pure.
 */
#pragma once

#include "ledger/store/records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delta;

struct delta_options {
    uint32_t seal_events;     /* events, or changed accounts, after which a freeze is due */
    uint32_t accounts_cached; /* clean accounts kept beside the dirty ones */
};

/* `memory` is aligned to 64 bytes (16 will do, slower). */
size_t delta_footprint(const struct delta_options *options);
struct delta *delta_init(void *memory, const struct delta_options *options);

/* --- what apply uses ------------------------------------------------------------------------- */
void delta_batch_begin(struct delta *delta);
void delta_batch_end(struct delta *delta);

/* NULL: there is none. Change it only after delta_account_change. */
struct account *delta_account(struct delta *delta, u128 id);
/* Must come before each change of balances or flags: remembers the old value for the digest, the
 * chain's undo and the seal. Cheap when repeated. */
void delta_account_change(struct delta *delta, struct account *account);
struct account *delta_account_insert(struct delta *delta, const struct account *account);

const struct transfer *delta_transfer(struct delta *delta, u128 id);
const struct transfer *delta_transfer_insert(struct delta *delta, const struct transfer *transfer);

bool delta_id_failed(struct delta *delta, u128 id);
void delta_id_fail(struct delta *delta, u128 id);

void delta_chain_open(struct delta *delta);
void delta_chain_close(struct delta *delta, bool keep);
bool delta_chain_is_open(const struct delta *delta);

/* Optional: ask the processor to fetch what the transfer will look up, some events ahead; the
 * second one, which needs the lines of the first, somewhat less far ahead. */
void delta_hint_ids(const struct delta *delta, const struct transfer *transfer);
void delta_hint_accounts(const struct delta *delta, const struct transfer *transfer);

/* Sum over everything; valid between batches. */
u128 delta_digest(const struct delta *delta);
/* The contribution of one record: of an account (all fields), a transfer, a failed id. */
u128 delta_hash_account(const struct account *account);
u128 delta_hash_transfer(const struct transfer *transfer);
u128 delta_hash_failed_id(u128 id);
