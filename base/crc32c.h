/* crc32c.h — CRC-32C (Castagnoli), the checksum of log entries, frames and superblocks.
 *
 * Polynomial 0x1EDC6F41 reflected, initial value and final xor all ones (RFC 3720 appendix B.4).
 * Uses the processor's instruction where there is one (SSE 4.2, ARMv8 CRC). Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t size);
/* Continues: crc32c_extend(crc32c(a), b) is the checksum of a followed by b. */
uint32_t crc32c_extend(uint32_t crc, const void *data, size_t size);
/* The table-driven code that machines without the instruction use; tests compare the two. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);
