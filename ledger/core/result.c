#include "ledger/core/result.h"

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
