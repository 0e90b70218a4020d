/* kv_fixture.h — one case on each implementation of kv.h: an empty kv, and what cases do with it.
 *
 *     cmocka_unit_test_setup_teardown(a_case, set_up_rocks, tear_down)
 */
#pragma once

#include "tests/ledger_store/kv_kinds.h"

struct fixture {
    struct kv_home home;
    struct kv *kv;
};

int set_up_simulated(void **state);
int set_up_files(void **state);
int set_up_rocks(void **state);
int tear_down(void **state);
/* Closes and opens. */
void reopen(struct fixture *fixture);

struct bytes text(const char *chars);
/* NULL: removes the key. */
void commit(struct kv *kv, const char *key, const char *value);
