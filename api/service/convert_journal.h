/* convert_journal.h — journals at the edge: what convert.h does, for the four calls whose messages
 * are not a list of records. Rules and memory as there. */
#pragma once

#include "api/service/convert.h"

static inline bool convert_is_of_journals(enum operation operation)
{
    return operation == OPERATION_POST_JOURNAL || operation == OPERATION_REVERSE_JOURNAL ||
           operation == OPERATION_GET_JOURNAL || operation == OPERATION_QUERY_JOURNALS;
}

STATUS_MUST_USE enum status convert_journal_request(enum operation operation, struct bytes message,
                                                    struct converted *converted,
                                                    struct refusal *refusal);
struct grpc_buffer *convert_journal_reply(enum operation operation, struct bytes payload,
                                          uint32_t count, uint64_t log_index);
/* Of QUERY_JOURNALS: with the token of the next page, or none. */
struct grpc_buffer *convert_journal_rows(struct bytes payload, uint32_t count,
                                         struct bytes next_page);

/* convert_reply.c: one result, timestamp and status, under this field of at most 15. */
uint8_t *convert_put_result(uint8_t *at, uint32_t field, const uint8_t *from);
/* And the token of a page, or none, behind the rows of any query: 2 + PAGE_TOKEN_SIZE bytes. */
uint8_t *convert_put_page(uint8_t *at, struct bytes next_page);
