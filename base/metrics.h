/* metrics.h — counters, gauges and histograms, served as Prometheus text under --metrics.
 *
 * A module owns static metric objects and registers them once; updating one is an atomic add.
 * Names carry the unit last (fenlu_log_flush_seconds) and never change between releases; docs/
 * lists them all, and a test compares the list.
 * Histograms are log-linear: 16 linear buckets per power of two, so a quantile is off by at most
 * 6.25 %; values are nanoseconds (shown as seconds) or plain counts.
 * Memory  the caller's, static: a registered metric lives as long as the process.
 * Bounds  METRICS_MAX objects. Threads any for updates; register before threads start.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { METRICS_MAX = 512, HISTOGRAM_BUCKETS = 61 * 16 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM_NS, METRIC_HISTOGRAM_COUNT };

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum;
    uint64_t max;
};

struct metric {
    const char *name;   /* fenlu_..._total, _seconds, _bytes */
    const char *labels; /* NULL, or the text between the braces: peer="2" */
    const char *help;   /* one sentence */
    enum metric_kind kind;
    uint64_t value;              /* counter, gauge */
    struct histogram *histogram; /* the histogram kinds */
};

void metrics_register(struct metric *metric);
void metric_add(struct metric *metric, uint64_t amount);
void metric_set(struct metric *metric, uint64_t value);
uint64_t metric_value(const struct metric *metric);
void metric_observe(struct metric *metric, uint64_t value);

/* Histograms alone, for tools: not registered, one thread. */
void histogram_add(struct histogram *histogram, uint64_t value);
/* The value below which parts_per_million of all values lie, rounded up to its bucket's end but
 * never over the maximum; 0 when empty. 1,000,000 gives the exact maximum. */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t parts_per_million);

/* Writes all metrics as Prometheus text format 0.0.4; returns the length, which may exceed `size`
 * (the text is then cut and the caller gives more room). */
size_t metrics_print(char *text, size_t size);
