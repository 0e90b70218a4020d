/* test_metadata.c — maps have one form; patches against a model that is an array by key; any flipped
 * byte is refused or is another sound map. */
#include "base/random.h"
#include "ledger/core/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 60 };

static struct bytes text_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static enum metadata_flaw flaw_of(const char *key, enum metadata_type type, struct bytes value)
{
    struct metadata_entry entry = { .key = text_of(key), .value = value, .type = type };
    uint8_t bytes[METADATA_BYTES_MAX];
    uint32_t size, flawed;
    return metadata_write(&entry, 1, false, bytes, &size, &flawed);
}

static void keys_and_values_are_bounded(void **state)
{
    (void)state;
    const struct bytes yes = { (const uint8_t *)"\1", 1 };
    assert_int_equal(flaw_of("a", METADATA_BOOL, yes), METADATA_SOUND);
    assert_int_equal(flaw_of("", METADATA_BOOL, yes), METADATA_KEY_EMPTY);
    assert_int_equal(flaw_of("a_b.c-9", METADATA_BOOL, yes), METADATA_SOUND);
    assert_int_equal(flaw_of("A", METADATA_BOOL, yes), METADATA_KEY_CHARACTER);
    assert_int_equal(flaw_of("a/", METADATA_BOOL, yes), METADATA_KEY_CHARACTER);
    assert_int_equal(flaw_of("12345678901234567890123456789012", METADATA_BOOL, yes),
                     METADATA_SOUND);
    assert_int_equal(flaw_of("123456789012345678901234567890123", METADATA_BOOL, yes),
                     METADATA_KEY_TOO_LONG);
    assert_int_equal(flaw_of("a", METADATA_BOOL, text_of("\2")), METADATA_VALUE_UNSOUND);
    assert_int_equal(flaw_of("a", METADATA_BOOL, text_of("")), METADATA_VALUE_UNSOUND);
    assert_int_equal(flaw_of("a", METADATA_INT64, yes), METADATA_VALUE_UNSOUND);
    assert_int_equal(flaw_of("a", METADATA_DELETE, text_of("")), METADATA_VALUE_UNSOUND);
    assert_int_equal(flaw_of("a", (enum metadata_type)8, yes), METADATA_VALUE_UNSOUND);
    assert_int_equal(flaw_of("a", METADATA_STRING, text_of("\xE7\x8E\x8B")), METADATA_SOUND);
    static const char *const not_text[] = {
        "\xC0\x80", "\xE0\x80\x80",     "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE7\x8E", "\x80",
        "\xFF",     "\xF0\x80\x80\x80", "\xC2"
    };
    for (size_t i = 0; i < sizeof not_text / sizeof not_text[0]; i++) {
        assert_int_equal(flaw_of("a", METADATA_STRING, text_of(not_text[i])),
                         METADATA_VALUE_UNSOUND);
    }
    static const uint8_t zeros[METADATA_BYTES_MAX + 1];
    assert_int_equal(flaw_of("a", METADATA_BYTES, (struct bytes){ zeros, METADATA_BYTES_MAX - 6 }),
                     METADATA_SOUND);
    assert_int_equal(flaw_of("a", METADATA_BYTES, (struct bytes){ zeros, METADATA_BYTES_MAX - 5 }),
                     METADATA_TOO_LARGE);
    assert_int_equal(flaw_of("a", METADATA_BYTES, (struct bytes){ zeros, sizeof zeros }),
                     METADATA_TOO_LARGE);
}

static void dates_are_days_of_the_calendar(void **state)
{
    (void)state;
    static const uint32_t days[] = { 19700101, 20240229, 20000229, 20261231, 99991231 };
    static const uint32_t none[] = { 0,        19691231, 20230229, 21000229, 20260431,
                                     20261301, 20260001, 20260100, 20260132, 100000101 };
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        assert_true(metadata_date_is_sound(days[i]));
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(metadata_date_is_sound(none[i]));
    }
}

static void a_key_is_there_once(void **state)
{
    (void)state;
    struct metadata_entry entries[2] = {
        { .key = text_of("a"), .value = text_of("x"), .type = METADATA_STRING },
        { .key = text_of("a"), .value = text_of("y"), .type = METADATA_STRING },
    };
    uint8_t bytes[METADATA_BYTES_MAX];
    uint32_t size, flawed;
    assert_int_equal(metadata_write(entries, 2, false, bytes, &size, &flawed), METADATA_KEY_TWICE);
    entries[0].key = text_of("b");
    assert_int_equal(metadata_write(entries, 2, false, bytes, &size, &flawed), METADATA_SOUND);
    struct metadata_entry read[METADATA_ENTRIES_MAX];
    assert_true(metadata_is_sound((struct bytes){ bytes, size }));
    assert_int_equal(metadata_read((struct bytes){ bytes, size }, read), 2);
    assert_memory_equal(read[0].key.data, "a", 1); /* ascending */
    assert_memory_equal(read[0].value.data, "y", 1);
    assert_int_equal(
        metadata_write(entries, METADATA_ENTRIES_MAX + 1, false, bytes, &size, &flawed),
        METADATA_TOO_MANY_ENTRIES);
}

