/* script_run.h — runs the steps of a script on a ledger core in memory.
 *
 * The clock starts at 0. Every step but setup and tick first advances it by 1 ns; each event of a
 * batch then takes the next nanosecond. After a tick or a batch of events, what is due expires.
 * Texts of the expected and the found are printed from the same keys in the same order, so that
 * equal texts mean an expectation that is met.
 */
#pragma once

#include "tools/script_parse.h"

/* Told of every item that can expect something, in order; `expected` is NULL when it does not, and
 * empty when it expects nothing. Each row that a query found beyond those expected comes as an item
 * of its own. */
struct script_watcher {
    void (*item)(void *context, const struct script_item *item, const char *expected,
                 const char *found);
    void *context;
};

/* INVALID when a step cannot be run: setup of an account that is not there, a clock that would
 * pass the largest timestamp or go back, a time of a record that is not there; CORRUPT: the books do not add up after a step
 * (script_adds_up.h). The error is "LINE: what". */
STATUS_MUST_USE enum status script_run(const struct script *script,
                                       const struct script_watcher *watcher, struct error *error);
