/* bench_load.h — what `fenlu bench` posts: accounts and transfers from a seed.
 *
 * Amounts, accounts and user data come from the seed; ids from a base or a time of their own in
 * each run, so that runs on one ledger do not meet. Threads: one.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "ledger/core/filter.h"
#include "ledger/store/records.h"

#include <stdbool.h>

struct bench_load {
    uint64_t accounts;
    uint64_t hot_accounts; /* transfers stay among the first so many (2 at least); 0: all */
    bool random_ids;       /* else 48 bits of milliseconds and 80 that grow by chance */
    bool limits;           /* all accounts but the first may not overdraw */
    uint64_t pending;      /* percentage of transfers that are pending, for 1 to 5 s */
    struct clock clock;
    struct random random;
    u128 account_base;
    uint64_t id_ms;
    u128 id_low;
};

/* Sets what is not an option: the generator by `seed`, the ids by `base`. */
void bench_load_start(struct bench_load *load, struct clock clock, uint64_t seed, u128 base);
void bench_load_account(struct bench_load *load, struct account *account, uint64_t i);
/* From the first account to account i + 1: enough for all that it will spend. */
void bench_load_funding(struct bench_load *load, struct transfer *transfer, uint64_t i);
void bench_load_transfer(struct bench_load *load, struct transfer *transfer);
/* The latest transfers of any account, both sides, at most `rows`. */
void bench_load_query(struct bench_load *load, struct filter *filter, uint32_t rows);
