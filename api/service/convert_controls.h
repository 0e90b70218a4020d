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
