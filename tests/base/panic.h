/* panic.h — for tests: does this call end the process with an ASSERT?
 *
 * The call runs in a child process, with its stderr and core dump turned off. Call it before the
 * test starts threads.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool panics(void (*act)(void *context), void *context)
{
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = { 0, 0 };
        if (setrlimit(RLIMIT_CORE, &none) != 0 || freopen("/dev/null", "w", stderr) == NULL) {
            _exit(1);
        }
        act(context);
        _exit(0);
    }
    int result = 0;
    if (child < 0 || waitpid(child, &result, 0) != child) {
        abort();
    }
    return WIFSIGNALED(result) && WTERMSIG(result) == SIGABRT;
}
