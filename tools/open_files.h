/* open_files.h — how many files and connections a serving process may have open (RLIMIT_NOFILE),
 * against how many it can come to need.
 *
 * Every part bounds what it opens (base/limits.h), so the sum is known before the first file. A
 * process that would run out while it serves is refused at the start instead: who opens next is
 * then turned away, and when that is the log, the process ends.
 * Threads  the caller's. The limit is the process's.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct open_files_use {
    bool server;             /* with store, log and cluster port */
    uint64_t log_keep_bytes; /* of a server */
    bool grpc;
    bool metrics;
};

uint64_t open_files_needed(const struct open_files_use *use);
/* Raises the process's soft limit to the hard one. TOO_LARGE when less than `needed` may be open;
 * the text says what to do. */
STATUS_MUST_USE enum status open_files_allow(uint64_t needed, struct error *error);
