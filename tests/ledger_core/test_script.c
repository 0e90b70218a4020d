/* The script runner itself: what it refuses, what it reports, what it rewrites. */
#include "tools/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static char output[8192];

static void write_script(const char *text)
{
    snprintf(path, sizeof path, "/tmp/fenlu-script-XXXXXX");
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* Runs the text; what it prints is in `output`, without the path. */
static enum status run(const char *text, bool update, struct script_summary *summary,
                       struct error *error)
{
    write_script(text);
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);
    assert_non_null(out);
    const enum status status = script_run_file(path, update, out, summary, error);
    assert_int_equal(fclose(out), 0);
    const size_t skip = strlen(path);
    size_t copied = 0;
    for (char *at = printed; at != NULL && *at != '\0';) { /* drop the path of each line */
        assert_int_equal(strncmp(at, path, skip), 0);
        char *end = strchr(at, '\n') + 1;
        const size_t line_size = (size_t)(end - at) - skip;
        assert_true(copied + line_size < sizeof output);
        memcpy(output + copied, at + skip, line_size);
        copied += line_size;
        at = end;
    }
    output[copied] = '\0';
    free(printed);
    return status;
}

static void remove_script(void)
{
    assert_int_equal(unlink(path), 0);
}

static void refuse(const char *text, enum status expected, const char *message)
{
    struct script_summary summary;
    struct error error;
    assert_int_equal(run(text, false, &summary, &error), expected);
    assert_int_equal(strncmp(error.text, path, strlen(path)), 0);
    assert_string_equal(error.text + strlen(path), message);
    remove_script();
}

/* Of line 2: the field and its value, and what the value may be. */
static void refuse_value(const char *text, const char *word, const char *values)
{
    char message[512];
    snprintf(message, sizeof message, ":2: not a value of this key: %s (%s)", word, values);
    refuse(text, STATUS_INVALID, message);
}

static const char number_128[] = "a number, at most 340282366920938463463374607431768211455 (max)";
static const char account_flags[] =
    "flags joined by commas: linked, debits_must_not_exceed_credits, "
    "credits_must_not_exceed_debits, history, imported, closed, or a number, at most 65535";
static const char transfer_flags[] =
    "flags joined by commas: linked, pending, post_pending_transfer, void_pending_transfer, "
    "balancing_debit, balancing_credit, closing_debit, closing_credit, imported, "
    "capture_pending_transfer, or a number, at most 65535";

