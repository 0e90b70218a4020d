#include "ledger/core/ledger_parts.h"

static enum transfer_status compare_user_data(const struct transfer *event,
                                              const struct transfer *existing)
{
    if (event->user_data_128 != existing->user_data_128) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (event->user_data_64 != existing->user_data_64) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (event->user_data_32 != existing->user_data_32) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    return TRANSFER_STATUS_EXISTS;
}

enum transfer_status transfer_compare(const struct transfer *event, const struct transfer *existing)
{
    if (event->flags != existing->flags) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_FLAGS;
    }
    if (event->pending_id != existing->pending_id) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_PENDING_ID;
    }
    if (event->timeout != existing->timeout) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_TIMEOUT;
    }
    if (event->debit_account_id != existing->debit_account_id) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (event->credit_account_id != existing->credit_account_id) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (event->amount != existing->amount) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT;
    }
    enum transfer_status status = compare_user_data(event, existing);
    if (status != TRANSFER_STATUS_EXISTS) {
        return status;
    }
    if (event->ledger != existing->ledger) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_LEDGER;
    }
    if (event->code != existing->code) {
        return TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CODE;
    }
    return TRANSFER_STATUS_EXISTS;
}
