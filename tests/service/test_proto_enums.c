/* The .proto files say what the ledger means: statuses and flags by name and number, both ways.
 * Most of it is checked by the compiler. */
#include "api/service/descriptors.h"
#include "ledger/core/result.h"
#include "ledger/store/query.h"
#include "ledger/store/records.h"

#include <fenlu/v1/ledger.pb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

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
SAME_FLAG(AccountFilter, ACCOUNT_FILTER_FLAGS_DEBITS, QUERY_ACCOUNT_DEBITS)
SAME_FLAG(AccountFilter, ACCOUNT_FILTER_FLAGS_CREDITS, QUERY_ACCOUNT_CREDITS)
SAME_FLAG(AccountFilter, ACCOUNT_FILTER_FLAGS_REVERSED, QUERY_ACCOUNT_REVERSED)
SAME_FLAG(QueryFilter, QUERY_FILTER_FLAGS_REVERSED, QUERY_REVERSED)

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
#define LIST_ACCOUNT(name, text, number)             number,
#define LIST_TRANSFER(name, text, number, transient) number,
    static const int ACCOUNTS[] = { ACCOUNT_STATUS_MAP(LIST_ACCOUNT) };
    static const int TRANSFERS[] = { TRANSFER_STATUS_MAP(LIST_TRANSFER) };
    assert_int_equal(symbols_with("fenlu.v1.ACCOUNT_STATUS_"),
                     1 + sizeof ACCOUNTS / sizeof ACCOUNTS[0]);
    assert_int_equal(symbols_with("fenlu.v1.TRANSFER_STATUS_"),
                     1 + sizeof TRANSFERS / sizeof TRANSFERS[0]);
}

/* The text of a status is its name in lower case: what scripts, errors and docs show. */
static void test_texts_are_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
    } ROWS[] = {
#define ROW_ACCOUNT(name, text, number)             { #name, text },
#define ROW_TRANSFER(name, text, number, transient) { #name, text },
        ACCOUNT_STATUS_MAP(ROW_ACCOUNT) TRANSFER_STATUS_MAP(ROW_TRANSFER)
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        assert_int_equal(strcasecmp(ROWS[i].name, ROWS[i].text), 0);
        assert_null(strpbrk(ROWS[i].text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_status_more),
        cmocka_unit_test(test_texts_are_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