static void refuses_what_is_no_script(void **state)
{
    (void)state;
    refuse("nonsense\n", STATUS_INVALID, ":1: unknown operation: nonsense");
    refuse("# x\n\n  id=1\n", STATUS_INVALID,
           ":3: an indented line belongs to a batch or a query above it: id=1");
    refuse("account id=1\n  id=2\n", STATUS_INVALID,
           ":2: an indented line belongs to a batch or a query above it: id=2");
    refuse("accounts x\n", STATUS_INVALID, ":1: expected key=value, found: x");
    refuse("accounts x=1\n", STATUS_INVALID, ":1: unknown key: x (not_after)");
    refuse("transfers not_after=1 x\n", STATUS_INVALID, ":1: unexpected: x");
    refuse_value("resolve\n  id=1 flags=fense\n", "flags=fense",
                 "flags joined by commas: fence, or a number, at most 4294967295");
    refuse("accounts\n  id\n", STATUS_INVALID, ":2: expected key=value, found: id");
    refuse("accounts\n  debit=1\n", STATUS_INVALID,
           ":2: unknown key: debit (id, debits_pending, debits_posted, credits_pending, "
           "credits_posted, user_data_128, user_data_64, user_data_32, reserved, ledger, code, "
           "flags, timestamp, closed)");
    refuse_value("accounts\n  id=\n", "id=", number_128);
    refuse("accounts\n  id=1 id=1\n", STATUS_INVALID, ":2: given twice: id=1");
    refuse("accounts\n  closed=1\n", STATUS_INVALID, ":2: can be expected, not given: closed=1");
    refuse_value("accounts\n  id=340282366920938463463374607431768211456\n",
                 "id=340282366920938463463374607431768211456", number_128);
    refuse_value("accounts\n  code=65536\n", "code=65536", "a number, at most 65535");
    refuse_value("accounts\n  ledger=max\n", "ledger=max", "a number, at most 4294967295");
    refuse_value("accounts\n  timestamp=18446744073709551616\n", "timestamp=18446744073709551616",
                 "a number, at most 18446744073709551615");
    refuse_value("accounts\n  id=-1\n", "id=-1", number_128);
    refuse_value("transfers\n  flags=pending,\n", "flags=pending,", transfer_flags);
    refuse_value("transfers\n  flags=history\n", "flags=history", transfer_flags);
    refuse_value("accounts\n  flags=pending\n", "flags=pending", account_flags);
    refuse_value("transfers\n  flags=0x\n", "flags=0x", transfer_flags);
    refuse_value("transfers\n  flags=0x10000\n", "flags=0x10000", transfer_flags);
    refuse_value("freezes\n  kind=65537\n", "kind=65537",
                 "debits, credits, both, amount, or a number, at most 65535");
    refuse_value("limits\n  utc_offset=2147483648\n", "utc_offset=2147483648",
                 "a number from -2147483647 to 2147483647");
    refuse_value("freezes\n  authority=12345678901234567\n", "authority=12345678901234567",
                 "at most 16 characters");
    refuse_value("query_journals\nquery_journals date_min=tomorrow\n", "date_min=tomorrow",
                 "a date like 2026-12-31, or a number, at most 4294967295");
    refuse_value("# closed\naccount id=1 -> closed=2\n", "closed=2", "0 or 1");
    refuse_value("resolve\n  id=1 -> why=bad\n", "why=bad", "a status of a transfer");
    refuse("account id=1 -> closed=1 closed=0\n", STATUS_INVALID, ":1: expected twice: closed=0");
    refuse("changes limit=1\n  amount=1 amount=1\n", STATUS_INVALID,
           ":2: expected twice: amount=1");
    refuse("accounts\n  id=1 -> done\n", STATUS_INVALID, ":2: unknown status: done");
    refuse("accounts\n  id=1 -> exceeds_credits\n", STATUS_INVALID,
           ":2: unknown status: exceeds_credits");
    refuse("accounts\n  id=1 -> created exists\n", STATUS_INVALID,
           ":2: one status is expected, not also: exists");
    refuse("accounts\n  id=1 -> created id=1\n", STATUS_INVALID, ":2: unknown key: id (timestamp)");
    refuse("accounts\n  id=1 ->\n", STATUS_INVALID, ":2: nothing behind ->");
    refuse("account id=1 amount=2 -> found\n", STATUS_INVALID, ":1: unknown key: amount (id)");
    refuse("account id=1 -> created\n", STATUS_INVALID, ":1: unknown status: created");
    refuse("setup id=1\n", STATUS_INVALID, ":1: setup of an account that does not exist");
    refuse("tick\n", STATUS_INVALID, ":1: tick needs a number, found: ");
    refuse("tick 1\n", STATUS_INVALID, ":1: tick needs seconds or nanoseconds, found: ");
    refuse("tick 1 hours\n", STATUS_INVALID, ":1: tick needs seconds or nanoseconds, found: hours");
    refuse("tick 1 seconds more\n", STATUS_INVALID, ":1: unexpected: more");
    refuse("tick 99999999999 seconds\n", STATUS_INVALID,
           ":1: tick is past the largest timestamp, 2^63 - 1 nanoseconds: 99999999999");
    refuse("tick -1 nanoseconds\ntick 2 nanoseconds\n", STATUS_INVALID,
           ":2: the clock would pass the largest timestamp");
    refuse("tick -1 nanoseconds\naccounts\n  id=1\n", STATUS_INVALID,
           ":2: the clock would pass the largest timestamp");
}

/* What is no text of a person's is told in a way that a terminal can show. */
static void refuses_what_nobody_can_read(void **state)
{
    (void)state;
    refuse("acc\x1bounts\n", STATUS_INVALID, ":1: unknown operation: acc?ounts");
    refuse("\xef\xbb\xbf"
           "accounts\n",
           STATUS_INVALID,
           ":1: unknown operation: \xef\xbb\xbf"
           "accounts");
    char text[4096] = { 0 };
    memset(text, 'a', sizeof text - 1);
    char message[128];
    snprintf(message, sizeof message, ":1: unknown operation: %.80s...", text);
    refuse(text, STATUS_INVALID, message);
}

