/* journal.h — journals: up to JOURNAL_LEGS_MAX legs under one id, all or nothing, and the mirror
 * that takes one back.
 *
 * Legs      transfers, so every ledger balances and each leg is found, queried and streamed like
 *           any transfer. Of the flags only pending and balancing ones: a leg that is linked,
 *           imported, closing or resolving answers reserved_flag. A leg without an id is given
 *           journal_leg_id. Legs take effect in order; a balancing leg takes what the legs before
 *           it have left.
 * Limits    are looked at after the last leg, on the net of all (journal_net.c); overflows at each.
 * Ids       a journal's id is none of a transfer. A journal that fails for a transient reason has
 *           used it up: the record says so, and every later try answers id_already_failed. So has
 *           the leg that failed used up its own, as in a chain; the others have not.
 * Retries   the same request answers exists: its fields are compared, each leg with the transfer
 *           that it made, and the metadata by its size and a hash of 128 bits: the map itself may
 *           have been changed since. The hash is no defence against an author of collisions, who
 *           could only be told `exists` of a map that he had sent under that id himself.
 * Reversal  mirrors each leg, debit and credit swapped, with the recorded amount, at most once. The
 *           original keeps all its fields but reversed_by. A reversal is not reversed, nor what has
 *           pending legs: what they hold is posted or voided by itself.
 *
 * Part of ledger/core. Pure.
 */
#pragma once

#include "ledger/core/ledger_parts.h"

/* Where the legs come from: a request, or the journal that is mirrored. */
struct journal_legs {
    u128 journal_id; /* of the journal that they become part of */
    uint32_t count;
    const struct transfer *requested; /* NULL: mirrored */
    uint64_t mirrored_from;           /* timestamp of the first leg of the original */
};

/* Leg i as it is tried, with its id. */
struct transfer journal_leg(struct ledger *ledger, const struct journal_legs *legs, uint32_t i);

struct journal_outcome {
    enum journal_status status;
    uint32_t failed_leg; /* of leg_failed */
    enum transfer_status leg_status;
    uint32_t pending_leg_count;
};
/* Tries all legs, the first one at first_timestamp; what they did is undone unless all succeed. */
struct journal_outcome journal_try_legs(struct ledger *ledger, const struct journal_legs *legs,
                                        uint64_t first_timestamp);

/* What fields of the request say by themselves; its id first, the rest when no journal has it. */
enum journal_status journal_check_id(const struct journal_request *request);
enum journal_status journal_check_date(const struct journal_request *request);
/* Of an id that is known: all but the legs. EXISTS when they are the same. */
enum journal_status journal_compare(const struct journal_request *request, const uint8_t *metadata,
                                    const struct journal *existing);

/* The record, and with it its metadata; or that the id is used up. */
void journal_record(struct ledger *ledger, const struct journal *journal, const uint8_t *metadata);
void journal_record_failure(struct ledger *ledger, u128 id, uint64_t timestamp);
/* What the record takes over from the request. */
struct journal journal_of(const struct journal_request *request, const uint8_t *metadata,
                          uint64_t timestamp);

/* --- journal_net.c -----------------------------------------------------------------------------
 */
/* Limits after the last leg, before anything is kept, and the windows of limits count it; the
 * timestamp is that of the last leg. CREATED, or the status of *leg, the first one
 * that takes from an account which is beyond a limit now. */
enum transfer_status journal_check_net(struct ledger *ledger, const struct journal_legs *legs,
                                       uint64_t timestamp, uint32_t *leg);
