#include "base/metrics.h"
#include "base/random.h"
#include "tests/base/panic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VALUES = 5000 };

static uint64_t values[VALUES];

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The quantile by its definition: the smallest value with at least that share at or below it. */
static uint64_t exact_quantile(uint64_t parts_per_million)
{
    uint64_t rank = (VALUES * parts_per_million + 999999) / 1000000;
    return values[rank == 0 ? 0 : rank - 1];
}

static void quantiles_match_a_sorted_array(void **state)
{
    (void)state;
    static const uint32_t PARTS[] = { 0, 1, 500000, 900000, 990000, 999000, 999900, 1000000 };
    struct random random;
    random_init(&random, 21);
    for (unsigned bits = 4; bits <= 64; bits += 4) {
        static struct histogram histogram;
        memset(&histogram, 0, sizeof histogram);
        for (size_t i = 0; i < VALUES; i++) { /* magnitudes evenly up to `bits` */
            values[i] = random_u64(&random) >> (64 - bits + random_below(&random, bits));
            histogram_add(&histogram, values[i]);
        }
        qsort(values, VALUES, sizeof values[0], compare_values);
        for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
            uint64_t exact = exact_quantile(PARTS[i]);
            uint64_t answer = histogram_quantile(&histogram, PARTS[i]);
            assert_true(answer >= exact);
            assert_true(answer - exact <= exact / 16);
            assert_true(answer <= values[VALUES - 1]);
        }
        assert_int_equal(histogram_quantile(&histogram, 1000000), values[VALUES - 1]);
        assert_int_equal(histogram.count, VALUES);
    }
}

/* Every power of two and its neighbours, up to the largest number. */
static void each_value_is_within_a_sixteenth(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (unsigned step = 0; step < 3; step++) {
            uint64_t value = ((uint64_t)1 << bit) + step - 1;
            static struct histogram histogram;
            memset(&histogram, 0, sizeof histogram);
            histogram_add(&histogram, value);
            assert_int_equal(histogram_quantile(&histogram, 1), value);
            histogram_add(&histogram, UINT64_MAX);
            uint64_t answer = histogram_quantile(&histogram, 500000);
            assert_true(answer >= value && answer - value <= value / 16);
            assert_int_equal(histogram_quantile(&histogram, 1000000), UINT64_MAX);
        }
    }
}

static void an_empty_histogram_has_quantiles_of_zero(void **state)
{
    (void)state;
    static struct histogram empty;
    assert_int_equal(histogram_quantile(&empty, 500000), 0);
    assert_int_equal(histogram_quantile(&empty, 1000000), 0);
}

static struct histogram flush_histogram;
static struct histogram batch_histogram;
static struct metric sent_1 = { .name = "fenlu_sent_total",
                                .labels = "peer=\"1\"",
                                .help = "Messages sent.",
                                .kind = METRIC_COUNTER };
static struct metric term = { .name = "fenlu_term", .help = "Term.", .kind = METRIC_GAUGE };
static struct metric sent_2 = { .name = "fenlu_sent_total",
                                .labels = "peer=\"2\"",
                                .help = "Messages sent.",
                                .kind = METRIC_COUNTER };
static struct metric flush = { .name = "fenlu_flush_seconds",
                               .help = "Flushes.",
                               .kind = METRIC_HISTOGRAM_NS,
                               .histogram = &flush_histogram };
static struct metric batch = { .name = "fenlu_batch_events",
                               .labels = "kind=\"transfer\"",
                               .help = "Events of a batch.",
                               .kind = METRIC_HISTOGRAM_COUNT,
                               .histogram = &batch_histogram };

