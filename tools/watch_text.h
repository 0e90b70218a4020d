/* watch_text.h — a change of the books as one line: for people, or JSON (as protobuf's JSON has it:
 * numbers of 64 and 128 bits are strings, because few readers keep them whole). */
#pragma once

#include "ledger/store/query.h"

#include <stdio.h>

/* change.kind 0: progress. */
void watch_print_text(FILE *file, const struct query_change *row);
void watch_print_json(FILE *file, const struct query_change *row);
/* "single_phase"; NULL: unknown. */
const char *watch_type_name(unsigned kind);
