/* import_check.h — the first pass of `fenlu import`: nothing of a file is posted when a row of it
 * is malformed.
 */
#pragma once

#include "tools/flags.h"

#include <stdbool.h>
#include <stdint.h>

/* Before anything is posted: a name that is wrong, or none, is said at once; the exit code. */
int import_check_names(const struct tool *tool, const struct arguments *files);
struct import_check {
    uint64_t count; /* of rows */
    bool in_order;  /* some row depends on those before it: it resolves one, or has its own time */
};

/* Every row is well formed and no chain is longer than `batch`. Otherwise says why on standard
 * error, row by row up to a bound, and returns false. */
bool import_check_file(const struct tool *tool, const char *path, uint64_t batch,
                       struct import_check *found);
