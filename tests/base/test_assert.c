#include "base/assert.h"
#include "tests/base/panic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_one(void *context)
{
    int value = *(int *)context;
    ASSERT(value == 1);
}

static void fail_implication(void *context)
{
    int value = *(int *)context;
    ASSERT_IMPLIES(value > 1, value > 10);
}

static void reach(void *context)
{
    (void)context;
    UNREACHABLE();
}

static void a_false_condition_ends_the_process(void **state)
{
    (void)state;
    int value = 1;
    assert_false(panics(check_one, &value));
    assert_false(panics(fail_implication, &value));
    value = 2;
    assert_true(panics(check_one, &value));
    assert_true(panics(fail_implication, &value));
    value = 11;
    assert_false(panics(fail_implication, &value));
    assert_true(panics(reach, NULL));
}

/* Runs fenlu_panic in a child with the hook below and returns all that it wrote to stderr. */
static void report(const char *file, int line, const char *what)
{
    char text[200];
    int size = snprintf(text, sizeof text, "hook %s %d %s\n", file, line, what);
    if (write(STDERR_FILENO, text, (size_t)size) != size) {
        _exit(1);
    }
}

static void panic_text(int line, fenlu_panic_hook hook, char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = { 0, 0 };
        if (setrlimit(RLIMIT_CORE, &none) != 0 || dup2(ends[1], STDERR_FILENO) < 0) {
            _exit(1);
        }
        fenlu_panic_set_hook(hook);
        fenlu_panic("some/file.c", line, "a == b");
    }
    assert_int_equal(close(ends[1]), 0);
    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], text + used, size - 1 - used)) > 0) {
        used += (size_t)got;
    }
    text[used] = '\0';
    assert_int_equal(close(ends[0]), 0);
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGABRT);
}

static void says_where_and_what_then_calls_the_hook(void **state)
{
    (void)state;
    char text[500];
    panic_text(1234567, report, text, sizeof text);
    assert_string_equal(text, "panic some/file.c:1234567: a == b\n"
                              "hook some/file.c 1234567 a == b\n");
    panic_text(INT32_MAX, NULL, text, sizeof text);
    assert_string_equal(text, "panic some/file.c:2147483647: a == b\n");
    panic_text(-1, NULL, text, sizeof text);
    assert_string_equal(text, "panic some/file.c:0: a == b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_false_condition_ends_the_process),
        cmocka_unit_test(says_where_and_what_then_calls_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