static void entries_ascend(void **state)
{
    (void)state;
    uint8_t map[] = { 2, 1, METADATA_BOOL, 1, 0, 'a', 1, 1, METADATA_BOOL, 1, 0, 'b', 1 };
    const struct bytes bytes = { map, sizeof map };
    assert_true(metadata_is_sound(bytes));
    map[5] = 'b';
    assert_false(metadata_is_sound(bytes)); /* twice */
    map[11] = 'a';
    assert_false(metadata_is_sound(bytes));
    map[0] = 1;
    assert_false(metadata_is_sound(bytes)); /* more than it says */
    map[0] = 3;
    assert_false(metadata_is_sound(bytes));
}

/* --- patches ---------------------------------------------------------------------------------- */

struct world {
    struct random random;
    bool has[KEYS];
    uint64_t value[KEYS];
    uint8_t map[METADATA_BYTES_MAX];
};

static void key_name(uint32_t key, char name[8])
{
    snprintf(name, 8, "k%02u", key % 100);
}

static void check_map(const struct world *world)
{
    struct metadata_entry entries[METADATA_ENTRIES_MAX];
    const struct bytes map = { world->map, metadata_size(world->map) };
    assert_true(metadata_is_sound(map));
    const uint32_t count = metadata_read(map, entries);
    uint32_t at = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        char name[8];
        key_name(key, name);
        if (world->has[key]) {
            assert_true(at < count);
            assert_memory_equal(entries[at].key.data, name, 3);
            assert_memory_equal(entries[at].value.data, &world->value[key], 8);
            at++;
        }
    }
    assert_int_equal(at, count);
}

static void patch(struct world *world)
{
    struct metadata_entry entries[METADATA_ENTRIES_MAX];
    char names[METADATA_ENTRIES_MAX][8];
    uint64_t values[METADATA_ENTRIES_MAX];
    struct world after = *world;
    const uint32_t count = (uint32_t)random_between(&world->random, 1, 9);
    const uint32_t first = (uint32_t)random_below(&world->random, KEYS - 9);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t key = first + count - 1 - i; /* descending: sorted by the writer */
        const bool sets = random_chance(&world->random, 1, 2);
        key_name(key, names[i]);
        values[i] = random_u64(&world->random);
        entries[i] = (struct metadata_entry){
            .key = text_of(names[i]),
            .value = { (const uint8_t *)&values[i], sets ? sizeof values[i] : 0 },
            .type = sets ? METADATA_INT64 : METADATA_DELETE,
        };
        after.has[key] = sets;
        after.value[key] = values[i];
    }
    uint8_t bytes[METADATA_BYTES_MAX];
    uint32_t size, flawed;
    assert_int_equal(metadata_write(entries, count, true, bytes, &size, &flawed), METADATA_SOUND);
    assert_true(metadata_patch_is_sound((struct bytes){ bytes, size }));
    uint32_t held = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        held += after.has[key];
    }
    const struct bytes map = { world->map, metadata_size(world->map) };
    const enum metadata_flaw flaw = metadata_apply(map, (struct bytes){ bytes, size }, after.map);
    assert_int_equal(flaw,
                     held > METADATA_ENTRIES_MAX ? METADATA_TOO_MANY_ENTRIES : METADATA_SOUND);
    after.random = world->random;
    if (flaw == METADATA_SOUND) {
        *world = after;
    }
    check_map(world);
}

static void patches_are_those_of_the_model(void **state)
{
    (void)state;
    static struct world world;
    random_init(&world.random, 5);
    for (uint32_t i = 0; i < 20000; i++) {
        patch(&world);
    }
}

static void flipped_bytes_are_refused_or_sound(void **state)
{
    (void)state;
    static struct world world;
    random_init(&world.random, 6);
    for (uint32_t i = 0; i < 50; i++) {
        patch(&world);
    }
    const uint32_t size = metadata_size(world.map);
    uint32_t refused = 0;
    for (uint32_t at = 0; at < size * 8; at++) {
        uint8_t bytes[METADATA_BYTES_MAX];
        memcpy(bytes, world.map, sizeof bytes);
        bytes[at / 8] ^= (uint8_t)(1U << at % 8);
        if (!metadata_is_sound((struct bytes){ bytes, size })) {
            refused++;
            continue;
        }
        struct metadata_entry entries[METADATA_ENTRIES_MAX];
        (void)metadata_read((struct bytes){ bytes, size }, entries);
    }
    assert_true(refused > 0);
    for (uint32_t cut = 1; cut < size; cut++) {
        assert_false(metadata_is_sound((struct bytes){ world.map, cut }));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_values_are_bounded),
        cmocka_unit_test(dates_are_days_of_the_calendar),
        cmocka_unit_test(a_key_is_there_once),
        cmocka_unit_test(entries_ascend),
        cmocka_unit_test(patches_are_those_of_the_model),
        cmocka_unit_test(flipped_bytes_are_refused_or_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
