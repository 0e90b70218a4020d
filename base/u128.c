#include "base/u128.h"

u128 u128_from_bytes(const uint8_t bytes[16])
{
    u128 value = 0;
    for (unsigned i = 0; i < 16; i++) {
        value = (value << 8) | bytes[i];
    }
    return value;
}

void u128_to_bytes(u128 value, uint8_t bytes[16])
{
    for (unsigned i = 16; i-- > 0;) {
        bytes[i] = (uint8_t)value;
        value >>= 8;
    }
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
