#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_its_own_name_and_text(void **state)
{
    (void)state;
    for (int a = 0; a < STATUS_COUNT; a++) {
        const char *name = status_name((enum status)a);
        assert_true(strlen(name) > 0);
        assert_true(strlen(status_text((enum status)a)) > 0);
        assert_int_equal(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), strlen(name));
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(name, status_name((enum status)b));
            assert_string_not_equal(status_text((enum status)a), status_text((enum status)b));
        }
    }
    assert_string_equal(status_name(STATUS_NOT_LEADER), "NOT_LEADER");
    assert_string_equal(status_text(STATUS_NOT_LEADER), "this node is not the leader");
}

/* Only OK is OK, and what an API node may retry safely is never told as an unknown outcome. */
static void every_status_maps_to_a_grpc_code(void **state)
{
    (void)state;
    assert_int_equal(STATUS_OK, 0);
    assert_int_equal(status_grpc(STATUS_OK), GRPC_OK);
    for (int i = 1; i < STATUS_COUNT; i++) {
        enum grpc_code code = status_grpc((enum status)i);
        assert_int_not_equal(code, GRPC_OK);
        assert_in_range(code, GRPC_CANCELLED, GRPC_UNAUTHENTICATED);
        enum status_outcome outcome = status_outcome((enum status)i);
        assert_true(outcome == OUTCOME_NOT_APPLIED || outcome == OUTCOME_UNKNOWN);
    }
    assert_int_equal(status_grpc(STATUS_NO_LEADER), GRPC_UNAVAILABLE);
    assert_int_equal(status_outcome(STATUS_NO_LEADER), OUTCOME_NOT_APPLIED);
    assert_int_equal(status_outcome(STATUS_LEADER_LOST), OUTCOME_UNKNOWN);
    assert_int_equal(status_grpc(STATUS_TIMEOUT), status_grpc(STATUS_TIMEOUT_UNKNOWN));
    assert_int_equal(status_outcome(STATUS_TIMEOUT_UNKNOWN), OUTCOME_UNKNOWN);
    assert_int_equal(status_grpc(STATUS_BUSY), GRPC_RESOURCE_EXHAUSTED);
}

/* The numbers and names of grpc/statuscodes.md. */
static void grpc_codes_have_their_names(void **state)
{
    (void)state;
    assert_string_equal(grpc_code_name(GRPC_OK), "OK");
    assert_string_equal(grpc_code_name((enum grpc_code)4), "DEADLINE_EXCEEDED");
    assert_string_equal(grpc_code_name((enum grpc_code)8), "RESOURCE_EXHAUSTED");
    assert_string_equal(grpc_code_name((enum grpc_code)14), "UNAVAILABLE");
    assert_string_equal(grpc_code_name((enum grpc_code)16), "UNAUTHENTICATED");
    int unknown = 17;
    assert_string_equal(grpc_code_name((enum grpc_code)unknown), "?");
    unknown = -1;
    assert_string_equal(grpc_code_name((enum grpc_code)unknown), "?");
}

static enum status twice(enum status first, enum status second, int *steps)
{
    TRY(first);
    (*steps)++;
    TRY(second);
    (*steps)++;
    return STATUS_OK;
}

static void try_leaves_at_the_first_failure(void **state)
{
    (void)state;
    int steps = 0;
    assert_int_equal(twice(STATUS_OK, STATUS_OK, &steps), STATUS_OK);
    assert_int_equal(steps, 2);
    steps = 0;
    assert_int_equal(twice(STATUS_OK, STATUS_BUSY, &steps), STATUS_BUSY);
    assert_int_equal(steps, 1);
    steps = 0;
    assert_int_equal(twice(STATUS_IO, STATUS_BUSY, &steps), STATUS_IO);
    assert_int_equal(steps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_name_and_text),
        cmocka_unit_test(every_status_maps_to_a_grpc_code),
        cmocka_unit_test(grpc_codes_have_their_names),
        cmocka_unit_test(try_leaves_at_the_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
