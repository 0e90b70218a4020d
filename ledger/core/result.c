#include "ledger/core/result.h"

#include "ledger/core/controls.h"

#include <stddef.h>

const char *account_status_text(unsigned number)
{
    switch (number) {
#define ACCOUNT_STATUS_TEXT(name, text, value)                                                     \
    case (value):                                                                                  \
        return text;
        ACCOUNT_STATUS_MAP(ACCOUNT_STATUS_TEXT)
#undef ACCOUNT_STATUS_TEXT
    default:
        return NULL;
    }
}

const char *control_status_text(unsigned number)
{
    switch (number) {
#define CONTROL_STATUS_TEXT(name, text, value)                                                     \
    case (value):                                                                                  \
        return text;
        CONTROL_STATUS_MAP(CONTROL_STATUS_TEXT)
#undef CONTROL_STATUS_TEXT
    default:
        return NULL;
    }
}

const char *transfer_status_text(unsigned number)
{
    switch (number) {
#define TRANSFER_STATUS_TEXT(name, text, value, transient)                                         \
    case (value):                                                                                  \
        return text;
        TRANSFER_STATUS_MAP(TRANSFER_STATUS_TEXT)
#undef TRANSFER_STATUS_TEXT
    default:
        return NULL;
    }
}

bool transfer_status_transient(enum transfer_status status)
{
    static const bool transients[] = {
#define TRANSFER_STATUS_TRANSIENT(name, text, value, transient) [(value)] = (transient) != 0,
        TRANSFER_STATUS_MAP(TRANSFER_STATUS_TRANSIENT)
#undef TRANSFER_STATUS_TRANSIENT
    };
    return transients[status];
}

const char *journal_status_text(unsigned number)
{
    switch (number) {
#define JOURNAL_STATUS_TEXT(name, text, value, transient)                                          \
    case (value):                                                                                  \
        return text;
        JOURNAL_STATUS_MAP(JOURNAL_STATUS_TEXT)
#undef JOURNAL_STATUS_TEXT
    default:
        return NULL;
    }
}

bool journal_status_transient(enum journal_status status)
{
    static const bool transients[] = {
#define JOURNAL_STATUS_TRANSIENT(name, text, value, transient) [(value)] = (transient) != 0,
        JOURNAL_STATUS_MAP(JOURNAL_STATUS_TRANSIENT)
#undef JOURNAL_STATUS_TRANSIENT
    };
    return transients[status];
}
