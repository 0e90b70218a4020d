/* assert.h — what must be true, checked in every build.
 *
 * An ASSERT states something that only a bug of ours can break; it stays on in release builds,
 * has no side effects, and ends the process. What an operator, a disk or a peer can cause is an
 * `enum status` (status.h); what a client can cause is a code in the data.
 *
 * Threads  any. Failure  prints "panic FILE:LINE: EXPRESSION" to stderr, then abort().
 */
#pragma once

/* Ends the process; `what` is the expression or a sentence. */
_Noreturn void fenlu_panic(const char *file, int line, const char *what);

/* Called once, before the process ends, with the same arguments; the simulator prints its seed
 * here. NULL removes it. Set it before threads start. */
typedef void (*fenlu_panic_hook)(const char *file, int line, const char *what);
void fenlu_panic_set_hook(fenlu_panic_hook hook);

#define ASSERT(condition)                                                                          \
    (__builtin_expect(!(condition), 0) ? fenlu_panic(__FILE__, __LINE__, #condition) : (void)0)

/* a implies b */
#define ASSERT_IMPLIES(a, b) ASSERT(!(a) || (b))

#define UNREACHABLE()        fenlu_panic(__FILE__, __LINE__, "unreachable")
