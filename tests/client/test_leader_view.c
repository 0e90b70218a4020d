/* Who leads, from what members say: one row a statement, and what is believed after it. */
#include "api/client/leader_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
    uint32_t from;
    uint32_t says_leader;
    uint64_t says_term;
    uint32_t believed;
};

static void check(const struct row *rows, size_t count)
{
    struct leader_view view = { 0 };
    for (size_t i = 0; i < count; i++) {
        leader_view_learn(&view, rows[i].from, rows[i].says_leader, rows[i].says_term);
        if (view.leader != rows[i].believed) {
            fail_msg("row %zu: believes %u, expected %u", i, view.leader, rows[i].believed);
        }
    }
}

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const struct row ROWS[] = { __VA_ARGS__ };                                          \
        check(ROWS, sizeof ROWS / sizeof ROWS[0]);                                                 \
    } while (0)

static void test_the_higher_term_counts(void **state)
{
    (void)state;
    CHECK({ 1, 0, 4, 0 }, { 2, 1, 4, 1 }, { 3, 2, 3, 1 }, { 3, 2, 5, 2 }, { 1, 1, 4, 2 });
}

static void test_knowing_no_leader_is_no_news(void **state)
{
    (void)state;
    CHECK({ 1, 1, 4, 1 }, { 2, 0, 4, 1 }, { 3, 0, 9, 1 });
}

static void test_a_denial_counts_against_hearsay_of_its_term(void **state)
{
    (void)state;
    CHECK({ 1, 1, 4, 1 }, { 1, 0, 4, 0 }, { 2, 1, 4, 0 }, { 2, 1, 5, 1 });
    CHECK({ 1, 1, 4, 1 }, { 1, 3, 5, 3 });
    /* An answer of a former life, overtaken by hearsay: the member's own word mends it. */
    CHECK({ 2, 1, 4, 1 }, { 1, 0, 4, 0 }, { 2, 1, 4, 0 }, { 1, 1, 4, 1 }, { 2, 1, 4, 1 });
    /* It could not know yet: it speaks of an earlier term. */
    CHECK({ 2, 1, 4, 1 }, { 1, 0, 3, 1 });
}

static void test_deny(void **state)
{
    (void)state;
    struct leader_view view = { 0 };
    leader_view_learn(&view, 1, 1, 4);
    leader_view_deny(&view, 2);
    assert_int_equal(view.leader, 1);
    leader_view_deny(&view, 1);
    assert_int_equal(view.leader, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_higher_term_counts),
        cmocka_unit_test(test_knowing_no_leader_is_no_news),
        cmocka_unit_test(test_a_denial_counts_against_hearsay_of_its_term),
        cmocka_unit_test(test_deny),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
