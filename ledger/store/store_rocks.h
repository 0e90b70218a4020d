/* store_rocks.h — between the files that know RocksDB: reading all of a database from its files
 * while another handle in this process has it open.
 *
 * That handle's block cache would hide what became of the bytes on the medium, and RocksDB has no
 * read that goes past it. So the verifier is a second, reading instance of the same folder
 * ("secondary") with a small cache of its own, that reads past the kernel's cache too where the
 * file system lets it. It is opened for one walk through the data, sees the files of that moment,
 * and keeps those that a compaction removes meanwhile open. Filters are not read.
 *
 * Threads  one at a time. Files  FOLDER/scrub holds its info log.
 */
#pragma once

#include "ledger/store/kv.h"

struct rocks_verifier;

STATUS_MUST_USE enum status
rocks_verifier_open(const char *folder, struct rocks_verifier **verifier, struct error *error);
void rocks_verifier_close(struct rocks_verifier *verifier);
/* As kv_ops.verify. */
STATUS_MUST_USE enum status rocks_verifier_step(struct rocks_verifier *verifier,
                                                struct kv_place *place, uint64_t bytes_budget,
                                                bool *done, struct error *error);

/* Takes RocksDB's text, which names the file, and frees it. */
enum status rocks_fail(struct error *error, char *text, const char *what, const char *where);
