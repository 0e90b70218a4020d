/* script_metadata.h — a line about metadata: one entry of a patch, or of what is found. */
#pragma once

#include "base/u128.h"

#include <stdint.h>

struct script_metadata {
    u128 id;
    u128 value; /* of a number */
    uint64_t version;
    uint64_t as_of;  /* 0: now */
    uint32_t fill;   /* of a text: so many 'x'; of what is found, its size */
    uint32_t count;  /* keys that begin with `key`, 00 and on; of what is found, entries */
    uint16_t target; /* enum metadata_target; 0: an account */
    uint16_t type;   /* enum metadata_type */
    uint16_t flags;  /* enum metadata_set_flags */
    uint8_t key[16];
    uint8_t text[16];
};
