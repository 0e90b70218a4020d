#include "base/mutation.h"
#include "ledger/core/ledger_parts.h"

enum {
    LIMIT_FLAGS = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS,
    KNOWN_FLAGS =
        ACCOUNT_LINKED | LIMIT_FLAGS | ACCOUNT_HISTORY | ACCOUNT_IMPORTED | ACCOUNT_CLOSED,
};

static enum account_status check_head(const struct account *event)
{
    if (event->reserved != 0) {
        return ACCOUNT_STATUS_RESERVED_FIELD;
    }
    if ((event->flags & ~(unsigned)KNOWN_FLAGS) != 0) {
        return ACCOUNT_STATUS_RESERVED_FLAG;
    }
    if (event->id == 0) {
        return ACCOUNT_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    if (event->id == U128_MAX) {
        return ACCOUNT_STATUS_ID_MUST_NOT_BE_INT_MAX;
    }
    return ACCOUNT_STATUS_CREATED;
}

/* Balances are not compared: they are those of now, and an event's must be zero. Flags are: an
 * account that a transfer closed has other flags than the request that created it. */
static enum account_status compare(const struct account *event, const struct account *existing)
{
    if (event->flags != existing->flags) {
        return ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_FLAGS;
    }
    if (event->user_data_128 != existing->user_data_128) {
        return ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (event->user_data_64 != existing->user_data_64) {
        return ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (event->user_data_32 != existing->user_data_32) {
        return ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (event->ledger != existing->ledger) {
        return ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_LEDGER;
    }
    if (event->code != existing->code) {
        return ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_CODE;
    }
    return ACCOUNT_STATUS_EXISTS;
}

static enum account_status check_fields(const struct account *event)
{
    if ((event->flags & LIMIT_FLAGS) == LIMIT_FLAGS) {
        return ACCOUNT_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    }
    if (event->debits_pending != 0) {
        return ACCOUNT_STATUS_DEBITS_PENDING_MUST_BE_ZERO;
    }
    if (event->debits_posted != 0) {
        return ACCOUNT_STATUS_DEBITS_POSTED_MUST_BE_ZERO;
    }
    if (event->credits_pending != 0) {
        return ACCOUNT_STATUS_CREDITS_PENDING_MUST_BE_ZERO;
    }
    if (event->credits_posted != 0) {
        return ACCOUNT_STATUS_CREDITS_POSTED_MUST_BE_ZERO;
    }
    if (event->ledger == 0) {
        return ACCOUNT_STATUS_LEDGER_MUST_NOT_BE_ZERO;
    }
    if (event->code == 0) {
        return ACCOUNT_STATUS_CODE_MUST_NOT_BE_ZERO;
    }
    return ACCOUNT_STATUS_CREATED;
}

static enum account_status check_registered(struct registry *registry, const struct account *event)
{
    if (!registry->strict || MUTATION(ledger_strict_registry_ignored)) {
        return ACCOUNT_STATUS_CREATED;
    }
    if (registry_bits(registry, event->ledger) == 0) {
        return ACCOUNT_STATUS_LEDGER_NOT_REGISTERED;
    }
    return registry_has_code(registry, event->code) ? ACCOUNT_STATUS_CREATED
                                                    : ACCOUNT_STATUS_ACCOUNT_CODE_NOT_REGISTERED;
}

enum account_status account_create(struct ledger *ledger, const struct account *event,
                                   const struct moment *moment, uint64_t *result_timestamp)
{
    const bool imported = (event->flags & ACCOUNT_IMPORTED) != 0;
    enum account_status status = imported_check_head(moment, imported, event->timestamp);
    if (status == ACCOUNT_STATUS_CREATED) {
        status = check_head(event);
    }
    if (status != ACCOUNT_STATUS_CREATED) {
        return status;
    }
    const struct account *existing = delta_account(ledger->delta, event->id);
    if (existing != NULL) {
        status = compare(event, existing);
        if (status == ACCOUNT_STATUS_EXISTS) {
            *result_timestamp = existing->timestamp;
        }
        return status;
    }
    status = check_fields(event);
    if (status != ACCOUNT_STATUS_CREATED) {
        return status;
    }
    if (imported && imported_account_regresses(ledger, event->timestamp)) {
        return ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    status = check_registered(ledger->registry, event);
    if (status != ACCOUNT_STATUS_CREATED) {
        return status;
    }
    if (!sums_has_room_for(&ledger->sums, event->ledger, 0)) {
        return ACCOUNT_STATUS_TOO_MANY_LEDGERS;
    }
    if (!sums_has_room_for(&ledger->codes, event->ledger, event->code)) {
        return ACCOUNT_STATUS_TOO_MANY_ACCOUNT_CODES;
    }
    struct account account = *event;
    account.timestamp = record_timestamp(moment, imported, event->timestamp);
    delta_account_insert(ledger->delta, &account);
    sums_count_account(&ledger->sums, sums_change(&ledger->sums, account.ledger));
    sums_count_account(&ledger->codes,
                       sums_change_code(&ledger->codes, account.ledger, account.code));
    ledger->last.account = account.timestamp;
    *result_timestamp = account.timestamp;
    return ACCOUNT_STATUS_CREATED;
}
