#include "sim/sim_trace.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sim_trace_init(struct sim_trace *trace, enum sim_trace_mode mode, bool messages)
{
    *trace = (struct sim_trace){ .mode = mode, .messages = messages, .hash = 1 };
    if (mode == SIM_TRACE_KEEP) {
        trace->kept = calloc(SIM_TRACE_LINES, sizeof trace->kept[0]);
        ASSERT(trace->kept != NULL);
    }
}

void sim_trace_close(struct sim_trace *trace)
{
    free(trace->kept);
    trace->kept = NULL;
}

void sim_trace_mix(struct sim_trace *trace, uint64_t value)
{
    trace->hash = hash_fold(trace->hash ^ value ^ 0x9E3779B97F4A7C15U, 0xD1B54A32D192ED03U);
}

void sim_trace_mix_bytes(struct sim_trace *trace, const void *data, size_t size)
{
    sim_trace_mix(trace, (uint64_t)size << 32 | crc32c(data, size));
}

void sim_trace_line(struct sim_trace *trace, uint64_t now_ns, const char *who, const char *format,
                    ...)
{
    if (!sim_trace_on(trace)) {
        return;
    }
    char text[SIM_TRACE_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    uint64_t seconds = now_ns / 1000000000;
    uint64_t micros = now_ns / 1000 % 1000000;
    if (trace->mode == SIM_TRACE_PRINT) {
        printf("%5llu.%06llus  %-9s %s\n", (unsigned long long)seconds, (unsigned long long)micros,
               who, text);
    } else {
        (void)snprintf(trace->kept[trace->lines % SIM_TRACE_LINES], SIM_TRACE_LINE_MAX,
                       "%5llu.%06llus  %-9s %.200s", (unsigned long long)seconds,
                       (unsigned long long)micros, who, text);
    }
    trace->lines++;
}

void sim_trace_print_kept(const struct sim_trace *trace)
{
    if (trace->kept == NULL) {
        return;
    }
    uint64_t first = trace->lines > SIM_TRACE_LINES ? trace->lines - SIM_TRACE_LINES : 0;
    for (uint64_t line = first; line < trace->lines; line++) {
        (void)fprintf(stderr, "  %s\n", trace->kept[line % SIM_TRACE_LINES]);
    }
}
