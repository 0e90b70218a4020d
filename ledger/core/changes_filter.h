/* changes_filter.h — a page of the change feed: what is asked for, and what ends it.
 *
 * A page of OPERATION_GET_CHANGES has the changes after `after` that fit, in order of time, at most
 * `limit` of them, and then one row more, the mark: a struct query_change of zeros with
 *   change.timestamp          the position: every change up to it has been looked at
 *   change.pending_timestamp  the last change that the server had applied
 * A page ends early when the server has looked at CHANGES_LOOKED_MAX records, so a filter that
 * drops everything moves the position all the same. The next page is asked for with `after` = the
 * position; nothing is missed and nothing comes twice, whichever server answers, because changes
 * have strictly ascending timestamps in the order of commit.
 * With wait_ms, a page without rows is answered only when a change that fits has been applied or
 * the time is over; the position has then moved past those that did not fit.
 *
 * Bytes   128, little-endian, no padding; unknown bits are not sound. Pure.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/store/query.h"

/* Kinds are asked for by bits; of none, all. */
#define CHANGE_KIND_BIT(kind) (1U << ((kind)-1))

struct changes_filter {
    u128 account_id; /* on either side; 0 is any, as for the other fields */
    uint64_t after;  /* timestamp, not included */
    uint32_t ledger; /* of the transfer */
    uint32_t kinds;
    uint32_t limit;       /* 0, or more than CHANGES_ROWS_MAX: that */
    uint32_t wait_ms;     /* at most CHANGES_WAIT_MS_MAX */
    uint16_t code;        /* of the transfer */
    uint8_t reserved[86]; /* zero */
};
_Static_assert(sizeof(struct changes_filter) == EVENT_SIZE, "fixed layout");
_Static_assert(offsetof(struct changes_filter, reserved) == 42, "no padding");

/* Whether EVENT_SIZE bytes, aligned or not, are a sound one. */
bool changes_filter_is_sound(const uint8_t *bytes);
struct changes_filter changes_filter_of(const struct command *command);
/* What the store looks for. */
void changes_filter_question(const struct changes_filter *filter, struct query_filter *question);
/* Of a page up to `position`, when `last` was the last change applied. */
struct query_change changes_mark(uint64_t position, uint64_t last);
static inline bool changes_row_is_mark(const struct query_change *row)
{
    return row->change.kind == 0;
}
