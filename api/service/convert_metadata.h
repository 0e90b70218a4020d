/* convert_metadata.h — maps of metadata, and the requests and replies of fenlu.v1.Metadata; the rules
 * are those of convert.h. */
#pragma once

#include "api/service/convert.h"
#include "ledger/core/metadata_set.h"

/* Room for the entries of a request; they borrow its bytes, and those of `numbers`. */
struct metadata_reading {
    struct metadata_entry entries[METADATA_ENTRIES_MAX];
    uint8_t numbers[METADATA_ENTRIES_MAX][16];
    uint32_t count;
};

/* Reads one MetadataEntry, the next of its list, which is field `items` of a `message`; INVALID with
 * *refusal. */
STATUS_MUST_USE enum status convert_metadata_entry(struct bytes entry, const char *message,
                                                   const char *items,
                                                   struct metadata_reading *reading,
                                                   struct refusal *refusal);
/* Writes what was read as a map (as a patch). */
STATUS_MUST_USE enum status convert_metadata_write(struct metadata_reading *reading, bool patch,
                                                   const char *items,
                                                   uint8_t bytes[METADATA_BYTES_MAX],
                                                   uint32_t *size, struct refusal *refusal);
/* Each entry of a sound map as field `field`: METADATA_ENCODED_MAX bytes at the most. */
enum { METADATA_ENCODED_MAX = METADATA_BYTES_MAX + METADATA_ENTRIES_MAX * 32 };
uint8_t *convert_put_metadata(uint8_t *at, uint32_t field, struct bytes map);

/* The times and the target that a read names; INVALID with *refusal. */
STATUS_MUST_USE enum status convert_metadata_time(const char *field, uint64_t time,
                                                  struct refusal *refusal);
STATUS_MUST_USE enum status convert_metadata_target(uint64_t target, struct refusal *refusal,
                                                    uint16_t *into);

/* As convert_request. */
STATUS_MUST_USE enum status convert_metadata_request(enum operation operation, struct bytes message,
                                                     struct converted *converted,
                                                     struct refusal *refusal);
struct grpc_buffer *convert_metadata_reply(enum operation operation, struct bytes payload,
                                           uint64_t log_index);

/* Of LIST_METADATA_VERSIONS (convert_metadata_versions.c); converted->page has the limit, which the
 * reply needs to know whether there may be more. */
STATUS_MUST_USE enum status convert_versions_request(struct bytes message,
                                                     struct converted *converted,
                                                     struct refusal *refusal);
struct grpc_buffer *convert_versions_reply(struct bytes payload, uint32_t limit);
