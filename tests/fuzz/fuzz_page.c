/* Page tokens of strangers (api/service/page.h). The first byte chooses the operation, the second
 * how many bytes are the token; the rest is the filter. A token that is taken moves the filter's
 * range inwards, and the next page begins behind it. */
#include "api/service/page.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Most tokens get a checksum that fits, and the hash that this filter has: else none would be
 * taken. */
static void mend(enum operation operation, const struct filter *asked, uint8_t *token)
{
    struct filter filter = *asked;
    struct page page;
    struct refusal refusal;
    const enum status status =
        page_begin(operation, &filter, (struct bytes){ NULL, 0 }, &page, &refusal);
    ASSERT(status == STATUS_OK);
    token[0] = 1;
    token[1] = (uint8_t)operation;
    memset(token + 2, 0, 6);
    memcpy(token + 8, &page.filter, sizeof page.filter);
    const uint32_t checksum = crc32c(token, PAGE_TOKEN_SIZE);
    memcpy(token + 4, &checksum, sizeof checksum);
}

static void follow(const struct page *page, const struct filter *filter)
{
    struct transfer row = { .timestamp =
                                page->backwards ? filter->timestamp_max : filter->timestamp_min };
    if (page->limit != 1 || page->operation == OPERATION_GET_ACCOUNT_BALANCES) {
        return;
    }
    uint8_t token[PAGE_TOKEN_SIZE];
    const struct bytes rows = { (const uint8_t *)&row, sizeof row };
    const size_t size = page_next(page, rows, 1, TIMESTAMP_LARGEST, token);
    ASSERT(size == 0 || size == PAGE_TOKEN_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter asked = { .limit = 1 };
    uint8_t token[PAGE_TOKEN_SIZE + 8] = { 0 };
    if (size < 2) {
        return 0;
    }
    const enum operation operation =
        (enum operation)(OPERATION_GET_ACCOUNT_TRANSFERS + data[0] % 4);
    const bool mended = data[0] < 192;
    const size_t token_size = mended ? PAGE_TOKEN_SIZE : data[1] % sizeof token;
    data += 2;
    size -= 2;
    memcpy(token, data, size < token_size ? size : token_size);
    if (size > token_size) {
        const size_t left = size - token_size;
        memcpy(&asked, data + token_size, left < sizeof asked ? left : sizeof asked);
    }
    struct refusal refusal = { .text = "" };
    if (convert_check_filter(operation, &asked, &refusal) != STATUS_OK) {
        return 0;
    }
    if (mended) {
        mend(operation, &asked, token);
    }
    struct filter filter = asked;
    struct page page;
    if (page_begin(operation, &filter, (struct bytes){ token, token_size }, &page, &refusal) !=
        STATUS_OK) {
        ASSERT(strncmp(refusal.text, "page: ", 6) == 0);
        return 0;
    }
    ASSERT(convert_check_filter(operation, &filter, &refusal) == STATUS_OK);
    ASSERT(token_size == 0 || page.backwards || filter.timestamp_min > 1);
    follow(&page, &filter);
    return 0;
}
