/* records_control.h — what restrains an account, little-endian, the same in memory, in the log and
 * between our processes: its control (1,024 bytes), a group of accounts (1,024), an order to freeze
 * (256), and the four events that change them (128 each). What they mean: docs/controls.md.
 *
 * An account with a control that restrains anything carries ACCOUNT_CONTROLLED in
 * `account.reserved`, so that a transfer between two accounts without one pays a test of a bit. The
 * bit is the ledger's own: it is state (in the digest), and cleared wherever a record leaves.
 *
 * Invariants  of a control: `frozen` is the sum of its active amount orders, the counts of the
 *             others are those of its active orders; freeze_ids stand by priority, then by the time
 *             of placing. Of a group: its sums are those of its members' balances. A counter of a
 *             window counts what its account (its members, since they joined) took in the window
 *             that began at `begins`, and since `since`. Pure.
 */
#pragma once

#include "ledger/store/records.h"

enum { ACCOUNT_CONTROLLED = 1 << 0 }; /* of account.reserved */

/* Periods after which a counter starts anew; numbers are in the log. */
enum limit_period {
    PERIOD_DAY = 0,
    PERIOD_MONTH = 1,
    PERIOD_YEAR = 2,
    PERIOD_LIFETIME = 3,
    PERIODS = 4,
};

enum limit_side {
    SIDE_DEBIT = 0,
    SIDE_CREDIT = 1,
    SIDES = 2,
};

enum window_flags {
    WINDOW_AMOUNT = 1 << 0, /* amount_max applies and amount_used is kept */
    WINDOW_COUNT = 1 << 1,  /* likewise */
};

/* One windowed limit with its counter; flags 0: there is none. */
struct window {
    u128 amount_max;
    u128 amount_used;
    uint64_t since;  /* cluster time from which it counts: when it was set */
    uint64_t begins; /* of the window that is counted; 0: nothing was counted yet, or lifetime */
    uint32_t count_max;
    uint32_t count_used;
    int32_t utc_offset_s; /* of the local time whose days, months and years it counts */
    uint16_t flags;
    uint16_t reserved;
};

enum control_flags {
    CONTROL_CREDIT_LIMIT = 1 << 0, /* credit_limit applies */
    CONTROL_BALANCE_MAX = 1 << 1,
    CONTROL_DEBIT_NORMAL = 1 << 2, /* of a group: its balance is debits less credits */
    /* A credit limit was set once, so the balance may be beyond what the account's flags say: it
     * stays controlled for ever, and whoever checks balances knows. */
    CONTROL_HAD_CREDIT_LIMIT = 1 << 3,
};

/* The limits that a control and a group have in common; windows by side and period. */
struct limits {
    u128 credit_limit;
    u128 balance_max;
    struct window windows[SIDES * PERIODS];
};

struct control {
    u128 id;             /* of the account */
    u128 frozen;         /* sum of the active amount orders */
    uint64_t updated_at; /* cluster time of the last command that changed it */
    uint16_t flags;      /* enum control_flags */
    uint16_t debit_freezes;
    uint16_t credit_freezes;
    uint16_t freeze_count;
    uint16_t group_count;
    uint16_t reserved[3];
    uint64_t reserved_64;
    uint64_t joined_at[CONTROL_GROUPS_MAX]; /* cluster time */
    u128 group_ids[CONTROL_GROUPS_MAX];
    u128 freeze_ids[CONTROL_FREEZES_MAX];
    uint8_t freeze_priorities[CONTROL_FREEZES_MAX]; /* of freeze_ids */
    struct limits limits;
    u128 reserved_128[3];
};

/* Sums are high * 2^128 + low, as those of a ledger. */
struct group {
    u128 id;
    u128 debits_pending, debits_posted, credits_pending, credits_posted;
    uint64_t debits_pending_high, debits_posted_high, credits_pending_high, credits_posted_high;
    uint64_t updated_at;
    uint64_t members_changed_at; /* cluster time of the last joining or leaving */
    uint32_t members;
    uint32_t ledger; /* of its members; 0: it has none */
    uint16_t flags;  /* enum control_flags */
    uint16_t reserved[7];
    uint64_t reserved_64;
    struct limits limits;
    u128 reserved_128[20];
};

enum freeze_kind {
    FREEZE_DEBITS = 1,
    FREEZE_CREDITS = 2,
    FREEZE_BOTH = 3,
    FREEZE_AMOUNT = 4,
};

/* The higher number goes first. */
enum freeze_priority {
    FREEZE_BUSINESS = 1,
    FREEZE_RISK = 2,
    FREEZE_JUDICIAL = 3,
};

