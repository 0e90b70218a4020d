/* sim_trace.h — what happened in a run: a hash that tells whether two runs are the same, and, when
 * asked for, a timeline to read.
 *
 * The hash takes in every event with its time and the bytes of every packet, so that a byte that
 * was never set, the order of a hash map or the real time in a decision shows as two hashes of one
 * seed. A timeline costs time and changes nothing: a failed seed is run again with one, and its
 * last lines are kept.
 *   12.345678s  node 2   leads term 5
 *
 * Threads  one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_TRACE_LINE_MAX = 240, SIM_TRACE_LINES = 120 };

enum sim_trace_mode {
    SIM_TRACE_HASH,  /* no timeline */
    SIM_TRACE_KEEP,  /* the last SIM_TRACE_LINES lines */
    SIM_TRACE_PRINT, /* all of it to stdout */
};

struct sim_trace {
    enum sim_trace_mode mode;
    bool messages; /* packets too */
    uint64_t hash;
    uint64_t lines;
    char (*kept)[SIM_TRACE_LINE_MAX];
};

void sim_trace_init(struct sim_trace *trace, enum sim_trace_mode mode, bool messages);
void sim_trace_close(struct sim_trace *trace);
void sim_trace_mix(struct sim_trace *trace, uint64_t value);
void sim_trace_mix_bytes(struct sim_trace *trace, const void *data, size_t size);
/* Is there anybody to read a line? Spares the making of one. */
static inline bool sim_trace_on(const struct sim_trace *trace)
{
    return trace->mode != SIM_TRACE_HASH;
}
/* `who` is "node 2", "client 3", "network"... */
void sim_trace_line(struct sim_trace *trace, uint64_t now_ns, const char *who, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));
/* The lines that were kept, oldest first, to stderr. */
void sim_trace_print_kept(const struct sim_trace *trace);
