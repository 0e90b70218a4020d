/* grpc_headers.h — the texts that gRPC puts into HTTP/2 headers: timeouts, percent-encoded status
 * messages, base64 of binary metadata, content types.
 *
 * Rules: grpc/doc/PROTOCOL-HTTP2.md. Input is hostile: every function bounds it, none allocates.
 * Memory  borrowed; outputs go to the caller's room, whose size the comment names.
 * Pure.
 */
#pragma once

#include "base/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GRPC_TIMEOUT_TEXT_MAX = 9, /* eight digits and a unit */
};

/* One header. Borrowed text, no terminating zero. */
struct grpc_header {
    struct bytes name;
    struct bytes value;
};

/* The bytes of a zero-terminated text, without the zero. */
struct bytes grpc_text(const char *text);
bool grpc_text_equal(struct bytes text, const char *expected);

/* "100m" → 100,000,000. A timeout must be 1 to 8 digits and one of H M S m u n: anything else is
 * false. Longer than fits in 64 bits of nanoseconds is UINT64_MAX. Zero, which some clients send
 * for a deadline that has passed, is a timeout of zero. */
bool grpc_timeout_parse(struct bytes text, uint64_t *timeout_ns);
/* The shortest text that is not longer than the timeout by more than one unit of eight digits;
 * rounds down, at least "1n". Returns its length. */
size_t grpc_timeout_format(uint64_t timeout_ns, char text[GRPC_TIMEOUT_TEXT_MAX]);

/* Percent-encodes what a grpc-message may not carry as it is; `output` has 3 * size bytes. */
size_t grpc_percent_encode(struct bytes text, char *output);
/* Never fails: what is no valid escape stays as it is. `output` has size bytes. */
size_t grpc_percent_decode(struct bytes text, char *output);

/* Without padding, as gRPC emits it; `output` has (size * 4 + 2) / 3 bytes. */
size_t grpc_base64_encode(struct bytes data, char *output);
/* Takes padded and unpadded text; false when it is no base64. `output` has size * 3 / 4 + 1
 * bytes; *size is set on success. */
bool grpc_base64_decode(struct bytes text, uint8_t *output, size_t *size);

/* application/grpc, alone or followed by "+anything" or ";anything". */
bool grpc_content_type_valid(struct bytes text);
/* Metadata whose name ends with "-bin" is base64. */
bool grpc_name_is_binary(struct bytes name);
