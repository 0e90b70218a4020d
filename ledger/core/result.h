/* result.h — every answer to an account or a transfer, in order of precedence: of several that
 * apply, the one higher in the list is given.
 *
 * Names are those that TigerBeetle documents; the numbers are ours, stable, and the same in the
 * log, between processes and in api/proto. 0 is never an answer. The last column says whether the
 * failure is transient: it depends on the state of others, so the id is remembered as failed, and
 * every later try answers id_already_failed: an id has one outcome for ever.
 *
 * Two statuses are ours: an account that would bring the ledger number after LEDGERS_MAX distinct
 * ones is too_many_ledgers, and one that would bring the pair of ledger and code after
 * ACCOUNT_CODES_MAX is too_many_account_codes. They come last, because they say nothing about the
 * event but about the room.
 *
 * Flags that this release does not know answer reserved_flag.
 *
 * What freezes, limits and groups refuse (docs/controls.md) comes behind closed accounts, where it
 * concerns an account as a whole, and before the balance limits, where it concerns an amount: first
 * the debit account and its groups, then the credit account. too_many_groups is about the entry,
 * not the event, and leaves the id free.
 *
 * not_after_passed is the answer to every event of a command that was applied after the time that
 * it names (command.h); no event of it is looked at, so no id is used up. It has the same number
 * for all commands.
 */
#pragma once

#include <stdbool.h>

/*    name                                     number */
#define ACCOUNT_STATUS_MAP(X)                                                                      \
    X(CREATED, "created", 1)                                                                       \
    X(LINKED_EVENT_FAILED, "linked_event_failed", 2)                                               \
    X(LINKED_EVENT_CHAIN_OPEN, "linked_event_chain_open", 3)                                       \
    X(IMPORTED_EVENT_EXPECTED, "imported_event_expected", 4)                                       \
    X(IMPORTED_EVENT_NOT_EXPECTED, "imported_event_not_expected", 5)                               \
    X(TIMESTAMP_MUST_BE_ZERO, "timestamp_must_be_zero", 6)                                         \
    X(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, "imported_event_timestamp_out_of_range", 7)           \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, "imported_event_timestamp_must_not_advance", 8)   \
    X(RESERVED_FIELD, "reserved_field", 9)                                                         \
    X(RESERVED_FLAG, "reserved_flag", 10)                                                          \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 11)                                              \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 12)                                        \
    X(EXISTS_WITH_DIFFERENT_FLAGS, "exists_with_different_flags", 13)                              \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_128, "exists_with_different_user_data_128", 14)              \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_64, "exists_with_different_user_data_64", 15)                \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_32, "exists_with_different_user_data_32", 16)                \
    X(EXISTS_WITH_DIFFERENT_LEDGER, "exists_with_different_ledger", 17)                            \
    X(EXISTS_WITH_DIFFERENT_CODE, "exists_with_different_code", 18)                                \
    X(EXISTS, "exists", 19)                                                                        \
    X(FLAGS_ARE_MUTUALLY_EXCLUSIVE, "flags_are_mutually_exclusive", 20)                            \
    X(DEBITS_PENDING_MUST_BE_ZERO, "debits_pending_must_be_zero", 21)                              \
    X(DEBITS_POSTED_MUST_BE_ZERO, "debits_posted_must_be_zero", 22)                                \
    X(CREDITS_PENDING_MUST_BE_ZERO, "credits_pending_must_be_zero", 23)                            \
    X(CREDITS_POSTED_MUST_BE_ZERO, "credits_posted_must_be_zero", 24)                              \
    X(LEDGER_MUST_NOT_BE_ZERO, "ledger_must_not_be_zero", 25)                                      \
    X(CODE_MUST_NOT_BE_ZERO, "code_must_not_be_zero", 26)                                          \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, "imported_event_timestamp_must_not_regress", 27)  \
    X(LEDGER_NOT_REGISTERED, "ledger_not_registered", 50)                                          \
    X(ACCOUNT_CODE_NOT_REGISTERED, "account_code_not_registered", 51)                              \
    X(TOO_MANY_LEDGERS, "too_many_ledgers", 28)                                                    \
    X(TOO_MANY_ACCOUNT_CODES, "too_many_account_codes", 40)                                        \
    X(NOT_AFTER_PASSED, "not_after_passed", 200)

