/* convert.h — requests into commands, results and records into replies.
 *
 * Requests come from strangers: every byte is checked, and what is refused is named with its value
 * and its limit. What only the ledger can judge (a balance in a new account, an unknown flag) goes
 * on to it and comes back as the status of that item.
 *
 * Queries the message is the filter. What cannot be meant is refused here: unknown flags, a time
 *         beyond 2^63-1, a range upside down. What merely nothing can match is the ledger's to
 *         answer, with no rows. A page (page.h) moves the filter's range.
 * Rules   an id is 16 bytes or none; code and flags fit in 16 bits, the other numbers in the width
 * of their field; BATCH_EVENTS_MAX items. A field given twice has its last value, unknown fields
 *         are skipped (protobuf).
 * Memory  a command is malloc'd with room for its header, for cluster_client_submit. A reply is a
 *         message of api/grpc, as large as it needs to be.
 */
#pragma once

#include "api/grpc/grpc_message.h"
#include "api/service/page_state.h"
#include "base/status.h"
#include "ledger/core/command.h"
#include "ledger/store/records.h"

enum { REFUSAL_FIELD_MAX = 64, REFUSAL_TEXT_MAX = 192 };

/* Why a request is INVALID. */
struct refusal {
    char field[REFUSAL_FIELD_MAX]; /* transfers[3].id; empty: the message as a whole */
    char text[REFUSAL_TEXT_MAX];   /* a sentence that starts with the field */
};

struct converted {
    uint8_t *command; /* NULL when the request has no items */
    uint32_t count;
    struct page page; /* of a query */
};

/* The request of an operation from its message: INVALID with *refusal, MEMORY. */
STATUS_MUST_USE enum status convert_request(enum operation operation, struct bytes message,
                                            struct converted *converted, struct refusal *refusal);

/* INVALID with *refusal, when the filter of a query cannot be meant (convert_filter.c). */
struct filter;
STATUS_MUST_USE enum status convert_check_filter(enum operation operation,
                                                 const struct filter *filter,
                                                 struct refusal *refusal);
/* page_begin (page.h) with the token in the message of a filter that was read and checked. */
STATUS_MUST_USE enum status convert_begin_page(enum operation operation, struct bytes message,
                                               void *filter, struct page *page,
                                               struct refusal *refusal);

/* The field `not_after` of a request that writes and was converted; 0: it has none. INVALID with
 * *refusal (convert_not_after.c). */
STATUS_MUST_USE enum status convert_not_after(struct bytes message, uint64_t *not_after,
                                              struct refusal *refusal);

/* The fields of a Transfer, from a struct transfer at any alignment: TRANSFER_ENCODED_MAX bytes at
 * the most. */
enum { TRANSFER_ENCODED_MAX = 512 };
uint8_t *convert_put_transfer(uint8_t *at, const uint8_t *from);
/* The other way: PROTOCOL when it is none. */
STATUS_MUST_USE enum status convert_read_transfer(struct bytes message, struct transfer *transfer);

/* The reply of an operation: `payload` holds `count` results, records or rows. */
struct grpc_buffer *convert_reply(enum operation operation, struct bytes payload, uint32_t count,
                                  uint64_t log_index);
/* Of a query: with the token of the next page, or none. */
struct grpc_buffer *convert_rows(enum operation operation, struct bytes payload, uint32_t count,
                                 struct bytes next_page);
