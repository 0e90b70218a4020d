/* test_eras.c — eras stay few, know between which ids theirs lie, and come back as they were written. */
#include "base/random.h"
#include "ledger/store/eras.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL = 256 * 1024 };

static void they_grow_and_stay_few(void **state)
{
    (void)state;
    static struct eras eras;
    uint64_t first_ten = 0;
    for (uint64_t changes = 0; changes < 10ULL * 1000 * 1000 * 1000; changes += SEAL) {
        uint32_t before = eras.count;
        eras_seal(&eras, changes, SEAL, changes + 1);
        assert_true(eras.count == before || eras.count == before + 1);
        assert_int_equal(eras_at(&eras, changes + 1), eras.count);
        assert_int_equal(eras_at(&eras, changes), before);
        assert_true(changes - eras.changes_before <= changes / ERA_SHARE + 16 * SEAL + SEAL);
        first_ten = changes < 42ULL * 1000 * 1000 ? eras.count : first_ten;
    }
    assert_int_equal(first_ten, 9 + 1);
    assert_in_range(eras.count, 50, 250);
}

static void each_covers_its_own_ids(void **state)
{
    (void)state;
    static struct eras eras;
    struct random random;
    random_init(&random, 1);
    assert_false(eras_cover_id(&eras, 0, 1));
    assert_false(eras_cover_id(&eras, 0, U128_MAX));
    u128 time_ids[20];
    for (uint32_t era = 0; era < 20; era++) {
        time_ids[era] = (u128)(1000 + era) << 80;
        for (uint32_t i = 0; i < 100; i++) { /* in any order */
            eras_see_id(&eras, time_ids[era] + (random_u64(&random) >> 8));
        }
        eras_see_id(&eras, time_ids[era]);
        eras_seal(&eras, (uint64_t)(era + 1) * ERA_SEALS * 10, 10, 1 + era);
        assert_int_equal(eras.count, era + 1);
    }
    for (uint32_t era = 0; era < 20; era++) {
        for (uint32_t of = 0; of < 20; of++) {
            assert_int_equal(eras_cover_id(&eras, era, time_ids[of]), era == of);
        }
        assert_false(eras_cover_id(&eras, era, time_ids[era] - 1));
    }
    assert_false(eras_cover_id(&eras, 20, time_ids[19])); /* nothing is sealed into it yet */
    eras_see_id(&eras, 1);
    eras_see_id(&eras, U128_MAX - 1);
    assert_true(eras_cover_id(&eras, 20, time_ids[0]));
}

enum { WRITTEN_MAX = 16 * 1024, BEGINS_AT = 12, ERAS = 200 };

static size_t write(const struct eras *eras, uint8_t *bytes)
{
    struct writer writer = writer_init(bytes, WRITTEN_MAX);
    eras_write(eras, &writer);
    assert_false(writer.failed);
    assert_int_equal(writer_size(&writer), eras_size(eras));
    return writer_size(&writer);
}

static bool read(struct eras *eras, const uint8_t *bytes, size_t size)
{
    struct reader reader = reader_init(bytes, size);
    return eras_read(eras, &reader) && reader_done(&reader);
}

static void they_come_back_or_are_refused(void **state)
{
    (void)state;
    static struct eras eras, back;
    static uint8_t bytes[WRITTEN_MAX], other[WRITTEN_MAX];
    size_t size = write(&eras, bytes);
    assert_true(read(&back, bytes, size));
    assert_int_equal(back.count, 0);
    uint64_t changes = 0;
    while (eras.count < ERAS) {
        eras_see_id(&eras, eras.count + 1);
        eras_see_id(&eras, (u128)1 << 100 | eras.count);
        changes += ERA_SEALS + changes / ERA_SHARE * 2;
        eras_seal(&eras, changes, 1, changes);
    }
    size = write(&eras, bytes);
    assert_true(read(&back, bytes, size));
    assert_int_equal(write(&back, other), size);
    assert_memory_equal(bytes, other, size);
    for (size_t cut = 0; cut < size; cut += 11) {
        assert_false(read(&back, bytes, cut));
    }
    memcpy(other + BEGINS_AT + 8, other + BEGINS_AT, 8); /* two begin at the same time */
    assert_false(read(&back, other, size));
    memcpy(other, bytes, size);
    uint8_t *ids = other + BEGINS_AT + (size_t)ERAS * 8;
    memset(ids, 0xFF, 16); /* the first id of the first is later than the last one */
    assert_false(read(&back, other, size));
    memset(ids, 0, 16); /* or none */
    assert_false(read(&back, other, size));
    memcpy(other, bytes, size);
    memset(other + 8, 0xFF, 4); /* too many */
    assert_false(read(&back, other, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_grow_and_stay_few),
        cmocka_unit_test(each_covers_its_own_ids),
        cmocka_unit_test(they_come_back_or_are_refused),
    };
    return cmocka_run_group_tests_name("ledger_store.eras", tests, NULL, NULL);
}
