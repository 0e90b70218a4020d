/* errors.h — how a status ends a call: gRPC code, a message for people, and details for programs.
 *
 * The message says what happened and what to do. grpc-status-details-bin is a google.rpc.Status
 * with one fenlu.v1.ErrorDetail: the reason by name, whether the request may have had an effect,
 * which field was refused, whether trying again may help (docs: how to write a client).
 */
#pragma once

#include "api/grpc/grpc_server.h"
#include "base/status.h"

/* `text` NULL or empty: what the status says in general, with advice. `field` NULL: none. The call
 * is dead afterwards. */
void service_fail(struct grpc_call *call, enum status status, const char *text, const char *field);

enum { ERROR_DETAILS_MAX = 1024 };
_Static_assert((int)ERROR_DETAILS_MAX <= (int)GRPC_STATUS_DETAILS_MAX, "api/grpc takes them all");
/* The bytes of grpc-status-details-bin. A text that does not fit is left out of it. */
size_t error_details_encode(enum status status, const char *text, const char *field,
                            uint8_t out[ERROR_DETAILS_MAX]);
/* The sentence for a status without a text of its own. */
const char *error_advice(enum status status);
