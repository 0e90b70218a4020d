/* import_rows.h — a CSV file as accounts or transfers.
 *
 * The first row names the columns, in any order; a file with a column debit_account_id holds
 * transfers, any other accounts.
 *   both       id*, ledger*, code*, flags, user_data_128, user_data_64, user_data_32, timestamp
 *   transfers  debit_account_id*, credit_account_id*, amount*, pending_id, timeout
 * (* must be there, and say something: of a row that resolves a pending transfer, id and amount
 * alone, and of a void the id.) Any other empty cell is zero. Ids and user_data_128 are decimal, 0x and hex digits,
 * or UUIDs; amounts are decimal minor units; flags are a number, or names joined by "|" (linked,
 * debits_must_not_exceed_credits, credits_must_not_exceed_debits, …). RFC 4180 quoting; a byte
 * order mark is skipped. Rows are numbered from 1, the header's number.
 *
 * Memory   a chunk of the file and its rows. Threads: one.
 * Errors   name file, row, column and value.
 */
#pragma once

#include "base/error.h"
#include "ledger/store/records.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct import_rows;

STATUS_MUST_USE enum status import_rows_open(const char *path, struct import_rows **rows,
                                             struct error *error);
void import_rows_close(struct import_rows *rows);
bool import_rows_are_transfers(const struct import_rows *rows);
/* The next record (128 bytes: an account or a transfer) and its row; NOT_FOUND at the end, INVALID
 * for a malformed row (the one after can be asked for). */
STATUS_MUST_USE enum status import_rows_next(struct import_rows *rows, void *record, uint64_t *row,
                                             struct error *error);
/* Decimal, 0x and hex digits, or a UUID; exactly `size` characters. */
bool import_parse_id(const char *text, size_t size, u128 *value);
