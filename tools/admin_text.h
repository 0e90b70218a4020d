/* admin_text.h — lists of members for people and for programs, and how to make a new member's data
 * folder. */
#pragma once

#include "base/u128.h"
#include "ledger/node/wire_admin.h"

#include <stdio.h>

/* "voter", "learner", "leaving" (votes until the change under way is through), "none" */
const char *member_role_text(unsigned roles);
void admin_print_table(FILE *file, const struct members_view *view);
/* One object on one line. `log_index` 0: left out. */
void admin_print_json(FILE *file, const struct members_view *view, uint64_t log_index);
/* The commands that format and start the data folder of member `id` at `address`, which may be in
 * the list or not. */
void admin_print_join(FILE *file, const struct members_view *view, u128 cluster, uint32_t id,
                      const char *address);
