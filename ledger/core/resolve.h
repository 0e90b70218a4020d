/* resolve.h — the definite outcome of transfer ids: for a client that lost a reply.
 *
 * An id names a transfer (created), or failed for ever, and then the status that it got is known;
 * else nothing is known of it. With the fence such an id is used up here and now: what named it and
 * is still under way will answer id_already_failed, so never_applied is true for ever. Without it,
 * unknown is true as of the result's timestamp, no longer.
 *
 * Part of ledger/core. Pure.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/store/records.h"

struct ledger;

/*    name, text, number */
#define RESOLVE_STATUS_MAP(X)                                                                      \
    X(CREATED, "created", 1)                                                                       \
    X(FAILED, "failed", 2)                                                                         \
    X(NEVER_APPLIED, "never_applied", 3)                                                           \
    X(UNKNOWN, "unknown", 4)                                                                       \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 5)                                               \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 6)                                         \
    X(NOT_AFTER_PASSED, "not_after_passed", 200)

#define RESOLVE_STATUS_ENUM(name, text, number) RESOLVE_STATUS_##name = (number),
enum resolve_status { RESOLVE_STATUS_MAP(RESOLVE_STATUS_ENUM) };
#undef RESOLVE_STATUS_ENUM

/* "never_applied"; NULL for a number that is no status. */
const char *resolve_status_text(unsigned number);

enum resolve_flags { RESOLVE_FENCE = 1 << 0 };

/* One unit of OPERATION_RESOLVE. */
struct resolve_request {
    u128 id;
    uint32_t flags;
    uint8_t reserved[108]; /* zero */
};
_Static_assert(sizeof(struct resolve_request) == EVENT_SIZE, "fixed layout");

/* The status of a result of OPERATION_RESOLVE: enum resolve_status, and for `failed` the
 * transfer_status that the id got. */
static inline uint32_t resolve_result(enum resolve_status status, unsigned why)
{
    return (uint32_t)status | why << 8;
}
static inline unsigned resolve_result_status(uint32_t status)
{
    return status & 0xFF;
}
static inline unsigned resolve_result_why(uint32_t status)
{
    return status >> 8;
}

/* Whether no unit of the command has bits that this release does not know. */
bool resolve_command_is_sound(const struct command *command);
/* As ledger_create_transfers; the timestamp of a created one is that of its transfer. */
void ledger_resolve(struct ledger *ledger, const struct resolve_request *events, uint32_t count,
                    uint64_t first_timestamp, struct result *results);
