#include "base/random.h"
#include "raft/core/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BUFFER_SIZE = 16 * 1024, APPEND_ENTRIES = 5 };

static struct raft_message_entries entries; /* large for a stack */

static struct raft_message sample(enum raft_message_kind kind)
{
    struct raft_message message = { .kind = kind,
                                    .from = 2,
                                    .to = 3,
                                    .term = 9,
                                    .last_index = 40,
                                    .last_term = 8,
                                    .prev_index = 30,
                                    .prev_term = 4,
                                    .commit_index = 29,
                                    .match_index = 35,
                                    .conflict_index = 28,
                                    .conflict_term = 3,
                                    .read_round = 77,
                                    .features = 0x8000000000000005U,
                                    .sequence = 1234567890123 };
    message.granted = kind == RAFT_VOTE_RESULT;
    message.rejected = kind == RAFT_APPEND_RESULT;
    message.transfer = kind == RAFT_VOTE;
    message.lost = kind == RAFT_HEARTBEAT_RESULT;
    message.disk_full = kind == RAFT_APPEND_RESULT;
    message.joining = kind == RAFT_VOTE_RESULT;
    return message;
}

static size_t encode(const struct raft_message *message, uint8_t *buffer)
{
    struct writer writer = writer_init(buffer, BUFFER_SIZE);
    raft_message_encode(message, &writer);
    assert_false(writer.failed);
    assert_int_equal(writer_size(&writer), RAFT_MESSAGE_FIXED_SIZE);
    return writer_size(&writer);
}

/* An APPEND with entries 31.. of odd sizes, so that headers are unaligned. */
static size_t encode_append(uint8_t *buffer, uint64_t first_index, const uint64_t *terms,
                            uint32_t count)
{
    struct raft_message message = sample(RAFT_APPEND);
    message.entry_count = count;
    size_t size = encode(&message, buffer);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t body_size = 1 + (i * 7);
        struct entry *entry = entry_new(body_size);
        entry->header = (struct entry_header){ .index = first_index + i,
                                               .term = terms[i],
                                               .timestamp = i,
                                               .body_size = body_size,
                                               .kind = ENTRY_COMMANDS };
        memset(entry->body, (int)i, body_size);
        entry_seal(entry, i);
        memcpy(buffer + size, &entry->header, entry_size(&entry->header));
        size += entry_size(&entry->header);
        entry_release(entry);
    }
    return size;
}

static const uint64_t GOOD_TERMS[APPEND_ENTRIES] = { 4, 4, 6, 9, 9 };

/* As a frame carries it: the fixed part apart from the entries. */
static enum status decode_parts(const uint8_t *data, size_t size, struct raft_message *message)
{
    size_t fixed = size < RAFT_MESSAGE_FIXED_SIZE ? size : RAFT_MESSAGE_FIXED_SIZE;
    return raft_message_decode((struct bytes){ data, fixed },
                               (struct bytes){ data + fixed, size - fixed }, message, &entries);
}

/* Decodes from memory of just that size, so that a sanitizer sees any step outside. */
static enum status decode(const uint8_t *buffer, size_t size, struct raft_message *message)
{
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    assert_non_null(exact);
    memcpy(exact, buffer, size);
    enum status status = decode_parts(exact, size, message);
    for (uint32_t i = 0; status == STATUS_OK && i < message->entry_count; i++) {
        const struct raft_entry_view *view = &entries.views[i];
        assert_true(view->body + view->header.body_size <= exact + size);
    }
    free(exact);
    return status;
}

static void every_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    for (int kind = RAFT_PRE_VOTE; kind < RAFT_MESSAGE_KIND_END; kind++) {
        struct raft_message message = sample((enum raft_message_kind)kind);
        struct raft_message decoded;
        size_t size = encode(&message, buffer);
        assert_int_equal(decode(buffer, size, &decoded), STATUS_OK);
        uint8_t again[BUFFER_SIZE];
        assert_int_equal(encode(&decoded, again), size);
        assert_memory_equal(buffer, again, size);
        assert_int_equal(decoded.kind, kind);
        assert_int_equal(decoded.sequence, message.sequence);
        assert_int_equal(decoded.last_index, message.last_index);
        assert_true(decoded.features == message.features);
        assert_true(decoded.lost == message.lost && decoded.disk_full == message.disk_full &&
                    decoded.joining == message.joining);
    }
}

static void entries_are_found_in_the_input(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    size_t size = encode_append(buffer, 31, GOOD_TERMS, APPEND_ENTRIES);
    struct raft_message message;
    assert_int_equal(decode_parts(buffer, size, &message), STATUS_OK);
    assert_int_equal(message.entry_count, APPEND_ENTRIES);
    assert_ptr_equal(message.entries, entries.infos);
    for (uint32_t i = 0; i < APPEND_ENTRIES; i++) {
        const struct raft_entry_view *view = &entries.views[i];
        assert_int_equal(view->header.index, 31 + i);
        assert_int_equal(entries.infos[i].term, GOOD_TERMS[i]);
        assert_int_equal(entries.infos[i].size, 64 + 1 + (i * 7));
        assert_ptr_equal(view->data + 64, view->body);
        assert_memory_equal(view->data, &view->header, 64);
        assert_true(entry_body_check(&view->header, view->body));
    }
}

