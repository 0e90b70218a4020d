#include "base/u128.h"

#include <string.h>

/* Every id crosses these on its way in and out: two loads and a swap instead of 16 shifts. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian in memory");

u128 u128_from_bytes(const uint8_t bytes[16])
{
    uint64_t high = 0;
    uint64_t low = 0;
    memcpy(&high, bytes, sizeof high);
    memcpy(&low, bytes + sizeof high, sizeof low);
    return u128_make(__builtin_bswap64(high), __builtin_bswap64(low));
}

void u128_to_bytes(u128 value, uint8_t bytes[16])
{
    uint64_t high = __builtin_bswap64(u128_high(value));
    uint64_t low = __builtin_bswap64(u128_low(value));
    memcpy(bytes, &high, sizeof high);
    memcpy(bytes + sizeof high, &low, sizeof low);
}

size_t u128_print(u128 value, char text[U128_DECIMAL_MAX])
{
    char reversed[U128_DECIMAL_MAX];
    size_t size = 0;
    do {
        reversed[size++] = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < size; i++) {
        text[i] = reversed[size - 1 - i];
    }
    text[size] = '\0';
    return size;
}

bool u128_parse(const char *text, size_t size, u128 *value)
{
    u128 sum = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        unsigned digit = (unsigned)(text[i] - '0');
        if (sum > (U128_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return size > 0;
}
