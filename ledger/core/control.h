/* control.h — what restrains accounts, as transfers and journals meet it: freezes, credit limits,
 * balances and windows of accounts and of groups. Included by the .c files of ledger/core.
 *
 * A movement is first checked as if it were made, then made (movement.c keeps the sums of groups),
 * then taken: windows count it. What a hold gives back goes to the windows that counted the
 * pending transfer, as long as they are the current ones. All of it lies in the delta's tables, so
 * a chain takes it back. What the rules mean: docs/controls.md.
 *
 * Every function is cheap and right for accounts without a control; those on the way of each
 * transfer test ACCOUNT_CONTROLLED before they call anything. Pure.
 */
#pragma once

#include "ledger/core/controls.h"
#include "ledger/core/ledger_parts.h"

static inline bool is_controlled(const struct account *account)
{
    return (account->reserved & ACCOUNT_CONTROLLED) != 0;
}

static inline bool any_controlled(const struct parties *parties)
{
    return ((parties->debit->reserved | parties->credit->reserved) & ACCOUNT_CONTROLLED) != 0;
}

/* --- control.c: the records, and what a transfer asks ------------------------------------------
 */
/* Of an account that is controlled. */
struct control *control_of(struct ledger *ledger, const struct account *account);
/* The control of the account for a change, made when there is none. */
struct control *control_change(struct ledger *ledger, const struct account *account);
/* Ends a change by a command: when it was, and whether the account is controlled from now on. */
void control_changed(struct ledger *ledger, struct control *control, struct account *account,
                     uint64_t timestamp);

/* Whether all groups of both accounts are at hand: an entry may touch so many. What changes a
 * balance asks this, be it a void. */
enum transfer_status control_check_groups(struct ledger *ledger, const struct parties *parties);
/* Whether both accounts may move at all: that, and orders that freeze a side. */
enum transfer_status control_check_open(struct ledger *ledger, const struct parties *parties);
/* Which of the account's amount is frozen against being taken on this side. */
u128 control_frozen(struct ledger *ledger, const struct account *account, enum limit_side side);
/* The limits of both accounts and of their groups, for a transfer whose amount overflows nothing;
 * `timestamp` is cluster time. Windows do not count what is imported: it is history. */
enum transfer_status control_check(struct ledger *ledger, const struct parties *parties,
                                   const struct transfer *transfer, uint64_t timestamp);
/* The movement was made; windows count it, of both accounts or of one. */
void control_take_side(struct ledger *ledger, const struct account *account, enum limit_side side,
                       u128 amount, uint64_t timestamp);
void control_take(struct ledger *ledger, const struct parties *parties, u128 amount,
                  uint64_t timestamp);
/* The hold of a pending transfer was resolved: what it has not captured is given back, and all of
 * it when it captured nothing. */
void control_resolved(struct ledger *ledger, const struct parties *parties,
                      const struct transfer *pending, const struct hold *hold);

/* Gives back at `given_at` what was taken at `taken_at`, on that side; `count` when nothing of it
 * stays. */
void control_give_back(struct ledger *ledger, const struct account *account, enum limit_side side,
                       u128 amount, bool count, uint64_t taken_at, uint64_t given_at);

/* --- limit.c: one set of limits ----------------------------------------------------------------
 */
/* By precedence: the first that speaks against a movement. */
enum breach {
    BREACH_FROZEN,
    BREACH_BALANCE,
    BREACH_AMOUNT,
    BREACH_COUNT,
    BREACH_GROUP_CREDIT,
    BREACH_GROUP_BALANCE,
    BREACH_GROUP_AMOUNT,
    BREACH_GROUP_COUNT,
    BREACH_NONE,
};

/* What a movement does to an account, seen after it. */
struct effect {
    const struct account *account;
    enum limit_side side;
    u128 amount;  /* by which the balance changes */
    u128 counted; /* which windows count */
    bool counts;  /* false: windows do not look at it */
    uint64_t timestamp;
};

/* Of an account: debit when credits must not exceed debits. */
enum limit_side account_normal_side(const struct account *account);
/* Its balance less what is pending of it; 0 when that is below zero. */
u128 limit_balance(const struct account *account);
enum breach limit_check_account(const struct control *control, const struct effect *effect);
/* BREACH_AMOUNT, BREACH_COUNT or none. */
enum breach limit_check_windows(const struct limits *limits, const struct effect *effect);
void limit_take(struct limits *limits, enum limit_side side, u128 amount, uint64_t timestamp);
/* Whether limit_give_back changes something. */
bool limit_gives_back(const struct limits *limits, enum limit_side side, uint64_t taken_at,
                      uint64_t given_at);
void limit_give_back(struct limits *limits, enum limit_side side, u128 amount, bool count,
                     uint64_t taken_at, uint64_t given_at);
/* Whether a balance, after a debit (a credit) of the account, is beyond what its flags and its
 * credit limit allow; `control` may be NULL. */
bool limit_exceeded(const struct control *control, const struct account *account,
                    enum limit_side side);

/* --- group.c: accounts together ----------------------------------------------------------------
 */
/* A movement that is looked at before it is made; NULL where it was made. */
struct prospect {
    const struct control *debit; /* NULL: not controlled */
    const struct control *credit;
    u128 amount;
    bool pending;
};

/* What an account with this control (NULL: none) has against an effect, by itself and in its
 * groups.
 */
enum transfer_status control_check_side(struct ledger *ledger, const struct control *control,
                                        const struct effect *effect,
                                        const struct prospect *prospect);

enum balance_kind { DEBITS_PENDING, DEBITS_POSTED, CREDITS_PENDING, CREDITS_POSTED };

struct group *group_of(struct ledger *ledger, u128 id);
/* For a change by a command; made when there is none. */
struct group *group_change(struct ledger *ledger, u128 id);
/* The least of what the groups of the control have against the effect. */
enum breach group_check(struct ledger *ledger, const struct control *control,
                        const struct effect *effect, const struct prospect *prospect);
void group_take(struct ledger *ledger, const struct control *control, enum limit_side side,
                u128 amount, uint64_t timestamp);
void group_give_back(struct ledger *ledger, const struct control *control, enum limit_side side,
                     u128 amount, bool count, uint64_t taken_at, uint64_t given_at);
/* A balance of the controlled account went from one value to another. */
void group_follow(struct ledger *ledger, const struct account *account, enum balance_kind kind,
                  u128 from, u128 to);

/* --- control_net.c: journals -------------------------------------------------------------------
 *
 * Balances and windows look at the net of all legs. What pending legs reserve is not netted: each
 * is counted by itself when it is made, because it may be given back by itself. */
void control_net_begin(struct ledger *ledger);
/* Before a leg is made: what windows have against it when it is pending. */
enum transfer_status control_net_check_leg(struct ledger *ledger, const struct parties *parties,
                                           const struct transfer *leg);
/* The leg was made: windows count it now (pending), or its net is kept. */
void control_net_leg(struct ledger *ledger, const struct parties *parties,
                     const struct transfer *leg);
/* After the last leg: what speaks against the nets of the accounts of one leg. Each account is
 * looked at once; when nothing speaks against it, windows count its net. A reversal (`reversed_at`
 * != 0: when the original was made) is not counted: it gives back what the original took. */
enum transfer_status control_net_check(struct ledger *ledger, const struct parties *parties,
                                       uint64_t reversed_at, uint64_t timestamp);
