#include "base/crc32c.h"
#include "base/random.h"
#include "raft/net/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HEAD_SIZE = 24 };

struct sample {
    uint8_t header[FRAME_HEADER_SIZE];
    uint8_t head[HEAD_SIZE];
    uint8_t payload[100];
};

static struct sample sample_frame(void)
{
    struct sample sample;
    struct random random;
    random_init(&random, 1);
    for (size_t i = 0; i < sizeof sample.head; i++) {
        sample.head[i] = (uint8_t)random_u64(&random);
    }
    for (size_t i = 0; i < sizeof sample.payload; i++) {
        sample.payload[i] = (uint8_t)random_u64(&random);
    }
    struct bytes head = { .data = sample.head, .size = sizeof sample.head };
    frame_encode(sample.header, FRAME_REPLY, head, sizeof sample.payload,
                 crc32c(sample.payload, sizeof sample.payload), 0);
    return sample;
}

static bool sample_is_sound(const struct sample *sample)
{
    struct frame_header header;
    return frame_decode(sample->header, &header) == STATUS_OK && header.head_size == HEAD_SIZE &&
           frame_head_check(sample->header, &header, sample->head) &&
           frame_payload_check(&header, sample->payload);
}

static void frame_round_trip(void **state)
{
    (void)state;
    struct sample sample = sample_frame();
    struct frame_header header;
    assert_int_equal(frame_decode(sample.header, &header), STATUS_OK);
    assert_int_equal(header.kind, FRAME_REPLY);
    assert_int_equal(header.version, FRAME_VERSION);
    assert_int_equal(header.head_size, HEAD_SIZE);
    assert_int_equal(header.payload_size, sizeof sample.payload);
    assert_int_equal(header.flags, 0);
    assert_true(sample_is_sound(&sample));
}

static void frame_layout_is_fixed(void **state)
{
    (void)state;
    uint8_t out[FRAME_HEADER_SIZE];
    const uint8_t head[2] = { 0xAA, 0xBB };
    frame_encode(out, FRAME_RAFT, (struct bytes){ .data = head, .size = 2 }, 0x010203, 0,
                 FRAME_SELF_CHECKED);
    const uint8_t expected[] = { 'F', 'N', 'L', 'F' };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(out[i], expected[i]);
    }
    const uint8_t rest[] = {
        5, 0, 1, 0, 2, 0, 0, 0, 3, 2, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0
    };
    assert_memory_equal(out + 8, rest, sizeof rest);
    uint32_t crc = crc32c_extend(crc32c(out + 8, 24), head, 2);
    const uint8_t sum[] = { (uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                            (uint8_t)(crc >> 24) };
    assert_memory_equal(out + 4, sum, 4);
}

/* Every single bit of header, head and payload matters. */
static void every_flip_is_noticed(void **state)
{
    (void)state;
    struct sample good = sample_frame();
    for (size_t bit = 0; bit < sizeof good * 8; bit++) {
        struct sample bad = good;
        uint8_t bytes[sizeof bad];
        memcpy(bytes, &bad, sizeof bad);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        memcpy(&bad, bytes, sizeof bad);
        if (sample_is_sound(&bad)) {
            fail_msg("flip of bit %zu was not noticed", bit);
        }
    }
}

/* One field of a sound header set to a value that is not sound. */
static void unsound_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t at;
        uint32_t size;
        uint32_t value;
        enum status status;
    } CASES[] = {
        { 0, 4, 0x464C4E47, STATUS_PROTOCOL },
        { 8, 2, 0, STATUS_PROTOCOL },
        { 8, 2, FRAME_KIND_END, STATUS_PROTOCOL },
        { 8, 2, 0xFFFF, STATUS_PROTOCOL },
        { 10, 2, 0, STATUS_PROTOCOL },
        { 10, 2, FRAME_VERSION + 1, STATUS_VERSION },
        { 12, 4, FRAME_HEAD_MAX, STATUS_OK },
        { 12, 4, FRAME_HEAD_MAX + 1, STATUS_PROTOCOL },
        { 12, 4, 0xFFFFFFFF, STATUS_PROTOCOL },
        { 16, 4, FRAME_BODY_MAX - FRAME_HEAD_MAX, STATUS_OK },
        { 16, 4, FRAME_BODY_MAX - FRAME_HEAD_MAX + 1, STATUS_PROTOCOL },
        { 16, 4, 0xFFFFFFFF, STATUS_PROTOCOL },
        { 24, 4, FRAME_SELF_CHECKED, STATUS_PROTOCOL }, /* with a checksum beside it */
        { 24, 4, 2, STATUS_PROTOCOL },
        { 28, 4, 1, STATUS_PROTOCOL },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct sample sample = sample_frame();
        struct frame_header header;
        for (uint32_t byte = 0; byte < CASES[i].size; byte++) {
            sample.header[CASES[i].at + byte] = (uint8_t)(CASES[i].value >> (8 * byte));
        }
        enum status status = frame_decode(sample.header, &header);
        if (status != CASES[i].status) {
            fail_msg("case %zu: %s", i, status_name(status));
        }
    }
}

static void self_checked_payload_is_not_summed(void **state)
{
    (void)state;
    struct sample sample = sample_frame();
    struct frame_header header;
    frame_encode(sample.header, FRAME_RAFT, (struct bytes){ sample.head, HEAD_SIZE },
                 sizeof sample.payload, 0, FRAME_SELF_CHECKED);
    assert_int_equal(frame_decode(sample.header, &header), STATUS_OK);
    assert_true(frame_payload_check(&header, sample.payload));
    frame_encode(sample.header, FRAME_RAFT, (struct bytes){ sample.head, HEAD_SIZE },
                 sizeof sample.payload, 0, 0);
    assert_int_equal(frame_decode(sample.header, &header), STATUS_OK);
    assert_false(frame_payload_check(&header, sample.payload));
}

