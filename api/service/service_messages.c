#include "api/service/service_internal.h"
#include "base/assert.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>

struct grpc_buffer *message_encode(const pb_msgdesc_t *fields, const void *source)
{
    size_t size = 0;
    bool sized = pb_get_encoded_size(&size, fields, source);
    ASSERT(sized);
    struct grpc_buffer *buffer = grpc_buffer_new(size);
    pb_ostream_t stream = pb_ostream_from_buffer(buffer->data, size);
    bool encoded = pb_encode(&stream, fields, source);
    ASSERT(encoded);
    ASSERT(stream.bytes_written == size);
    return buffer;
}

bool message_decode(struct service_call *call, struct bytes message, const pb_msgdesc_t *fields,
                    void *target)
{
    pb_istream_t stream = pb_istream_from_buffer(message.data, message.size);
    if (pb_decode(&stream, fields, target)) {
        return true;
    }
    char text[128];
    (void)snprintf(text, sizeof text, "malformed protobuf request: %s", PB_GET_ERROR(&stream));
    service_call_fail(call, STATUS_INVALID, text, NULL);
    return false;
}
