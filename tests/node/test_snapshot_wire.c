/* What a snapshot's peers say to each other, and what a manifest may say. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "ledger/node/snapshot_manifest.h"
#include "ledger/node/snapshot_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- messages --- */

static enum status code(const struct snapshot_message *message, size_t payload,
                        struct snapshot_message *out)
{
    uint8_t head[SNAPSHOT_MESSAGE_SIZE];
    snapshot_message_encode(message, head);
    return snapshot_message_decode((struct bytes){ head, sizeof head }, payload, out);
}

static void messages_survive(void **state)
{
    (void)state;
    static const struct {
        struct snapshot_message message;
        size_t payload;
    } CASES[] = {
        { { .kind = SNAPSHOT_MANIFEST_GET, .cluster = 1, .index = UINT64_MAX }, 0 },
        { { .kind = SNAPSHOT_MANIFEST_GET, .cluster = 1, .snapshot = 5, .offset = 77 }, 0 },
        { { .kind = SNAPSHOT_MANIFEST, .cluster = 1, .snapshot = 5, .offset = 3, .total = 10 }, 7 },
        { { .kind = SNAPSHOT_CHUNK_GET, .cluster = 1, .snapshot = 5, .chunk = 8 }, 0 },
        { { .kind = SNAPSHOT_CHUNK, .cluster = 1, .snapshot = 5, .chunk = 8 },
          SNAPSHOT_CHUNK_SIZE },
        { { .kind = SNAPSHOT_REFUSED, .reason = SNAPSHOT_GONE, .cluster = 1, .snapshot = 5 }, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct snapshot_message out;
        assert_int_equal(code(&CASES[i].message, CASES[i].payload, &out), STATUS_OK);
        uint8_t one[SNAPSHOT_MESSAGE_SIZE];
        uint8_t two[SNAPSHOT_MESSAGE_SIZE];
        snapshot_message_encode(&CASES[i].message, one);
        snapshot_message_encode(&out, two);
        assert_memory_equal(one, two, sizeof one);
        assert_true(out.kind == CASES[i].message.kind && out.cluster == 1);
        bool asks = out.kind == SNAPSHOT_MANIFEST_GET || out.kind == SNAPSHOT_CHUNK_GET;
        assert_int_equal(snapshot_message_asks(&out), asks);
    }
}

static void messages_without_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct snapshot_message message;
        size_t payload;
    } CASES[] = {
        { { .kind = SNAPSHOT_MANIFEST_GET }, 1 },
        { { .kind = SNAPSHOT_MANIFEST_GET, .chunk = 1 }, 0 },
        { { .kind = SNAPSHOT_MANIFEST_GET, .offset = SNAPSHOT_MANIFEST_BYTES_MAX + 1 }, 0 },
        { { .kind = SNAPSHOT_MANIFEST, .snapshot = 5, .total = 10 }, 11 },
        { { .kind = SNAPSHOT_MANIFEST, .snapshot = 5, .total = 10, .offset = 4 }, 7 },
        { { .kind = SNAPSHOT_MANIFEST, .snapshot = 5, .total = 10, .offset = UINT64_MAX }, 2 },
        { { .kind = SNAPSHOT_MANIFEST, .snapshot = 5, .total = UINT64_MAX }, 7 },
        { { .kind = SNAPSHOT_MANIFEST, .snapshot = 5, .total = 10 }, 0 },
        { { .kind = SNAPSHOT_MANIFEST, .total = 10 }, 7 },
        { { .kind = SNAPSHOT_CHUNK_GET, .chunk = 1 }, 0 },
        { { .kind = SNAPSHOT_CHUNK_GET, .snapshot = 5, .chunk = SNAPSHOT_CHUNKS_MAX }, 0 },
        { { .kind = SNAPSHOT_CHUNK, .snapshot = 5 }, 0 },
        { { .kind = SNAPSHOT_CHUNK, .snapshot = 5 }, SNAPSHOT_CHUNK_SIZE + 1 },
        { { .kind = SNAPSHOT_CHUNK, .snapshot = 5, .reason = SNAPSHOT_BUSY }, 9 },
        { { .kind = SNAPSHOT_REFUSED }, 0 },
        { { .kind = SNAPSHOT_REFUSED, .reason = SNAPSHOT_REFUSAL_END }, 0 },
        { { .kind = SNAPSHOT_KIND_END }, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct snapshot_message out;
        if (code(&CASES[i].message, CASES[i].payload, &out) != STATUS_PROTOCOL) {
            fail_msg("case %zu was taken", i);
        }
    }
    uint8_t head[SNAPSHOT_MESSAGE_SIZE] = { 0 };
    struct snapshot_message message = { .kind = SNAPSHOT_MANIFEST_GET };
    struct snapshot_message out;
    snapshot_message_encode(&message, head);
    assert_int_equal(snapshot_message_decode((struct bytes){ head, 63 }, 0, &out), STATUS_PROTOCOL);
    head[1] = 0;
    assert_int_equal(snapshot_message_decode((struct bytes){ head, 64 }, 0, &out), STATUS_PROTOCOL);
    head[1] = SNAPSHOT_MANIFEST_GET;
    assert_int_equal(snapshot_message_decode((struct bytes){ head, 64 }, 0, &out), STATUS_OK);
    head[3] = 1;
    assert_int_equal(snapshot_message_decode((struct bytes){ head, 64 }, 0, &out), STATUS_PROTOCOL);
    head[0] = SNAPSHOT_MESSAGE_VERSION + 1;
    assert_int_equal(snapshot_message_decode((struct bytes){ head, 64 }, 0, &out), STATUS_VERSION);
}