static struct hello sample_hello(void)
{
    return (struct hello){ .cluster = u128_make(0x1111222233334444, 0x5555666677778888),
                           .role = HELLO_PEER,
                           .node = 3,
                           .to_node = 2,
                           .incarnation = 0xAABBCCDDEEFF0011,
                           .to_incarnation = 77,
                           .version_min = 1,
                           .version_max = 9,
                           .features = 0x8000000000000001,
                           .wall_ns = 1700000000000000000,
                           .config_index = 0x9000000000000002,
                           .address = "ledger3:7400" };
}

static void hello_round_trip(void **state)
{
    (void)state;
    struct hello hello = sample_hello();
    struct hello decoded;
    uint8_t out[HELLO_SIZE_MAX];
    size_t size = hello_encode(out, &hello);
    assert_int_equal(size, HELLO_SIZE + strlen(hello.address));
    assert_int_equal(hello_decode((struct bytes){ out, size }, &decoded), STATUS_OK);
    assert_true(decoded.cluster == hello.cluster);
    assert_int_equal(decoded.role, hello.role);
    assert_int_equal(decoded.node, hello.node);
    assert_int_equal(decoded.to_node, hello.to_node);
    assert_true(decoded.incarnation == hello.incarnation);
    assert_true(decoded.to_incarnation == hello.to_incarnation);
    assert_int_equal(decoded.version_min, hello.version_min);
    assert_int_equal(decoded.version_max, hello.version_max);
    assert_true(decoded.features == hello.features);
    assert_true(decoded.wall_ns == hello.wall_ns);
    assert_true(decoded.config_index == hello.config_index);
    assert_string_equal(decoded.address, hello.address);
    memset(hello.address, 'a', sizeof hello.address - 1);
    size = hello_encode(out, &hello);
    assert_int_equal(size, HELLO_SIZE_MAX);
    assert_int_equal(hello_decode((struct bytes){ out, size }, &decoded), STATUS_OK);
    assert_string_equal(decoded.address, hello.address);
}

static void hello_lengths(void **state)
{
    (void)state;
    struct hello hello = sample_hello();
    uint8_t out[HELLO_SIZE_MAX + 1] = { 0 };
    size_t whole = hello_encode(out, &hello);
    for (size_t size = 0; size <= sizeof out; size++) {
        enum status expected = size == whole ? STATUS_OK : STATUS_PROTOCOL;
        assert_int_equal(hello_decode((struct bytes){ out, size }, &hello), expected);
    }
}

static void unsound_hellos_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } CASES[] = {
        { 16, 0 },
        { 16, 3 },
        { 19, 1 },            /* roles that are none */
        { 16, HELLO_CLIENT }, /* a client with a node id */
        { 20, 0 },            /* a peer without one */
        { 28, 0 },
        { 28, 11 },
        { 29, 1 }, /* the size of the address */
        { 80, ' ' },
        { 91, 127 }, /* bytes that are not of an address */
        { 30, 1 },
        { 52, 1 },
        { 55, 1 }, /* reserved bytes */
        { 48, 0 },
        { 48, 10 }, /* no version, or a range upside down */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct hello hello = sample_hello();
        uint8_t out[HELLO_SIZE_MAX];
        size_t size = hello_encode(out, &hello);
        out[CASES[i].at] = CASES[i].value;
        if (hello_decode((struct bytes){ out, size }, &hello) != STATUS_PROTOCOL) {
            fail_msg("case %zu was taken", i);
        }
    }
    struct hello hello = sample_hello();
    hello.incarnation = 0;
    uint8_t out[HELLO_SIZE_MAX];
    size_t size = hello_encode(out, &hello);
    assert_int_equal(hello_decode((struct bytes){ out, size }, &hello), STATUS_PROTOCOL);
}

static void refusal_round_trip(void **state)
{
    (void)state;
    struct hello_refusal refusal = { .reason = REFUSAL_CLUSTER, .text = "no\n\x1b[31m" };
    struct hello_refusal decoded;
    uint8_t out[REFUSAL_SIZE_MAX];
    size_t size = hello_refusal_encode(out, &refusal);
    assert_int_equal(hello_refusal_decode((struct bytes){ out, size }, &decoded), STATUS_OK);
    assert_int_equal(decoded.reason, REFUSAL_CLUSTER);
    assert_string_equal(decoded.text, "no??[31m");
    assert_int_equal(refusal_status(decoded.reason), STATUS_WRONG_CLUSTER);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(hello_refusal_decode((struct bytes){ out, cut }, &decoded),
                         STATUS_PROTOCOL);
    }
    out[0] = REFUSAL_REASON_END;
    assert_int_equal(hello_refusal_decode((struct bytes){ out, size }, &decoded), STATUS_PROTOCOL);
    memset(refusal.text, 'x', sizeof refusal.text);
    refusal.text[sizeof refusal.text - 1] = '\0';
    size = hello_refusal_encode(out, &refusal);
    assert_int_equal(hello_refusal_decode((struct bytes){ out, size }, &decoded), STATUS_OK);
    assert_int_equal(strlen(decoded.text), HELLO_REFUSAL_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_round_trip),
        cmocka_unit_test(frame_layout_is_fixed),
        cmocka_unit_test(every_flip_is_noticed),
        cmocka_unit_test(unsound_headers_are_refused),
        cmocka_unit_test(self_checked_payload_is_not_summed),
        cmocka_unit_test(hello_round_trip),
        cmocka_unit_test(hello_lengths),
        cmocka_unit_test(unsound_hellos_are_refused),
        cmocka_unit_test(refusal_round_trip),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
