/* convert_registry.h — requests and replies of fenlu.v1.Registry; the rules are those of convert.h.
 */
#pragma once

#include "api/service/convert.h"
#include "ledger/store/objects.h"

/* As convert_request. `kind` says what LIST_OBJECTS lists; GetMode lists the settings. */
STATUS_MUST_USE enum status convert_registry_request(enum operation operation,
                                                     enum object_kind kind, struct bytes message,
                                                     struct converted *converted,
                                                     struct refusal *refusal);
/* Of LIST_OBJECTS; the reply to a write is that of convert_reply. */
struct grpc_buffer *convert_registry_reply(enum object_kind kind, struct bytes payload);
