/* model_queries.h — random questions about random books, and what the model finds.
 *
 * Who is asked gives its rows in one form (struct found); where they come from is not known here. A
 * question may be answered later than it was asked: of what was there then, as query.h promises.
 */
#pragma once

#include "tests/ledger_core/model_world.h"

enum question_kind {
    ASK_ACCOUNT_TRANSFERS,
    ASK_ACCOUNT_BALANCES,
    ASK_TRANSFERS,
    ASK_ACCOUNTS,
    ASK_CHANGES,
    QUESTION_KINDS,
};

struct question {
    enum question_kind kind;
    struct model_filter filter;
    uint32_t expected; /* rows */
    uint32_t places[LOOKUP_IDS_MAX];
};

struct found_balance {
    u128 transfer;
    struct balances balances;
    uint64_t timestamp;
};

struct found_side {
    u128 account;
    struct balances balances;
    bool closed;
};

struct found_change {
    uint32_t kind; /* enum change_kind */
    uint64_t timestamp;
    u128 transfer; /* 0: an expiry */
    u128 pending;  /* what was posted or voided, or has expired; else 0 */
    u128 amount;
    struct found_side debit;
    struct found_side credit;
};

/* Of the kind that was asked, the first `count`. */
struct found {
    uint32_t count;
    const struct transfer *transfers[LOOKUP_IDS_MAX];
    const struct account *accounts[LOOKUP_IDS_MAX];
    struct found_balance balances[LOOKUP_IDS_MAX];
    struct found_change changes[LOOKUP_IDS_MAX];
};

/* A random one, with what is expected now. */
void question_ask(struct world *world, struct question *question);
/* Fails the test. */
void question_compare(const struct world *world, const struct question *question,
                      const struct found *found);
/* How many rows were compared, of each kind, in all. */
uint64_t question_rows(enum question_kind kind);
