/* Pages of queries: tokens that lead on, and those that are refused. */
#include "api/service/page.h"
#include "base/crc32c.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS_MAX = 400 };

/* A ledger of `count` transfers; row i has the timestamp times[i], ascending. */
struct rows {
    uint64_t times[ROWS_MAX];
    uint32_t count;
};

/* What is asked of the two kinds of filters, and of the rows that each of them has. */
struct question {
    uint64_t timestamp_min, timestamp_max;
    uint32_t limit;
    bool journals;
    bool backwards;
};

enum { ROW_SIZE_MAX = sizeof(struct journal) };

static void write_filter(const struct question *question, uint8_t filter[EVENT_SIZE])
{
    const uint32_t flags = question->backwards ? QUERY_REVERSED : 0;
    const struct filter transfers = { .ledger = 7,
                                      .timestamp_min = question->timestamp_min,
                                      .timestamp_max = question->timestamp_max,
                                      .limit = question->limit,
                                      .flags = flags };
    const struct journal_filter journals = { .kind = 7,
                                             .timestamp_min = question->timestamp_min,
                                             .timestamp_max = question->timestamp_max,
                                             .limit = question->limit,
                                             .flags = flags };
    memcpy(filter, question->journals ? (const void *)&journals : (const void *)&transfers,
           EVENT_SIZE);
}

/* As a page has moved it. */
static void read_filter(const uint8_t filter[EVENT_SIZE], struct question *question)
{
    struct filter transfers;
    struct journal_filter journals;
    memcpy(&transfers, filter, sizeof transfers);
    memcpy(&journals, filter, sizeof journals);
    question->timestamp_min = question->journals ? journals.timestamp_min : transfers.timestamp_min;
    question->timestamp_max = question->journals ? journals.timestamp_max : transfers.timestamp_max;
}

/* What a server answers: rows in the range, the first `limit` in the direction. */
static uint32_t ask(const struct rows *rows, const struct question *question, uint64_t *found)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->count && count < question->limit; i++) {
        const uint64_t time = rows->times[question->backwards ? rows->count - 1 - i : i];
        if (time >= question->timestamp_min &&
            (question->timestamp_max == 0 || time <= question->timestamp_max)) {
            found[count++] = time;
        }
    }
    return count;
}

/* They are told by their last one. */
static struct bytes rows_until(uint64_t last, uint32_t count, bool journals)
{
    static uint8_t rows[ROWS_MAX * ROW_SIZE_MAX];
    const struct transfer transfer = { .timestamp = last };
    const struct journal journal = { .timestamp = last };
    const size_t size = journals ? sizeof journal : sizeof transfer;
    memset(rows, 0xEE, sizeof rows);
    if (count > 0) {
        memcpy(rows + (count - 1) * size,
               journals ? (const void *)&journal : (const void *)&transfer, size);
    }
    return (struct bytes){ rows, count * size };
}

static void add_rows(struct rows *rows, struct random *random, uint32_t count)
{
    for (uint32_t i = 0; i < count && rows->count < ROWS_MAX; i++) {
        const uint64_t last = rows->count == 0 ? 0 : rows->times[rows->count - 1];
        rows->times[rows->count++] = last + 1 + random_below(random, 3);
    }
}

static uint64_t now_of(const struct rows *rows)
{
    return rows->count == 0 ? 1 : rows->times[rows->count - 1];
}

/* All pages, with a limit that changes, while rows are added: exactly what one look at the
 * beginning finds. */
static void read_all(struct random *random, bool journals)
{
    uint64_t once[ROWS_MAX], found[ROWS_MAX];
    struct rows rows = { .count = 0 };
    struct refusal refusal;
    add_rows(&rows, random, (uint32_t)random_below(random, 100));
    struct question asked = { .limit = ROWS_MAX,
                              .journals = journals,
                              .backwards = random_chance(random, 1, 2) };
    asked.timestamp_min = random_chance(random, 1, 2) ? random_below(random, 60) : 0;
    asked.timestamp_max = random_chance(random, 1, 2) ? 60 + random_below(random, 120) : 0;
    const uint32_t all = ask(&rows, &asked, once);
    uint8_t token[PAGE_TOKEN_SIZE];
    size_t size = 0;
    uint32_t seen = 0;
    do {
        struct question question = asked;
        uint8_t filter[EVENT_SIZE];
        struct page page;
        question.limit = 1 + (uint32_t)random_below(random, 9);
        write_filter(&question, filter);
        assert_int_equal(page_begin(journals ? OPERATION_QUERY_JOURNALS : OPERATION_QUERY_TRANSFERS,
                                    filter, (struct bytes){ token, size }, &page, &refusal),
                         STATUS_OK);
        read_filter(filter, &question);
        const uint32_t count = ask(&rows, &question, found);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(seen < all);
            assert_true(found[i] == once[seen++]);
        }
        const uint64_t last = count > 0 ? found[count - 1] : 0;
        size = page_next(&page, rows_until(last, count, journals), count, now_of(&rows), token);
        add_rows(&rows, random, (uint32_t)random_below(random, 4));
    } while (size > 0);
    assert_int_equal(seen, all);
}

