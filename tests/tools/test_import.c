/* CSV rows as records, and the memory of how far an import came. */
#include "tools/import_rows.h"
#include "tools/import_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/fenlu-import-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static struct import_rows *open_rows(const char *text)
{
    struct import_rows *rows = NULL;
    struct error error;
    write_file(text);
    enum status status = import_rows_open(path, &rows, &error);
    if (status != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return rows;
}

static void transfers_are_read(void **state)
{
    (void)state;
    struct import_rows *rows = open_rows(
        "\xEF\xBB\xBF"
        "id,debit_account_id,credit_account_id,amount,ledger,code,flags,timeout\r\n"
        "1,0xFf,00000000-0000-0000-0000-000000000003,340282366920938463463374607431768211455,"
        "7,65535,linked|pending,9\r\n"
        "\"2\",1,2,0,1,1,,\r\n");
    struct transfer transfer;
    struct error error;
    uint64_t row = 0;
    assert_true(import_rows_are_transfers(rows));
    assert_int_equal(import_rows_next(rows, &transfer, &row, &error), STATUS_OK);
    assert_int_equal(row, 2);
    assert_true(transfer.id == 1 && transfer.debit_account_id == 255);
    assert_true(transfer.credit_account_id == 3 && transfer.amount == U128_MAX);
    assert_int_equal(transfer.flags, TRANSFER_LINKED | TRANSFER_PENDING);
    assert_int_equal(transfer.timeout, 9);
    assert_int_equal(import_rows_next(rows, &transfer, &row, &error), STATUS_OK);
    assert_true(row == 3 && transfer.id == 2 && transfer.amount == 0 && transfer.flags == 0);
    assert_int_equal(import_rows_next(rows, &transfer, &row, &error), STATUS_NOT_FOUND);
    import_rows_close(rows);
}

static void accounts_are_read(void **state)
{
    (void)state;
    struct import_rows *rows =
        open_rows("ledger,code,id,user_data_64,flags\n1,2,3,4,debits_must_not_exceed_credits\n");
    struct account account;
    struct error error;
    uint64_t row = 0;
    assert_false(import_rows_are_transfers(rows));
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_OK);
    assert_true(account.ledger == 1 && account.code == 2 && account.id == 3);
    assert_true(account.user_data_64 == 4);
    assert_int_equal(account.flags, ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS);
    import_rows_close(rows);
}

/* The malformed row is named with its column and value; the next row can still be read. */
static void malformed(const char *cells, const char *expected)
{
    char text[512];
    (void)snprintf(text, sizeof text, "id,ledger,code,flags\n%s\n5,1,1,\n", cells);
    struct import_rows *rows = open_rows(text);
    struct account account;
    struct error error;
    uint64_t row = 0;
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_INVALID);
    assert_int_equal(row, 2);
    if (strstr(error.text, expected) == NULL || strstr(error.text, ":2: ") == NULL) {
        fail_msg("\"%s\" does not name %s", error.text, expected);
    }
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_OK);
    assert_true(account.id == 5);
    import_rows_close(rows);
}

static void malformed_rows_are_named(void **state)
{
    (void)state;
    malformed("x,1,1,", "id \"x\"");
    malformed("0xg,1,1,", "id \"0xg\"");
    malformed("340282366920938463463374607431768211456,1,1,", "id \"3402");
    malformed("1,4294967296,1,", "ledger \"4294967296\"");
    malformed("1,1,65536,", "code \"65536\"");
    malformed("1,-1,1,", "ledger \"-1\"");
    malformed("1,1,1,linked|nonsense", "flags \"linked|nonsense\"");
    malformed("1,1,1,linked|", "flags \"linked|\"");
    malformed("1,1,1,|linked", "flags \"|linked\"");
    malformed("1,1,1,65536", "of at most 65535");
    malformed("1.5,1,1,", "id \"1.5\"");
    malformed("1,1e3,1,", "ledger \"1e3\": expected a decimal number of at most 4294967295");
    malformed("1,1,1", "3 cells");
    malformed("1,1,1,,9", "5 cells");
}

static void malformed_transfer(const char *cells, const char *expected)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "id,debit_account_id,credit_account_id,amount,ledger,code,flags,pending_id\n"
                   "%s\n5,1,2,0,1,1,,\n",
                   cells);
    struct import_rows *rows = open_rows(text);
    struct transfer transfer;
    struct error error;
    uint64_t row = 0;
    enum status status = import_rows_next(rows, &transfer, &row, &error);
    assert_int_equal(status, expected == NULL ? STATUS_OK : STATUS_INVALID);
    if (expected != NULL && strstr(error.text, expected) == NULL) {
        fail_msg("\"%s\" does not name %s", error.text, expected);
    }
    assert_int_equal(import_rows_next(rows, &transfer, &row, &error), STATUS_OK);
    assert_true(transfer.id == 5);
    import_rows_close(rows);
}

