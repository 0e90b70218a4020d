#include "base/metrics.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct metric *registered[METRICS_MAX];
static size_t registered_count;

static bool is_histogram(const struct metric *metric)
{
    return metric->kind == METRIC_HISTOGRAM_NS || metric->kind == METRIC_HISTOGRAM_COUNT;
}

void metrics_register(struct metric *metric)
{
    ASSERT(metric->name != NULL && metric->help != NULL);
    ASSERT(is_histogram(metric) == (metric->histogram != NULL));
    for (size_t i = 0; i < registered_count; i++) {
        if (registered[i] == metric) {
            return;
        }
    }
    ASSERT(registered_count < METRICS_MAX);
    registered[registered_count++] = metric;
}

void metric_add(struct metric *metric, uint64_t amount)
{
    __atomic_fetch_add(&metric->value, amount, __ATOMIC_RELAXED);
}

void metric_set(struct metric *metric, uint64_t value)
{
    __atomic_store_n(&metric->value, value, __ATOMIC_RELAXED);
}

uint64_t metric_value(const struct metric *metric)
{
    return __atomic_load_n(&metric->value, __ATOMIC_RELAXED);
}

/* Values below 16 have a bucket each; above, the exponent and the four bits after the leading one
 * choose it. */
static size_t bucket_of(uint64_t value)
{
    if (value < 16) {
        return (size_t)value;
    }
    unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
    return (size_t)(exponent - 3) * 16 + (size_t)((value >> (exponent - 4)) & 15);
}

/* The largest value of the bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < 16) {
        return bucket;
    }
    unsigned exponent = (unsigned)(bucket / 16) + 3;
    return ((uint64_t)(16 + bucket % 16 + 1) << (exponent - 4)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    __atomic_fetch_add(&histogram->buckets[bucket_of(value)], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&histogram->count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&histogram->sum, value, __ATOMIC_RELAXED);
    uint64_t max = __atomic_load_n(&histogram->max, __ATOMIC_RELAXED);
    while (value > max && !__atomic_compare_exchange_n(&histogram->max, &max, value, true,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void metric_observe(struct metric *metric, uint64_t value)
{
    ASSERT(is_histogram(metric));
    histogram_add(metric->histogram, value);
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t parts_per_million)
{
    ASSERT(parts_per_million <= 1000000);
    uint64_t max = __atomic_load_n(&histogram->max, __ATOMIC_RELAXED);
    uint64_t count = __atomic_load_n(&histogram->count, __ATOMIC_RELAXED);
    uint64_t rank = count / 1000000 * parts_per_million +
                    (count % 1000000 * parts_per_million + 999999) / 1000000;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += __atomic_load_n(&histogram->buckets[i], __ATOMIC_RELAXED);
        if (seen >= rank && seen > 0) {
            return bucket_end(i) < max ? bucket_end(i) : max;
        }
    }
    return max;
}

struct output {
    char *text;
    size_t size;
    size_t used;
};

static void print(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print(struct output *output, const char *format, ...)
{
    size_t left = output->used < output->size ? output->size - output->used : 0;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(left > 0 ? output->text + output->used : NULL, left, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0);
    output->used += (size_t)size;
}

static void print_value(struct output *output, const struct metric *metric, uint64_t value)
{
    if (metric->kind == METRIC_HISTOGRAM_NS) {
        print(output, "%" PRIu64 ".%09" PRIu64 "\n", value / 1000000000U, value % 1000000000U);
    } else {
        print(output, "%" PRIu64 "\n", value);
    }
}

/* name suffix {labels} and a space */
static void print_name(struct output *output, const struct metric *metric, const char *suffix)
{
    bool labelled = metric->labels != NULL;
    print(output, "%s%s%s%s%s ", metric->name, suffix, labelled ? "{" : "",
          labelled ? metric->labels : "", labelled ? "}" : "");
}

static void print_summary(struct output *output, const struct metric *metric)
{
    static const struct {
        uint32_t parts_per_million;
        const char *text;
    } QUANTILES[] = {
        { 500000, "0.5" },   { 900000, "0.9" }, { 990000, "0.99" },
        { 999000, "0.999" }, { 1000000, "1" },
    };
    const char *labels = metric->labels != NULL ? metric->labels : "";
    const char *comma = metric->labels != NULL ? "," : "";
    for (size_t i = 0; i < sizeof QUANTILES / sizeof QUANTILES[0]; i++) {
        print(output, "%s{%s%squantile=\"%s\"} ", metric->name, labels, comma, QUANTILES[i].text);
        print_value(output, metric,
                    histogram_quantile(metric->histogram, QUANTILES[i].parts_per_million));
    }
    print_name(output, metric, "_sum");
    print_value(output, metric, __atomic_load_n(&metric->histogram->sum, __ATOMIC_RELAXED));
    print_name(output, metric, "_count");
    print(output, "%" PRIu64 "\n", __atomic_load_n(&metric->histogram->count, __ATOMIC_RELAXED));
}

static bool named_before(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(registered[i]->name, registered[index]->name) == 0) {
            return true;
        }
    }
    return false;
}

static void print_metric(struct output *output, const struct metric *metric)
{
    if (is_histogram(metric)) {
        print_summary(output, metric);
    } else {
        print_name(output, metric, "");
        print(output, "%" PRIu64 "\n", metric_value(metric));
    }
}

/* The format wants all lines of one name together, whatever the order of registration. */
size_t metrics_print(char *text, size_t size)
{
    static const char *const TYPES[] = { "counter", "gauge", "summary", "summary" };
    struct output output = { .text = text, .size = size, .used = 0 };
    for (size_t i = 0; i < registered_count; i++) {
        const struct metric *first = registered[i];
        if (named_before(i)) {
            continue;
        }
        print(&output, "# HELP %s %s\n# TYPE %s %s\n", first->name, first->help, first->name,
              TYPES[first->kind]);
        for (size_t j = i; j < registered_count; j++) {
            if (strcmp(registered[j]->name, first->name) == 0) {
                print_metric(&output, registered[j]);
            }
        }
    }
    return output.used;
}
