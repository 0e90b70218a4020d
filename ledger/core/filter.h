/* filter.h — what a query asks for, as it travels behind a command's header: one record of 128
 * bytes, little-endian, without padding.
 *
 * Fields  a value of 0 means any; several mean all of them. account_id is of GET_ACCOUNT_TRANSFERS
 *         and GET_ACCOUNT_BALANCES, which ask for no ledger; ledger is of the two others, which
 *         name no account. Flags are enum query_account_flags, or enum query_flags
 *         (ledger/store/query.h, where the meaning stands).
 * Bytes   a filter whose bytes ask for what this release does not know is not sound, and refused.
 *         One that is sound and that nothing can match (limit 0, a range upside down) has no rows.
 *
 * Pure.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/store/query.h"

struct filter {
    u128 account_id;
    u128 user_data_128;
    uint64_t user_data_64;
    uint64_t timestamp_min; /* ns, cluster time; both ends are included */
    uint64_t timestamp_max;
    uint32_t user_data_32;
    uint32_t ledger;
    uint32_t limit; /* rows; above QUERY_ROWS_MAX it means that */
    uint32_t flags;
    uint16_t code;
    uint8_t reserved[54]; /* zero */
};
_Static_assert(sizeof(struct filter) == EVENT_SIZE, "fixed layout");
_Static_assert(offsetof(struct filter, reserved) == 74, "no padding");

/* What QUERY_JOURNALS asks for. The range of dates includes both ends; 0: no bound. */
struct journal_filter {
    u128 reference;
    uint64_t timestamp_min;
    uint64_t timestamp_max;
    uint32_t kind;
    uint32_t business_date_min;
    uint32_t business_date_max;
    uint32_t limit;
    uint32_t flags;       /* enum query_flags */
    uint8_t reserved[76]; /* zero */
};
_Static_assert(sizeof(struct journal_filter) == EVENT_SIZE, "fixed layout");
_Static_assert(offsetof(struct journal_filter, reserved) == 52, "no padding");

/* The flags that a query of this operation may have. */
uint32_t filter_flags(unsigned operation);
/* Whether EVENT_SIZE bytes, aligned or not, are a sound filter of a query's operation. */
bool filter_is_sound(unsigned operation, const uint8_t *bytes);
/* The question of a sound query: its kind and what the store looks for. */
enum query_kind filter_question(const struct command *command, struct query_filter *filter);
