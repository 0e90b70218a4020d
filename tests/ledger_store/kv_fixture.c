#include "tests/ledger_store/kv_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state, enum kv_kind kind)
{
    static struct fixture fixture;
    kv_home_begin(&fixture.home, kind);
    fixture.kv = kv_home_open(&fixture.home);
    *state = &fixture;
    return 0;
}

int set_up_simulated(void **state)
{
    return set_up(state, KV_SIMULATED);
}

int set_up_files(void **state)
{
    return set_up(state, KV_FILES);
}

int set_up_rocks(void **state)
{
    return set_up(state, KV_ROCKS);
}

int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->kv->ops->close(fixture->kv);
    kv_home_end(&fixture->home);
    return 0;
}

void reopen(struct fixture *fixture)
{
    fixture->kv->ops->close(fixture->kv);
    fixture->kv = kv_home_open(&fixture->home);
}

struct bytes text(const char *chars)
{
    return (struct bytes){ (const uint8_t *)chars, strlen(chars) };
}

void commit(struct kv *kv, const char *key, const char *value)
{
    struct error error;
    struct kv_put put = { .key = text(key) };
    if (value != NULL) {
        put.value = text(value);
    }
    assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
}