static void pages_are_what_one_look_finds(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 41);
    for (unsigned i = 0; i < 4000; i++) {
        read_all(&random, i % 2 == 1);
    }
}

/* --- refusals --------------------------------------------------------------------------------- */

static const struct filter FILTER = {
    .account_id = 5, .limit = 1, .flags = QUERY_ACCOUNT_DEBITS, .timestamp_min = 3
};

static void make_token(uint8_t token[PAGE_TOKEN_SIZE])
{
    struct filter filter = FILTER;
    struct page page;
    struct refusal refusal;
    const struct transfer row = { .timestamp = 10 };
    assert_int_equal(
        page_begin(OPERATION_GET_ACCOUNT_TRANSFERS, &filter, (struct bytes){ 0 }, &page, &refusal),
        STATUS_OK);
    assert_int_equal(
        page_next(&page, (struct bytes){ (const uint8_t *)&row, sizeof row }, 1, 20, token),
        PAGE_TOKEN_SIZE);
}

static void expect(enum operation operation, const struct filter *asked, struct bytes token,
                   const char *text)
{
    struct filter filter = *asked;
    struct page page;
    struct refusal refusal = { .text = "" };
    const enum status status = page_begin(operation, &filter, token, &page, &refusal);
    if (text == NULL) {
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(filter.timestamp_min, 11);
        assert_int_equal(filter.timestamp_max, 20);
        return;
    }
    assert_int_equal(status, STATUS_INVALID);
    assert_string_equal(refusal.field, "page");
    assert_non_null(strstr(refusal.text, text));
    char start[16]; /* the token itself is named, too */
    (void)snprintf(start, sizeof start, "; it is %02x", token.data[0]);
    assert_non_null(strstr(refusal.text, start));
}

static void seal(uint8_t token[PAGE_TOKEN_SIZE])
{
    memset(token + 4, 0, 4);
    const uint32_t checksum = crc32c(token, PAGE_TOKEN_SIZE);
    memcpy(token + 4, &checksum, sizeof checksum);
}

static void tokens_that_are_refused(void **state)
{
    (void)state;
    uint8_t good[PAGE_TOKEN_SIZE], bad[PAGE_TOKEN_SIZE + 1] = { 0 };
    const enum operation operation = OPERATION_GET_ACCOUNT_TRANSFERS;
    make_token(good);
    const struct bytes sound = { good, sizeof good };
    expect(operation, &FILTER, sound, NULL);
    struct filter other = FILTER;
    other.limit = 77;
    expect(operation, &other, sound, NULL);
    for (size_t size = 1; size <= sizeof bad; size++) {
        if (size != PAGE_TOKEN_SIZE) {
            expect(operation, &FILTER, (struct bytes){ bad, size }, "bytes, expected 32 or none");
        }
    }
    for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
        memcpy(bad, good, sizeof good);
        bad[bit / 8] ^= (uint8_t)(1U << bit % 8);
        expect(operation, &FILTER, (struct bytes){ bad, sizeof good }, "its checksum does not fit");
    }
    expect(OPERATION_GET_ACCOUNT_BALANCES, &FILTER, sound, "of another call");
    expect(OPERATION_QUERY_JOURNALS, &FILTER, sound, "of another call");
    other = FILTER;
    other.timestamp_min = 4;
    expect(operation, &other, sound, "of another call");
    other = FILTER;
    other.account_id = 6;
    expect(operation, &other, sound, "of another call");
    other = FILTER;
    other.flags |= QUERY_ACCOUNT_REVERSED;
    expect(operation, &other, sound, "of another call");
}

/* Whole, but made by nobody: they lead nowhere that a filter could not ask for. */
static void tokens_that_are_forged(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
        const char *text;
    } ROWS[] = {
        { 0, 2, "of another release" },          { 2, 1, "of another release" },
        { 16, 0, "there is nothing behind" },    { 16, 20, "there is nothing behind" },
        { 31, 0x80, "there is nothing behind" },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint8_t token[PAGE_TOKEN_SIZE];
        make_token(token);
        token[ROWS[i].at] = ROWS[i].byte;
        seal(token);
        expect(OPERATION_GET_ACCOUNT_TRANSFERS, &FILTER, (struct bytes){ token, sizeof token },
               ROWS[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_what_one_look_finds),
        cmocka_unit_test(tokens_that_are_refused),
        cmocka_unit_test(tokens_that_are_forged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
