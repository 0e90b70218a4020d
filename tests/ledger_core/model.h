/* model.h — the ledger once more, written from the documentation and from nothing else: slow,
 * obvious, and built in another way than ledger/core.
 *
 * Records lie in plain arrays that are searched from the front. Every status that applies to an
 * event is noted, without any order, and the one with the smallest number, which is the first in
 * the list of result.h, is the answer. A chain that fails is undone by putting a copy of the
 * accounts, and the old lengths, back.
 */
#pragma once

#include "ledger/core/ledger.h"

#include <stdbool.h>

enum { MODEL_ACCOUNTS_MAX = 64, MODEL_TRANSFERS_MAX = 4096 };

struct model_books {
    struct account accounts[MODEL_ACCOUNTS_MAX];
    uint32_t account_count;
    uint32_t transfer_count;
};

struct model {
    struct model_books books;
    struct transfer transfers[MODEL_TRANSFERS_MAX]; /* the first books.transfer_count */
    u128 failed[MODEL_TRANSFERS_MAX];
    uint32_t failed_count;
};

void model_init(struct model *model);
void model_create_accounts(struct model *model, const struct account *events, uint32_t count,
                           uint64_t first_timestamp, struct result *results);
void model_create_transfers(struct model *model, const struct transfer *events, uint32_t count,
                            uint64_t first_timestamp, struct result *results);
const struct account *model_account(const struct model *model, u128 id);
const struct transfer *model_transfer(const struct model *model, u128 id);
bool model_failed(const struct model *model, u128 id);
/* What the digest must be: every record's contribution. */
u128 model_digest(const struct model *model);
/* What the sums of the ledger must be: every account's balances, every transfer counted. */
struct ledger_sums model_sums(const struct model *model, uint32_t ledger);
