#include "api/service/errors.h"

#include "base/assert.h"

#include <fenlu/v1/errors.pb.h>
#include <google/rpc/status.pb.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

#define TYPE_URL "type.googleapis.com/fenlu.v1.ErrorDetail"

static bool retryable(enum status status)
{
    switch (status_grpc(status)) {
    case GRPC_UNAVAILABLE:
    case GRPC_DEADLINE_EXCEEDED:
        return true;
    case GRPC_RESOURCE_EXHAUSTED:
        return status != STATUS_TOO_LARGE;
    case GRPC_OK:
    case GRPC_CANCELLED:
    case GRPC_UNKNOWN:
    case GRPC_INVALID_ARGUMENT:
    case GRPC_NOT_FOUND:
    case GRPC_ALREADY_EXISTS:
    case GRPC_PERMISSION_DENIED:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNIMPLEMENTED:
    case GRPC_INTERNAL:
    case GRPC_DATA_LOSS:
    case GRPC_UNAUTHENTICATED:
    default:
        return false;
    }
}

const char *error_advice(enum status status)
{
    if (status == STATUS_BUSY) {
        return "too many requests are under way; this one was not applied: wait, then send it "
               "again";
    }
    if (status == STATUS_NO_SPACE) {
        return "the servers' disks are full; nothing was applied: free space, then send it again";
    }
    if (status == STATUS_SHUTTING_DOWN) {
        return "this node is shutting down; nothing was applied: use another one";
    }
    return status_text(status);
}

static bool put_text(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const char *text = *arg;
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, (const pb_byte_t *)text, strlen(text));
}

static bool put_detail(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const fenlu_v1_ErrorDetail *detail = *arg;
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_submessage(stream, fenlu_v1_ErrorDetail_fields, detail);
}

/* nanopb hands the argument back as it was given; nothing writes to it. */
static pb_callback_t encoder(bool (*encode)(pb_ostream_t *, const pb_field_t *, void *const *),
                             const void *argument)
{
    return (pb_callback_t){ .funcs.encode = encode, .arg = (void *)(uintptr_t)argument };
}

size_t error_details_encode(enum status status, const char *text, const char *field,
                            uint8_t out[ERROR_DETAILS_MAX])
{
    fenlu_v1_ErrorDetail detail = fenlu_v1_ErrorDetail_init_zero;
    (void)snprintf(detail.reason, sizeof detail.reason, "%s", status_name(status));
    (void)snprintf(detail.field, sizeof detail.field, "%s", field);
    detail.outcome = status_outcome(status) == OUTCOME_UNKNOWN
                         ? fenlu_v1_Outcome_OUTCOME_UNKNOWN
                         : fenlu_v1_Outcome_OUTCOME_NOT_APPLIED;
    detail.retryable = retryable(status);

    google_rpc_Status message = google_rpc_Status_init_zero;
    message.code = (int32_t)status_grpc(status);
    message.details_count = 1;
    message.details[0].type_url = encoder(put_text, TYPE_URL);
    message.details[0].value = encoder(put_detail, &detail);
    if (strlen(text) <= ERROR_DETAILS_MAX / 2) {
        message.message = encoder(put_text, text);
    }
    pb_ostream_t stream = pb_ostream_from_buffer(out, ERROR_DETAILS_MAX);
    bool encoded = pb_encode(&stream, google_rpc_Status_fields, &message);
    ASSERT(encoded); /* a text of half the room, and a detail of 120 bytes at most */
    return stream.bytes_written;
}

void service_fail(struct grpc_call *call, enum status status, const char *text, const char *field)
{
    ASSERT(status != STATUS_OK);
    const char *said = text != NULL && text[0] != '\0' ? text : error_advice(status);
    uint8_t details[ERROR_DETAILS_MAX];
    struct grpc_answer answer = {
        .code = status_grpc(status),
        .text = grpc_text(said),
    };
    answer.details.data = details;
    answer.details.size = error_details_encode(status, said, field != NULL ? field : "", details);
    grpc_call_finish(call, &answer);
}
