#include "base/error.h"

#include "base/assert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    ASSERT(status != STATUS_OK);
    char text[ERROR_TEXT_MAX]; /* an argument may point into error->text */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(error->text, text, sizeof text);
    error->status = status;
    return status;
}

enum status status_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STATUS_NO_SPACE;
    case ENOENT:
        return STATUS_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_DENIED;
    case EEXIST:
        return STATUS_EXISTS;
    case ENOMEM:
        return STATUS_MEMORY;
    default:
        return STATUS_IO;
    }
}

enum status error_set_errno(struct error *error, int errno_value, const char *format, ...)
{
    ASSERT(errno_value != 0);
    char reason[128];
    const char *why = strerror_r(errno_value, reason, sizeof reason);
    char what[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(error, status_from_errno(errno_value), "%s: %s", what, why);
}
