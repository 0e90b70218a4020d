#include "ledger/store/keys_rows.h"

#include <string.h>

enum { CODE_FULL = 15 }; /* this length nibble means 16 bytes */

static unsigned length_code(u128 field)
{
    uint64_t high = u128_high(field);
    uint64_t low = u128_low(field);
    unsigned bits = high != 0  ? 128 - (unsigned)__builtin_clzll(high)
                    : low != 0 ? 64 - (unsigned)__builtin_clzll(low)
                               : 0;
    unsigned size = (bits + 7) / 8;
    return size < CODE_FULL ? size : CODE_FULL;
}

static unsigned code_size(unsigned code)
{
    return code == CODE_FULL ? 16 : code;
}

size_t row_write(uint8_t *value, uint8_t version, const u128 *fields, size_t count)
{
    size_t header = (count + 1) / 2;
    value[0] = version;
    memset(value + 1, 0, header);
    uint8_t *at = value + 1 + header;
    for (size_t i = 0; i < count; i++) {
        unsigned code = length_code(fields[i]);
        value[1 + i / 2] |= (uint8_t)(code << (i % 2 * 4));
        memcpy(at, &fields[i], sizeof fields[i]); /* whole; the next field covers what is over */
        at += code_size(code);
    }
    return (size_t)(at - value);
}

bool row_read(struct bytes value, uint8_t version, u128 *fields, const uint8_t *widths,
              size_t count)
{
    struct reader reader = reader_init(value.data, value.size);
    uint8_t read_version = read_u8(&reader);
    const uint8_t *header = read_bytes(&reader, (count + 1) / 2);
    if (reader.failed || read_version != version) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned code = (unsigned)header[i / 2] >> (i % 2 * 4) & 0xFU;
        unsigned size = code_size(code);
        const uint8_t *bytes = read_bytes(&reader, size);
        if (bytes == NULL || size > widths[i]) {
            return false;
        }
        fields[i] = 0;
        memcpy(&fields[i], bytes, size);
        if (length_code(fields[i]) != code) {
            return false; /* leading zeros: not the one form */
        }
    }
    return reader_done(&reader) && (count % 2 == 0 || header[count / 2] >> 4 == 0);
}
