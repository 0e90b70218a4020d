/* Filters of queries behind a command's header: what is sound, and what they ask of the store. */
#include "ledger/core/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const unsigned OPERATIONS[] = { OPERATION_GET_ACCOUNT_TRANSFERS,
                                       OPERATION_GET_ACCOUNT_BALANCES, OPERATION_QUERY_ACCOUNTS,
                                       OPERATION_QUERY_TRANSFERS };
enum { OPERATION_COUNT = 4 };

static bool asks_for_account(unsigned operation)
{
    return operation < OPERATION_QUERY_ACCOUNTS;
}

/* Every field that the operation may have, each with a value of its own. */
static struct filter full(unsigned operation)
{
    bool account = asks_for_account(operation);
    return (struct filter){ .account_id = account ? u128_make(1, 2) : 0,
                            .user_data_128 = u128_make(3, 4),
                            .user_data_64 = 5,
                            .timestamp_min = 6,
                            .timestamp_max = UINT64_MAX,
                            .user_data_32 = 7,
                            .ledger = account ? 0 : 8,
                            .limit = UINT32_MAX,
                            .flags = account ? 7 : 1,
                            .code = 9 };
}

static enum status take(unsigned operation, uint32_t count, bool reads, const struct filter *filter,
                        struct command *command)
{
    static uint8_t bytes[COMMAND_HEADER_SIZE + 2 * sizeof(struct filter) + 1];
    struct command_header header = { .operation = (uint16_t)operation,
                                     .version = COMMAND_VERSION,
                                     .count = count };
    memset(bytes, 0, sizeof bytes);
    const uint8_t *data = bytes + 1; /* as little aligned as can be */
    size_t size = COMMAND_HEADER_SIZE + count * sizeof *filter;
    memcpy(bytes + 1, &header, sizeof header);
    memcpy(bytes + 1 + sizeof header, filter, sizeof *filter);
    enum status status = command_next(&data, &size, reads, command);
    assert_true(status != STATUS_OK || size == 0);
    return status;
}

static void takes_what_is_sound(void **state)
{
    (void)state;
    static const enum query_kind KINDS[] = { QUERY_ACCOUNT_TRANSFERS, QUERY_ACCOUNT_BALANCES,
                                             QUERY_ACCOUNTS, QUERY_TRANSFERS };
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        struct command command;
        struct query_filter asked;
        struct filter filter = full(OPERATIONS[i]);
        assert_true(operation_is_query(OPERATIONS[i]) && !operation_is_write(OPERATIONS[i]));
        assert_int_equal(take(OPERATIONS[i], 1, true, &filter, &command), STATUS_OK);
        assert_int_equal(filter_question(&command, &asked), KINDS[i]);
        assert_true(asked.account_id == filter.account_id);
        assert_true(asked.user_data_128 == u128_make(3, 4));
        assert_int_equal(asked.user_data_64, 5);
        assert_int_equal(asked.timestamp_min, 6);
        assert_true(asked.timestamp_max == UINT64_MAX); /* impossible, and no matter of the bytes */
        assert_int_equal(asked.user_data_32, 7);
        assert_int_equal(asked.ledger, filter.ledger);
        assert_int_equal(asked.limit, UINT32_MAX);
        assert_int_equal(asked.flags, filter.flags);
        assert_int_equal(asked.code, 9);
    }
}

static void refuses_unknown_flags(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            struct command command;
            struct filter filter = full(OPERATIONS[i]);
            filter.flags = 1U << bit;
            bool known = bit < (asks_for_account(OPERATIONS[i]) ? 3 : 1);
            assert_int_equal(take(OPERATIONS[i], 1, true, &filter, &command),
                             known ? STATUS_OK : STATUS_INVALID);
        }
    }
}

static void refuses_reserved_and_foreign_bytes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        struct command command;
        for (size_t at = 0; at < sizeof((struct filter *)NULL)->reserved; at++) {
            struct filter filter = full(OPERATIONS[i]);
            filter.reserved[at] = 1;
            assert_int_equal(take(OPERATIONS[i], 1, true, &filter, &command), STATUS_INVALID);
        }
        struct filter filter = full(OPERATIONS[i]);
        if (asks_for_account(OPERATIONS[i])) {
            filter.ledger = 1;
        } else {
            filter.account_id = 1;
        }
        assert_int_equal(take(OPERATIONS[i], 1, true, &filter, &command), STATUS_INVALID);
    }
}

static void one_filter_and_never_in_a_log(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        struct command command;
        struct filter filter = full(OPERATIONS[i]);
        assert_int_equal(take(OPERATIONS[i], 0, true, &filter, &command), STATUS_INVALID);
        assert_int_equal(take(OPERATIONS[i], 2, true, &filter, &command), STATUS_INVALID);
        assert_int_equal(take(OPERATIONS[i], 1, false, &filter, &command), STATUS_INVALID);
        bool balances = OPERATIONS[i] == OPERATION_GET_ACCOUNT_BALANCES;
        assert_int_equal(operation_answer_size(OPERATIONS[i]), balances ? 96 : EVENT_SIZE);
    }
    assert_int_equal(operation_answer_size(OPERATION_CREATE_TRANSFERS), RESULT_SIZE);
    assert_int_equal(operation_answer_size(OPERATION_LOOK_UP_ACCOUNTS), EVENT_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_sound),
        cmocka_unit_test(refuses_unknown_flags),
        cmocka_unit_test(refuses_reserved_and_foreign_bytes),
        cmocka_unit_test(one_filter_and_never_in_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
