/* import_chains.h — chains that were posted before.
 *
 * A chain that is posted again breaks where the first row answers "exists", and its other rows then
 * say "linked_event_failed" whether they are in the ledger or not. Those rows are doubtful: they
 * are looked up, and the ones that are there, with all their fields, are "exists" too.
 *
 * `records`: accounts or transfers of EVENT_SIZE bytes, aligned to 16. Pure.
 */
#pragma once

#include "base/limits.h"
#include "ledger/store/records.h"

#include <stdbool.h>
#include <stdint.h>

/* Row i belongs together with the next. */
bool import_chains_linked(bool transfers, const void *records, uint32_t i);
/* Fills `doubts` with the places of doubtful rows and `ids` with their ids; both have room for
 * `count`. Returns how many. */
uint32_t import_chains_doubtful(bool transfers, const void *records, const struct result *results,
                                uint32_t count, uint32_t *doubts, u128 *ids);
/* `found`: the answer to a look-up of those ids, in the order asked, the missing ones left out. */
void import_chains_settle(bool transfers, const void *records, struct result *results,
                          const uint32_t *doubts, uint32_t doubt_count, const void *found,
                          uint32_t found_count);