/* A look-up and a query take one nanosecond, however many lines they have. */
static void asks_at_the_end_of_time(void **state)
{
    (void)state;
    struct script_summary summary;
    struct error error;
    static const char text[] = "tick -3 nanoseconds\n"
                               "account id=1 -> not_found\naccount id=2 -> not_found\n"
                               "account id=3 -> not_found\naccount id=4 -> not_found\n"
                               "changes limit=9\n  amount=1\n  amount=2\n  amount=3\n"
                               "query_transfers limit=9 ->\n";
    assert_int_equal(run(text, false, &summary, &error), STATUS_OK);
    assert_int_equal(summary.expectations, 8);
    assert_int_equal(summary.differences, 3); /* the rows that are not there */
    remove_script();
    refuse("tick -1 nanoseconds\ntransfer id=1 -> not_found\naccount id=1 -> not_found\n",
           STATUS_INVALID, ":3: the clock would pass the largest timestamp");
}

static void refuses_what_is_no_query(void **state)
{
    (void)state;
    refuse("account_transfers\n  id=1\n", STATUS_INVALID,
           ":2: an indented line belongs to a batch or a query above it: id=1");
    refuse("account_transfers id=1 ledger=1\n", STATUS_INVALID,
           ":1: unknown key: ledger (id, flags, user_data_128, user_data_64, user_data_32, code, "
           "limit, timestamp_min, timestamp_max, timestamp_min_transfer, timestamp_max_transfer, "
           "timestamp_min_account, timestamp_max_account)");
    refuse("balances_as_of ledger=1\n", STATUS_INVALID,
           ":1: unknown key: ledger (id, as_of, as_of_transfer, as_of_account)");
    refuse_value("#\nquery_accounts limit=4294967296\n", "limit=4294967296",
                 "a number, at most 4294967295");
    refuse_value("#\nquery_accounts flags=debits\n", "flags=debits",
                 "flags joined by commas: reversed, or a number, at most 4294967295");
    refuse("changes limit=1 timestamp_min=1 timestamp_min_transfer=1\n", STATUS_INVALID,
           ":1: given twice: timestamp_min_transfer=1");
    refuse("changes limit=1 timestamp_max_account=1 timestamp_max=1\n", STATUS_INVALID,
           ":1: given twice: timestamp_max=1");
    refuse("trial_balance as_of=1 as_of_account=1\n", STATUS_INVALID,
           ":1: given twice: as_of_account=1");
    refuse("account_transfers limit=1 -> 1 x\n", STATUS_INVALID, ":1: not an id: x");
    refuse("account_transfers limit=1 -> id=1\n", STATUS_INVALID, ":1: not an id: id=1");
    refuse("account_balances limit=1 -> 1\n", STATUS_INVALID,
           ":1: its rows are indented lines below it, not: 1");
    refuse("account_balances limit=1\n  amount=1\n", STATUS_INVALID,
           ":2: unknown key: amount (transfer, debits_pending, debits_posted, credits_pending, "
           "credits_posted, timestamp)");
    refuse("account_balances limit=1\n  found\n", STATUS_INVALID,
           ":2: expected key=value, found: found");
    refuse("changes id=1\n", STATUS_INVALID,
           ":1: unknown key: id (limit, timestamp_min, timestamp_max, timestamp_min_transfer, "
           "timestamp_max_transfer, timestamp_min_account, timestamp_max_account)");
    refuse_value("changes\n  type=posted\n", "type=posted",
                 "single_phase, two_phase_pending, two_phase_posted, two_phase_voided, "
                 "two_phase_expired, two_phase_captured, or a number, at most 65535");
    static const char *const sides[] = {
        "1",         "1:",         "1:1/2/3",        "1:1/2/3/4/5", "1:1/2/3/x",
        "x:1/2/3/4", "1:1/2/3/4:", "1:1/2/3/4:open", "1:1//3/4",    "1:1/2/3/4:closed:"
    };
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        char text[64];
        char word[64];
        snprintf(text, sizeof text, "changes\n  debit=%s\n", sides[i]);
        snprintf(word, sizeof word, "debit=%s", sides[i]);
        if (strcmp(sides[i], "1:1/2/3/4:") != 0) { /* nothing behind a colon is nothing */
            refuse_value(text, word,
                         "ID:PENDING/POSTED/PENDING/POSTED, of debits and of credits, and :closed");
        }
    }
    refuse("changes limit=1 timestamp_min_transfer=7\n", STATUS_INVALID,
           ":1: a time of a transfer that does not exist");
    refuse("query_accounts limit=1 timestamp_max_account=7\n", STATUS_INVALID,
           ":1: a time of an account that does not exist");
    refuse("tick -5 nanoseconds\ntick -9 nanoseconds\n", STATUS_INVALID,
           ":2: the clock does not go back");
    static const char pending[] = "accounts\n  id=1 ledger=1 code=1\n  id=2 ledger=1 code=1\n"
                                  "transfers\n  id=1 debit=1 credit=2 amount=5 ledger=1 code=1 "
                                  "flags=pending\n%s\n";
    static const char *const setups[] = { "setup id=1 debits_pending=4", "setup id=2",
                                          "setup id=1 debits_pending=5 debits_posted=max" };
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, pending, setups[i]);
        refuse(text, STATUS_INVALID, ":6: setup leaves no room for what is pending");
    }
}

