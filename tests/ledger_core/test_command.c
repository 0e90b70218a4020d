/* The command decoder: what is sound is taken as it is, everything else is refused unread. */
#include "base/cursor.h"
#include "ledger/core/command_journal.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/resolve.h"
#include "ledger/store/records_control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_MAX = 4 * 1024 * 1024 };

static uint8_t body[BODY_MAX];

static const struct command_header sound = { .operation = OPERATION_CREATE_TRANSFERS,
                                             .version = COMMAND_VERSION,
                                             .count = 3,
                                             .sequence = 7,
                                             .client = 99 };

static void put(struct writer *writer, const struct command_header *header)
{
    write_bytes(writer, header, sizeof *header);
    const uint32_t size = header->count * operation_event_size(header->operation);
    for (uint32_t i = 0; i < size; i++) {
        write_u8(writer, (uint8_t)i);
    }
    assert_false(writer->failed);
}

static size_t one(const struct command_header *header)
{
    struct writer writer = writer_init(body, sizeof body);
    put(&writer, header);
    return writer_size(&writer);
}

static void takes_what_is_sound(void **state)
{
    (void)state;
    struct writer writer = writer_init(body, sizeof body);
    put(&writer, &sound);
    struct command_header second = sound;
    second.operation = OPERATION_CREATE_ACCOUNTS;
    second.count = 1;
    put(&writer, &second);
    const uint8_t *data = body;
    size_t size = writer_size(&writer);
    struct command command;
    assert_int_equal(command_next(&data, &size, false, &command), STATUS_OK);
    assert_memory_equal(&command.header, &sound, sizeof sound);
    assert_ptr_equal(command.events, body + COMMAND_HEADER_SIZE);
    assert_int_equal(size, COMMAND_HEADER_SIZE + EVENT_SIZE);
    assert_int_equal(command_next(&data, &size, false, &command), STATUS_OK);
    assert_memory_equal(&command.header, &second, sizeof second);
    assert_int_equal(size, 0);
    assert_int_equal(command_next(&data, &size, false, &command), STATUS_INVALID);
}

static void checks_a_whole_body(void **state)
{
    (void)state;
    struct writer writer = writer_init(body, sizeof body);
    put(&writer, &sound);
    put(&writer, &sound);
    uint32_t commands = 77;
    uint32_t events = 78;
    const size_t size = writer_size(&writer);
    for (size_t cut = 0; cut < size; cut++) {
        if (cut != size / 2) {
            assert_int_equal(command_check_body(body, cut, &commands, &events), STATUS_INVALID);
            assert_int_equal(commands, 77);
            assert_int_equal(events, 78);
        }
    }
    assert_int_equal(command_check_body(body, size + 1, &commands, &events), STATUS_INVALID);
    assert_int_equal(command_check_body(body, size, &commands, &events), STATUS_OK);
    assert_int_equal(commands, 2);
    assert_int_equal(events, 6);
}

/* A second id would be answered with nothing. */
static void reads_of_one_thing_name_one(void **state)
{
    (void)state;
    static const enum operation reads[] = {
        OPERATION_GET_JOURNAL,        OPERATION_LIST_FREEZES, OPERATION_GET_LIMITS,
        OPERATION_GET_GROUP_LIMITS,   OPERATION_GET_GROUP,    OPERATION_GET_FREEZE,
        OPERATION_LIST_ACCOUNT_GROUPS
    };
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        for (uint32_t count = 1; count <= 2; count++) {
            const struct command_header header = { .operation = (uint16_t)reads[i],
                                                   .version = COMMAND_VERSION,
                                                   .count = count,
                                                   .sequence = 7 };
            const uint8_t *data = body;
            size_t size = one(&header);
            struct command command;
            assert_int_equal(command_next(&data, &size, true, &command),
                             count == 1 ? STATUS_OK : STATUS_INVALID);
        }
    }
}

/* Bytes that this release gives no meaning are zero. */
static void lists_have_no_bytes_beyond_their_question(void **state)
{
    (void)state;
    enum { TARGET_AT = offsetof(struct metadata_versions_question, target) };
    static const struct {
        enum operation operation;
        size_t known; /* bytes in use */
    } lists[] = {
        { OPERATION_LIST_ALL_FREEZES, offsetof(struct controls_question, reserved) },
        { OPERATION_LIST_GROUP_MEMBERS, offsetof(struct controls_question, reserved) },
        { OPERATION_LIST_METADATA_VERSIONS, offsetof(struct metadata_versions_question, reserved) },
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t at = 0; at < EVENT_SIZE; at++) {
            const struct command_header header = { .operation = (uint16_t)lists[i].operation,
                                                   .version = COMMAND_VERSION,
                                                   .count = 1 };
            size_t size = one(&header);
            uint8_t *unit = body + COMMAND_HEADER_SIZE;
            memset(unit, 0, EVENT_SIZE);
            unit[TARGET_AT] = METADATA_OF_JOURNAL;
            if (at != TARGET_AT && at != TARGET_AT + 1) {
                unit[at] = 1;
            }
            const uint8_t *data = body;
            struct command command;
            assert_int_equal(command_next(&data, &size, true, &command),
                             at < lists[i].known ? STATUS_OK : STATUS_INVALID);
        }
    }
}

