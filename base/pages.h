/* pages.h — large memory from the system's own pages: all zero, and none of it touched.
 *
 * For what is large and mostly stays empty (maps, rings, tables of limits): it costs the pages that
 * are written, where clearing memory of the heap would write all of it.
 *
 * Errors   NULL: there is no memory.
 * Memory   aligned to 64 bytes; the caller's until pages_free.
 * Threads  any; one alone in a process that keeps pages.
 */
#pragma once

#include <stddef.h>

void *pages_new(size_t size);
/* Of memory of which random places are touched all the time: pages as large as the system gives, so
 * that the processor finds them. More of it is touched then than is written. */
void pages_advise_huge(void *memory);
/* Of a part that will be used at random, all of it: the system gives its pages now, which takes
 * milliseconds a large one on some machines, and not while somebody waits. */
void pages_touch(void *part, size_t size);
/* NULL is fine. */
void pages_free(void *memory);
/* For a process that opens and closes the same things again and again, as the simulator does its
 * nodes: of what is freed from now on, up to `bytes` stay with the process, for the next pages_new
 * of the same size. Only the pages that were touched are cleared then, which costs a small part of
 * what the system takes for new ones. */
void pages_keep(size_t bytes);
