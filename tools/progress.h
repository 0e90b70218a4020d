/* progress.h — one line of progress on a terminal, drawn over itself; nothing where stderr is none.
 */
#pragma once

#include <stdint.h>

/* [####      ]  41 %  820000 of 2000000 rows  91000 rows/s. `posted` items took `elapsed_ms`; with
 * `done` (<= total) those of an earlier run count too. */
void progress_draw(const char *items, uint64_t done, uint64_t total, uint64_t posted,
                   uint64_t elapsed_ms);
/* Ends the line. */
void progress_end(void);