/*    name, text, number, transient */
#define TRANSFER_STATUS_MAP(X)                                                                     \
    X(CREATED, "created", 1, 0)                                                                    \
    X(LINKED_EVENT_FAILED, "linked_event_failed", 2, 0)                                            \
    X(LINKED_EVENT_CHAIN_OPEN, "linked_event_chain_open", 3, 0)                                    \
    X(IMPORTED_EVENT_EXPECTED, "imported_event_expected", 4, 0)                                    \
    X(IMPORTED_EVENT_NOT_EXPECTED, "imported_event_not_expected", 5, 0)                            \
    X(TIMESTAMP_MUST_BE_ZERO, "timestamp_must_be_zero", 6, 0)                                      \
    X(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, "imported_event_timestamp_out_of_range", 7, 0)        \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, "imported_event_timestamp_must_not_advance", 8,   \
      0)                                                                                           \
    X(RESERVED_FLAG, "reserved_flag", 9, 0)                                                        \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 10, 0)                                           \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 11, 0)                                     \
    X(EXISTS_WITH_DIFFERENT_FLAGS, "exists_with_different_flags", 12, 0)                           \
    X(EXISTS_WITH_DIFFERENT_PENDING_ID, "exists_with_different_pending_id", 13, 0)                 \
    X(EXISTS_WITH_DIFFERENT_TIMEOUT, "exists_with_different_timeout", 14, 0)                       \
    X(EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID, "exists_with_different_debit_account_id", 15, 0)     \
    X(EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID, "exists_with_different_credit_account_id", 16, 0)   \
    X(EXISTS_WITH_DIFFERENT_AMOUNT, "exists_with_different_amount", 17, 0)                         \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_128, "exists_with_different_user_data_128", 18, 0)           \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_64, "exists_with_different_user_data_64", 19, 0)             \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_32, "exists_with_different_user_data_32", 20, 0)             \
    X(EXISTS_WITH_DIFFERENT_LEDGER, "exists_with_different_ledger", 21, 0)                         \
    X(EXISTS_WITH_DIFFERENT_CODE, "exists_with_different_code", 22, 0)                             \
    X(EXISTS, "exists", 23, 0)                                                                     \
    X(ID_ALREADY_FAILED, "id_already_failed", 24, 0)                                               \
    X(FLAGS_ARE_MUTUALLY_EXCLUSIVE, "flags_are_mutually_exclusive", 25, 0)                         \
    X(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, "debit_account_id_must_not_be_zero", 26, 0)               \
    X(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, "debit_account_id_must_not_be_int_max", 27, 0)         \
    X(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, "credit_account_id_must_not_be_zero", 28, 0)             \
    X(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, "credit_account_id_must_not_be_int_max", 29, 0)       \
    X(ACCOUNTS_MUST_BE_DIFFERENT, "accounts_must_be_different", 30, 0)                             \
    X(PENDING_ID_MUST_BE_ZERO, "pending_id_must_be_zero", 31, 0)                                   \
    X(PENDING_ID_MUST_NOT_BE_ZERO, "pending_id_must_not_be_zero", 32, 0)                           \
    X(PENDING_ID_MUST_NOT_BE_INT_MAX, "pending_id_must_not_be_int_max", 33, 0)                     \
    X(PENDING_ID_MUST_BE_DIFFERENT, "pending_id_must_be_different", 34, 0)                         \
    X(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, "timeout_reserved_for_pending_transfer", 35, 0)       \
    X(CLOSING_TRANSFER_MUST_BE_PENDING, "closing_transfer_must_be_pending", 36, 0)                 \
    X(LEDGER_MUST_NOT_BE_ZERO, "ledger_must_not_be_zero", 37, 0)                                   \
    X(CODE_MUST_NOT_BE_ZERO, "code_must_not_be_zero", 38, 0)                                       \
    X(DEBIT_ACCOUNT_NOT_FOUND, "debit_account_not_found", 39, 1)                                   \
    X(CREDIT_ACCOUNT_NOT_FOUND, "credit_account_not_found", 40, 1)                                 \
    X(ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, "accounts_must_have_the_same_ledger", 41, 0)             \
    X(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS,                                              \
      "transfer_must_have_the_same_ledger_as_accounts", 42, 0)                                     \
    X(LEDGER_NOT_REGISTERED, "ledger_not_registered", 90, 1)                                       \
    X(PENDING_TRANSFER_NOT_FOUND, "pending_transfer_not_found", 43, 1)                             \
    X(PENDING_TRANSFER_NOT_PENDING, "pending_transfer_not_pending", 44, 0)                         \
    X(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID,                                             \
      "pending_transfer_has_different_debit_account_id", 45, 0)                                    \
    X(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID,                                            \
      "pending_transfer_has_different_credit_account_id", 46, 0)                                   \
    X(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER, "pending_transfer_has_different_ledger", 47, 0)       \
    X(PENDING_TRANSFER_HAS_DIFFERENT_CODE, "pending_transfer_has_different_code", 48, 0)           \
    X(EXCEEDS_PENDING_TRANSFER_AMOUNT, "exceeds_pending_transfer_amount", 49, 0)                   \
    X(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT, "pending_transfer_has_different_amount", 50, 0)       \
    X(PENDING_TRANSFER_ALREADY_POSTED, "pending_transfer_already_posted", 51, 0)                   \
    X(PENDING_TRANSFER_ALREADY_VOIDED, "pending_transfer_already_voided", 52, 0)                   \
    X(PENDING_TRANSFER_EXPIRED, "pending_transfer_expired", 53, 0)                                 \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, "imported_event_timestamp_must_not_regress", 54,  \
      0)                                                                                           \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT,                                        \
      "imported_event_timestamp_must_postdate_debit_account", 55, 0)                               \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT,                                       \
      "imported_event_timestamp_must_postdate_credit_account", 56, 0)                              \
    X(IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO, "imported_event_timeout_must_be_zero", 57, 0)           \
    X(DEBIT_ACCOUNT_ALREADY_CLOSED, "debit_account_already_closed", 58, 1)                         \
    X(CREDIT_ACCOUNT_ALREADY_CLOSED, "credit_account_already_closed", 59, 1)                       \
    X(TOO_MANY_GROUPS, "too_many_groups", 69, 0)                                                   \
    X(DEBIT_ACCOUNT_FROZEN, "debit_account_frozen", 70, 1)                                         \
    X(CREDIT_ACCOUNT_FROZEN, "credit_account_frozen", 71, 1)                                       \
    X(OVERFLOWS_DEBITS_PENDING, "overflows_debits_pending", 60, 0)                                 \
    X(OVERFLOWS_CREDITS_PENDING, "overflows_credits_pending", 61, 0)                               \
    X(OVERFLOWS_DEBITS_POSTED, "overflows_debits_posted", 62, 0)                                   \
    X(OVERFLOWS_CREDITS_POSTED, "overflows_credits_posted", 63, 0)                                 \
    X(OVERFLOWS_DEBITS, "overflows_debits", 64, 0)                                                 \
    X(OVERFLOWS_CREDITS, "overflows_credits", 65, 0)                                               \
    X(OVERFLOWS_TIMEOUT, "overflows_timeout", 66, 0)                                               \
    X(OVERFLOWS_LEDGER_WIDTH, "overflows_ledger_width", 91, 0)                                     \
    X(EXCEEDS_DEBIT_ACCOUNT_AVAILABLE, "exceeds_debit_account_available", 72, 1)                   \
    X(EXCEEDS_DEBIT_ACCOUNT_BALANCE_LIMIT, "exceeds_debit_account_balance_limit", 73, 1)           \
    X(EXCEEDS_DEBIT_ACCOUNT_AMOUNT_LIMIT, "exceeds_debit_account_amount_limit", 74, 1)             \
    X(EXCEEDS_DEBIT_ACCOUNT_COUNT_LIMIT, "exceeds_debit_account_count_limit", 75, 1)               \
    X(EXCEEDS_DEBIT_GROUP_CREDIT_LIMIT, "exceeds_debit_group_credit_limit", 76, 1)                 \
    X(EXCEEDS_DEBIT_GROUP_BALANCE_LIMIT, "exceeds_debit_group_balance_limit", 77, 1)               \
    X(EXCEEDS_DEBIT_GROUP_AMOUNT_LIMIT, "exceeds_debit_group_amount_limit", 78, 1)                 \
    X(EXCEEDS_DEBIT_GROUP_COUNT_LIMIT, "exceeds_debit_group_count_limit", 79, 1)                   \
    X(EXCEEDS_CREDIT_ACCOUNT_AVAILABLE, "exceeds_credit_account_available", 80, 1)                 \
    X(EXCEEDS_CREDIT_ACCOUNT_BALANCE_LIMIT, "exceeds_credit_account_balance_limit", 81, 1)         \
    X(EXCEEDS_CREDIT_ACCOUNT_AMOUNT_LIMIT, "exceeds_credit_account_amount_limit", 82, 1)           \
    X(EXCEEDS_CREDIT_ACCOUNT_COUNT_LIMIT, "exceeds_credit_account_count_limit", 83, 1)             \
    X(EXCEEDS_CREDIT_GROUP_CREDIT_LIMIT, "exceeds_credit_group_credit_limit", 84, 1)               \
    X(EXCEEDS_CREDIT_GROUP_BALANCE_LIMIT, "exceeds_credit_group_balance_limit", 85, 1)             \
    X(EXCEEDS_CREDIT_GROUP_AMOUNT_LIMIT, "exceeds_credit_group_amount_limit", 86, 1)               \
    X(EXCEEDS_CREDIT_GROUP_COUNT_LIMIT, "exceeds_credit_group_count_limit", 87, 1)                 \
    X(EXCEEDS_CREDITS, "exceeds_credits", 67, 1)                                                   \
    X(EXCEEDS_DEBITS, "exceeds_debits", 68, 1)                                                     \
    X(NOT_AFTER_PASSED, "not_after_passed", 200, 0)

