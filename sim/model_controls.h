/* model_controls.h — freezes, limits and groups, from docs/controls.md; for model*.c alone.
 *
 * What was set stands in targets (an account or a group), who was a member when in stays, what
 * windows counted or were given back in takings, of which none is ever changed. Everything else is
 * computed from these whenever it is asked: what a window has used, what is frozen, the sums of a
 * group, and at the end of each command the records that production keeps, for the digest.
 *
 * model_controls.c        the history and the records
 * model_controls_judge.c  what speaks against a movement
 * model_controls_set.c    the commands
 */
#pragma once

#include "ledger/store/records_control.h"

#include <stdbool.h>

struct model;

struct kept_window {
    unsigned flags; /* enum window_flags; 0: there is none */
    u128 amount_max;
    uint32_t count_max;
    int32_t offset_s;
    uint64_t since;
};

/* An account that ever was restrained, or a group. */
struct kept_target {
    u128 id;
    bool group;
    bool dirty;     /* the digest does not have it as it is */
    unsigned flags; /* enum control_flags */
    u128 credit_limit;
    u128 balance_max;
    struct kept_window windows[SIDES][PERIODS];
    uint64_t updated_at;
    uint64_t members_changed_at;
    uint64_t log_index; /* of the last entry that changed it */
    uint32_t last;      /* of its takings; NOWHERE */
    u128 contribution;  /* to the digest */
};

struct kept_stay {
    uint32_t account; /* targets' places */
    uint32_t group;
    uint64_t from;
    uint64_t to; /* 0: it is there */
};

struct kept_order {
    struct freeze record;
    uint64_t log_index;
    uint64_t release_index; /* of the entry that released it */
};

/* What one movement took from the windows of a target, or gave back to them. */
struct taking {
    uint32_t target;
    uint32_t before; /* of the same target; NOWHERE */
    enum limit_side side;
    bool back;
    uint32_t count;
    u128 amount;
    uint64_t taken_at;
    uint64_t given_at; /* back */
};

struct kept_controls {
    struct kept_target *targets;
    uint32_t target_count, target_room;
    struct kept_stay *stays;
    uint32_t stay_count, stay_room;
    struct kept_order *orders;
    uint32_t order_count, order_room;
    struct taking *takings;
    uint32_t taking_count, taking_room;
};

struct used {
    u128 amount;
    uint64_t count;
};

struct span { /* of a window, ns */
    uint64_t begins;
    uint64_t ends; /* the first that is outside */
};

/* --- model_controls.c ------------------------------------------------------------------------- */
void controls_free(struct kept_controls *controls);

/* NOWHERE: there is none. */
uint32_t controls_find(const struct model *model, u128 id, bool group);
/* The target of an account that is restrained now; NULL: it is not. */
const struct kept_target *controls_of(const struct model *model, const struct account *account);
bool controls_is_member(const struct model *model, uint32_t account, uint32_t group);
struct span controls_span(enum limit_period period, int32_t offset_s, uint64_t timestamp);
/* What a window of the target counted between the ends of the span. */
struct used controls_used(const struct model *model, const struct kept_target *target,
                          enum limit_side side, enum limit_period period, struct span span);
/* Sum of the active orders on an amount of the account. */
u128 controls_frozen_amount(const struct model *model, u128 account_id);

/* The account's balances changed: its groups' sums do. */
void controls_moved(struct model *model, const struct account *account);
/* Windows count, or are given back, of the account and of its groups. */
void controls_take(struct model *model, const struct account *account, enum limit_side side,
                   u128 amount, uint64_t timestamp);
void controls_give_back(struct model *model, const struct account *account, enum limit_side side,
                        u128 amount, bool count, uint64_t taken_at, uint64_t given_at);
void controls_undo(struct model *model, uint32_t taking_count);
/* Brings the digest up to date. */
void controls_settle(struct model *model);
/* The records of now. */
void controls_record(const struct model *model, const struct kept_target *target,
                     struct control *record);
/* Of a group: the sums, who they are of, and nothing else. */
void controls_sums(const struct model *model, const struct kept_target *target,
                   struct group *record);
void controls_group_record(const struct model *model, const struct kept_target *target,
                           struct group *record);

/* --- model_controls_judge.c ------------------------------------------------------------------- */
struct transfer;
/* Orders that freeze a side. */
void judge_frozen(const struct model *model, const struct transfer *transfer, unsigned *answer);
/* What of the account may not be taken on this side. */
u128 judge_frozen_amount(const struct model *model, const struct account *account,
                         enum limit_side side);
/* Both accounts as they are before the transfer; all but exceeds_credits and exceeds_debits. */
void judge_restraints(const struct model *model, const struct transfer *transfer,
                      uint64_t timestamp, unsigned *answer);
/* A leg that is pending: windows alone. */
void judge_pending_leg(const struct model *model, const struct transfer *leg, uint64_t timestamp,
                       unsigned *answer);
/* What the net of all legs, the last `count` transfers, has against the account of one of them, and
 * if it is nothing, windows count it; of a mirror (`taken_at` is not 0), are given it back. */
unsigned judge_net(struct model *model, u128 account_id, uint32_t count, uint64_t taken_at,
                   uint64_t timestamp);
/* exceeds_credits, exceeds_debits: accounts that the amount is added to. */
bool judge_is_beyond(const struct model *model, const struct account *account, enum limit_side side,
                     u128 amount);