static const char wrong[] = "# title\n"
                            "accounts   # two\n"
                            "  id=1   ledger=1 code=1   ->   exists    # wrong\n"
                            "\tid=2 ledger=1 code=1 -> created timestamp=3\n"
                            "  id=3 ledger=1 code=1   # nothing expected\n"
                            "account id=1 -> not_found\n"
                            "account id=2 -> debits_posted=5 credits_posted=0 # half\r\n"
                            "account id=9\n"
                            "transfers\n"
                            "  id=1 debit=1 credit=2 ledger=1 code=1 amount=max -> timestamp=1\n"
                            "transfer id=1 -> not_found\n"
                            "transfer id=1 -> found amount=1\n"
                            "transfer id=2 -> amount=7";

static void reports_differences_by_line(void **state)
{
    (void)state;
    struct script_summary summary;
    struct error error;
    assert_int_equal(run(wrong, false, &summary, &error), STATUS_OK);
    assert_string_equal(
        output,
        ":3: expected exists, got created\n"
        ":6: expected not_found, got debits_pending=0 debits_posted=0 credits_pending=0 "
        "credits_posted=0\n"
        ":7: expected debits_posted=5 credits_posted=0, got debits_posted=0 credits_posted=0\n"
        ":10: expected timestamp=1, got timestamp=7\n"
        ":11: expected not_found, got found\n"
        ":12: expected found amount=1, got found amount=max\n"
        ":13: expected amount=7, got not_found\n");
    assert_int_equal(summary.expectations, 8);
    assert_int_equal(summary.differences, 7);
    assert_int_equal(summary.unchecked, 2);
    remove_script();
}

static void update_keeps_all_but_what_differs(void **state)
{
    (void)state;
    struct script_summary summary;
    struct error error;
    assert_int_equal(run(wrong, true, &summary, &error), STATUS_OK);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char text[4096];
    const size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(
        text,
        "# title\n"
        "accounts   # two\n"
        "  id=1   ledger=1 code=1   -> created    # wrong\n"
        "\tid=2 ledger=1 code=1 -> created timestamp=3\n"
        "  id=3 ledger=1 code=1 -> created   # nothing expected\n"
        "account id=1 -> debits_pending=0 debits_posted=0 credits_pending=0 credits_posted=0\n"
        "account id=2 -> debits_posted=0 credits_posted=0 # half\r\n"
        "account id=9 -> not_found\n"
        "transfers\n"
        "  id=1 debit=1 credit=2 ledger=1 code=1 amount=max -> timestamp=7\n"
        "transfer id=1 -> found\n"
        "transfer id=1 -> found amount=max\n"
        "transfer id=2 -> not_found");
    remove_script();
    assert_int_equal(run(text, false, &summary, &error), STATUS_OK);
    assert_int_equal(summary.differences, 0);
    assert_int_equal(summary.unchecked, 0);
    assert_int_equal(summary.expectations, 10);
    remove_script();
}

static const char queries[] = "accounts\n"
                              "  id=1 ledger=1 code=1 flags=history -> created\n"
                              "  id=2 ledger=1 code=1 -> created\n"
                              "transfers\n"
                              "  id=5 debit=1 credit=2 amount=3 ledger=1 code=1 -> created\n"
                              "  id=6 debit=1 credit=2 ledger=1 code=1 flags=pending -> created\n"
                              "query_transfers limit=9 -> 5\n"
                              "query_transfers limit=9 ->   # none\n"
                              "query_transfers -> 5\n"
                              "query_accounts limit=9\n"
                              "query_accounts\n"
                              "account_balances id=1 limit=9 flags=debits\n"
                              "  transfer=5 debits_posted=4 # row\n"
                              "account_balances id=1 limit=1 flags=debits\n"
                              "  transfer=5\n"
                              "  transfer=6 # too many\n"
                              "changes limit=9    # two\n"
                              "changes limit=9\n"
                              "  type=single_phase debit=1:0/3/0/1\n"
                              "  credit=2:0/0/0/3:closed timestamp=6\n";

