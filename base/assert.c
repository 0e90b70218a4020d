#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static fenlu_panic_hook panic_hook;

void fenlu_panic_set_hook(fenlu_panic_hook hook)
{
    panic_hook = hook;
}

/* write(2) on a dying process: there is nobody left to tell when it fails. */
static void say(const char *text, size_t size)
{
    ssize_t written = write(STDERR_FILENO, text, size);
    (void)written;
}

_Noreturn void fenlu_panic(const char *file, int line, const char *what)
{
    char digits[12];
    size_t at = sizeof digits;
    unsigned rest = line > 0 ? (unsigned)line : 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0 && at > 0);
    say("panic ", 6);
    say(file, strlen(file));
    say(":", 1);
    say(digits + at, sizeof digits - at);
    say(": ", 2);
    say(what, strlen(what));
    say("\n", 1);
    if (panic_hook != NULL) {
        panic_hook(file, line, what);
    }
    abort();
}
