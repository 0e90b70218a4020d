/* records.h — what the ledger keeps, little-endian, the same in memory, in the log and between our
 * processes: an account and a transfer (128 bytes each), a result (16), the hold of a pending
 * transfer (64), the change that one event made (192), and a journal (256; as asked for, 128).
 *
 * Fields, flags and their bit order are those that TigerBeetle documents (design §5), so that its
 * users' mental model carries over. Amounts are minor units of the ledger. Ids are chosen by the
 * client, neither 0 nor 2^128-1, and each names one account (one transfer) for ever. Pure.
 */
#pragma once

#include "base/limits.h"
#include "base/u128.h"

#include <stdbool.h>
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
    TRANSFER_CAPTURE_PENDING = 1 << 9, /* posts part of a pending transfer, the rest stays held */
    /* One of these: it names a pending transfer. */
    TRANSFER_RESOLVING = TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING | TRANSFER_CAPTURE_PENDING,
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
    u128 captured; /* posted so far; what is held is the amount less this, while it is pending */
    u128 reserved_128;
    uint64_t timestamp;   /* of the pending transfer */
    uint64_t expires_at;  /* ns, cluster time; 0: never */
    uint64_t resolved_at; /* timestamp of the event that resolved it; 0: still pending */
    uint32_t state;       /* enum hold_state */
    uint32_t reserved;
};

/* What a look-up tells of a hold; remaining: what it still holds. */
struct hold_view {
    u128 id; /* of the pending transfer */
    u128 captured;
    u128 remaining;
    uint64_t timestamp;
    uint64_t expires_at;
    uint64_t resolved_at;
    uint32_t state;
    uint32_t reserved[13]; /* zero; a look-up puts it where the transfer was */
};

enum change_kind {
    CHANGE_SINGLE_PHASE = 1,
    CHANGE_PENDING = 2,
    CHANGE_POSTED = 3,
    CHANGE_VOIDED = 4,
    CHANGE_EXPIRED = 5,
    CHANGE_CAPTURED = 6, /* posted, and what remains stays pending */
};

/* What one event did to the two accounts of a transfer; written once. Each created transfer has one
 * with its timestamp, and each hold that expires has one with a timestamp of its own. Timestamps of
 * changes ascend strictly in the order of commit. */
struct change {
    struct balances debit; /* after the event */
    struct balances credit;
    u128 amount;                /* recorded amount of the transfer; of an expiry, what it freed */
    u128 released;              /* taken out of what both accounts have pending; 0: nothing */
    uint64_t timestamp;         /* of the transfer; of an expiry, its own */
    uint64_t pending_timestamp; /* posted, captured, voided, expired: of the pending transfer */
    uint16_t kind;              /* enum change_kind */
    uint16_t debit_flags;       /* of the accounts, after the event (closed) */
    uint16_t credit_flags;
    uint16_t debit_code; /* of the accounts, which never change: their rows of the trial balance */
    uint16_t credit_code;
    uint16_t reserved[3];
};

/* What a change did to the side of each account that the transfer names. */
struct change_effect {
    u128 reserved; /* added to pending */
    u128 released; /* taken off pending */
    u128 posted;   /* added to posted */
};
static inline struct change_effect change_effect(const struct change *change)
{
    struct change_effect effect = { .released = change->released };
    if (change->kind == CHANGE_PENDING) {
        effect.reserved = change->amount;
    } else if (change->kind != CHANGE_VOIDED && change->kind != CHANGE_EXPIRED) {
        effect.posted = change->amount;
    }
    return effect;
}

static inline struct hold_view hold_view(const struct hold *hold, const struct transfer *pending)
{
    return (struct hold_view){
        .id = pending->id,
        .captured = hold->captured,
        .remaining = hold->state == HOLD_PENDING ? pending->amount - hold->captured : 0,
        .timestamp = hold->timestamp,
        .expires_at = hold->expires_at,
        .resolved_at = hold->resolved_at,
        .state = hold->state,
    };
}

/* A journal, or a reversal, as it is asked for. */
struct journal_request {
    u128 id;
    u128 reverses; /* of a reversal: the journal to be reversed; else 0 */
    u128 reference;
    u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t kind;          /* of a reversal 0: it is of the kind of what it reverses */
    uint32_t business_date; /* 20261231 */
    uint32_t leg_count;     /* of a reversal 0 */
    uint32_t metadata_size; /* bytes of the map that came with it; 0: none did */
    uint8_t reserved[36];   /* zero */
};

enum journal_state {
    JOURNAL_POSTED = 1,
    JOURNAL_FAILED = 2, /* its id is used up: all else but id and timestamp is zero */
};

/* Never changes, but for reversed_by. Its legs are the transfers that have the leg_count timestamps
 * after its own. */
struct journal {
    u128 id;
    u128 reverses;    /* the journal that this one mirrors; 0: none */
    u128 reversed_by; /* the journal that mirrors this one; 0: none yet */
    u128 reference;
    u128 user_data_128;
    u128 metadata_hash; /* of the map that came with it (journal.h); 0: none did */
    uint64_t user_data_64;
    uint64_t timestamp;
    uint32_t user_data_32;
    uint32_t kind;
    uint32_t business_date;
    uint32_t leg_count;
    uint32_t pending_leg_count;
    uint32_t metadata_size;
    uint32_t state; /* enum journal_state */
    uint32_t reserved_32;
    uint64_t reserved[14];
};

/* A journal that was posted, by what it is found by. */
struct journal_row {
    u128 id;
    u128 reference;
    uint64_t timestamp;
    uint32_t kind;
    uint32_t business_date;
};

/* The ids of legs that are given none. The low 16 bits of the journal's id are zero, so that it has
 * them for itself. */
#define JOURNAL_LEG_ID_BITS 16
static inline u128 journal_leg_id(u128 journal_id, uint32_t leg)
{
    return journal_id + 1 + leg;
}
static inline struct journal_row journal_row_of(const struct journal *journal)
{
    return (struct journal_row){ .id = journal->id,
                                 .reference = journal->reference,
                                 .timestamp = journal->timestamp,
                                 .kind = journal->kind,
                                 .business_date = journal->business_date };
}
static inline uint64_t journal_leg_timestamp(const struct journal *journal, uint32_t leg)
{
    return journal->timestamp + 1 + leg;
}

/* A row of the trial balance: what the accounts of a ledger with one code add up to. A sum is
 * high * 2^128 + low. */
struct trial_row {
    u128 debits_pending, debits_posted, credits_pending, credits_posted;
    uint64_t debits_pending_high, debits_posted_high, credits_pending_high, credits_posted_high;
    uint64_t accounts;
    uint32_t ledger;
    uint16_t code;
    uint16_t reserved; /* zero */
};
/* One that changed, for a seal: which part of it did. */
struct trial_changed {
    struct trial_row row;
    bool sums;
    bool accounts;
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
_Static_assert(sizeof(struct hold_view) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct change) == 192, "fixed layout");
_Static_assert(sizeof(struct trial_row) == 112, "fixed layout");
_Static_assert(sizeof(struct result) == RESULT_SIZE, "fixed layout");
_Static_assert(sizeof(struct journal_request) == EVENT_SIZE, "fixed layout");
_Static_assert(sizeof(struct journal) == (size_t)2 * EVENT_SIZE, "fixed layout");
_Static_assert(JOURNAL_LEGS_MAX < 1 << JOURNAL_LEG_ID_BITS, "each leg has an id");