static void every_truncation_is_rejected(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    size_t size = encode_append(buffer, 31, GOOD_TERMS, APPEND_ENTRIES);
    struct raft_message message;
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(decode(buffer, cut, &message), STATUS_PROTOCOL);
    }
    buffer[size] = 0; /* and one byte too many */
    assert_int_equal(decode(buffer, size + 1, &message), STATUS_PROTOCOL);
}

static void no_flipped_byte_does_harm(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    size_t size = encode_append(buffer, 31, GOOD_TERMS, APPEND_ENTRIES);
    struct random random;
    random_init(&random, 5);
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t copy[BUFFER_SIZE];
        memcpy(copy, buffer, size);
        for (uint64_t flips = random_between(&random, 1, 4); flips > 0; flips--) {
            copy[random_below(&random, size)] = (uint8_t)random_u64(&random);
        }
        struct raft_message message;
        if (decode(copy, size, &message) == STATUS_OK) {
            assert_true(raft_message_check(&message));
        }
    }
}

static void entries_must_follow_one_another(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    struct raft_message message;
    static const uint64_t FALLING[] = { 4, 6, 5 };
    static const uint64_t BEFORE_PREVIOUS[] = { 3, 4, 4 };
    static const uint64_t FUTURE[] = { 4, 4, 10 };
    assert_int_equal(decode(buffer, encode_append(buffer, 31, GOOD_TERMS, 3), &message), STATUS_OK);
    assert_int_equal(decode(buffer, encode_append(buffer, 32, GOOD_TERMS, 3), &message),
                     STATUS_PROTOCOL);
    assert_int_equal(decode(buffer, encode_append(buffer, 31, FALLING, 3), &message),
                     STATUS_PROTOCOL);
    assert_int_equal(decode(buffer, encode_append(buffer, 31, BEFORE_PREVIOUS, 3), &message),
                     STATUS_PROTOCOL);
    assert_int_equal(decode(buffer, encode_append(buffer, 31, FUTURE, 3), &message),
                     STATUS_PROTOCOL);
}

static void what_cannot_be_meant_is_rejected(void **state)
{
    (void)state;
    struct raft_message message = sample(RAFT_HEARTBEAT);
    assert_true(raft_message_check(&message));
    message.term = 0;
    assert_false(raft_message_check(&message));
    message = sample(RAFT_HEARTBEAT);
    message.from = message.to;
    assert_false(raft_message_check(&message));
    message = sample(RAFT_HEARTBEAT);
    message.commit_index = UINT64_MAX;
    assert_false(raft_message_check(&message));
    message = sample(RAFT_VOTE);
    message.last_term = message.term; /* a candidate's log has nothing of the term it asks for */
    assert_false(raft_message_check(&message));
    message = sample(RAFT_APPEND);
    message.prev_term = 0;
    assert_false(raft_message_check(&message));
    message = sample(RAFT_APPEND_RESULT);
    message.conflict_index = message.prev_index + 1;
    assert_false(raft_message_check(&message));
    message = sample(RAFT_VOTE);
    message.entry_count = 1;
    assert_false(raft_message_check(&message));
}

static void version_kind_flags_and_count_are_bounded(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    struct raft_message message = sample(RAFT_HEARTBEAT);
    struct raft_message decoded;
    size_t size = encode(&message, buffer);
    buffer[0] = RAFT_MESSAGE_VERSION + 1;
    assert_int_equal(decode(buffer, size, &decoded), STATUS_VERSION);
    buffer[0] = RAFT_MESSAGE_VERSION;
    buffer[1] = 0;
    assert_int_equal(decode(buffer, size, &decoded), STATUS_PROTOCOL);
    buffer[1] = RAFT_MESSAGE_KIND_END;
    assert_int_equal(decode(buffer, size, &decoded), STATUS_PROTOCOL);
    buffer[1] = RAFT_HEARTBEAT;
    buffer[3] = 1;
    assert_int_equal(decode(buffer, size, &decoded), STATUS_PROTOCOL);
    buffer[3] = 0;
    assert_int_equal(decode(buffer, size, &decoded), STATUS_OK);
    memset(buffer + 12, 0xFF, 4);
    assert_int_equal(decode(buffer, size, &decoded), STATUS_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(entries_are_found_in_the_input),
        cmocka_unit_test(every_truncation_is_rejected),
        cmocka_unit_test(no_flipped_byte_does_harm),
        cmocka_unit_test(entries_must_follow_one_another),
        cmocka_unit_test(what_cannot_be_meant_is_rejected),
        cmocka_unit_test(version_kind_flags_and_count_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
