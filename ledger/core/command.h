/* command.h — what a client asks of the ledger, as it lies in a log entry.
 *
 * The body of an ENTRY_COMMANDS entry is one command after another, each a header of 64 bytes and
 * its events of 128 bytes (a pulse has none); nothing between or after. Layout of the header,
 * little-endian: 0  u16 operation    enum operation 2  u16 version      COMMAND_VERSION 4  u32
 * count        events, 1..BATCH_EVENTS_MAX; of a pulse, the most it expires 8  u64 sequence     of
 * this command among those of its client 16  u128 client      incarnation of the API node that sent
 * it (random); 0: no retries follow 32  u64 reserved[4]  zero
 *
 * (client, sequence) names one request of one API process: when a retry of it is applied again, the
 * remembered first reply is given (replies.h). Events take the timestamps
 * entry.timestamp - (events of the entry) + 1 .. entry.timestamp, in order.
 *
 * Pure. How to add a command: docs/adding-a-command.md.
 */
#pragma once

#include "base/limits.h"
#include "base/status.h"
#include "base/u128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMMAND_VERSION = 1 };

enum operation {
    OPERATION_CREATE_ACCOUNTS = 1,
    OPERATION_CREATE_TRANSFERS = 2,
    /* Expires holds; the leader's own, in a log only. It has no events, client and sequence are 0,
     * and it is alone in its entry, whose timestamps its count takes as events would: the first
     * `count` holds that were due before them expire. */
    OPERATION_PULSE = 3,
    /* Reads; never in a log. */
    OPERATION_LOOK_UP_ACCOUNTS = 64,
    OPERATION_LOOK_UP_TRANSFERS = 65,
    /* Queries: count is 1, and one filter (filter.h) lies where the events of others do. */
    OPERATION_GET_ACCOUNT_TRANSFERS = 66,
    OPERATION_GET_ACCOUNT_BALANCES = 67,
    OPERATION_QUERY_ACCOUNTS = 68,
    OPERATION_QUERY_TRANSFERS = 69,
};

struct command_header {
    uint16_t operation;
    uint16_t version;
    uint32_t count;
    uint64_t sequence;
    u128 client;
    uint64_t reserved[4];
};
_Static_assert(sizeof(struct command_header) == COMMAND_HEADER_SIZE, "fixed layout");

/* Bytes of one event (an id for look-ups, a filter for queries) of the operation; 0 when it is
 * unknown, or has none. */
uint32_t operation_event_size(unsigned operation);
/* Whether it is a client's that changes the books. */
bool operation_is_write(unsigned operation);
/* Whether it asks for rows by a filter. */
bool operation_is_query(unsigned operation);
/* Bytes of one result, record or row of its answer. */
uint32_t operation_answer_size(unsigned operation);

/* One command inside bytes that it borrows. Events may be unaligned for their type when the bytes
 * are; entry bodies are aligned to 16. */
struct command {
    struct command_header header;
    const uint8_t *events;
};

/* Takes the next command off the front of `*data`, `*size`. INVALID when what is there is not a
 * sound command of a kind that may be in a log (`reads` false) or asked of a server (`reads` true):
 * unknown operation or version, count out of range, reserved bits set, a filter that is not sound,
 * bytes missing. */
STATUS_MUST_USE enum status command_next(const uint8_t **data, size_t *size, bool reads,
                                         struct command *command);
/* Checks a whole entry body: one pulse, or only sound write commands, 1 to ENTRY_COMMANDS_MAX of
 * them with at most ENTRY_EVENTS_MAX events together, nothing left over; gives the number of
 * commands and of events (timestamps that the entry takes). INVALID otherwise. */
STATUS_MUST_USE enum status command_check_body(const uint8_t *data, size_t size, uint32_t *commands,
                                               uint32_t *events);
