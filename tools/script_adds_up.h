/* script_adds_up.h — the invariants of a ledger that is in memory as a whole: after every batch of a
 * script and of the tests against the model.
 *
 * The sum of what its changes did is each account's balances; the live holds are its pending; it is
 * within its own limits; the accounts of each ledger and code are the row of the trial balance, which
 * has as many debits as credits in each ledger. (What `fenlu audit` says of a store.) Costs a look at
 * everything.
 */
#pragma once

#include "ledger/core/ledger.h"

/* NULL: it adds up; else what does not. Between batches; not after ledger_set_balances. */
const char *script_adds_up(const struct ledger *ledger, struct delta *delta);
