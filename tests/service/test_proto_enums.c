/* The .proto files say what the ledger means: statuses and flags by name and number, both ways.
 * Most of it is checked by the compiler. */
#include "api/service/descriptors.h"
#include "ledger/core/controls.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/registry.h"
#include "ledger/core/resolve.h"
#include "ledger/core/result.h"
#include "ledger/store/query.h"
#include "ledger/store/records.h"

#include <fenlu/v1/controls.pb.h>
#include <fenlu/v1/ledger.pb.h>
#include <fenlu/v1/metadata.pb.h>
#include <fenlu/v1/registry.pb.h>
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
#define SAME_JOURNAL(name, text, number, transient)                                                \
    _Static_assert((int)fenlu_v1_JournalStatus_JOURNAL_STATUS_##name == (number), text);
JOURNAL_STATUS_MAP(SAME_JOURNAL)

#define SAME_CONTROL(name, text, number)                                                           \
    _Static_assert((int)fenlu_v1_ControlStatus_CONTROL_STATUS_##name == (number), text);
CONTROL_STATUS_MAP(SAME_CONTROL)

#define SAME_REGISTRY(name, text, number)                                                          \
    _Static_assert((int)fenlu_v1_RegistryStatus_REGISTRY_STATUS_##name == (number), text);
REGISTRY_STATUS_MAP(SAME_REGISTRY)
#define SAME_METADATA(name, text, number)                                                          \
    _Static_assert((int)fenlu_v1_MetadataStatus_METADATA_STATUS_##name == (number), text);
METADATA_STATUS_MAP(SAME_METADATA)

#define SAME_RESOLVE(name, text, number)                                                           \
    _Static_assert((int)fenlu_v1_ResolveStatus_RESOLVE_STATUS_##name == (number), text);
RESOLVE_STATUS_MAP(SAME_RESOLVE)
#define SAME_HOLD(name)                                                                            \
    _Static_assert((int)fenlu_v1_HoldState_HOLD_STATE_##name == (int)HOLD_##name, #name);
SAME_HOLD(PENDING)
SAME_HOLD(POSTED)
SAME_HOLD(VOIDED)
SAME_HOLD(EXPIRED)

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
SAME_FLAG(Transfer, TRANSFER_FLAGS_CAPTURE_PENDING_TRANSFER, TRANSFER_CAPTURE_PENDING)
SAME_FLAG(Transfer, TRANSFER_FLAGS_BALANCING_DEBIT, TRANSFER_BALANCING_DEBIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_BALANCING_CREDIT, TRANSFER_BALANCING_CREDIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_CLOSING_DEBIT, TRANSFER_CLOSING_DEBIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_CLOSING_CREDIT, TRANSFER_CLOSING_CREDIT)
SAME_FLAG(Transfer, TRANSFER_FLAGS_IMPORTED, TRANSFER_IMPORTED)
SAME_FLAG(AccountFilter, ACCOUNT_FILTER_FLAGS_DEBITS, QUERY_ACCOUNT_DEBITS)
SAME_FLAG(AccountFilter, ACCOUNT_FILTER_FLAGS_CREDITS, QUERY_ACCOUNT_CREDITS)
SAME_FLAG(AccountFilter, ACCOUNT_FILTER_FLAGS_REVERSED, QUERY_ACCOUNT_REVERSED)
SAME_FLAG(QueryFilter, QUERY_FILTER_FLAGS_REVERSED, QUERY_REVERSED)
SAME_FLAG(Limit, LIMIT_FLAGS_REMOVE, LIMIT_REMOVE)
SAME_FLAG(Limit, LIMIT_FLAGS_AMOUNT, LIMIT_AMOUNT)
SAME_FLAG(Limit, LIMIT_FLAGS_COUNT, LIMIT_COUNT)
SAME_FLAG(Limit, LIMIT_FLAGS_DEBIT_NORMAL, LIMIT_DEBIT_NORMAL)
SAME_FLAG(GroupMember, GROUP_MEMBER_FLAGS_REMOVE, MEMBER_REMOVE)
#define SAME(enumeration, proto, ours)                                                             \
    _Static_assert((int)fenlu_v1_##enumeration##_##proto == (int)(ours), #ours);
SAME(NormalSide, NORMAL_SIDE_DEBIT, NORMAL_DEBIT)
SAME(NormalSide, NORMAL_SIDE_CREDIT, NORMAL_CREDIT)
SAME(RegistryMode, REGISTRY_MODE_OPEN, REGISTRY_OPEN)
SAME(RegistryMode, REGISTRY_MODE_STRICT, REGISTRY_STRICT)
SAME(RegisteredLedgerFlags, REGISTERED_LEDGER_FLAGS_NARROW, LEDGER_NARROW)
SAME(MetadataTarget, METADATA_TARGET_ACCOUNT, METADATA_OF_ACCOUNT)
SAME(MetadataTarget, METADATA_TARGET_JOURNAL, METADATA_OF_JOURNAL)
SAME(MetadataType, METADATA_TYPE_STRING, METADATA_STRING)
SAME(MetadataType, METADATA_TYPE_INT64, METADATA_INT64)
SAME(MetadataType, METADATA_TYPE_UINT128, METADATA_UINT128)
SAME(MetadataType, METADATA_TYPE_BOOL, METADATA_BOOL)
SAME(MetadataType, METADATA_TYPE_TIMESTAMP, METADATA_TIMESTAMP)
SAME(MetadataType, METADATA_TYPE_DATE, METADATA_DATE)
SAME(MetadataType, METADATA_TYPE_BYTES, METADATA_BYTES)
SAME(FreezeKind, FREEZE_KIND_DEBITS, FREEZE_DEBITS)
SAME(FreezeKind, FREEZE_KIND_CREDITS, FREEZE_CREDITS)
SAME(FreezeKind, FREEZE_KIND_BOTH, FREEZE_BOTH)
SAME(FreezeKind, FREEZE_KIND_AMOUNT, FREEZE_AMOUNT)
SAME(FreezePriority, FREEZE_PRIORITY_BUSINESS, FREEZE_BUSINESS)
SAME(FreezePriority, FREEZE_PRIORITY_RISK, FREEZE_RISK)
SAME(FreezePriority, FREEZE_PRIORITY_JUDICIAL, FREEZE_JUDICIAL)
SAME(LimitKind, LIMIT_KIND_CREDIT, LIMIT_CREDIT)
SAME(LimitKind, LIMIT_KIND_BALANCE, LIMIT_BALANCE)
SAME(LimitKind, LIMIT_KIND_WINDOW, LIMIT_WINDOW)
SAME(LimitKind, LIMIT_KIND_NORMAL, LIMIT_NORMAL)
SAME(LimitSide, LIMIT_SIDE_DEBIT, SIDE_DEBIT + 1)
SAME(LimitSide, LIMIT_SIDE_CREDIT, SIDE_CREDIT + 1)
SAME(LimitPeriod, LIMIT_PERIOD_DAY, PERIOD_DAY + 1)
SAME(LimitPeriod, LIMIT_PERIOD_MONTH, PERIOD_MONTH + 1)
SAME(LimitPeriod, LIMIT_PERIOD_YEAR, PERIOD_YEAR + 1)
SAME(LimitPeriod, LIMIT_PERIOD_LIFETIME, PERIOD_LIFETIME + 1)

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
    static const int CONTROLS[] = { CONTROL_STATUS_MAP(LIST_ACCOUNT) };
    assert_int_equal(symbols_with("fenlu.v1.CONTROL_STATUS_"),
                     1 + sizeof CONTROLS / sizeof CONTROLS[0]);
    static const int REGISTRIES[] = { REGISTRY_STATUS_MAP(LIST_ACCOUNT) };
    assert_int_equal(symbols_with("fenlu.v1.REGISTRY_STATUS_"),
                     1 + sizeof REGISTRIES / sizeof REGISTRIES[0]);
    static const int METADATA[] = { METADATA_STATUS_MAP(LIST_ACCOUNT) };
    assert_int_equal(symbols_with("fenlu.v1.METADATA_STATUS_"),
                     1 + sizeof METADATA / sizeof METADATA[0]);
    static const int RESOLVES[] = { RESOLVE_STATUS_MAP(LIST_ACCOUNT) };
    assert_int_equal(symbols_with("fenlu.v1.RESOLVE_STATUS_"),
                     1 + sizeof RESOLVES / sizeof RESOLVES[0]);
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
        ACCOUNT_STATUS_MAP(ROW_ACCOUNT) CONTROL_STATUS_MAP(ROW_ACCOUNT)
            RESOLVE_STATUS_MAP(ROW_ACCOUNT) TRANSFER_STATUS_MAP(ROW_TRANSFER)
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
