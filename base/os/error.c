#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    ASSERT(status != STATUS_OK);
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
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
    const char *text = strerror_r(errno_value, reason, sizeof reason);
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (size >= 0 && (size_t)size < sizeof error->text) {
        (void)snprintf(error->text + size, sizeof error->text - (size_t)size, ": %s", text);
    }
    error->status = status_from_errno(errno_value);
    return error->status;
}
