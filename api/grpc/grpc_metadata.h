/* grpc_metadata.h — a bounded list of headers that owns its text.
 *
 * Invariants  at most GRPC_METADATA_MAX entries; names and values plus 32 bytes each, which is how
 *             HTTP/2 counts (RFC 9113 §6.5.2), stay within GRPC_HEADER_LIST_MAX.
 * Memory      text grows on the heap up to that limit and is kept for reuse by metadata_clear.
 * Errors      grpc_metadata_add gives TOO_LARGE, and the list is as before.
 */
#pragma once

#include "api/grpc/grpc_headers.h"
#include "base/limits.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct grpc_metadata_entry {
    uint16_t name_at, name_size;
    uint16_t value_at, value_size;
};

struct grpc_metadata {
    uint8_t *text;
    uint32_t text_used;
    uint32_t text_capacity;
    uint32_t list_size; /* as HTTP/2 counts */
    uint32_t count;
    struct grpc_metadata_entry entries[GRPC_METADATA_MAX];
};

/* All zero bytes is an empty list. */
void grpc_metadata_free(struct grpc_metadata *metadata);
void grpc_metadata_clear(struct grpc_metadata *metadata);
enum status grpc_metadata_add(struct grpc_metadata *metadata, struct bytes name,
                              struct bytes value) STATUS_MUST_USE;
/* The entry; valid until the next add or clear. */
struct grpc_header grpc_metadata_at(const struct grpc_metadata *metadata, uint32_t index);
/* The first value of `name` (lower case); false when there is none. */
bool grpc_metadata_find(const struct grpc_metadata *metadata, const char *name,
                        struct bytes *value);