struct freeze {
    u128 id; /* chosen by the client */
    u128 account_id;
    u128 amount; /* of FREEZE_AMOUNT; it may exceed the balance */
    u128 held;   /* in a list alone: what of the balance the order has by its priority; else 0 */
    uint64_t placed_at;   /* cluster time */
    uint64_t released_at; /* 0: active */
    uint32_t ledger;
    uint16_t kind;
    uint16_t priority;
    uint16_t reason;
    uint16_t release_reason;
    uint16_t release_priority; /* of the authority that released it */
    uint16_t reserved;
    uint8_t authority[FREEZE_AUTHORITY_MAX]; /* reference of the order; padded with zeros */
    uint8_t release_authority[FREEZE_AUTHORITY_MAX];
    uint8_t reserved_end[64];
};

/* --- events ----------------------------------------------------------------------------------- */
struct freeze_event { /* PLACE_FREEZES */
    u128 id;
    u128 account_id;
    u128 amount;
    uint16_t kind;
    uint16_t priority;
    uint16_t reason;
    uint16_t reserved;
    uint8_t authority[FREEZE_AUTHORITY_MAX];
    uint8_t reserved_end[24];
};

struct release_event { /* RELEASE_FREEZES */
    u128 id;           /* of the order */
    uint16_t priority; /* of the authority that releases it: not below the order's */
    uint16_t reason;
    uint32_t reserved;
    uint8_t authority[FREEZE_AUTHORITY_MAX];
    uint8_t reserved_end[56];
};

enum limit_kind {
    LIMIT_CREDIT = 1,  /* how far below zero the balance may be */
    LIMIT_BALANCE = 2, /* how high it may be */
    LIMIT_WINDOW = 3,  /* what may be debited (credited) in a period */
    LIMIT_NORMAL = 4,  /* of a group: whether its balance is debits less credits */
};

enum limit_flags {
    LIMIT_OF_GROUP = 1 << 0,     /* id is a group's, else an account's */
    LIMIT_REMOVE = 1 << 1,       /* there is no such limit from now on */
    LIMIT_AMOUNT = 1 << 2,       /* of a window: amount_max applies */
    LIMIT_COUNT = 1 << 3,        /* of a window: count_max applies */
    LIMIT_DEBIT_NORMAL = 1 << 4, /* of LIMIT_NORMAL */
};

/* SET_LIMITS; and a row of the answer of GET_LIMITS, where the counters stand. */
struct limit_event {
    u128 id;
    u128 amount_max; /* the credit limit, the balance, or the window's amount */
    u128 amount_used;
    uint64_t window_begins;
    uint64_t window_ends;
    uint32_t count_max;
    uint32_t count_used;
    int32_t utc_offset_s;
    uint16_t kind;
    uint8_t side;
    uint8_t period;
    uint32_t flags;
    uint32_t reserved[3];
    u128 reserved_128[2];
};

enum member_flags { MEMBER_REMOVE = 1 << 0 };

struct member_event { /* SET_GROUP_MEMBERS */
    u128 group_id;
    u128 account_id;
    uint32_t flags;
    uint32_t reserved[23];
};

/* --- reads ------------------------------------------------------------------------------------ */
/* What LIST_ALL_FREEZES (id: an account's) and LIST_GROUP_MEMBERS (a group's) ask. */
struct controls_question {
    u128 id;
    u128 after_id;   /* members with a greater account id */
    uint64_t before; /* orders placed earlier; 0: all */
    uint32_t limit;  /* rows; above CONTROL_LIST_MAX it means that */
    uint8_t reserved[84];
};

/* An account is in a group. */
struct membership {
    u128 group_id;
    u128 account_id;
    uint64_t joined_at; /* cluster time */
    uint64_t reserved;
};

_Static_assert(sizeof(struct controls_question) == EVENT_SIZE, "fixed layout");
_Static_assert(offsetof(struct controls_question, reserved) == 44, "no padding");
_Static_assert(sizeof(struct membership) == 48, "fixed layout");
_Static_assert(sizeof(struct window) == 64, "fixed layout");
_Static_assert(sizeof(struct limits) == 32 + 64 * SIDES * PERIODS, "fixed layout");
_Static_assert(sizeof(struct control) == 1024, "fixed layout");
_Static_assert(sizeof(struct group) == 1024, "fixed layout");
_Static_assert(sizeof(struct freeze) == 256, "fixed layout");
_Static_assert(sizeof(struct freeze_event) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct release_event) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct limit_event) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct member_event) == EVENT_SIZE, "fixed layout");
