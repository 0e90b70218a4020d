/* model_log.h — the model of the ledger, fed with log entries: what each command of each entry must
 * be answered.
 *
 * Retries  a (client, sequence) that is remembered gives the first answer again and changes
 *          nothing; the oldest are forgotten by the limits that replies.h documents.
 * Memory   outcomes stay for ever; grows.
 * Deterministic.
 */
#pragma once

#include "raft/core/entry.h"
#include "sim/model.h"

struct model_log;

/* What one command must be answered. */
struct model_outcome {
    u128 client;
    uint64_t sequence;
    uint64_t hash;      /* of the command's bytes: model_command_hash */
    uint64_t log_index; /* of the entry in which it took effect: an earlier one for a retry */
    uint32_t count;
    const struct result *results;
    bool retry;
};

/* What one entry did. */
struct model_step {
    uint32_t count; /* outcomes, one a command of a client */
    const struct model_outcome *outcomes;
    uint64_t timestamp;
    u128 digest; /* after it */
};

struct model_log *model_log_new(void);
void model_log_free(struct model_log *log);
struct model *model_log_model(const struct model_log *log);
/* The next entry, of any kind. The answer stays. */
struct model_step model_log_apply(struct model_log *log, const struct entry *entry);
/* Of header and events, as in a frame or an entry: how a command without a client is known. */
uint64_t model_command_hash(const uint8_t *bytes, size_t size);
