/* convert_controls.h — requests and replies of fenlu.v1.Controls; the rules are those of convert.h.
 */
#pragma once

#include "api/service/convert.h"

/* As convert_request; *operation may become GET_GROUP_LIMITS. */
STATUS_MUST_USE enum status convert_controls_request(enum operation *operation,
                                                     struct bytes message,
                                                     struct converted *converted,
                                                     struct refusal *refusal);
/* Of a read; the reply to a write is that of convert_reply. */
struct grpc_buffer *convert_controls_reply(enum operation operation, struct bytes payload,
                                           uint32_t count);

/* --- convert_control_lists.c: answers that go on from page to page, the same two for them -------
 */
static inline bool convert_controls_is_list(enum operation operation)
{
    return operation == OPERATION_LIST_ALL_FREEZES || operation == OPERATION_LIST_GROUP_MEMBERS;
}

STATUS_MUST_USE enum status convert_controls_list_request(enum operation operation,
                                                          struct bytes message,
                                                          struct converted *converted,
                                                          struct refusal *refusal);
struct grpc_buffer *convert_controls_list_reply(enum operation operation, struct bytes payload,
                                                uint32_t count);

/* The fields of one row: CONTROLS_ROW_MAX bytes at the most. */
enum { CONTROLS_ROW_MAX = 512 };
uint8_t *convert_put_freeze(uint8_t *at, const uint8_t *from);
uint8_t *convert_put_membership(uint8_t *at, const uint8_t *from);
