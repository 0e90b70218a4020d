/* machine_controls.h — reads of freezes, limits and groups (operations 79 to 83). Part of the state
 * machine. */
#pragma once

#include "ledger/core/command.h"
#include "ledger/core/controls.h"
#include "ledger/store/store.h"

/* Answers one read about `id` between batches: at most operation_answer_max records of
 * operation_answer_size bytes. `now` is the time of the last applied entry: windows are shown as
 * they stand then. */
STATUS_MUST_USE enum status machine_read_controls(struct store *store, unsigned operation, u128 id,
                                                  uint64_t now, void *records, uint32_t *count,
                                                  struct error *error);
