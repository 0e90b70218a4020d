/* The limit of open files: what a process can need, raised when it may be, refused when it is not
 * enough. Each case in a process of its own: a hard limit that was lowered stays so. */
#include "base/limits.h"
#include "tools/open_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void the_need_follows_from_the_bounds(void **state)
{
    (void)state;
    struct open_files_use use = { .server = true, .log_keep_bytes = LOG_KEEP_BYTES };
    uint64_t server = open_files_needed(&use);
    assert_true(server >= STORE_OPEN_FILES_MAX + STORE_VERIFY_FILES_MAX + CONNECTIONS_MAX);
    assert_true(server < 2048);
    use.log_keep_bytes += (uint64_t)100 * LOG_SEGMENT_SIZE;
    assert_int_equal(open_files_needed(&use), server + 100);
    use.grpc = true;
    use.metrics = true;
    assert_true(open_files_needed(&use) > server + 100 + CONNECTIONS_MAX);
    assert_true(open_files_needed(&use) <
                4096); /* what a kernel allows when nobody says anything */
}

/* In a child with these limits. */
static enum status allowed(rlim_t soft, rlim_t hard, uint64_t needed, rlim_t soft_then)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = { soft, hard };
        struct error error = { 0 };
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            _exit(100);
        }
        enum status status = open_files_allow(needed, &error);
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur != soft_then) {
            _exit(101);
        }
        bool told = strstr(error.text, " 300 ") != NULL && strstr(error.text, "=400 ") != NULL;
        _exit(status == STATUS_TOO_LARGE && !told ? 102 : (int)status);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    return (enum status)WEXITSTATUS(ended);
}

static void the_limit_is_raised_or_refused(void **state)
{
    (void)state;
    assert_int_equal(allowed(500, 500, 400, 500), STATUS_OK);
    assert_int_equal(allowed(100, 500, 400, 500), STATUS_OK);
    assert_int_equal(allowed(100, 400, 400, 400), STATUS_OK);
    assert_int_equal(allowed(100, 300, 400, 300), STATUS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_need_follows_from_the_bounds),
        cmocka_unit_test(the_limit_is_raised_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