/* Of a journal or a reversal; each of its legs has a transfer_status beside it. leg_failed is
 * transient when the leg's status is. An id that was used up answers id_already_failed.
 *    name, text, number, transient */
#define JOURNAL_STATUS_MAP(X)                                                                      \
    X(CREATED, "created", 1, 0)                                                                    \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 2, 0)                                            \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 3, 0)                                      \
    X(EXISTS_WITH_DIFFERENT_JOURNAL_ID, "exists_with_different_journal_id", 4, 0)                  \
    X(EXISTS_WITH_DIFFERENT_KIND, "exists_with_different_kind", 5, 0)                              \
    X(EXISTS_WITH_DIFFERENT_BUSINESS_DATE, "exists_with_different_business_date", 6, 0)            \
    X(EXISTS_WITH_DIFFERENT_REFERENCE, "exists_with_different_reference", 7, 0)                    \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_128, "exists_with_different_user_data_128", 8, 0)            \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_64, "exists_with_different_user_data_64", 9, 0)              \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_32, "exists_with_different_user_data_32", 10, 0)             \
    X(EXISTS_WITH_DIFFERENT_METADATA, "exists_with_different_metadata", 11, 0)                     \
    X(EXISTS_WITH_DIFFERENT_LEGS, "exists_with_different_legs", 12, 0)                             \
    X(EXISTS, "exists", 13, 0)                                                                     \
    X(ID_ALREADY_FAILED, "id_already_failed", 14, 0)                                               \
    X(JOURNAL_ID_MUST_NOT_BE_ZERO, "journal_id_must_not_be_zero", 15, 0)                           \
    X(JOURNAL_ID_MUST_NOT_BE_INT_MAX, "journal_id_must_not_be_int_max", 16, 0)                     \
    X(JOURNAL_ID_MUST_BE_DIFFERENT, "journal_id_must_be_different", 17, 0)                         \
    X(KIND_MUST_NOT_BE_ZERO, "kind_must_not_be_zero", 18, 0)                                       \
    X(BUSINESS_DATE_MUST_BE_A_DATE, "business_date_must_be_a_date", 19, 0)                         \
    X(ID_MUST_LEAVE_ROOM_FOR_LEGS, "id_must_leave_room_for_legs", 20, 0)                           \
    X(JOURNAL_NOT_FOUND, "journal_not_found", 21, 1)                                               \
    X(JOURNAL_IS_A_REVERSAL, "journal_is_a_reversal", 22, 0)                                       \
    X(JOURNAL_HAS_PENDING_LEGS, "journal_has_pending_legs", 23, 0)                                 \
    X(JOURNAL_ALREADY_REVERSED, "journal_already_reversed", 24, 0)                                 \
    X(LEG_FAILED, "leg_failed", 25, 0)                                                             \
    X(NOT_AFTER_PASSED, "not_after_passed", 200, 0)

#define ACCOUNT_STATUS_ENUM(name, text, number) ACCOUNT_STATUS_##name = (number),
enum account_status { ACCOUNT_STATUS_MAP(ACCOUNT_STATUS_ENUM) };
#undef ACCOUNT_STATUS_ENUM

#define TRANSFER_STATUS_ENUM(name, text, number, transient) TRANSFER_STATUS_##name = (number),
enum transfer_status { TRANSFER_STATUS_MAP(TRANSFER_STATUS_ENUM) };
#undef TRANSFER_STATUS_ENUM

#define JOURNAL_STATUS_ENUM(name, text, number, transient) JOURNAL_STATUS_##name = (number),
enum journal_status { JOURNAL_STATUS_MAP(JOURNAL_STATUS_ENUM) };
#undef JOURNAL_STATUS_ENUM

/* "exceeds_credits"; NULL for a number that is no status. */
const char *account_status_text(unsigned number);
const char *transfer_status_text(unsigned number);
const char *journal_status_text(unsigned number);
bool transfer_status_transient(enum transfer_status status);
/* By itself: of leg_failed the leg's status says. */
bool journal_status_transient(enum journal_status status);