/* --- manifests --- */

static struct snapshot_manifest example(void)
{
    struct snapshot_manifest manifest = { .snapshot = 0x1234,
                                          .cluster = 77,
                                          .source = 2,
                                          .chunk_size = 1024,
                                          .index = 100,
                                          .term = 4,
                                          .timestamp = 5,
                                          .chain = 6,
                                          .digest = 7 };
    static const struct {
        const char *name;
        uint64_t size;
    } FILES[] = { { "000012.sst", 2500 }, { "CURRENT", 16 },      { "EMPTY", 0 },
                  { "EMPTY-2", 0 },       { "MANIFEST-5", 1024 }, { "OPTIONS-000_7", 1025 } };
    struct error error;
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        assert_int_equal(snapshot_manifest_add(&manifest, FILES[i].name, FILES[i].size, &error),
                         STATUS_OK);
    }
    for (uint32_t i = 0; i < manifest.chunk_count; i++) {
        manifest.sums[i] = i * 77;
    }
    return manifest;
}

static uint8_t *encode(const struct snapshot_manifest *manifest, size_t *size)
{
    *size = snapshot_manifest_size(manifest);
    uint8_t *data = malloc(*size);
    assert_non_null(data);
    snapshot_manifest_encode(manifest, data);
    return data;
}

static void a_manifest_survives(void **state)
{
    (void)state;
    struct snapshot_manifest in = example();
    struct snapshot_manifest out;
    struct error error;
    size_t size = 0;
    uint8_t *data = encode(&in, &size);
    assert_int_equal(snapshot_manifest_decode((struct bytes){ data, size }, &out, &error),
                     STATUS_OK);
    assert_int_equal(in.chunk_count, 3 + 1 + 0 + 0 + 1 + 2);
    assert_int_equal(out.chunk_count, in.chunk_count);
    assert_int_equal(out.file_count, in.file_count);
    assert_int_equal(out.bytes, in.bytes);
    assert_true(out.snapshot == in.snapshot && out.cluster == in.cluster &&
                out.digest == in.digest);
    assert_int_equal(out.index, in.index);
    assert_int_equal(out.chain, in.chain);
    for (uint32_t i = 0; i < in.file_count; i++) {
        assert_string_equal(out.files[i].name, in.files[i].name);
        assert_int_equal(out.files[i].size, in.files[i].size);
        assert_int_equal(out.files[i].first_chunk, in.files[i].first_chunk);
    }
    assert_memory_equal(out.sums, in.sums, in.chunk_count * sizeof in.sums[0]);
    free(data);
    snapshot_manifest_free(&out);
    snapshot_manifest_free(&in);
}

static void chunks_cover_every_byte_once(void **state)
{
    (void)state;
    struct snapshot_manifest manifest = example();
    uint32_t file = 0;
    uint64_t offset = 0;
    for (uint32_t i = 0; i < manifest.chunk_count; i++) {
        struct snapshot_place place = snapshot_manifest_place(&manifest, i);
        while (offset == manifest.files[file].size) {
            file++;
            offset = 0;
        }
        assert_int_equal(place.file, file);
        assert_int_equal(place.offset, offset);
        assert_true(place.size > 0 && place.size <= manifest.chunk_size);
        offset += place.size;
    }
    assert_int_equal(offset, manifest.files[file].size);
    assert_int_equal(file + 1, manifest.file_count);
    snapshot_manifest_free(&manifest);
}

static void names_lead_nowhere(void **state)
{
    (void)state;
    static const char *const BAD[] = { "",     ".",   "..",   ".hidden",     "a/b", "/etc", "../x",
                                       "a\\b", "a b", "a\nb", "caf\xc3\xa9", "x:y", "~",    "a%b" };
    struct snapshot_manifest manifest = { .chunk_size = 1024 };
    struct error error;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_false(snapshot_name_valid(BAD[i], strlen(BAD[i])));
        assert_int_equal(snapshot_manifest_add(&manifest, BAD[i], 1, &error), STATUS_INVALID);
    }
    char name[SNAPSHOT_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    assert_false(snapshot_name_valid(name, SNAPSHOT_NAME_MAX));
    assert_true(snapshot_name_valid(name, SNAPSHOT_NAME_MAX - 1));
    assert_false(snapshot_name_valid("a\0b", 3));
    assert_int_equal(manifest.file_count, 0);
    snapshot_manifest_free(&manifest);
}

/* Bytes that carry a sound checksum and still must not be believed. */
static enum status decode_mended(uint8_t *data, size_t size)
{
    struct snapshot_manifest out;
    struct error error;
    uint32_t sum = crc32c(data, size - 4);
    memcpy(data + size - 4, &sum, sizeof sum);
    enum status status = snapshot_manifest_decode((struct bytes){ data, size }, &out, &error);
    if (status == STATUS_OK) {
        snapshot_manifest_free(&out);
    }
    return status;
}

