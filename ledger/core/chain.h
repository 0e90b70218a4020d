/* chain.h — linked events: all succeed or all fail.
 *
 * Follows the events of one call; accounts and transfers alike. Between the first event of a chain
 * and its end, or its first failure, the delta and the sums remember what they change. The first
 * failure rolls all of it back, and every event of the chain but the one that failed answers
 * linked_event_failed, the later ones without being looked at. A last event that leaves the chain
 * open answers linked_event_chain_open, whether the chain had failed before or not.
 *
 * Part of ledger/core. Pure.
 */
#pragma once

#include "ledger/core/sums.h"

struct ledger;

struct chain {
    struct ledger *ledger;
    struct result *results;
    uint64_t first_timestamp; /* of the call: event i has first_timestamp + i */
    uint32_t count;           /* events of the call */
    uint32_t first;           /* event of the open chain */
    bool open;
    bool broken;
};

struct chain chain_begin(struct ledger *ledger, struct result *results, uint32_t count,
                         uint64_t first_timestamp);
/* Before event i: what the chain says about it; EVENT_CREATED when it is to be tried. */
unsigned chain_enter(struct chain *chain, uint32_t i, bool linked);
/* After event i, whose result is written. */
void chain_leave(struct chain *chain, uint32_t i, bool linked);

/* What a chain does where it begins and ends: from open to close the delta and the sums remember
 * what they change, and without keep all of it is undone. For a journal, which is one by itself. */
void chain_open_books(struct ledger *ledger);
void chain_close_books(struct ledger *ledger, bool keep);

/* The statuses that accounts and transfers have in common. */
enum {
    EVENT_CREATED = ACCOUNT_STATUS_CREATED,
    EVENT_LINKED_FAILED = ACCOUNT_STATUS_LINKED_EVENT_FAILED,
    EVENT_CHAIN_OPEN = ACCOUNT_STATUS_LINKED_EVENT_CHAIN_OPEN,
    EVENT_NOT_AFTER_PASSED = ACCOUNT_STATUS_NOT_AFTER_PASSED,
    EVENT_IMPORTED_EXPECTED = ACCOUNT_STATUS_IMPORTED_EVENT_EXPECTED,
    EVENT_IMPORTED_NOT_EXPECTED = ACCOUNT_STATUS_IMPORTED_EVENT_NOT_EXPECTED,
    EVENT_TIMESTAMP_MUST_BE_ZERO = ACCOUNT_STATUS_TIMESTAMP_MUST_BE_ZERO,
    EVENT_IMPORTED_OUT_OF_RANGE = ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE,
    EVENT_IMPORTED_MUST_NOT_ADVANCE = ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE,
};
_Static_assert(EVENT_CREATED == (int)TRANSFER_STATUS_CREATED, "the same number");
_Static_assert(EVENT_NOT_AFTER_PASSED == (int)TRANSFER_STATUS_NOT_AFTER_PASSED, "the same number");
_Static_assert(EVENT_LINKED_FAILED == (int)TRANSFER_STATUS_LINKED_EVENT_FAILED, "the same number");
_Static_assert(EVENT_CHAIN_OPEN == (int)TRANSFER_STATUS_LINKED_EVENT_CHAIN_OPEN, "the same number");
_Static_assert(EVENT_IMPORTED_EXPECTED == (int)TRANSFER_STATUS_IMPORTED_EVENT_EXPECTED,
               "the same number");
_Static_assert(EVENT_IMPORTED_NOT_EXPECTED == (int)TRANSFER_STATUS_IMPORTED_EVENT_NOT_EXPECTED,
               "the same number");
_Static_assert(EVENT_TIMESTAMP_MUST_BE_ZERO == (int)TRANSFER_STATUS_TIMESTAMP_MUST_BE_ZERO,
               "the same number");
_Static_assert(EVENT_IMPORTED_OUT_OF_RANGE ==
                   (int)TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE,
               "the same number");
_Static_assert(EVENT_IMPORTED_MUST_NOT_ADVANCE ==
                   (int)TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE,
               "the same number");
