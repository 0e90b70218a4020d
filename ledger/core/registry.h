/* registry.h — which ledgers and account codes there are, and whether there may be others.
 *
 * An event names a ledger (its number, unit, scale, fund domain, the width of its amounts, a name)
 * or an account code (number, normal side, parent, name): the record that is kept (objects.h), with
 * timestamp 0. What is registered never changes: repeating it `exists`, anything else under its
 * number is exists_with_different_*. Events stand alone. Mode strict: an account needs a
 * registered ledger and code, a transfer a registered ledger. A ledger of 64 bits refuses what
 * would bring a balance beyond 2^63 - 1, registered strictly or not. Rules: docs/ledger.md.
 *
 * What transfers ask is in memory of the ledger's own, not in the delta: no look-up a transfer.
 * Pure.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/core/ledger.h"

/* Of events by precedence: of several that apply, the one higher in the list is given.
 *    name                                     number */
#define REGISTRY_STATUS_MAP(X)                                                                     \
    X(CREATED, "created", 1)                                                                       \
    X(LEDGER_MUST_NOT_BE_ZERO, "ledger_must_not_be_zero", 2)                                       \
    X(CODE_MUST_NOT_BE_ZERO, "code_must_not_be_zero", 3)                                           \
    X(EXISTS_WITH_DIFFERENT_UNIT, "exists_with_different_unit", 4)                                 \
    X(EXISTS_WITH_DIFFERENT_SCALE, "exists_with_different_scale", 5)                               \
    X(EXISTS_WITH_DIFFERENT_FUND_DOMAIN, "exists_with_different_fund_domain", 6)                   \
    X(EXISTS_WITH_DIFFERENT_WIDTH, "exists_with_different_width", 7)                               \
    X(EXISTS_WITH_DIFFERENT_NORMAL_SIDE, "exists_with_different_normal_side", 8)                   \
    X(EXISTS_WITH_DIFFERENT_PARENT, "exists_with_different_parent", 9)                             \
    X(EXISTS_WITH_DIFFERENT_NAME, "exists_with_different_name", 10)                                \
    X(EXISTS, "exists", 11)                                                                        \
    X(UNIT_MUST_NOT_BE_EMPTY, "unit_must_not_be_empty", 12)                                        \
    X(SCALE_TOO_LARGE, "scale_too_large", 13)                                                      \
    X(NORMAL_SIDE_UNKNOWN, "normal_side_unknown", 14)                                              \
    X(PARENT_MUST_BE_DIFFERENT, "parent_must_be_different", 15)                                    \
    X(PARENT_NOT_REGISTERED, "parent_not_registered", 16)                                          \
    X(LEDGER_HAS_WIDER_AMOUNTS, "ledger_has_wider_amounts", 17)                                    \
    X(MODE_UNKNOWN, "mode_unknown", 18)                                                            \
    X(TOO_MANY_LEDGERS, "too_many_ledgers", 19)                                                    \
    X(NOT_AFTER_PASSED, "not_after_passed", 200)

#define REGISTRY_STATUS_ENUM(name, text, number) REGISTRY_STATUS_##name = (number),
enum registry_status { REGISTRY_STATUS_MAP(REGISTRY_STATUS_ENUM) };
#undef REGISTRY_STATUS_ENUM
/* "exists"; NULL for a number that is no status. */
const char *registry_status_text(unsigned number);

/* The unit of OPERATION_SET_REGISTRY_MODE. */
struct registry_mode_event {
    uint32_t mode;         /* enum registry_mode */
    uint8_t reserved[124]; /* zero */
};
_Static_assert(sizeof(struct registry_mode_event) == EVENT_SIZE, "fixed layout");

/* The one unit of OPERATION_LIST_OBJECTS. Its answer: the records of the kind (settings, ledgers or
 * account codes) behind after_id, ascending by id, in rows of EVENT_SIZE bytes. */
struct objects_question {
    u128 after_id;
    uint32_t kind; /* enum object_kind */
    uint32_t limit;
    uint8_t reserved[104]; /* zero */
};
_Static_assert(sizeof(struct objects_question) == EVENT_SIZE, "fixed layout");
struct objects_question objects_question_of(const struct command *command);

/* Whether an edge that is sound can have made it: of the three commands and LIST_OBJECTS. */
bool registry_command_is_sound(const struct command *command);

/* As ledger_create_accounts. */
void ledger_create_ledgers(struct ledger *ledger, const struct ledger_record *events,
                           uint32_t count, uint64_t first_timestamp, struct result *results);
void ledger_create_account_codes(struct ledger *ledger, const struct account_code_record *events,
                                 uint32_t count, uint64_t first_timestamp, struct result *results);
void ledger_set_registry_mode(struct ledger *ledger, const struct registry_mode_event *events,
                              uint32_t count, uint64_t first_timestamp, struct result *results);
