/* command.h — what a client asks of the ledger, as it lies in a log entry.
 *
 * The body of an ENTRY_COMMANDS entry is one command after another, each a header of 64 bytes and
 * its units of 128 bytes (a pulse has none): events, or what stands below; nothing between or
 * after. Layout of the header, little-endian:
 *    0  u16 operation    enum operation
 *    2  u16 version      COMMAND_VERSION
 *    4  u32 count        events, 1..BATCH_EVENTS_MAX; of a pulse, the most it expires
 *    8  u64 sequence     of this command among those of its client
 *   16  u128 client      incarnation of the API node that sent it (random); 0: no retries follow
 *   32  u64 not_after    of a write: it is refused as a whole (not_after_passed) when the timestamp
 *                        of its first event is later; 0: never
 *   40  u64 reserved[3]  zero
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
    /* A struct journal_request; its leg_count legs, transfers; its metadata, padded with zeros. */
    OPERATION_POST_JOURNAL = 4,
    /* A struct journal_request without legs, and JOURNAL_METADATA_UNITS of metadata, padded with
     * zeros. How many legs it mirrors is not known before it is applied, so its count is that of
     * the largest: JOURNAL_REVERSAL_COUNT timestamps. */
    OPERATION_REVERSE_JOURNAL = 5,
    /* The registry (registry.h): units are struct ledger_record, account_code_record and
     * registry_mode_event. */
    OPERATION_CREATE_LEDGERS = 6,
    OPERATION_CREATE_ACCOUNT_CODES = 7,
    /* What restrains accounts (controls.h); units are struct freeze_event, release_event,
     * limit_event and member_event. */
    OPERATION_PLACE_FREEZES = 8,
    OPERATION_RELEASE_FREEZES = 9,
    OPERATION_SET_LIMITS = 10,
    OPERATION_SET_GROUP_MEMBERS = 11,
    /* A struct metadata_request (metadata_set.h), and the patch, padded with zeros. */
    OPERATION_SET_METADATA = 12,
    /* Says what became of transfer ids (resolve.h); units are struct resolve_request. */
    OPERATION_RESOLVE = 13,
    OPERATION_SET_REGISTRY_MODE = 14,
    /* Reads; never in a log. */
    OPERATION_LOOK_UP_ACCOUNTS = 64,
    OPERATION_LOOK_UP_TRANSFERS = 65,
    /* Queries: count is 1, and one filter (filter.h) lies where the events of others do. */
    OPERATION_GET_ACCOUNT_TRANSFERS = 66,
    OPERATION_GET_ACCOUNT_BALANCES = 67,
    OPERATION_QUERY_ACCOUNTS = 68,
    OPERATION_QUERY_TRANSFERS = 69,
    /* A page of the change feed: a query, whose filter is a struct changes_filter. */
    OPERATION_GET_CHANGES = 70,
    OPERATION_TRIAL_BALANCE = 71, /* a query, whose filter is a struct trial_filter */
    /* Queries, of many accounts at a time: units are struct balances_question (past.h). */
    OPERATION_BALANCES_AS_OF = 72,
    /* A struct objects_question (registry.h): of ledgers, account codes or settings. */
    OPERATION_LIST_OBJECTS = 73,
    /* One id. The rows of its answer: a struct journal in two, its legs, its metadata in as many as
     * that takes. */
    OPERATION_GET_JOURNAL = 74,
    OPERATION_QUERY_JOURNALS = 75, /* a query, whose filter is a struct journal_filter */
    OPERATION_GET_METADATA = 76,   /* a struct metadata_question (metadata_set.h) */
    OPERATION_LOOK_UP_HOLDS = 78,  /* of pending transfers, by their ids: struct hold_view */
    /* About one id, an account's, a group's or an order's: struct freeze by priority, struct
     * limit_event, struct group, struct freeze. */
    OPERATION_LIST_FREEZES = 79,
    OPERATION_GET_LIMITS = 80,
    OPERATION_GET_GROUP_LIMITS = 81,
    OPERATION_GET_GROUP = 82,
    OPERATION_GET_FREEZE = 83,
    OPERATION_LIST_ACCOUNT_GROUPS = 84, /* struct membership */
    /* A struct controls_question: all orders that were ever placed on an account, the members of a
     * group. Behind their rows stands a mark when there may be more: one with id (joined_at) 0
     * that says where to go on. */
    OPERATION_LIST_ALL_FREEZES = 85,
    OPERATION_LIST_GROUP_MEMBERS = 86,
    /* A struct metadata_versions_question: struct metadata_record, the latest first. */
    OPERATION_LIST_METADATA_VERSIONS = 87,
};

struct command_header {
    uint16_t operation;
    uint16_t version;
    uint32_t count;
    uint64_t sequence;
    u128 client;
    uint64_t not_after; /* ns, cluster time; 0: no bound */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct command_header) == COMMAND_HEADER_SIZE, "fixed layout");

/* Bytes of one event (an id for look-ups, a filter for queries) of the operation; 0 when it is
 * unknown, or has none. */
uint32_t operation_event_size(unsigned operation);
/* Bytes behind the header of a command with this count. */
size_t operation_payload_size(unsigned operation, uint32_t count);
/* Whether it is a client's that changes the books. */
bool operation_is_write(unsigned operation);
/* Whether it is one of the reads about freezes, limits and groups. */
bool operation_reads_controls(unsigned operation);
/* Whether it is LIST_OBJECTS, GET_METADATA or LIST_METADATA_VERSIONS. */
bool operation_reads_objects(unsigned operation);
/* Whether it asks for rows by a filter. */
bool operation_is_query(unsigned operation);
/* Bytes of one result, record or row of its answer. */
uint32_t operation_answer_size(unsigned operation);
/* The most records or rows that the answer to a read with this count has. */
uint32_t operation_answer_max(unsigned operation, uint32_t count);

/* One command inside bytes that it borrows. Events may be unaligned for their type when the bytes
 * are; entry bodies are aligned to 16. */
struct command {
    struct command_header header;
    const uint8_t *events;
};

/* How many results the answer to a sound write has: one for each event; for a journal its own and
 * one for each leg; for metadata one; for a reversal its own and one for the leg that stopped it. */
uint32_t command_result_count(const struct command *command);

/* Takes the next command off the front of `*data`, `*size`. INVALID when what is there is not a
 * sound command of a kind that may be in a log (`reads` false) or asked of a server (`reads` true):
 * unknown operation or version, count out of range, reserved bits set, a filter or a journal that
 * is not sound, bytes missing. */
STATUS_MUST_USE enum status command_next(const uint8_t **data, size_t *size, bool reads,
                                         struct command *command);
/* Checks a whole entry body: one pulse, or only sound write commands, 1 to ENTRY_COMMANDS_MAX of
 * them with at most ENTRY_EVENTS_MAX events together, nothing left over; gives the number of
 * commands and of events (timestamps that the entry takes). INVALID otherwise. */
STATUS_MUST_USE enum status command_check_body(const uint8_t *data, size_t size, uint32_t *commands,
                                               uint32_t *events);
