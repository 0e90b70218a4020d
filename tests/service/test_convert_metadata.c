/* Values of metadata that are none of their type: the refusal names the field and what it has. */
#include "api/service/convert_metadata.h"

#include <fenlu/v1/metadata.pb.h>
#include <pb_decode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sets "a" to true, then "b" to the value. */
static void refuse(const uint8_t *value, uint8_t size, const char *field, const char *text)
{
    enum {
        KEY = fenlu_v1_MetadataEntry_key_tag << 3 | 2,
        TYPE = fenlu_v1_MetadataEntry_type_tag << 3,
        NUMBER = fenlu_v1_MetadataEntry_number_tag << 3,
        SET = fenlu_v1_SetMetadataRequest_set_tag << 3 | 2
    };
    uint8_t message[64] = { fenlu_v1_SetMetadataRequest_target_tag << 3,
                            METADATA_OF_ACCOUNT,
                            SET,
                            7,
                            KEY,
                            1,
                            'a',
                            TYPE,
                            METADATA_BOOL,
                            NUMBER,
                            1,
                            SET,
                            0,
                            KEY,
                            1,
                            'b',
                            TYPE };
    enum { LENGTH_AT = 12, ENTRY_AT = 13, VALUE_AT = 17 };
    memcpy(message + VALUE_AT, value, size);
    message[LENGTH_AT] = (uint8_t)(VALUE_AT - ENTRY_AT + size);
    struct converted converted;
    struct refusal refusal;
    assert_int_equal(convert_metadata_request((enum operation)OPERATION_SET_METADATA,
                                              (struct bytes){ message, VALUE_AT + (size_t)size },
                                              &converted, &refusal),
                     STATUS_INVALID);
    assert_string_equal(refusal.field, field);
    assert_string_equal(refusal.text, text);
}

static void values_that_are_none_of_their_type(void **state)
{
    (void)state;
    const uint8_t latin[] = { METADATA_STRING, fenlu_v1_MetadataEntry_text_tag << 3 | 2, 2, 'x',
                              0xFC };
    refuse(latin, sizeof latin, "set[1].text",
           "set[1].text: 2 bytes that are not UTF-8, expected UTF-8");
    /* 20260230 */
    const uint8_t day[] = { METADATA_DATE, fenlu_v1_MetadataEntry_number_tag << 3, 0x86, 0xCB, 0xD4,
                            0x09 };
    refuse(day, sizeof day, "set[1].number",
           "set[1].number: 20260230, expected a day as YYYYMMDD, 19700101 to 99991231");
    const uint8_t none[] = { METADATA_DATE };
    refuse(none, sizeof none, "set[1].number",
           "set[1].number: 0, expected a day as YYYYMMDD, 19700101 to 99991231");
}

/* --- versions --------------------------------------------------------------------------------- */

static enum status ask_versions(const uint8_t *message, size_t size, struct refusal *refusal,
                                struct metadata_versions_question *question)
{
    struct converted converted;
    const enum status status =
        convert_metadata_request((enum operation)OPERATION_LIST_METADATA_VERSIONS,
                                 (struct bytes){ message, size }, &converted, refusal);
    if (status == STATUS_OK) {
        memcpy(question, converted.command + COMMAND_HEADER_SIZE, sizeof *question);
        assert_int_equal(converted.page.limit, question->limit);
        free(converted.command);
    }
    return status;
}

static void versions_are_asked_for(void **state)
{
    (void)state;
    struct metadata_versions_question question;
    struct refusal refusal;
    static const uint8_t PLAIN[] = { 0x08, METADATA_OF_JOURNAL };
    assert_int_equal(ask_versions(PLAIN, sizeof PLAIN, &refusal, &question), STATUS_OK);
    const struct metadata_versions_question all = { .target = METADATA_OF_JOURNAL,
                                                    .limit = METADATA_VERSIONS_MAX };
    assert_memory_equal(&question, &all, sizeof all);
    static const uint8_t SOME[] = { 0x08, METADATA_OF_ACCOUNT, 0x18, 9, 0x20, 3 };
    assert_int_equal(ask_versions(SOME, sizeof SOME, &refusal, &question), STATUS_OK);
    assert_true(question.before == 9 && question.limit == 3);
    static const uint8_t LATE[] = { 0x08, 1,    0x18, 0x80, 0x80, 0x80, 0x80,
                                    0x80, 0x80, 0x80, 0x80, 0x80, 0x01 };
    assert_int_equal(ask_versions(LATE, sizeof LATE, &refusal, &question), STATUS_INVALID);
    assert_string_equal(refusal.field, "before");
    assert_string_equal(refusal.text, "before: 9223372036854775808, limit 9223372036854775807");
    assert_int_equal(ask_versions(LATE, 0, &refusal, &question), STATUS_INVALID);
    assert_string_equal(refusal.field, "target");
}

/* A reply that is full says where the next one begins. */
static void versions_are_told(void **state)
{
    (void)state;
    struct metadata_record records[3] = { { .timestamp = 30 },
                                          { .timestamp = 20 },
                                          { .timestamp = 10 } };
    struct metadata_entry largest = { .key = { (const uint8_t *)"k", 1 },
                                      .value = { records[2].map, 994 },
                                      .type = METADATA_BYTES };
    uint32_t size, flawed;
    uint8_t map[METADATA_BYTES_MAX];
    assert_int_equal(metadata_write(&largest, 1, false, map, &size, &flawed), METADATA_SOUND);
    assert_int_equal(size, METADATA_BYTES_MAX);
    memcpy(records[1].map, map, sizeof map);
    const struct bytes payload = { (const uint8_t *)records, sizeof records };
    for (uint32_t limit = 3; limit <= 4; limit++) {
        struct grpc_buffer *reply = convert_versions_reply(payload, limit);
        fenlu_v1_ListMetadataVersionsResponse read =
            fenlu_v1_ListMetadataVersionsResponse_init_zero;
        pb_istream_t stream = pb_istream_from_buffer(reply->data, reply->size);
        assert_true(pb_decode(&stream, fenlu_v1_ListMetadataVersionsResponse_fields, &read));
        assert_int_equal(read.next_before, limit == 3 ? 10 : 0);
        assert_true(reply->size > METADATA_BYTES_MAX);
        grpc_buffer_free(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_are_none_of_their_type),
        cmocka_unit_test(versions_are_asked_for),
        cmocka_unit_test(versions_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
