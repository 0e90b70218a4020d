/* past_filter.h — what OPERATION_TRIAL_BALANCE and OPERATION_BALANCES_AS_OF ask for, as it travels.
 *
 * A trial balance has one struct trial_filter of 128 bytes behind its header; balances as of a time
 * have one struct balances_question of 32 (ledger/store/past.h) for each account. Little-endian, no
 * padding; reserved bytes are zero. Pure.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/store/past.h"

struct trial_filter {
    uint64_t as_of;        /* ns, cluster time; 0: now */
    uint32_t ledger;       /* 0 means any, of the code, too */
    uint32_t after_ledger; /* rows after this pair */
    uint32_t limit;        /* rows; above QUERY_ROWS_MAX it means that */
    uint16_t code;
    uint16_t after_code;
    uint8_t reserved[104];
};
_Static_assert(sizeof(struct trial_filter) == EVENT_SIZE, "fixed layout");
_Static_assert(offsetof(struct trial_filter, reserved) == 24, "no padding");

/* Whether the bytes behind the header of such a command are sound. */
bool past_filter_is_sound(const struct command *command);
struct trial_question past_trial_question(const struct command *command);
/* One of the command's `count`. */
struct balances_question past_balances_question(const struct command *command, uint32_t i);
