/* controls_model.h — freezes, limits and groups a second time, as simple as can be: it keeps the
 * list of transfers, who was a member when, and what was set, and recomputes balances and counters
 * from these whenever it is asked. Windows are told apart by the calendar of libc.
 *
 * It knows few accounts in one ledger. What it is not asked: ids that exist, chains (its user copies
 * it), balancing, imported transfers and journals.
 */
#pragma once

#include "ledger/core/result.h"
#include "ledger/store/records_control.h"

#include <stdbool.h>

enum {
    CONTROLS_ACCOUNTS = 8,
    CONTROLS_GROUPS = 3,
    CONTROLS_TARGETS = CONTROLS_ACCOUNTS + CONTROLS_GROUPS,
    CONTROLS_TRANSFERS_MAX = 2000,
    CONTROLS_ORDERS_MAX = 400,
    CONTROLS_STAYS_MAX = 400,
};

struct made {
    unsigned debit, credit; /* accounts, from 0 */
    uint64_t amount;
    uint64_t made_at;
    uint64_t expires_at; /* 0: never */
    bool pending;        /* it was made so */
    bool closed;         /* posted, voided or expired */
    uint64_t captured;
    uint64_t closed_at;
};

struct stay { /* of an account in a group */
    unsigned account, group;
    uint64_t from;
    uint64_t to; /* 0: still there */
};

struct order {
    unsigned account;
    unsigned kind, priority;
    uint64_t amount;
    bool released;
};

struct setting {
    bool has_credit, has_balance, debit_normal;
    uint64_t credit, balance;
    struct {
        unsigned flags; /* enum window_flags */
        uint64_t amount, count, since;
        int32_t offset_s;
    } windows[SIDES][PERIODS];
};

struct controls_model {
    unsigned flags[CONTROLS_ACCOUNTS]; /* enum account_flags */
    struct made made[CONTROLS_TRANSFERS_MAX];
    struct stay stays[CONTROLS_STAYS_MAX];
    struct order orders[CONTROLS_ORDERS_MAX];
    struct setting settings[CONTROLS_TARGETS]; /* accounts, then groups */
    unsigned made_count, stay_count, order_count;
};

struct totals {
    uint64_t debits_pending, debits_posted, credits_pending, credits_posted;
};

/* Of an account, or of all members of a group. */
struct totals controls_totals(const struct controls_model *model, unsigned target);
/* What the target's window has counted that holds `now`. */
void controls_used(const struct controls_model *model, unsigned target, enum limit_side side,
                   enum limit_period period, uint64_t now, uint64_t *amount, uint64_t *count);
/* What a new transfer would answer. */
enum transfer_status controls_judge(const struct controls_model *model, const struct made *event);
/* What posting or capturing one would, that is pending. */
enum transfer_status controls_judge_posting(const struct controls_model *model,
                                            const struct made *pending);