static void bounds_the_commands_and_events_of_a_body(void **state)
{
    (void)state;
    struct command_header header = sound;
    header.count = 1;
    struct writer writer = writer_init(body, sizeof body);
    for (unsigned i = 0; i < ENTRY_COMMANDS_MAX; i++) {
        put(&writer, &header);
    }
    uint32_t commands = 0;
    uint32_t events = 0;
    assert_int_equal(command_check_body(body, writer_size(&writer), &commands, &events), STATUS_OK);
    assert_int_equal(commands, ENTRY_COMMANDS_MAX);
    put(&writer, &header);
    assert_int_equal(command_check_body(body, writer_size(&writer), &commands, &events),
                     STATUS_INVALID);

    header.count = BATCH_EVENTS_MAX;
    writer = writer_init(body, sizeof body);
    put(&writer, &header);
    assert_int_equal(command_check_body(body, writer_size(&writer), &commands, &events), STATUS_OK);
    assert_int_equal(events, BATCH_EVENTS_MAX);
    put(&writer, &header);
    assert_int_equal(command_check_body(body, writer_size(&writer), &commands, &events),
                     STATUS_INVALID);

    header.count = BATCH_EVENTS_MAX + 1; /* one too many, and all of its bytes are there */
    size_t size = one(&header);
    assert_int_equal(command_check_body(body, size, &commands, &events), STATUS_INVALID);
    header.operation = OPERATION_LOOK_UP_ACCOUNTS;
    size = one(&header);
    const uint8_t *data = body;
    struct command command;
    assert_int_equal(command_next(&data, &size, true, &command), STATUS_INVALID);
}

static void refuse(struct command_header header, bool reads)
{
    /* One byte after another is what a copy of this size holds: ASan sees any step outside. */
    const size_t size = COMMAND_HEADER_SIZE + 3 * EVENT_SIZE;
    uint8_t *exact = malloc(size);
    assert_non_null(exact);
    memset(exact, 1, size);
    memcpy(exact, &header, sizeof header);
    const uint8_t *data = exact;
    size_t left = size;
    struct command command;
    assert_int_equal(command_next(&data, &left, reads, &command), STATUS_INVALID);
    assert_ptr_equal(data, exact);
    assert_int_equal(left, size);
    free(exact);
}

static void refuses_what_is_not_sound(void **state)
{
    (void)state;
    static const unsigned operations[] = { 0, 15, 63, 99, 65535 };
    for (unsigned reads = 0; reads < 2; reads++) {
        struct command_header header = sound;
        for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
            header.operation = (uint16_t)operations[i];
            refuse(header, reads != 0);
        }
        header = sound;
        header.version = 0;
        refuse(header, reads != 0);
        header.version = COMMAND_VERSION + 1;
        refuse(header, reads != 0);
        static const uint32_t counts[] = { 0, 4, BATCH_EVENTS_MAX + 1, 0x2000000, UINT32_MAX };
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            header = sound;
            header.count = counts[i];
            refuse(header, reads != 0);
        }
        for (unsigned i = 0; i < 3; i++) {
            header = sound;
            header.reserved[i] = (uint64_t)1 << (i * 20);
            refuse(header, reads != 0);
        }
        header = sound;
        header.operation = OPERATION_LOOK_UP_ACCOUNTS; /* has no time that it could miss */
        header.not_after = 1;
        refuse(header, reads != 0);
    }
}

static void reads_are_never_in_a_log(void **state)
{
    (void)state;
    struct command_header header = sound;
    for (unsigned operation = OPERATION_LOOK_UP_ACCOUNTS; operation <= OPERATION_LOOK_UP_TRANSFERS;
         operation++) {
        header.operation = (uint16_t)operation;
        refuse(header, false);
        const uint8_t *data = body;
        size_t size = one(&header);
        assert_int_equal(size, COMMAND_HEADER_SIZE + 3 * 16);
        uint32_t commands = 0;
        uint32_t events = 0;
        assert_int_equal(command_check_body(body, size, &commands, &events), STATUS_INVALID);
        struct command command;
        assert_int_equal(command_next(&data, &size, true, &command), STATUS_OK);
        assert_int_equal(size, 0);
    }
    const uint8_t *data = body;
    size_t size = one(&sound);
    struct command command;
    assert_int_equal(command_next(&data, &size, true, &command), STATUS_OK);
}