/* An empty cell is nothing only where nothing can be meant. */
static void empty_cells_are_not_amounts(void **state)
{
    (void)state;
    malformed(",1,1,", "id \"\": expected");
    malformed("1,,1,", "ledger \"\": expected a decimal number of at most 4294967295");
    malformed("1,1,,", "code \"\": expected a decimal number of at most 65535");
    malformed_transfer(",1,2,3,1,1,,", "id \"\"");
    malformed_transfer("9,,2,3,1,1,,", "debit_account_id \"\"");
    malformed_transfer("9,1,,3,1,1,,", "credit_account_id \"\"");
    malformed_transfer("9,1,2,,1,1,,", "amount \"\": expected a decimal number of at most "
                                       "340282366920938463463374607431768211455");
    malformed_transfer("9,1,2,,1,1,pending,", "amount \"\"");
    malformed_transfer("9,1,2,3,,1,,", "ledger \"\"");
    malformed_transfer("9,1,2,3,1,,,", "code \"\"");
    malformed_transfer("9,,,,,,post_pending_transfer,1", "amount \"\"");
    malformed_transfer("9,,,,,,capture_pending_transfer,1", "amount \"\"");
    malformed_transfer("9,,,3,,,post_pending_transfer,1", NULL);
    malformed_transfer("9,,,3,,,512,1", NULL);
    malformed_transfer("9,,,,,,void_pending_transfer,1", NULL);
}

static void bad_file(const char *text, const char *expected)
{
    struct import_rows *rows = NULL;
    struct error error;
    write_file(text);
    assert_int_equal(import_rows_open(path, &rows, &error), STATUS_INVALID);
    if (strstr(error.text, expected) == NULL) {
        fail_msg("\"%s\" does not name %s", error.text, expected);
    }
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    bad_file("", "empty");
    bad_file("id,ledger,code,colour\n", "\"colour\"");
    bad_file("id,ledger\n", "\"code\"");
    bad_file("id,ledger,code,ledger\n", "\"ledger\" is there twice");
    bad_file("id,debit_account_id,ledger,code\n", "\"credit_account_id\"");
    bad_file("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n", "18 columns");
}

/* History from another system: rows with their own times. */
static void imported_rows_have_timestamps(void **state)
{
    (void)state;
    struct import_rows *rows =
        open_rows("id,ledger,code,flags,timestamp\n1,1,1,imported,18446744073709551615\n");
    struct account account;
    struct error error;
    uint64_t row = 0;
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_OK);
    assert_true(account.timestamp == UINT64_MAX && account.flags == ACCOUNT_IMPORTED);
    import_rows_close(rows);
}

static void zero_bytes_are_malformed(void **state)
{
    (void)state;
    static const char text[] = "id,ledger,code,flags\n1,1,1,linked\0\n1\0,1,1,\n5,1,1,\n";
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, sizeof text - 1, file), sizeof text - 1);
    assert_int_equal(fclose(file), 0);
    struct import_rows *rows = NULL;
    struct account account;
    struct error error;
    uint64_t row = 0;
    assert_int_equal(import_rows_open(path, &rows, &error), STATUS_OK);
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_INVALID);
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_INVALID);
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_OK);
    assert_true(account.id == 5);
    import_rows_close(rows);
}

static void many_rows_cross_chunks(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "id,ledger,code\n");
    for (unsigned i = 1; i <= 50000; i++) {
        (void)fprintf(file, "%u,1,1\n", i);
    }
    assert_int_equal(fclose(file), 0);
    struct import_rows *rows = NULL;
    struct error error;
    assert_int_equal(import_rows_open(path, &rows, &error), STATUS_OK);
    struct account account;
    uint64_t row = 0;
    for (unsigned i = 1; i <= 50000; i++) {
        assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_OK);
        assert_true(account.id == i && row == i + 1);
    }
    assert_int_equal(import_rows_next(rows, &account, &row, &error), STATUS_NOT_FOUND);
    import_rows_close(rows);
}

static uint64_t done_row(u128 cluster)
{
    struct import_state state;
    struct error error;
    uint64_t row = 99;
    assert_int_equal(import_state_open(&state, path, cluster, &row, &error), STATUS_OK);
    return row;
}

static void progress_belongs_to_file_and_cluster(void **unused)
{
    (void)unused;
    struct import_state state;
    struct error error;
    uint64_t row = 99;
    write_file("id,ledger,code\n");
    assert_int_equal(import_state_open(&state, path, 7, &row, &error), STATUS_OK);
    assert_int_equal(row, 0);
    assert_int_equal(import_state_save(&state, 41, &error), STATUS_OK);
    assert_int_equal(done_row(7), 41);
    assert_int_equal(done_row(8), 0);
    write_file("id,ledger,code\n1,1,1\n");
    assert_int_equal(done_row(7), 0);
    import_state_remove(&state);
    assert_int_equal(done_row(7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_are_read),
        cmocka_unit_test(accounts_are_read),
        cmocka_unit_test(malformed_rows_are_named),
        cmocka_unit_test(empty_cells_are_not_amounts),
        cmocka_unit_test(imported_rows_have_timestamps),
        cmocka_unit_test(zero_bytes_are_malformed),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(many_rows_cross_chunks),
        cmocka_unit_test(progress_belongs_to_file_and_cluster),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
