/* script_run.h — runs the steps of a script on a ledger core in memory.
 *
 * The clock starts at 0. Every step but setup and tick first advances it by 1 ns; each event of a
 * batch then takes the next nanosecond. Texts of the expected and the found are printed from the
 * same keys in the same order, so that equal texts mean an expectation that is met.
 */
#pragma once

#include "tools/script_parse.h"

/* Told of every item that can expect something, in order; `expected` is NULL when it does not. */
struct script_watcher {
    void (*item)(void *context, const struct script_item *item, const char *expected,
                 const char *found);
    void *context;
};

/* INVALID when a step cannot be run: setup of an account that is not there, or a clock that would
 * pass the largest timestamp; the error is "LINE: what". */
STATUS_MUST_USE enum status script_run(const struct script *script,
                                       const struct script_watcher *watcher, struct error *error);
