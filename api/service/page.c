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

/* Where the filter and the rows of a query have what pages go by: offsets. */
struct layout {
    uint16_t timestamp_min, timestamp_max, limit, flags;
    uint16_t row_size, row_timestamp;
    uint32_t reversed; /* bit of the flags */
};

#define LAYOUT(filter, row, bit)                                                                   \
    (struct layout)                                                                                \
    {                                                                                              \
        offsetof(struct filter, timestamp_min), offsetof(struct filter, timestamp_max),            \
            offsetof(struct filter, limit), offsetof(struct filter, flags), sizeof(struct row),    \
            offsetof(struct row, timestamp), (bit)                                                 \
    }

static struct layout layout_of(unsigned operation)
{
    switch (operation) {
    case OPERATION_GET_ACCOUNT_TRANSFERS:
        return LAYOUT(filter, transfer, QUERY_ACCOUNT_REVERSED);
    case OPERATION_GET_ACCOUNT_BALANCES:
        return LAYOUT(filter, query_balance, QUERY_ACCOUNT_REVERSED);
    case OPERATION_QUERY_ACCOUNTS:
        return LAYOUT(filter, account, QUERY_REVERSED);
    case OPERATION_QUERY_TRANSFERS:
        return LAYOUT(filter, transfer, QUERY_REVERSED);
    case OPERATION_QUERY_JOURNALS:
        return LAYOUT(journal_filter, journal, QUERY_REVERSED);
    default:
        UNREACHABLE();
    }
}

static uint64_t u64_at(const uint8_t *bytes, size_t offset)
{
    uint64_t value;
    memcpy(&value, bytes + offset, sizeof value);
    return value;
}

static uint32_t u32_at(const uint8_t *bytes, size_t offset)
{
    uint32_t value;
    memcpy(&value, bytes + offset, sizeof value);
    return value;
}

/* The limit may be another for each page. */
static uint64_t hash_of(enum operation operation, const struct layout *layout,
                        const uint8_t *filter)
{
    uint8_t same[EVENT_SIZE];
    memcpy(same, filter, sizeof same);
    memset(same + layout->limit, 0, sizeof(uint32_t));
    return u128_low(hash_bytes(SEED + (unsigned)operation, same, sizeof same));
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

/* With the token as it came, as far as one may be long. */
static enum status refuse(struct refusal *refusal, struct bytes token, const char *why)
{
    static const char digits[] = "0123456789abcdef";
    char shown[2 * PAGE_TOKEN_SIZE + 1];
    const size_t size = token.size < PAGE_TOKEN_SIZE ? token.size : PAGE_TOKEN_SIZE;
    for (size_t i = 0; i < size; i++) {
        shown[2 * i] = digits[token.data[i] >> 4];
        shown[2 * i + 1] = digits[token.data[i] & 15];
    }
    shown[2 * size] = '\0';
    (void)snprintf(refusal->field, sizeof refusal->field, "page");
    (void)snprintf(refusal->text, sizeof refusal->text, "page: %s; it is %s%s", why, shown,
                   size < token.size ? "..." : "");
    return STATUS_INVALID;
}

static enum status check(const struct token *token, struct bytes bytes, const struct page *page,
                         struct refusal *refusal)
{
    if (token->checksum != checksum_of(bytes.data)) {
        return refuse(refusal, bytes, "its checksum does not fit; send next_page as it came");
    }
    if (token->version != PAGE_VERSION || token->reserved != 0) {
        return refuse(refusal, bytes, "of another release; begin with the first page");
    }
    if (token->operation != page->operation || token->filter != page->filter) {
        return refuse(
            refusal, bytes,
            "of another call; nothing but the limit may differ from the call that gave it");
    }
    const bool sound = token->last > 0 && token->until <= TIMESTAMP_LARGEST &&
                       (page->backwards ? token->last > 1 && token->last <= token->until
                                        : token->last < token->until);
    return sound ? STATUS_OK : refuse(refusal, bytes, "there is nothing behind it");
}

/* True: something is left of the filter's range. */
static bool go_on(const struct layout *layout, uint8_t *filter, const struct page *page,
                  const struct token *token)
{
    const uint64_t min = page->backwards ? page->first : token->last + 1;
    const uint64_t max = page->backwards ? token->last - 1 : token->until;
    memcpy(filter + layout->timestamp_min, &min, sizeof min);
    memcpy(filter + layout->timestamp_max, &max, sizeof max);
    return min <= max;
}

enum status page_begin(enum operation operation, void *filter, struct bytes bytes,
                       struct page *page, struct refusal *refusal)
{
    const struct layout layout = layout_of(operation);
    const uint32_t limit = u32_at(filter, layout.limit);
    *page = (struct page){ .filter = hash_of(operation, &layout, filter),
                           .first = u64_at(filter, layout.timestamp_min),
                           .until = u64_at(filter, layout.timestamp_max),
                           .limit = limit < QUERY_ROWS_MAX ? limit : QUERY_ROWS_MAX,
                           .operation = (uint8_t)operation,
                           .backwards = (u32_at(filter, layout.flags) & layout.reversed) != 0 };
    if (bytes.size == 0) {
        return STATUS_OK;
    }
    if (bytes.size != PAGE_TOKEN_SIZE) {
        char why[64];
        (void)snprintf(why, sizeof why, "%zu bytes, expected %u or none", bytes.size,
                       (unsigned)PAGE_TOKEN_SIZE);
        return refuse(refusal, bytes, why);
    }
    const struct token token = read_token(bytes);
    TRY(check(&token, bytes, page, refusal));
    page->until = token.until;
    page->goes_on = true;
    return go_on(&layout, filter, page, &token)
               ? STATUS_OK
               : refuse(refusal, bytes, "there is nothing behind it");
}

static uint64_t timestamp_of_last(const struct page *page, struct bytes rows)
{
    const struct layout layout = layout_of(page->operation);
    return u64_at(rows.data, rows.size - layout.row_size + layout.row_timestamp);
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