/* What is too much or too little in lists and rows is told by its line, and put right. */
static void queries_are_compared_and_updated(void **state)
{
    (void)state;
    struct script_summary summary;
    struct error error;
    assert_int_equal(run(queries, false, &summary, &error), STATUS_OK);
    assert_string_equal(
        output,
        ":7: expected 5, got 5 6\n"
        ":8: expected nothing, got 5 6\n"
        ":9: expected 5, got nothing\n"
        ":13: expected transfer=5 debits_posted=4, got transfer=5 debits_posted=3\n"
        ":13: expected nothing, got transfer=6 debits_pending=0 debits_posted=3 credits_pending=0 "
        "credits_posted=0\n"
        ":16: expected transfer=6, got nothing\n"
        ":17: expected nothing, got type=single_phase transfer=5 amount=3 debit=1:0/3/0/0 "
        "credit=2:0/0/0/3\n"
        ":17: expected nothing, got type=two_phase_pending transfer=6 amount=0 debit=1:0/3/0/0 "
        "credit=2:0/0/0/3\n"
        ":19: expected type=single_phase debit=1:0/3/0/1, got type=single_phase debit=1:0/3/0/0\n"
        ":20: expected credit=2:0/0/0/3:closed timestamp=6, got credit=2:0/0/0/3 timestamp=6\n");
    assert_int_equal(summary.differences, 10);
    assert_int_equal(summary.unchecked, 2);
    remove_script();
    assert_int_equal(run(queries, true, &summary, &error), STATUS_OK);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char text[4096];
    const size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    const char *at = strstr(text, "query_transfers");
    assert_string_equal(
        at, "query_transfers limit=9 -> 5 6\n"
            "query_transfers limit=9 -> 5 6   # none\n"
            "query_transfers ->\n"
            "query_accounts limit=9 -> 1 2\n"
            "query_accounts ->\n"
            "account_balances id=1 limit=9 flags=debits\n"
            "  transfer=5 debits_posted=3\n"
            "  transfer=6 debits_pending=0 debits_posted=3 credits_pending=0 credits_posted=0 "
            "# row\n"
            "account_balances id=1 limit=1 flags=debits\n"
            "  transfer=5\n"
            "   # too many\n"
            "changes limit=9\n"
            "  type=single_phase transfer=5 amount=3 debit=1:0/3/0/0 credit=2:0/0/0/3\n"
            "  type=two_phase_pending transfer=6 amount=0 debit=1:0/3/0/0 credit=2:0/0/0/3    # "
            "two\n"
            "changes limit=9\n"
            "  type=single_phase debit=1:0/3/0/0\n"
            "  credit=2:0/0/0/3 timestamp=6\n");
    remove_script();
    assert_int_equal(run(text, false, &summary, &error), STATUS_OK);
    assert_int_equal(summary.differences, 0);
    assert_int_equal(summary.unchecked, 0);
    remove_script();
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    struct script_summary summary;
    struct error error;
    assert_int_equal(script_run_file("/tmp/fenlu-no-such-script", false, stdout, &summary, &error),
                     STATUS_NOT_FOUND);
}

static int exit_code_of(const char *file, bool update)
{
    char *copy = strdup(file);
    const int code = script_run_files(&copy, 1, update);
    free(copy);
    return code;
}

static void exit_codes(void **state)
{
    (void)state;
    write_script("accounts\n  id=1 ledger=1 code=1 -> exists\n");
    assert_int_equal(exit_code_of(path, false), 1);
    assert_int_equal(exit_code_of("/tmp/fenlu-no-such-script", true), 2);
    assert_int_equal(exit_code_of(path, true), 0);
    assert_int_equal(exit_code_of(path, false), 0);
    remove_script();
    write_script("no_such_operation\n");
    assert_int_equal(exit_code_of(path, false), 2);
    remove_script();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_script),
        cmocka_unit_test(refuses_what_nobody_can_read),
        cmocka_unit_test(asks_at_the_end_of_time),
        cmocka_unit_test(refuses_what_is_no_query),
        cmocka_unit_test(reports_differences_by_line),
        cmocka_unit_test(update_keeps_all_but_what_differs),
        cmocka_unit_test(queries_are_compared_and_updated),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
