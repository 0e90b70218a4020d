/* convert_past.h — the parts of convert.h that are about the past: GetTrialBalance and
 * GetAccountBalancesAsOf. For convert_*.c and ledger_service.c.
 */
#pragma once

#include "api/service/convert_fields.h"

struct shape past_trial_shape(void);
/* Items are ids; past_read_as_of fills in the rest of each. */
struct shape past_balances_shape(void);
STATUS_MUST_USE enum status past_read_trial(const struct shape *shape, struct bytes message,
                                            uint8_t *into, struct refusal *refusal);
STATUS_MUST_USE enum status past_read_as_of(const struct shape *shape, struct bytes message,
                                            uint8_t *into, uint32_t count, struct refusal *refusal);

/* Each puts the fields of one row. */
uint8_t *past_put_trial_row(uint8_t *at, const uint8_t *from);
uint8_t *past_put_balances(uint8_t *at, const uint8_t *from);
/* False: there was no such account then, and the reply has no row for it. */
bool past_balances_found(const uint8_t *from);
/* INVALID when an account of the answer keeps no history. */
STATUS_MUST_USE enum status past_check_balances(struct bytes payload, uint32_t count,
                                                struct refusal *refusal);
