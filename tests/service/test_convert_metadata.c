/* Values of metadata that are none of their type: the refusal names the field and what it has. */
#include "api/service/convert_metadata.h"

#include <fenlu/v1/metadata.pb.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_are_none_of_their_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