/* The leader's own: in a log alone in its entry, without events or anyone to answer. */
static void a_pulse_is_alone_and_in_a_log(void **state)
{
    (void)state;
    const struct command_header pulse = { .operation = OPERATION_PULSE,
                                          .version = COMMAND_VERSION,
                                          .count = BATCH_EVENTS_MAX };
    refuse(pulse, true);
    size_t size = one(&pulse);
    assert_int_equal(size, COMMAND_HEADER_SIZE);
    uint32_t commands = 0;
    uint32_t events = 0;
    assert_int_equal(command_check_body(body, size, &commands, &events), STATUS_OK);
    assert_int_equal(commands, 1);
    assert_int_equal(events, BATCH_EVENTS_MAX); /* timestamps that it takes */
    for (unsigned order = 0; order < 3; order++) {
        struct writer writer = writer_init(body, sizeof body);
        struct command_header one_event = sound;
        one_event.count = 1;
        struct command_header few = pulse;
        few.count = 3;
        put(&writer, order == 0 ? &one_event : &few);
        put(&writer, order == 1 ? &one_event : &few);
        size = writer_size(&writer);
        assert_int_equal(command_check_body(body, size, &commands, &events), STATUS_INVALID);
    }
    struct command_header wrong = pulse;
    wrong.client = 1;
    refuse(wrong, false);
    wrong = pulse;
    wrong.sequence = 1;
    refuse(wrong, false);
    wrong = pulse;
    wrong.count = 0;
    refuse(wrong, false);
    wrong.count = BATCH_EVENTS_MAX + 1;
    refuse(wrong, false);
    assert_false(operation_is_write(OPERATION_PULSE));
    assert_int_equal(operation_event_size(OPERATION_PULSE), 0);
}

/* --- journals --------------------------------------------------------------------------------- */

static const struct journal_request sound_journal = {
    .id = 1, .kind = 1, .business_date = 20261231, .leg_count = 2, .metadata_size = 7
};
static const uint8_t sound_map[7] = { 1, 1, 1, 1, 0, 'k', 'v' };

/* The command of the request, its legs zeros, the map behind them. */
static size_t journal_command(unsigned operation, uint32_t count,
                              const struct journal_request *request)
{
    const struct command_header header = { .operation = (uint16_t)operation,
                                           .version = COMMAND_VERSION,
                                           .count = count };
    const size_t size = COMMAND_HEADER_SIZE + operation_payload_size(operation, count);
    uint8_t *units = body + COMMAND_HEADER_SIZE;
    memset(body, 0, size);
    memcpy(body, &header, sizeof header);
    memcpy(units, request, sizeof *request);
    memcpy(units + (1 + (size_t)request->leg_count) * EVENT_SIZE, sound_map, sizeof sound_map);
    return size;
}

static enum status take(size_t size, struct command *command)
{
    const uint8_t *data = body;
    const enum status status = command_next(&data, &size, false, command);
    assert_true(status != STATUS_OK || size == 0);
    return status;
}

static void a_journal_is_as_long_as_it_says(void **state)
{
    (void)state;
    struct command command;
    assert_int_equal(take(journal_command(OPERATION_POST_JOURNAL, 4, &sound_journal), &command),
                     STATUS_OK);
    assert_int_equal(command_result_count(&command), 3);
    assert_ptr_equal(journal_legs_of(&command), command.events + EVENT_SIZE);
    assert_int_equal(journal_metadata_of(&command).size, sizeof sound_map);
    assert_memory_equal(journal_metadata_of(&command).data, sound_map, sizeof sound_map);
    for (uint32_t count = 1; count < 8; count++) {
        const size_t size = journal_command(OPERATION_POST_JOURNAL, count, &sound_journal);
        assert_int_equal(take(size, &command), count == 4 ? STATUS_OK : STATUS_INVALID);
    }
    static const uint32_t legs[] = { 0, JOURNAL_LEGS_MAX, JOURNAL_LEGS_MAX + 1, UINT32_MAX - 1 };
    for (size_t i = 0; i < sizeof legs / sizeof legs[0]; i++) {
        struct journal_request request = sound_journal;
        request.leg_count = legs[i] > BATCH_EVENTS_MAX ? 0 : legs[i];
        const size_t size =
            journal_command(OPERATION_POST_JOURNAL, 2 + request.leg_count, &request);
        memcpy(body + COMMAND_HEADER_SIZE + offsetof(struct journal_request, leg_count), &legs[i],
               sizeof legs[i]);
        assert_int_equal(take(size, &command),
                         legs[i] == JOURNAL_LEGS_MAX ? STATUS_OK : STATUS_INVALID);
    }
}

