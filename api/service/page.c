#include "api/service/page.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PAGE_VERSION = 1, CHECKSUM_AT = 4 };
static const uint64_t SEED = 0x50A6E7D31B9C4F28U;

struct token {
    uint8_t version;
    uint8_t operation;
    uint16_t reserved;
    uint32_t checksum;
    uint64_t filter;
    uint64_t last;  /* timestamp of the last row */
    uint64_t until; /* no row is later */
};

/* The limit may be another for each page. */
static uint64_t hash_of(enum operation operation, const struct filter *filter)
{
    struct filter same = *filter;
    same.limit = 0;
    return u128_low(hash_bytes(SEED + (unsigned)operation, &same, sizeof same));
}

static uint32_t checksum_of(const uint8_t bytes[PAGE_TOKEN_SIZE])
{
    uint8_t rest[PAGE_TOKEN_SIZE];
    memcpy(rest, bytes, sizeof rest);
    memset(rest + CHECKSUM_AT, 0, sizeof(uint32_t));
    return crc32c(rest, sizeof rest);
}

static struct token read_token(struct bytes bytes)
{
    struct reader reader = reader_init(bytes.data, bytes.size);
    struct token token = { .version = read_u8(&reader) };
    token.operation = read_u8(&reader);
    token.reserved = read_u16(&reader);
    token.checksum = read_u32(&reader);
    token.filter = read_u64(&reader);
    token.last = read_u64(&reader);
    token.until = read_u64(&reader);
    ASSERT(reader_done(&reader));
    return token;
}

static enum status refuse(struct refusal *refusal, const char *why)
{
    (void)snprintf(refusal->field, sizeof refusal->field, "page");
    (void)snprintf(refusal->text, sizeof refusal->text, "page: %s", why);
    return STATUS_INVALID;
}

static enum status check(const struct token *token, struct bytes bytes, const struct page *page,
                         struct refusal *refusal)
{
    if (token->checksum != checksum_of(bytes.data)) {
        return refuse(refusal, "its checksum does not fit; send next_page as it came");
    }
    if (token->version != PAGE_VERSION || token->reserved != 0) {
        return refuse(refusal, "of another release; begin with the first page");
    }
    if (token->operation != page->operation || token->filter != page->filter) {
        return refuse(refusal, "of another call; nothing but the limit may differ from the call "
                               "that gave it");
    }
    const bool sound = token->last > 0 && token->until <= TIMESTAMP_LARGEST &&
                       (page->backwards ? token->last > 1 && token->last <= token->until
                                        : token->last < token->until);
    return sound ? STATUS_OK : refuse(refusal, "there is nothing behind it");
}

static void go_on(struct filter *filter, const struct page *page, const struct token *token)
{
    if (page->backwards) {
        filter->timestamp_max = token->last - 1;
    } else {
        filter->timestamp_min = token->last + 1;
        filter->timestamp_max = token->until;
    }
}

enum status page_begin(enum operation operation, struct filter *filter, struct bytes bytes,
                       struct page *page, struct refusal *refusal)
{
    const bool account =
        operation == OPERATION_GET_ACCOUNT_TRANSFERS || operation == OPERATION_GET_ACCOUNT_BALANCES;
    const uint32_t reversed = account ? QUERY_ACCOUNT_REVERSED : QUERY_REVERSED;
    *page = (struct page){ .filter = hash_of(operation, filter),
                           .first = filter->timestamp_min,
                           .until = filter->timestamp_max,
                           .limit = filter->limit < QUERY_ROWS_MAX ? filter->limit : QUERY_ROWS_MAX,
                           .operation = (uint8_t)operation,
                           .backwards = (filter->flags & reversed) != 0 };
    if (bytes.size == 0) {
        return STATUS_OK;
    }
    if (bytes.size != PAGE_TOKEN_SIZE) {
        char why[64];
        (void)snprintf(why, sizeof why, "%zu bytes, expected %u or none", bytes.size,
                       (unsigned)PAGE_TOKEN_SIZE);
        return refuse(refusal, why);
    }
    const struct token token = read_token(bytes);
    TRY(check(&token, bytes, page, refusal));
    page->until = token.until;
    page->goes_on = true;
    go_on(filter, page, &token);
    if (filter->timestamp_max != 0 && filter->timestamp_min > filter->timestamp_max) {
        return refuse(refusal, "there is nothing behind it");
    }
    return STATUS_OK;
}

static uint64_t timestamp_of_last(const struct page *page, struct bytes rows)
{
    uint64_t timestamp;
    size_t size = sizeof(struct transfer);
    size_t at = offsetof(struct transfer, timestamp);
    if (page->operation == OPERATION_GET_ACCOUNT_BALANCES) {
        size = sizeof(struct query_balance);
        at = offsetof(struct query_balance, timestamp);
    } else if (page->operation == OPERATION_QUERY_ACCOUNTS) {
        size = sizeof(struct account);
        at = offsetof(struct account, timestamp);
    }
    memcpy(&timestamp, rows.data + rows.size - size + at, sizeof timestamp);
    return timestamp;
}

size_t page_next(const struct page *page, struct bytes rows, uint32_t count, uint64_t read_at,
                 uint8_t token[PAGE_TOKEN_SIZE])
{
    if (count == 0 || count < page->limit) {
        return 0;
    }
    const uint64_t last = timestamp_of_last(page, rows);
    const bool known = page->goes_on || (page->until != 0 && page->until < read_at);
    const uint64_t until = known ? page->until : read_at;
    if (page->backwards ? last <= 1 || last <= page->first : last >= until) {
        return 0;
    }
    struct writer writer = writer_init(token, PAGE_TOKEN_SIZE);
    write_u8(&writer, PAGE_VERSION);
    write_u8(&writer, page->operation);
    write_u16(&writer, 0);
    write_u32(&writer, 0);
    write_u64(&writer, page->filter);
    write_u64(&writer, last);
    write_u64(&writer, until);
    ASSERT(!writer.failed && writer_size(&writer) == PAGE_TOKEN_SIZE);
    writer = writer_init(token + CHECKSUM_AT, sizeof(uint32_t));
    write_u32(&writer, checksum_of(token));
    return PAGE_TOKEN_SIZE;
}
