/* machine_journal.h — the answer to GET_JOURNAL. Part of the state machine. */
#pragma once

#include "ledger/store/store.h"

/* Rows of EVENT_SIZE bytes: the journal in two, its legs, its metadata, padded with zeros, in
 * JOURNAL_METADATA_UNITS when it has any. None when no journal of that id was posted. `rows` has
 * room for JOURNAL_ROWS_MAX and is aligned to 16. */
STATUS_MUST_USE enum status machine_read_journal(struct store *store, u128 id, uint8_t *rows,
                                                 uint32_t *count, struct error *error);
