#include "ledger/core/result.h"

#include "ledger/core/controls.h"
#include "ledger/core/status_text.h"

DEFINE_STATUS_TEXT(account_status_text, ACCOUNT_STATUS_MAP)

DEFINE_STATUS_TEXT(control_status_text, CONTROL_STATUS_MAP)

DEFINE_STATUS_TEXT(transfer_status_text, TRANSFER_STATUS_MAP)

bool transfer_status_transient(enum transfer_status status)
{
    static const bool transients[] = {
#define TRANSFER_STATUS_TRANSIENT(name, text, value, transient) [(value)] = (transient) != 0,
        TRANSFER_STATUS_MAP(TRANSFER_STATUS_TRANSIENT)
#undef TRANSFER_STATUS_TRANSIENT
    };
    return transients[status];
}

DEFINE_STATUS_TEXT(journal_status_text, JOURNAL_STATUS_MAP)

bool journal_status_transient(enum journal_status status)
{
    static const bool transients[] = {
#define JOURNAL_STATUS_TRANSIENT(name, text, value, transient) [(value)] = (transient) != 0,
        JOURNAL_STATUS_MAP(JOURNAL_STATUS_TRANSIENT)
#undef JOURNAL_STATUS_TRANSIENT
    };
    return transients[status];
}
