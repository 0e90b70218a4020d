#include "ledger/core/changes_filter.h"

#include <string.h>

static struct changes_filter read_filter(const uint8_t *bytes)
{
    struct changes_filter filter;
    memcpy(&filter, bytes, sizeof filter);
    return filter;
}

bool changes_filter_is_sound(const uint8_t *bytes)
{
    const struct changes_filter filter = read_filter(bytes);
    uint8_t reserved = 0;
    for (size_t i = 0; i < sizeof filter.reserved; i++) {
        reserved |= filter.reserved[i];
    }
    return reserved == 0 && (filter.kinds & ~(uint32_t)QUERY_CHANGE_KINDS) == 0 &&
           filter.wait_ms <= CHANGES_WAIT_MS_MAX;
}

struct changes_filter changes_filter_of(const struct command *command)
{
    return read_filter(command->events);
}

void changes_filter_question(const struct changes_filter *filter, struct query_filter *question)
{
    const bool all = filter->limit == 0 || filter->limit > CHANGES_ROWS_MAX;
    *question = (struct query_filter){
        .account_id = filter->account_id,
        .timestamp_min = filter->after < UINT64_MAX ? filter->after + 1 : UINT64_MAX,
        .ledger = filter->ledger,
        .code = filter->code,
        .limit = all ? CHANGES_ROWS_MAX : filter->limit,
        .flags = filter->kinds,
    };
}

struct query_change changes_mark(uint64_t position, uint64_t last)
{
    return (struct query_change){ .change = { .timestamp = position, .pending_timestamp = last } };
}
