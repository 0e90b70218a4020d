/* machine_objects.h — the registry's and metadata's commands (operations 6, 7, 12, 14) and reads
 * (73, 76, 87). Part of the state machine. */
#pragma once

#include "ledger/core/metadata_set.h"
#include "ledger/core/registry.h"
#include "ledger/store/store.h"

/* False: it is another command. The body is aligned (entry_names.h). */
bool machine_apply_objects(struct ledger *ledger, const struct command *command,
                           uint64_t first_timestamp, struct result *results);
/* Answers one read between batches: at most operation_answer_max rows of operation_answer_size
 * bytes. */
STATUS_MUST_USE enum status machine_read_objects(struct store *store, const struct command *command,
                                                 void *rows, uint32_t *count, struct error *error);
