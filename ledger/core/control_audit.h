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
/* Whether the counters of one window (by side and period) are those of what was fed. */
bool control_audit_window(const struct control_audit *audit, unsigned at);
/* False: *at is the first window (by side and period) whose counters differ from what was fed. */
bool control_audit_end(const struct control_audit *audit, unsigned *at);

/* The first cluster time whose movements the window counts. */
uint64_t control_audit_begins(const struct window *window);
/* Whether the window holds no more than its maximum. A maximum may be set below what is used, so
 * true, too, when it may have changed (`updated_at`) since the window began. */
bool control_audit_within(const struct window *window, uint64_t updated_at);
/* Whether the account is within its limit flags, or may be beyond because it had a credit limit. */
bool control_audit_flags(const struct control *control, const struct account *account);
/* Whether the account, with these balances after a movement of the amount on that side that was
 * made under this control, is within all but the windows: what is frozen, flags, credit limit, the
 * highest balance. */
bool control_audit_change(const struct control *control, const struct account *account,
                          enum limit_side side, u128 amount, const struct balances *after);

struct group_audit {
    const struct group *group; /* borrowed */
    struct group sums;
};

void group_audit_begin(struct group_audit *audit, const struct group *group);
void group_audit_member(struct group_audit *audit, const struct account *account);
/* Whether the group's sums and the number of its members are those of what was fed. */
bool group_audit_end(const struct group_audit *audit);
