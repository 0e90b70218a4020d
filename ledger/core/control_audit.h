/* control_audit.h — counters and sums recomputed: the invariants of controls and groups.
 *
 * The caller walks over what there is and feeds it in any order: to a control_audit all transfers
 * of its account that move money by themselves (single-phase ones and pending ones with their
 * holds, not those that post, capture or void) and are no leg of a journal, and the nets of its
 * journals; to a group_audit all accounts that are members. Windows of a group can be recomputed
 * likewise, with the transfers of all members, when nobody joined or left since they began
 * (members_changed_at): what a member spent stays when it leaves. Pure.
 */
#pragma once

#include "ledger/store/records_control.h"

#include <stdbool.h>

struct control_audit {
    const struct limits *limits; /* of a control or a group; borrowed */
    u128 amounts[SIDES * PERIODS];
    uint64_t counts[SIDES * PERIODS];
};

void control_audit_begin(struct control_audit *audit, const struct limits *limits);
/* `hold` is NULL for one that was never pending. */
void control_audit_transfer(struct control_audit *audit, enum limit_side side,
                            const struct transfer *transfer, const struct hold *hold);
/* What the single-phase legs of a journal did to the account together; `reversed_at` is when it was
 * reversed, 0: never. A reversal itself is not fed. */
void control_audit_journal(struct control_audit *audit, enum limit_side side, u128 net,
                           uint64_t taken_at, uint64_t reversed_at);
/* False: *at is the first window (by side and period) whose counters differ from what was fed. */
bool control_audit_end(const struct control_audit *audit, unsigned *at);

struct group_audit {
    const struct group *group; /* borrowed */
    struct group sums;
};

void group_audit_begin(struct group_audit *audit, const struct group *group);
void group_audit_member(struct group_audit *audit, const struct account *account);
/* Whether the group's sums and the number of its members are those of what was fed. */
bool group_audit_end(const struct group_audit *audit);
