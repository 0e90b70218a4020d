/* The golden scripts name every status, flag, word and kind of change. */
#include "ledger/core/controls.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/registry.h"
#include "ledger/core/resolve.h"
#include "ledger/core/result.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char golden[1024 * 1024];

static void read_golden(void)
{
    static const char folder[] = FENLU_SOURCE_DIR "/tests/golden/ledger";
    DIR *names = opendir(folder);
    assert_non_null(names);
    size_t size = 0;
    for (const struct dirent *name = readdir(names); name != NULL; name = readdir(names)) {
        char file_path[1024];
        snprintf(file_path, sizeof file_path, "%s/%s", folder, name->d_name);
        FILE *file = name->d_name[0] != '.' ? fopen(file_path, "rb") : NULL;
        if (file != NULL) {
            size += fread(golden + size, 1, sizeof golden - 1 - size, file);
            assert_int_equal(fclose(file), 0);
        }
    }
    assert_true(size > 0 && size < sizeof golden - 1);
    assert_int_equal(closedir(names), 0);
}

/* Whether the text is there, and nothing that goes on behind it. */
static bool is_somewhere(const char *text)
{
    const size_t size = strlen(text);
    for (const char *at = strstr(golden, text); at != NULL; at = strstr(at + 1, text)) {
        if (strchr(" ,\n", at[size]) != NULL) {
            return true;
        }
    }
    return false;
}

static void assert_expected(const char *status, const char *what)
{
    char text[128];
    snprintf(text, sizeof text, "-> %s", status);
    /* These would be very long scripts: test_ledger.c has them. */
    bool long_one =
        strcmp(status, "too_many_ledgers") == 0 || strcmp(status, "too_many_account_codes") == 0;
    if (!long_one && !is_somewhere(text)) {
        fail_msg("no golden script expects %s of %s", status, what);
    }
}

static void golden_scripts_reach_every_status(void **state)
{
    (void)state;
    read_golden();
    for (unsigned number = 1; number < 100; number++) {
        const char *status = account_status_text(number);
        if (status != NULL) {
            assert_expected(status, "an account");
        }
        status = transfer_status_text(number);
        if (status != NULL) {
            assert_expected(status, "a transfer");
        }
        status = control_status_text(number);
        if (status != NULL) {
            assert_expected(status, "a freeze, a limit or a member");
        }
        status = registry_status_text(number);
        if (status != NULL) {
            assert_expected(status, "a ledger, an account code or a mode");
        }
        status = metadata_status_text(number);
        if (status != NULL) {
            assert_expected(status, "metadata");
        }
    }
}

static void golden_scripts_reach_every_outcome(void **state)
{
    (void)state;
    read_golden();
#define REACH(name, text, number) assert_expected(text, "an id that is resolved");
    RESOLVE_STATUS_MAP(REACH)
#undef REACH
}

static void golden_scripts_use_every_word(void **state)
{
    (void)state;
    read_golden();
    static const char *const words[] = {
        "type=single_phase",
        "type=two_phase_pending",
        "type=two_phase_posted",
        "type=two_phase_voided",
        "type=two_phase_expired",
        "type=two_phase_captured",
        "state=pending",
        "state=posted",
        "state=voided",
        "state=expired",
        "flags=history",
        "flags=closed",
        "flags=linked",
        "flags=debits_must_not_exceed_credits",
        "flags=credits_must_not_exceed_debits",
        "flags=imported",
        "flags=pending",
        "flags=post_pending_transfer",
        "flags=void_pending_transfer",
        "flags=capture_pending_transfer",
        "flags=fence",
        "transfers not_after=100",
        "accounts not_after=2",
        "resolve not_after=1",
        "why=exceeds_credits",
        "flags=balancing_debit",
        "flags=balancing_credit",
        ",closing_debit",
        ",closing_credit",
        "flags=debits",
        "flags=credits",
        "flags=reversed",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!is_somewhere(words[i])) {
            fail_msg("no golden script has %s", words[i]);
        }
    }
    static const char *const operations[] = {
        "\nsetup ",
        "\ntick ",
        "\naccount ",
        "\ntransfer ",
        "\naccount_transfers ",
        "\naccount_balances ",
        "\nquery_transfers ",
        "\nquery_accounts ",
        "\nchanges ",
        "\nhold ",
        "\nresolve\n",
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        assert_non_null(strstr(golden, operations[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_scripts_reach_every_status),
        cmocka_unit_test(golden_scripts_reach_every_outcome),
        cmocka_unit_test(golden_scripts_use_every_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