static const char EXPOSITION[] = "# HELP fenlu_sent_total Messages sent.\n"
                                 "# TYPE fenlu_sent_total counter\n"
                                 "fenlu_sent_total{peer=\"1\"} 7\n"
                                 "fenlu_sent_total{peer=\"2\"} 18446744073709551615\n"
                                 "# HELP fenlu_term Term.\n"
                                 "# TYPE fenlu_term gauge\n"
                                 "fenlu_term 3\n"
                                 "# HELP fenlu_flush_seconds Flushes.\n"
                                 "# TYPE fenlu_flush_seconds summary\n"
                                 "fenlu_flush_seconds{quantile=\"0.5\"} 0.000000005\n"
                                 "fenlu_flush_seconds{quantile=\"0.9\"} 2.000000000\n"
                                 "fenlu_flush_seconds{quantile=\"0.99\"} 2.000000000\n"
                                 "fenlu_flush_seconds{quantile=\"0.999\"} 2.000000000\n"
                                 "fenlu_flush_seconds{quantile=\"1\"} 2.000000000\n"
                                 "fenlu_flush_seconds_sum 2.000000005\n"
                                 "fenlu_flush_seconds_count 2\n"
                                 "# HELP fenlu_batch_events Events of a batch.\n"
                                 "# TYPE fenlu_batch_events summary\n"
                                 "fenlu_batch_events{kind=\"transfer\",quantile=\"0.5\"} 8190\n"
                                 "fenlu_batch_events{kind=\"transfer\",quantile=\"0.9\"} 8190\n"
                                 "fenlu_batch_events{kind=\"transfer\",quantile=\"0.99\"} 8190\n"
                                 "fenlu_batch_events{kind=\"transfer\",quantile=\"0.999\"} 8190\n"
                                 "fenlu_batch_events{kind=\"transfer\",quantile=\"1\"} 8190\n"
                                 "fenlu_batch_events_sum{kind=\"transfer\"} 8190\n"
                                 "fenlu_batch_events_count{kind=\"transfer\"} 1\n";

/* All lines of one name stand together, though another metric was registered between them. */
static void prints_the_prometheus_text_format(void **state)
{
    (void)state;
    assert_int_equal(metrics_print(NULL, 0), 0);
    metrics_register(&sent_1);
    metrics_register(&term);
    metrics_register(&sent_2);
    metrics_register(&flush);
    metrics_register(&batch);
    metrics_register(&term); /* again: no second line */
    metric_add(&sent_1, 3);
    metric_add(&sent_1, 4);
    metric_set(&sent_2, UINT64_MAX);
    metric_set(&term, 9);
    metric_set(&term, 3);
    metric_observe(&flush, 5);
    metric_observe(&flush, 2000000000);
    metric_observe(&batch, 8190);
    assert_int_equal(metric_value(&sent_1), 7);
    static char text[sizeof EXPOSITION + 100];
    assert_int_equal(metrics_print(text, sizeof text), strlen(EXPOSITION));
    assert_string_equal(text, EXPOSITION);
}

static void tells_how_much_room_it_wants(void **state)
{
    (void)state;
    static char text[sizeof EXPOSITION];
    for (size_t size = 0; size <= sizeof text; size += 37) {
        memset(text, 'x', sizeof text);
        assert_int_equal(metrics_print(text, size), strlen(EXPOSITION));
        if (size > 0) {
            assert_memory_equal(text, EXPOSITION, size - 1);
        }
        assert_int_equal(text[size], 'x');
    }
}

static void observe_a_gauge(void *context)
{
    metric_observe(context, 1);
}

static void register_without_histogram(void *context)
{
    (void)context;
    static struct metric metric = { .name = "n", .help = "h", .kind = METRIC_HISTOGRAM_NS };
    metrics_register(&metric);
}

static void misuse_panics(void **state)
{
    (void)state;
    assert_true(panics(observe_a_gauge, &term));
    assert_true(panics(register_without_histogram, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_match_a_sorted_array),
        cmocka_unit_test(each_value_is_within_a_sixteenth),
        cmocka_unit_test(an_empty_histogram_has_quantiles_of_zero),
        cmocka_unit_test(prints_the_prometheus_text_format),
        cmocka_unit_test(tells_how_much_room_it_wants),
        cmocka_unit_test(misuse_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
