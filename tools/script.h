/* script.h — `fenlu script`: runs scripts on a ledger core in memory and compares what they expect.
 *
 * The grammar is docs/scripts.md; what one file does is: read (script_parse.h), run (script_run.h),
 * report or rewrite (here). Threads: one at a time. Memory: the allocator; all given back.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct script_summary {
    uint32_t expectations; /* lines that expect something */
    uint32_t unchecked;    /* lines that could, and do not */
    uint32_t differences;
};

/* Runs one file; the first differences go to `out`, as FILE:LINE. With `update` the expectations
 * that differ are rewritten in place, and so are added where there are none; the rest of the text
 * stays as it is. INVALID when the script cannot be run (`error` names the line),
 * or the status of reading or writing the file. */
STATUS_MUST_USE enum status script_run_file(const char *path, bool update, FILE *out,
                                            struct script_summary *summary, struct error *error);

/* Runs files one after another and prints a line about each. Exit code: 0 everything is as
 * expected, 1 a difference, 2 a script that cannot be read or run. */
int script_run_files(char *const *paths, int count, bool update);