enum { AT_CHUNK_SIZE = 44, AT_INDEX = 48, AT_FILES = 96, AT_CHUNKS = 100, AT_FIRST_NAME = 104 };

static void hostile_manifests_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        size_t size;
        uint64_t value;
    } CASES[] = {
        { 0, 4, 1 },                                   /* magic */
        { 8, 16, 0 },                                  /* no id */
        { AT_CHUNK_SIZE, 4, 0 },                       /* would divide by nothing */
        { AT_CHUNK_SIZE, 4, SNAPSHOT_CHUNK_SIZE + 1 }, /* does not fit a message */
        { AT_INDEX, 8, 0 },                            /* before the first entry */
        { AT_FILES, 4, UINT32_MAX },                   /* more than the bytes can hold */
        { AT_FILES, 4, 5 },                            /* one less than there are */
        { AT_CHUNKS, 4, UINT32_MAX },                  /* likewise */
        { AT_CHUNKS, 4, 6 },                           /* not what the sizes make */
        { AT_FIRST_NAME, 1, 255 },                     /* the name's length */
        { AT_FIRST_NAME, 1, 0 },                       /* no name */
        { AT_FIRST_NAME + 1, 1, '/' },                 /* an absolute path */
        { AT_FIRST_NAME + 1, 2, 0x2E2E },              /* a way up */
        { AT_FIRST_NAME + 1, 1, 'Z' },                 /* out of order */
        { AT_FIRST_NAME + 11, 8, UINT64_MAX },         /* a size that overflows */
        { AT_FIRST_NAME + 11, 8, UINT64_MAX - 1000 },  /* rounds up to nothing */
        { AT_FIRST_NAME + 11, 8, (uint64_t)1 << 62 },  /* more chunks than there may be */
    };
    struct snapshot_manifest manifest = example();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        size_t size = 0;
        uint8_t *data = encode(&manifest, &size);
        memset(data + CASES[i].at, 0, CASES[i].size);
        memcpy(data + CASES[i].at, &CASES[i].value, CASES[i].size < 8 ? CASES[i].size : 8);
        if (decode_mended(data, size) != STATUS_PROTOCOL) {
            fail_msg("case %zu was taken", i);
        }
        free(data);
    }
    size_t size = 0;
    uint8_t *data = encode(&manifest, &size);
    data[4] = 9;
    assert_int_equal(decode_mended(data, size), STATUS_VERSION);
    free(data);
    snapshot_manifest_free(&manifest);
}

static void a_manifest_has_a_bounded_number_of_files(void **state)
{
    (void)state;
    struct snapshot_manifest manifest = {
        .snapshot = 1, .source = 1, .index = 1, .chunk_size = 1024
    };
    struct error error;
    char name[16];
    for (unsigned i = 0; i < SNAPSHOT_FILES_MAX; i++) {
        (void)snprintf(name, sizeof name, "%08u", i);
        assert_int_equal(snapshot_manifest_add(&manifest, name, 0, &error), STATUS_OK);
    }
    assert_int_equal(snapshot_manifest_add(&manifest, "x", 0, &error), STATUS_TOO_LARGE);
    snapshot_manifest_free(&manifest);
    manifest = (struct snapshot_manifest){ .chunk_size = 1024 };
    uint64_t most = (uint64_t)SNAPSHOT_CHUNKS_MAX * 1024;
    assert_int_equal(snapshot_manifest_add(&manifest, "a", most + 1, &error), STATUS_TOO_LARGE);
    assert_int_equal(snapshot_manifest_add(&manifest, "a", most - 1024, &error), STATUS_OK);
    assert_int_equal(snapshot_manifest_add(&manifest, "b", 1025, &error), STATUS_TOO_LARGE);
    assert_int_equal(snapshot_manifest_add(&manifest, "b", 1024, &error), STATUS_OK);
    snapshot_manifest_free(&manifest);
}

/* Every bit counts, and no prefix passes. */
static void damaged_manifests_are_refused(void **state)
{
    (void)state;
    struct snapshot_manifest manifest = example();
    struct snapshot_manifest out;
    struct error error;
    size_t size = 0;
    uint8_t *data = encode(&manifest, &size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(snapshot_manifest_decode((struct bytes){ data, size }, &out, &error),
                         STATUS_CORRUPT);
        data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_not_equal(snapshot_manifest_decode((struct bytes){ data, cut }, &out, &error),
                             STATUS_OK);
    }
    free(data);
    snapshot_manifest_free(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_survive),
        cmocka_unit_test(messages_without_sense_are_refused),
        cmocka_unit_test(a_manifest_survives),
        cmocka_unit_test(chunks_cover_every_byte_once),
        cmocka_unit_test(names_lead_nowhere),
        cmocka_unit_test(hostile_manifests_are_refused),
        cmocka_unit_test(a_manifest_has_a_bounded_number_of_files),
        cmocka_unit_test(damaged_manifests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
