/* The .proto files say what the ledger means: statuses and flags by name and number, both ways.
 * Most of it is checked by the compiler. */
#include "api/service/descriptors.h"
#include "ledger/core/result.h"
#include "ledger/store/records.h"

#include <fenlu/v1/ledger.pb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SAME_ACCOUNT(name, text, number)                                                           \
    _Static_assert((int)fenlu_v1_AccountStatus_ACCOUNT_STATUS_##name == (number), text);
ACCOUNT_STATUS_MAP(SAME_ACCOUNT)
#define SAME_TRANSFER(name, text, number, transient)                                               \
    _Static_assert((int)fenlu_v1_TransferStatus_TRANSFER_STATUS_##name == (number), text);
TRANSFER_STATUS_MAP(SAME_TRANSFER)

#define SAME_FLAG(record, proto, ours)                                                             \
    _Static_assert((int)fenlu_v1_##record##Flags_##proto == (int)(ours), #ours);
SAME_FLAG(Account, ACCOUNT_FLAGS_LINKED, ACCOUNT_LINKED)
SAME_FLAG(Account, ACCOUNT_FLAGS_DEBITS_MUST_NOT_EXCEED_CREDITS,
          ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS)
SAME_FLAG(Account, ACCOUNT_FLAGS_CREDITS_MUST_NOT_EXCEED_DEBITS,
          ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS)
SAME_FLAG(Account, ACCOUNT_FLAGS_HISTORY, ACCOUNT_HISTORY)
SAME_FLAG(Account, ACCOUNT_FLAGS_IMPORTED, ACCOUNT_IMPORTED)
SAME_FLAG(Account, ACCOUNT_FLAGS_CLOSED, ACCOUNT_CLOSED)
SAME_FLAG(Transfer, TRANSFER_FLAGS_LINKED, TRANSFER_LINKED)
SAME_FLAG(Transfer, TRANSFER_FLAGS_PENDING, TRANSFER_PENDING)
SAME_FLAG(Transfer, TRANSFER_FLAGS_POST_PENDING_TRANSFER, TRANSFER_POST_PENDING)
SAME_FLAG(Transfer, TRANSFER_FLAGS_VOID_PENDING_TRANSFER, TRANSFER_VOID_PENDING)
SAME_FLAG(Transfer, TRANSFER_FLAGS_BALANCING_DEBIT, TRANSFER_BALANCING_DEBIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_BALANCING_CREDIT, TRANSFER_BALANCING_CREDIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_CLOSING_DEBIT, TRANSFER_CLOSING_DEBIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_CLOSING_CREDIT, TRANSFER_CLOSING_CREDIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_IMPORTED, TRANSFER_IMPORTED)

static uint32_t symbols_with(const char *prefix)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < DESCRIPTOR_SYMBOLS_COUNT; i++) {
        count += strncmp(DESCRIPTOR_SYMBOLS[i].symbol, prefix, strlen(prefix)) == 0;
    }
    return count;
}

/* The other way round: the .proto has no value that the ledger does not have, but UNSPECIFIED. */
static void test_no_status_more(void **state)
{
    (void)state;
#define COUNT_ACCOUNT(name, text, number)             +1
#define COUNT_TRANSFER(name, text, number, transient) +1
    assert_int_equal(symbols_with("fenlu.v1.ACCOUNT_STATUS_"), 1 ACCOUNT_STATUS_MAP(COUNT_ACCOUNT));
    assert_int_equal(symbols_with("fenlu.v1.TRANSFER_STATUS_"),
                     1 TRANSFER_STATUS_MAP(COUNT_TRANSFER));
}

/* The text of a status is its name in lower case: what scripts, errors and docs show. */
static void test_texts_are_names(void **state)
{
    (void)state;
#define CHECK_TEXT(name, text, ...)                                                                \
    do {                                                                                           \
        static const char NAME[] = #name;                                                          \
        assert_int_equal(strlen(text), sizeof NAME - 1);                                           \
        for (size_t i = 0; i + 1 < sizeof NAME; i++) {                                             \
            char lower = (char)(NAME[i] >= 'A' && NAME[i] <= 'Z' ? NAME[i] + 32 : NAME[i]);        \
            assert_int_equal(lower, (text)[i]);                                                    \
        }                                                                                          \
    } while (0);
    ACCOUNT_STATUS_MAP(CHECK_TEXT)
    TRANSFER_STATUS_MAP(CHECK_TEXT)
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_status_more),
        cmocka_unit_test(test_texts_are_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
