/* error.h — a failure that a person will read: a status and a sentence that names the value, the
 * limit and the remedy.
 *
 * Functions that open, load or parse take a `struct error *` last and return its status; on
 * STATUS_OK it is untouched. No secrets go into a text.
 */
#pragma once

#include "base/status.h"

enum { ERROR_TEXT_MAX = 512 };

struct error {
    enum status status;
    char text[ERROR_TEXT_MAX]; /* zero-terminated, cut when too long */
};

/* Sets the error and returns `status`, which is not STATUS_OK. Arguments may point into the error's
 * old text, so that a caller can put its own words around those of the layer below. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with strerror(errno_value) appended; the status comes from the number: ENOSPC, EDQUOT
 * and EFBIG are NO_SPACE, ENOENT is NOT_FOUND, EACCES, EPERM and EROFS are DENIED, EEXIST is
 * EXISTS, ENOMEM is MEMORY, anything else is IO. */
enum status error_set_errno(struct error *error, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status status_from_errno(int errno_value);
