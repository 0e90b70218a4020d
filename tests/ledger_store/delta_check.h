/* delta_check.h — what a delta says of due holds, of an account's transfers and of timestamps,
 * compared with what walking over the whole model finds. */
#pragma once

#include "tests/ledger_store/delta_model.h"

/* Those of `holds` (by event, `stride` bytes apart) that are due at `now`, in order. */
uint32_t delta_sort_due(const struct hold *holds, size_t stride, uint32_t count, uint64_t now,
                        struct delta_due *dues);
void delta_check_next_due(struct model *model);
/* What was picked; gives how many. */
uint32_t delta_check_pick(const struct model *model, uint64_t now, uint32_t max);
void delta_check_walk(const struct model *model, u128 account);
/* Asks for some, those of the last `near` units of time above all. */
void delta_check_timestamps(struct model *model, uint64_t near);
