#include "ledger/core/past_filter.h"

#include "base/assert.h"

#include <string.h>

static struct trial_filter read_trial(const struct command *command)
{
    struct trial_filter filter;
    memcpy(&filter, command->events, sizeof filter);
    return filter;
}

struct balances_question past_balances_question(const struct command *command, uint32_t i)
{
    struct balances_question question;
    ASSERT(i < command->header.count);
    memcpy(&question, command->events + i * sizeof question, sizeof question);
    return question;
}

bool past_filter_is_sound(const struct command *command)
{
    uint64_t reserved = 0;
    if (command->header.operation == OPERATION_TRIAL_BALANCE) {
        const struct trial_filter filter = read_trial(command);
        for (size_t i = 0; i < sizeof filter.reserved; i++) {
            reserved |= filter.reserved[i];
        }
        return reserved == 0;
    }
    for (uint32_t i = 0; i < command->header.count; i++) {
        reserved |= past_balances_question(command, i).reserved;
    }
    return reserved == 0;
}

struct trial_question past_trial_question(const struct command *command)
{
    const struct trial_filter filter = read_trial(command);
    return (struct trial_question){ .as_of = filter.as_of,
                                    .ledger = filter.ledger,
                                    .after_ledger = filter.after_ledger,
                                    .code = filter.code,
                                    .after_code = filter.after_code,
                                    .limit = filter.limit };
}
