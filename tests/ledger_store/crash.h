/* crash.h — a run of books that stops somewhere, and the replay that must end where a run without a
 * stop does. */
#pragma once

#include "tests/ledger_store/books.h"

enum { CRASH_ENTRIES = 16, CRASH_SEAL_EVENTS = 16 };

/* crash_digests[n] is that of the books after entry n; filled by crash_reference. */
extern u128 crash_digests[CRASH_ENTRIES + 1];

/* All entries in a store that never seals; open afterwards. */
void crash_reference(struct books *reference);
/* Applies and seals up to the last entry, or until a write fails; then the store is closed.
 * *durable is what the store said was sealed: whatever happens later, that must come back. */
STATUS_MUST_USE enum status crash_run(struct kv *kv, uint64_t *durable);
void crash_audit(struct books *books);
/* Opens what the crash left, audits, replays, seals, audits again. Gives the recovered entry. */
uint64_t crash_recover(struct kv *kv, const struct books *reference);
