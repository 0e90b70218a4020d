/* records.h — an account, a transfer and a result: 128, 128 and 16 bytes, little-endian, the same
 * in memory, in the log, between our processes and (as values) in the store.
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

/* The answer to one event. */
struct result {
    uint64_t timestamp; /* created: the event's; exists: that of what exists; else the event's */
    uint32_t status;    /* enum account_status or enum transfer_status (ledger/core/result.h) */
    uint32_t reserved;
};

_Static_assert(sizeof(struct account) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct transfer) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct result) == RESULT_SIZE, "fixed layout");
