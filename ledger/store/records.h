/* records.h — what the ledger keeps, little-endian, the same in memory, in the log and between our
 * processes: an account and a transfer (128 bytes each), a result (16), the hold of a pending
 * transfer (64), and the change that one event made (176).
 *
 * Fields, flags and their bit order are those that TigerBeetle documents (design §5), so that its
 * users' mental model carries over. Amounts are minor units of the ledger. Ids are chosen by the
 * client, neither 0 nor 2^128-1, and each names one account (one transfer) for ever. Pure.
 */
#pragma once

#include "base/limits.h"
#include "base/u128.h"

#include <stdint.h>

enum account_flags {
    ACCOUNT_LINKED = 1 << 0,                         /* succeeds or fails with the next event */
    ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS = 1 << 1, /* debits pending + posted <= credits posted */
    ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS = 1 << 2, /* credits pending + posted <= debits posted */
    ACCOUNT_HISTORY = 1 << 3,                        /* keeps its balances after each transfer */
    ACCOUNT_IMPORTED = 1 << 4,                       /* with a timestamp of its own */
    ACCOUNT_CLOSED = 1 << 5,                         /* takes no more transfers */
};

struct account {
    u128 id;
    u128 debits_pending;
    u128 debits_posted;
    u128 credits_pending;
    u128 credits_posted;
    u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t reserved;
    uint32_t ledger;
    uint16_t code;
    uint16_t flags;
    uint64_t timestamp; /* ns, cluster time of its creation */
};

enum transfer_flags {
    TRANSFER_LINKED = 1 << 0,
    TRANSFER_PENDING = 1 << 1,
    TRANSFER_POST_PENDING = 1 << 2,
    TRANSFER_VOID_PENDING = 1 << 3,
    TRANSFER_BALANCING_DEBIT = 1 << 4,
    TRANSFER_BALANCING_CREDIT = 1 << 5,
    TRANSFER_CLOSING_DEBIT = 1 << 6,
    TRANSFER_CLOSING_CREDIT = 1 << 7,
    TRANSFER_IMPORTED = 1 << 8,
};

struct transfer {
    u128 id;
    u128 debit_account_id;
    u128 credit_account_id;
    u128 amount;
    u128 pending_id;
    u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t timeout; /* seconds, of a pending transfer */
    uint32_t ledger;
    uint16_t code;
    uint16_t flags;
    uint64_t timestamp;
};

/* The four balances of an account. */
struct balances {
    u128 debits_pending;
    u128 debits_posted;
    u128 credits_pending;
    u128 credits_posted;
};

enum hold_state {
    HOLD_PENDING = 1,
    HOLD_POSTED = 2,
    HOLD_VOIDED = 3,
    HOLD_EXPIRED = 4,
};

/* What became of a pending transfer; changes. Named by the timestamp of that transfer. */
struct hold {
    u128 captured; /* posted so far */
    u128 reserved_128;
    uint64_t timestamp;   /* of the pending transfer */
    uint64_t expires_at;  /* ns, cluster time; 0: never */
    uint64_t resolved_at; /* timestamp of the event that resolved it; 0: still pending */
    uint32_t state;       /* enum hold_state */
    uint32_t reserved;
};

enum change_kind {
    CHANGE_SINGLE_PHASE = 1,
    CHANGE_PENDING = 2,
    CHANGE_POSTED = 3,
    CHANGE_VOIDED = 4,
    CHANGE_EXPIRED = 5,
};

/* What one event did to the two accounts of a transfer; written once. Each created transfer has one
 * with its timestamp, and each hold that expires has one with a timestamp of its own. Timestamps of
 * changes ascend strictly in the order of commit. */
struct change {
    struct balances debit; /* after the event */
    struct balances credit;
    u128 amount;                /* recorded amount of the transfer; of an expiry, what it freed */
    uint64_t timestamp;         /* of the transfer; of an expiry, its own */
    uint64_t pending_timestamp; /* posted, voided, expired: of the pending transfer; else 0 */
    uint16_t kind;              /* enum change_kind */
    uint16_t debit_flags;       /* of the accounts, after the event (closed) */
    uint16_t credit_flags;
    uint16_t reserved[5];
};

/* The answer to one event. */
struct result {
    uint64_t timestamp; /* created: the event's; exists: that of what exists; else the event's */
    uint32_t status;    /* enum account_status or enum transfer_status (ledger/core/result.h) */
    uint32_t reserved;
};

_Static_assert(sizeof(struct account) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct transfer) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct balances) == 64, "fixed layout");
_Static_assert(sizeof(struct hold) == 64, "fixed layout");
_Static_assert(sizeof(struct change) == 176, "fixed layout");
_Static_assert(sizeof(struct result) == RESULT_SIZE, "fixed layout");
