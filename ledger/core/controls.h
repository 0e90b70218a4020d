/* controls.h — freezes, limits and groups: the commands that change them, and what is read.
 *
 * Each event stands alone: there are no chains of them. Its result is dense like that of a
 * transfer: by precedence, the status that stands higher in the list is given. Repeating an event
 * is safe: an order to freeze `exists`, a release is `already_released`, a limit is set to what it
 * is. A call takes its timestamps as one of transfers does. Rules: docs/controls.md. Pure.
 */
#pragma once

#include "ledger/core/ledger.h"
#include "ledger/store/records_control.h"

/*    name                                     number */
#define CONTROL_STATUS_MAP(X)                                                                      \
    X(CREATED, "created", 1)                                                                       \
    X(RESERVED_FIELD, "reserved_field", 2)                                                         \
    X(RESERVED_FLAG, "reserved_flag", 3)                                                           \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 4)                                               \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 5)                                         \
    X(EXISTS_WITH_DIFFERENT_ACCOUNT_ID, "exists_with_different_account_id", 6)                     \
    X(EXISTS_WITH_DIFFERENT_KIND, "exists_with_different_kind", 7)                                 \
    X(EXISTS_WITH_DIFFERENT_PRIORITY, "exists_with_different_priority", 8)                         \
    X(EXISTS_WITH_DIFFERENT_AMOUNT, "exists_with_different_amount", 9)                             \
    X(EXISTS_WITH_DIFFERENT_REASON, "exists_with_different_reason", 10)                            \
    X(EXISTS_WITH_DIFFERENT_AUTHORITY, "exists_with_different_authority", 11)                      \
    X(EXISTS, "exists", 12)                                                                        \
    X(KIND_UNKNOWN, "kind_unknown", 13)                                                            \
    X(PRIORITY_UNKNOWN, "priority_unknown", 14)                                                    \
    X(AMOUNT_MUST_BE_ZERO, "amount_must_be_zero", 15)                                              \
    X(AMOUNT_MUST_NOT_BE_ZERO, "amount_must_not_be_zero", 16)                                      \
    X(AUTHORITY_MUST_NOT_BE_EMPTY, "authority_must_not_be_empty", 17)                              \
    X(SIDE_UNKNOWN, "side_unknown", 18)                                                            \
    X(PERIOD_UNKNOWN, "period_unknown", 19)                                                        \
    X(UTC_OFFSET_OUT_OF_RANGE, "utc_offset_out_of_range", 20)                                      \
    X(AMOUNT_OR_COUNT_EXPECTED, "amount_or_count_expected", 21)                                    \
    X(GROUP_EXPECTED, "group_expected", 22)                                                        \
    X(FREEZE_NOT_FOUND, "freeze_not_found", 23)                                                    \
    X(ALREADY_RELEASED, "already_released", 24)                                                    \
    X(PRIORITY_TOO_LOW, "priority_too_low", 25)                                                    \
    X(ACCOUNT_NOT_FOUND, "account_not_found", 26)                                                  \
    X(TOO_MANY_FREEZES, "too_many_freezes", 27)                                                    \
    X(FROZEN_AMOUNT_OVERFLOWS, "frozen_amount_overflows", 28)                                      \
    X(ALREADY_A_MEMBER, "already_a_member", 29)                                                    \
    X(NOT_A_MEMBER, "not_a_member", 30)                                                            \
    X(GROUP_HAS_DIFFERENT_LEDGER, "group_has_different_ledger", 31)                                \
    X(TOO_MANY_GROUPS, "too_many_groups", 32)                                                      \
    X(NOT_AFTER_PASSED, "not_after_passed", 200)

#define CONTROL_STATUS_ENUM(name, text, number) CONTROL_STATUS_##name = (number),
enum control_status { CONTROL_STATUS_MAP(CONTROL_STATUS_ENUM) };
#undef CONTROL_STATUS_ENUM

/* "freeze_not_found"; NULL for a number that is no status. */
const char *control_status_text(unsigned number);

/* --- commands --------------------------------------------------------------------------------- */
void ledger_place_freezes(struct ledger *ledger, const struct freeze_event *events, uint32_t count,
                          uint64_t first_timestamp, struct result *results);
void ledger_release_freezes(struct ledger *ledger, const struct release_event *events,
                            uint32_t count, uint64_t first_timestamp, struct result *results);
void ledger_set_limits(struct ledger *ledger, const struct limit_event *events, uint32_t count,
                       uint64_t first_timestamp, struct result *results);
void ledger_set_group_members(struct ledger *ledger, const struct member_event *events,
                              uint32_t count, uint64_t first_timestamp, struct result *results);

/* --- reading ---------------------------------------------------------------------------------- */
/* Whether it restrains anything: its account carries ACCOUNT_CONTROLLED then. */
bool control_restrains(const struct control *control);
/* Distributes the account's balance over the active orders, which stand in the order of the
 * control's freeze_ids: sets `held` of each. Orders that freeze a side hold no amount. */
void freeze_hold(const struct account *account, struct freeze *orders, uint32_t count);
/* The limits as the events that would set them, with their counters as they stand at `now`; at most
 * LIMIT_ROWS_MAX, returns how many. `group` says of which `id` names. */
enum { LIMIT_ROWS_MAX = 3 + SIDES * PERIODS };
uint32_t limit_rows(const struct limits *limits, unsigned control_flags, u128 id, bool group,
                    uint64_t now, struct limit_event rows[static LIMIT_ROWS_MAX]);
