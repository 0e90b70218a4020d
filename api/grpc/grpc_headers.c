#include "api/grpc/grpc_headers.h"

#include "base/clock.h"

#include <string.h>

struct bytes grpc_text(const char *text)
{
    return (struct bytes){ .data = (const uint8_t *)text, .size = strlen(text) };
}

bool grpc_text_equal(struct bytes text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

struct timeout_unit {
    char letter;
    uint64_t ns;
};

/* From the finest to the coarsest. */
static const struct timeout_unit TIMEOUT_UNITS[] = {
    { 'n', 1 },        { 'u', NS_PER_US },     { 'm', NS_PER_MS },
    { 'S', NS_PER_S }, { 'M', 60 * NS_PER_S }, { 'H', 3600 * NS_PER_S },
};
enum { TIMEOUT_UNITS_COUNT = sizeof TIMEOUT_UNITS / sizeof TIMEOUT_UNITS[0] };

bool grpc_timeout_parse(struct bytes text, uint64_t *timeout_ns)
{
    if (text.size < 2 || text.size > GRPC_TIMEOUT_TEXT_MAX) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    for (size_t i = 0; i < TIMEOUT_UNITS_COUNT; i++) {
        if (TIMEOUT_UNITS[i].letter == (char)text.data[text.size - 1]) {
            uint64_t unit = TIMEOUT_UNITS[i].ns;
            *timeout_ns = value > UINT64_MAX / unit ? UINT64_MAX : value * unit;
            return true;
        }
    }
    return false;
}

size_t grpc_timeout_format(uint64_t timeout_ns, char text[GRPC_TIMEOUT_TEXT_MAX])
{
    const uint64_t limit = 99999999; /* eight digits */
    size_t unit = 0;
    while (unit + 1 < TIMEOUT_UNITS_COUNT && timeout_ns / TIMEOUT_UNITS[unit].ns > limit) {
        unit++;
    }
    uint64_t value = timeout_ns / TIMEOUT_UNITS[unit].ns;
    value = value > limit ? limit : value;
    value = value == 0 ? 1 : value;
    char digits[GRPC_TIMEOUT_TEXT_MAX];
    size_t count = 0;
    for (; value > 0; value /= 10) {
        digits[count++] = (char)('0' + value % 10);
    }
    for (size_t i = 0; i < count; i++) {
        text[i] = digits[count - 1 - i];
    }
    text[count] = TIMEOUT_UNITS[unit].letter;
    return count + 1;
}

size_t grpc_percent_encode(struct bytes text, char *output)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
            output[used++] = (char)byte;
            continue;
        }
        output[used++] = '%';
        output[used++] = HEX[byte >> 4];
        output[used++] = HEX[byte & 15];
    }
    return used;
}

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    uint8_t lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

size_t grpc_percent_decode(struct bytes text, char *output)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '%' && text.size - i >= 3) {
            int high = hex_value(text.data[i + 1]);
            int low = hex_value(text.data[i + 2]);
            if (high >= 0 && low >= 0) {
                output[used++] = (char)(high * 16 + low);
                i += 2;
                continue;
            }
        }
        output[used++] = (char)text.data[i];
    }
    return used;
}

size_t grpc_base64_encode(struct bytes data, char *output)
{
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < data.size; i++) {
        bits = bits << 8 | data.data[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            output[used++] = ALPHABET[bits >> held & 63];
        }
    }
    if (held > 0) {
        output[used++] = ALPHABET[bits << (6 - held) & 63];
    }
    return used;
}

static int base64_value(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    if (letter == '+') {
        return 62;
    }
    return letter == '/' ? 63 : -1;
}

bool grpc_base64_decode(struct bytes text, uint8_t *output, size_t *size)
{
    size_t letters = text.size;
    for (int i = 0; i < 2 && letters > 0 && text.size % 4 == 0; i++) {
        letters -= text.data[letters - 1] == '=' ? 1 : 0;
    }
    if (letters % 4 == 1) {
        return false;
    }
    size_t used = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < letters; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            output[used++] = (uint8_t)(bits >> held);
        }
    }
    *size = used;
    return true;
}

bool grpc_content_type_valid(struct bytes text)
{
    static const char TYPE[] = "application/grpc";
    const size_t size = sizeof TYPE - 1;
    if (text.size < size || memcmp(text.data, TYPE, size) != 0) {
        return false;
    }
    return text.size == size || text.data[size] == '+' || text.data[size] == ';';
}

bool grpc_name_is_binary(struct bytes name)
{
    return name.size > 4 && memcmp(name.data + name.size - 4, "-bin", 4) == 0;
}
