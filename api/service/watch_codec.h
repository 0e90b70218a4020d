/* watch_codec.h — what goes over the wire of the change feed: a page of a server into events, and what
 * `fenlu watch` says and reads. The request's other end: convert_watch.h.
 */
#pragma once

#include "api/grpc/grpc_message.h"
#include "ledger/core/changes_filter.h"

/* A WatchRequest; limit and wait_ms are not told. */
struct grpc_buffer *watch_encode_request(const struct changes_filter *filter);

/* A row of a page, at any alignment. */
struct query_change watch_row_at(struct bytes page, uint32_t i);
/* ChangeEvents of the first `count` rows of a page, all in one buffer (framed). */
struct grpc_buffer *watch_encode_rows(struct bytes page, uint32_t count);
/* The ChangeEvent that tells a position and nothing else. */
struct grpc_buffer *watch_encode_progress(uint64_t position);

/* What a ChangeEvent says; change.kind is 0 for progress. PROTOCOL when it is none. */
STATUS_MUST_USE enum status watch_decode_event(struct bytes message, struct query_change *row);
