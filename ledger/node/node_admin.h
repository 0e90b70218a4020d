/* node_admin.h — what stands in the way of an operator's change of the members
 * (node_admin_check.c); for node_admin.c.
 *
 * Each answers OK, or a status with a text that names what is so, and the remedy. Threads: the
 * loop's.
 */
#pragma once

#include "base/error.h"
#include "ledger/node/node_internal.h"
#include "ledger/node/wire_admin.h"

/* A majority of the voters of `next` is heard. */
STATUS_MUST_USE enum status
node_admin_check_quorum(const struct node *node, const struct members *next, struct error *error);
/* No other change is under way, this leader is settled, and all members understand lists;
 * `except`: 0, or a member that need not. */
STATUS_MUST_USE enum status node_admin_check_time(const struct node *node, uint32_t except,
                                                  struct error *error);
/* The member that is named may lead, and is heard. */
STATUS_MUST_USE enum status node_admin_check_heir(const struct node *node,
                                                  const struct admin_request *request,
                                                  struct error *error);
/* NOT_FOUND, always. */
STATUS_MUST_USE enum status node_admin_unknown_member(const struct node *node,
                                                      const struct admin_request *request,
                                                      struct error *error);