static void refuse_journal(unsigned operation, uint32_t count, struct journal_request request)
{
    struct command command;
    assert_int_equal(take(journal_command(operation, count, &request), &command), STATUS_INVALID);
}

static void a_journal_has_nothing_but_what_it_says(void **state)
{
    (void)state;
    struct journal_request request = sound_journal;
    request.reverses = 5;
    refuse_journal(OPERATION_POST_JOURNAL, 4, request);
    request = sound_journal;
    request.reserved[35] = 1;
    refuse_journal(OPERATION_POST_JOURNAL, 4, request);
    request = sound_journal;
    request.metadata_size = 6; /* no map, and a byte behind it */
    refuse_journal(OPERATION_POST_JOURNAL, 4, request);
    request.metadata_size = 8;
    refuse_journal(OPERATION_POST_JOURNAL, 4, request);
    request.metadata_size = METADATA_BYTES_MAX + 1;
    refuse_journal(OPERATION_POST_JOURNAL, 3 + JOURNAL_METADATA_UNITS, request);
    struct command command;
    const size_t size = journal_command(OPERATION_POST_JOURNAL, 4, &sound_journal);
    body[size - 1] = 1;
    assert_int_equal(take(size, &command), STATUS_INVALID);
}

static void a_reversal_takes_the_time_of_the_largest(void **state)
{
    (void)state;
    struct command command;
    struct journal_request request = sound_journal;
    request.leg_count = 0;
    request.kind = 0;
    request.reverses = 9;
    const size_t size =
        journal_command(OPERATION_REVERSE_JOURNAL, JOURNAL_REVERSAL_COUNT, &request);
    assert_int_equal(size, COMMAND_HEADER_SIZE + (1 + JOURNAL_METADATA_UNITS) * EVENT_SIZE);
    assert_int_equal(take(size, &command), STATUS_OK);
    assert_int_equal(command_result_count(&command), 2);
    uint32_t commands = 0;
    uint32_t events = 0;
    assert_int_equal(command_check_body(body, size, &commands, &events), STATUS_OK);
    assert_int_equal(events, JOURNAL_REVERSAL_COUNT);
    refuse_journal(OPERATION_REVERSE_JOURNAL, JOURNAL_REVERSAL_COUNT - 1, request);
    request.kind = 1;
    refuse_journal(OPERATION_REVERSE_JOURNAL, JOURNAL_REVERSAL_COUNT, request);
    request.kind = 0;
    request.leg_count = 1;
    refuse_journal(OPERATION_REVERSE_JOURNAL, JOURNAL_REVERSAL_COUNT, request);
}

static void resolves_say_what_is_known(void **state)
{
    (void)state;
    struct command_header header = sound;
    header.operation = OPERATION_RESOLVE;
    header.count = 2;
    header.not_after = 5;
    struct resolve_request requests[2] = { { .id = 1 }, { .id = 2, .flags = RESOLVE_FENCE } };
    for (int spoilt = 0; spoilt < 3; spoilt++) {
        requests[1].flags = spoilt == 1 ? 2 : RESOLVE_FENCE;
        requests[1].reserved[107] = spoilt == 2 ? 1 : 0;
        memcpy(body, &header, sizeof header);
        memcpy(body + sizeof header, requests, sizeof requests);
        const uint8_t *data = body;
        size_t size = sizeof header + sizeof requests;
        struct command command;
        assert_int_equal(command_next(&data, &size, false, &command),
                         spoilt == 0 ? STATUS_OK : STATUS_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_sound),
        cmocka_unit_test(checks_a_whole_body),
        cmocka_unit_test(reads_of_one_thing_name_one),
        cmocka_unit_test(lists_have_no_bytes_beyond_their_question),
        cmocka_unit_test(bounds_the_commands_and_events_of_a_body),
        cmocka_unit_test(refuses_what_is_not_sound),
        cmocka_unit_test(reads_are_never_in_a_log),
        cmocka_unit_test(resolves_say_what_is_known),
        cmocka_unit_test(a_pulse_is_alone_and_in_a_log),
        cmocka_unit_test(a_journal_is_as_long_as_it_says),
        cmocka_unit_test(a_journal_has_nothing_but_what_it_says),
        cmocka_unit_test(a_reversal_takes_the_time_of_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
