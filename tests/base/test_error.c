#include "base/error.h"
#include "tests/base/panic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void keeps_status_and_sentence(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(error_set(&error, STATUS_BUSY, "%d of %s", 3, "x"), STATUS_BUSY);
    assert_int_equal(error.status, STATUS_BUSY);
    assert_string_equal(error.text, "3 of x");
}

static void errno_gives_status_and_reason(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum status status;
        const char *reason;
    } ROWS[] = {
        { ENOSPC, STATUS_NO_SPACE, "No space left on device" },
        { EDQUOT, STATUS_NO_SPACE, "Disk quota exceeded" },
        { EFBIG, STATUS_NO_SPACE, "File too large" },
        { ENOENT, STATUS_NOT_FOUND, "No such file or directory" },
        { EACCES, STATUS_DENIED, "Permission denied" },
        { EPERM, STATUS_DENIED, "Operation not permitted" },
        { EROFS, STATUS_DENIED, "Read-only file system" },
        { EEXIST, STATUS_EXISTS, "File exists" },
        { ENOMEM, STATUS_MEMORY, "Cannot allocate memory" },
        { EIO, STATUS_IO, "Input/output error" },
        { EINVAL, STATUS_IO, "Invalid argument" },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct error error;
        assert_int_equal(error_set_errno(&error, ROWS[i].number, "cannot open %s", "/a"),
                         ROWS[i].status);
        assert_int_equal(error.status, ROWS[i].status);
        assert_memory_equal(error.text, "cannot open /a: ", 16);
        assert_string_equal(error.text + 16, ROWS[i].reason);
    }
}

static void long_texts_are_cut_and_terminated(void **state)
{
    (void)state;
    char text[2 * ERROR_TEXT_MAX];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct error error;
    error_set(&error, STATUS_IO, "%s", text);
    assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
    error_set_errno(&error, EIO, "%s", text);
    assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
    assert_int_equal(error.status, STATUS_IO);
}

static void a_caller_can_add_its_own_words(void **state)
{
    (void)state;
    struct error error;
    error_set(&error, STATUS_NOT_FOUND, "no file");
    error_set(&error, error.status, "node 2: %s; format it first", error.text);
    assert_string_equal(error.text, "node 2: no file; format it first");
    error_set_errno(&error, EIO, "[%s]", error.text);
    assert_string_equal(error.text, "[node 2: no file; format it first]: Input/output error");
}

static void set_ok(void *context)
{
    error_set(context, STATUS_OK, "fine");
}

static void ok_is_not_an_error(void **state)
{
    (void)state;
    struct error error;
    assert_true(panics(set_ok, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_status_and_sentence),
        cmocka_unit_test(errno_gives_status_and_reason),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(a_caller_can_add_its_own_words),
        cmocka_unit_test(ok_is_not_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
