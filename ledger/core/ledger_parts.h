/* ledger_parts.h — what the parts of ledger/core share. Included by its .c files alone.
 *
 * A check answers CREATED when nothing speaks against the event. Pure.
 */
#pragma once

#include "base/assert.h"
#include "ledger/core/chain.h"
#include "ledger/core/sums.h"

struct ledger {
    struct delta *delta;
    struct sums sums;
};

/* account.c: one account of a batch. Sets *result_timestamp when the answer's is not its own. */
enum account_status account_create(struct ledger *ledger, const struct account *event,
                                   uint64_t timestamp, uint64_t *result_timestamp);

/* transfer.c: the same for a transfer; remembers the id of a transient failure. */
enum transfer_status transfer_create(struct ledger *ledger, const struct transfer *event,
                                     uint64_t timestamp, uint64_t *result_timestamp);

/* transfer_check.c: what can be said of a transfer without knowing any other record: first what
 * comes before the question whether its id exists, then the rest. */
enum transfer_status transfer_check_head(const struct transfer *event);
enum transfer_status transfer_check_fields(const struct transfer *event);

/* transfer_exists.c: an event whose id names a transfer already. */
enum transfer_status transfer_compare(const struct transfer *event,
                                      const struct transfer *existing);

/* limits.c: what the balances of the two accounts allow. */
enum transfer_status limits_check(const struct transfer *event, const struct account *debit,
                                  const struct account *credit);
