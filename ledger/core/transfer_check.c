#include "ledger/core/ledger_parts.h"

enum {
    KNOWN_FLAGS = TRANSFER_LINKED | TRANSFER_PENDING | TRANSFER_POST_PENDING |
                  TRANSFER_VOID_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT |
                  TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT | TRANSFER_IMPORTED |
                  TRANSFER_CAPTURE_PENDING,
    /* What makes no sense together with them. */
    MOVING_FLAGS = TRANSFER_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT |
                   TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT,
};

enum transfer_status transfer_check_head(const struct transfer *event)
{
    if ((event->flags & ~(unsigned)KNOWN_FLAGS) != 0) {
        return TRANSFER_STATUS_RESERVED_FLAG;
    }
    if (event->id == 0) {
        return TRANSFER_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    if (event->id == U128_MAX) {
        return TRANSFER_STATUS_ID_MUST_NOT_BE_INT_MAX;
    }
    return TRANSFER_STATUS_CREATED;
}

static enum transfer_status check_account_ids(const struct transfer *event)
{
    if (event->debit_account_id == 0) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    }
    if (event->debit_account_id == U128_MAX) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    }
    if (event->credit_account_id == 0) {
        return TRANSFER_STATUS_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    }
    if (event->credit_account_id == U128_MAX) {
        return TRANSFER_STATUS_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    }
    if (event->debit_account_id == event->credit_account_id) {
        return TRANSFER_STATUS_ACCOUNTS_MUST_BE_DIFFERENT;
    }
    return TRANSFER_STATUS_CREATED;
}

static enum transfer_status check_not_pending(const struct transfer *event)
{
    if (event->timeout != 0) {
        return TRANSFER_STATUS_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    }
    if ((event->flags & (TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT)) != 0) {
        return TRANSFER_STATUS_CLOSING_TRANSFER_MUST_BE_PENDING;
    }
    return TRANSFER_STATUS_CREATED;
}

enum transfer_status transfer_check_fields(const struct transfer *event)
{
    enum transfer_status status = check_account_ids(event);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    if (event->pending_id != 0) {
        return TRANSFER_STATUS_PENDING_ID_MUST_BE_ZERO;
    }
    if ((event->flags & TRANSFER_PENDING) == 0) {
        status = check_not_pending(event);
        if (status != TRANSFER_STATUS_CREATED) {
            return status;
        }
    }
    if (event->ledger == 0) {
        return TRANSFER_STATUS_LEDGER_MUST_NOT_BE_ZERO;
    }
    if (event->code == 0) {
        return TRANSFER_STATUS_CODE_MUST_NOT_BE_ZERO;
    }
    return TRANSFER_STATUS_CREATED;
}

enum transfer_status transfer_check_resolving(const struct transfer *event)
{
    const unsigned ways = event->flags & TRANSFER_RESOLVING;
    const bool several = (ways & (ways - 1)) != 0;
    if (several || (event->flags & MOVING_FLAGS) != 0) {
        return TRANSFER_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    }
    if (event->pending_id == 0) {
        return TRANSFER_STATUS_PENDING_ID_MUST_NOT_BE_ZERO;
    }
    if (event->pending_id == U128_MAX) {
        return TRANSFER_STATUS_PENDING_ID_MUST_NOT_BE_INT_MAX;
    }
    if (event->pending_id == event->id) {
        return TRANSFER_STATUS_PENDING_ID_MUST_BE_DIFFERENT;
    }
    if (event->timeout != 0) {
        return TRANSFER_STATUS_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    }
    return TRANSFER_STATUS_CREATED;
}
