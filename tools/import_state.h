/* import_state.h — how far an import came: a small file beside the CSV, FILE.fenlu-import.
 *
 * It names cluster, size and modification time of the CSV, and the row up to which every row has
 * been answered; it counts only when all of that still fits. Written anew and renamed, so it is old
 * or new, never half. Losing it costs time, not money: rows that are sent again answer "exists".
 */
#pragma once

#include "base/error.h"
#include "base/u128.h"

struct import_state {
    char path[1100];
    u128 cluster;
    uint64_t file_size;
    int64_t file_time_ns;
};

/* Looks at the CSV; *done_row is the row to go on after (0: from the start). */
STATUS_MUST_USE enum status import_state_open(struct import_state *state, const char *csv_path,
                                              u128 cluster, uint64_t *done_row,
                                              struct error *error);
STATUS_MUST_USE enum status import_state_save(const struct import_state *state, uint64_t done_row,
                                              struct error *error);
/* The import is complete. */
void import_state_remove(const struct import_state *state);
