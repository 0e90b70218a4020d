/* store_internal.h — the parts of the store, for its own files: what is sealed, the running seal,
 * batches of look-ups in the kv.
 *
 * Who owns what  `seal.state` is the hand-over between the two threads: SEAL_IDLE and SEAL_DONE,
 * all of struct seal is the state machine's; SEAL_RUNNING, it is the sealer's. The rest of struct
 * store is the state machine's, but options and kv, which never change.
 */
#pragma once

#include "ledger/store/delta_internal.h"
#include "ledger/store/id_ranges.h"
#include "ledger/store/id_sort.h"
#include "ledger/store/keys.h"
#include "ledger/store/store.h"

/* What a checkpoint record says, but for the extra bytes. */
struct sealed_past {
    uint64_t log_index;
    uint64_t log_term;
    uint64_t timestamp;
    uint64_t log_chain;
    u128 digest;
    uint64_t accounts;
    uint64_t transfers;
    uint64_t failed_ids;
    struct id_ranges ranges; /* of sealed transfer ids and failed ids */
};

/* --- batches of look-ups ---------------------------------------------------------------------- */
enum { STORE_GETS_MAX = DELTA_BATCH_IDS_MAX };

/* Keys are added in any order, with repetitions; one sorted multi_get asks for each once. */
struct store_gets {
    struct id_item
        *items; /* position: the caller's; payload: the caller's; tag: index of its get */
    struct id_item *other;
    struct id_item *sorted;
    struct kv_get *gets;
    uint8_t *keys;
    uint8_t *values;
    uint32_t count;
    uint32_t unique;
};

/* --- seals ------------------------------------------------------------------------------------ */
enum seal_state { SEAL_IDLE, SEAL_RUNNING, SEAL_DONE };

enum { SEAL_NAME_MAX = 48, SEAL_TABLES_MAX = 2 };

struct seal {
    uint32_t state; /* atomic; enum seal_state */
    uint32_t phase;
    uint32_t position;       /* in the phase */
    uint32_t run;            /* cursor into the generation's runs */
    struct sealed_past past; /* as it is after this seal */
    uint8_t *extra;
    size_t extra_size;
    struct id_item *items;
    struct id_item *other;
    struct id_sort sort;
    struct id_gaps gaps;
    struct kv_table *table; /* the one being written, or NULL */
    char names[SEAL_TABLES_MAX][SEAL_NAME_MAX];
    uint32_t name_count;
    struct kv_put *puts;
    uint8_t *account_bytes; /* keys and values of the puts */
    size_t account_bytes_used;
    uint8_t *checkpoint_bytes;
};

struct store {
    struct store_options options;
    struct kv *kv;
    struct delta *delta;
    struct sealed_past past;
    uint8_t *recovered_extra;
    struct store_gets ids;
    struct store_gets records;
    struct seal seal;
};

/* store_checkpoint.c: the checkpoint and format records. */
size_t checkpoint_size(const struct sealed_past *past, size_t extra_size);
void checkpoint_write(uint8_t *value, const struct sealed_past *past, struct bytes extra);
/* `extra` points into value. CORRUPT, VERSION. */
STATUS_MUST_USE enum status checkpoint_read(struct bytes value, struct sealed_past *past,
                                            struct bytes *extra, struct error *error);
/* Loads both records; creates the format record in an empty kv. *extra is malloced or NULL. */
STATUS_MUST_USE enum status checkpoint_load(struct kv *kv, struct sealed_past *past,
                                            uint8_t **extra, size_t *extra_size,
                                            struct error *error);

/* store_read.c: reading the sealed past. */
STATUS_MUST_USE bool gets_open(struct store_gets *gets); /* false: no memory */
void gets_close(struct store_gets *gets);
void gets_begin(struct store_gets *gets);
void gets_add(struct store_gets *gets, u128 key, uint32_t position, uint64_t payload);

/* Called once for each key that was added and found, repetitions included. */
typedef void (*take_account)(void *context, uint32_t position, const struct account *account);
/* transfer == NULL: the id failed. */
typedef void (*take_transfer)(void *context, u128 id, uint32_t position,
                              const struct transfer *transfer);
/* Reads the accounts, or the transfers and failed ids, whose ids were added to store->ids. */
STATUS_MUST_USE enum status store_read_accounts(struct store *store, take_account take,
                                                void *context, struct error *error);
STATUS_MUST_USE enum status store_read_transfers(struct store *store, take_transfer take,
                                                 void *context, struct error *error);

/* store_seal.c */
STATUS_MUST_USE bool seal_open(struct store *store); /* false: no memory */
void seal_close(struct store *store);
