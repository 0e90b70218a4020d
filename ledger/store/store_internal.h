/* store_internal.h — the parts of the store, for its own files: what is sealed, the running seal,
 * batches of look-ups in the kv.
 *
 * Who owns what  `seal.state` is the hand-over between the two threads: SEAL_IDLE and SEAL_DONE,
 * all of struct seal is the state machine's; SEAL_RUNNING, it is the sealer's. `filter` says itself
 * what is whose. The rest of struct store is the state machine's, but options and kv, which never
 * change.
 */
#pragma once

#include "ledger/store/delta_internal.h"
#include "ledger/store/eras.h"
#include "ledger/store/id_filter.h"
#include "ledger/store/id_ranges.h"
#include "ledger/store/id_sort.h"
#include "ledger/store/index_seal.h"
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
    uint64_t changes;
    uint64_t holds;
    uint64_t dues; /* pending holds with a time limit */
    uint64_t versions;
    uint64_t objects[OBJECT_KINDS];
    struct id_ranges ranges; /* of sealed transfer ids and failed ids */
    struct eras eras;
};

/* --- batches of look-ups ---------------------------------------------------------------------- */
enum {
    STORE_GETS_MAX = DELTA_BATCH_ACCOUNTS_MAX,
    STORE_EVENT_GETS_MAX = DELTA_BATCH_IDS_MAX, /* of those with the longest values */
    STORE_VALUES_BYTES = STORE_GETS_MAX * VALUE_ACCOUNT_MAX > STORE_EVENT_GETS_MAX *VALUE_EVENT_MAX
                             ? STORE_GETS_MAX *VALUE_ACCOUNT_MAX
                             : STORE_EVENT_GETS_MAX *VALUE_EVENT_MAX,
};

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

/* Look-ups of sealed ids in one era, and whose they are. */
struct store_id_gets {
    struct kv_get *gets;
    uint32_t *tags;
};

/* Names of objects that the current prefetch did not find in memory. */
enum {
    /* Two accounts an event, with a control and the groups of each; and what commands name. */
    STORE_OBJECT_NAMES_MAX = (2 + 2 * CONTROL_GROUPS_MAX + 2) * ENTRY_EVENTS_MAX,
};

struct store_objects {
    struct object_name *names;
    uint32_t count;
    struct kv_get *gets; /* of one chunk */
    uint8_t *keys;
    uint8_t *values;
};

/* --- seals ------------------------------------------------------------------------------------ */
enum seal_state { SEAL_IDLE, SEAL_RUNNING, SEAL_DONE };

enum {
    SEAL_NAME_MAX = 48,
    SEAL_TABLES_MAX = 13,
    SEAL_WHOLE = 1024, /* seal.progress of one that is done */
};

/* The rows of the trial balance that a seal keeps. */
struct seal_trial {
    struct trial_changed *rows; /* ACCOUNT_CODES_MAX */
    uint32_t count;
    uint64_t last_change;
    uint64_t last_account;
};

struct seal {
    uint32_t state;    /* atomic; enum seal_state */
    uint32_t progress; /* atomic; parts of SEAL_WHOLE; the whole once it has failed */
    bool failed;       /* met a full disk: nobody can tell when it goes on */
    uint32_t phase;
    uint32_t position;        /* in the phase */
    uint32_t cursor;          /* the phase's own */
    uint64_t cost;            /* of what is written so far, of */
    uint64_t cost_all;        /* about so much; the ingest's not among it */
    uint64_t filter_cost;     /* at which the filter of ids gets its next piece */
    uint32_t record_cost;     /* in the open table */
    uint64_t table_cost;      /* of its records so far */
    uint64_t work;            /* postings, if every field had a value; */
    uint64_t absent;          /* of them, those that turned out not to be there; */
    uint64_t absent_expected; /* the part that was absent from the last seal, or more by now */
    struct sealed_past past;  /* as it is after this seal */
    uint8_t *extra;
    size_t extra_size;
    struct seal_trial trial;
    struct id_item *items;
    struct id_item *other;
    uint32_t item_count; /* gathered */
    struct id_sort sort;
    struct id_gaps gaps;
    struct index_seal_memory index_memory;
    struct index_seal index;
    struct delta_due first_due; /* of the holds that this seal makes due; expires_at UINT64_MAX */
    struct kv_table *table;     /* the one being written, or NULL */
    char names[SEAL_TABLES_MAX][SEAL_NAME_MAX];
    uint32_t name_count;
};

/* --- due holds (store_due.c) ------------------------------------------------------------------ */
struct sealed_dues {
    struct delta_due from;  /* no sealed hold before this one is pending */
    struct delta_due first; /* the first sealed one that is; expires_at UINT64_MAX: none */
    bool first_known;
    struct delta_due *picked; /* BATCH_EVENTS_MAX */
};

/* --- the filter of sealed ids (store_filter.c) ------------------------------------------------ */
enum filter_state {
    FILTER_NONE,
    FILTER_WANTED,  /* by the state machine; the sealer takes memory for it */
    FILTER_FILLING, /* the sealer walks, and feeds it */
    FILTER_WHOLE,
};

struct store_filter {
    uint32_t state;       /* atomic; enum filter_state */
    uint64_t missed;      /* the state machine's: ids that were looked up in vain */
    struct id_filter ids; /* of sealed ones */
    void *memory;
    /* The sealer's: how much of the memory the system has given, and where its walk goes on. */
    size_t touched;
    uint64_t era_begin;
    u128 next_id;
    uint64_t sealed; /* ids when the walk began, */
    uint64_t walked; /* and those that it found so far */
};

/* What restrains the accounts of the batch that is being brought in. */
struct store_controls {
    u128 *accounts; /* controlled ones, maybe repeated; STORE_GETS_MAX */
    uint32_t count;
    bool any;          /* whether there is a control at all */
    struct map groups; /* that their controls led to */
    void *group_memory;
};

struct store {
    struct store_options options;
    struct kv *kv;
    struct delta *delta;
    struct sealed_past past;
    uint8_t *recovered_extra;
    struct store_gets ids;
    struct store_gets records;
    struct store_id_gets id_gets;
    struct store_objects objects;
    struct store_controls controls;
    struct sealed_dues dues;
    struct store_filter filter;
    struct seal seal;
};

/* store_filter.c */
/* False: it was never sealed. True: maybe; look it up. */
bool store_may_have_id(const struct store *store, u128 id);
/* False: the era that begins so surely does not have it. */
bool filter_may_have_in(const struct store *store, u128 id, uint64_t era_begin);
/* Asks the processor for what memory and store_may_have_id will look at. */
void store_hint_id(const struct store *store, u128 id);
/* So many ids were looked up in vain. */
void filter_missed(struct store *store, uint32_t ids);
/* The sealer's: the i-th of the ids that the running seal writes, into the era that begins so. */
void filter_add(struct store *store, const struct id_sort *ids, uint32_t i, uint64_t era_begin);
/* The sealer's. filter_step does the next piece of what is due: memory, then the walk. The walk begins
 * in filter_begin, at the end of a seal, when what it wrote has been ingested. */
bool filter_due(const struct store *store); /* there is a next piece without a seal, too */
void filter_begin(struct store *store);
STATUS_MUST_USE enum status filter_step(struct store *store, struct error *error);
void filter_close(struct store_filter *filter);

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

/* store_prefetch_control.c */
STATUS_MUST_USE bool controls_open(struct store_controls *controls); /* false: no memory */
void controls_close(struct store_controls *controls);
void controls_begin(struct store *store);
/* An account of the batch. */
void controls_note(struct store *store, const struct account *account);
/* What an order to freeze leads to that is named to be released; accounts go to store->ids. */
void store_want_frozen(struct store *store, const struct store_names *names);
/* After the accounts. */
STATUS_MUST_USE enum status store_bring_controls(struct store *store, struct error *error);
STATUS_MUST_USE enum status store_bring_due_controls(struct store *store, struct error *error);

/* store_gets.c: batches of look-ups. */
STATUS_MUST_USE bool gets_open(struct store_gets *gets); /* false: no memory */
void gets_close(struct store_gets *gets);
void gets_begin(struct store_gets *gets);
/* The key of that kind with this id or timestamp. */
void gets_add(struct store_gets *gets, u128 key, uint32_t position, uint64_t payload);
/* Sorts them, and makes one look-up of those that are the same; of KEY_ID without its key. */
void gets_prepare(struct store_gets *gets, enum key_kind kind);
/* Asks for all of them; gets->sorted[0, count) are then the items, in order. */
STATUS_MUST_USE enum status gets_run(struct store *store, struct store_gets *gets,
                                     enum key_kind kind, struct error *error);
/* False: the i-th of the sorted items was not found. */
bool gets_found(const struct store_gets *gets, uint32_t i, struct bytes *value);

/* store_ids.c: as gets_run, of the ids that were added to store->ids. */
STATUS_MUST_USE bool id_gets_open(struct store_id_gets *pass); /* false: no memory */
void id_gets_close(struct store_id_gets *pass);
STATUS_MUST_USE enum status ids_run(struct store *store, struct error *error);

/* store_read.c: records by the batch. Each callback comes once for each key that was added and
 * found, repetitions included. */
typedef void (*take_account)(void *context, uint32_t position, const struct account *account);
/* transfer == NULL: the id failed; `why` is of a failed one. */
typedef void (*take_transfer)(void *context, u128 id, uint32_t position,
                              const struct transfer *transfer, uint16_t why);
typedef void (*take_hold)(void *context, uint32_t position, const struct hold *hold);
typedef void (*take_taken)(void *context, uint64_t timestamp);
/* Of the ids that were added to store->ids. */
STATUS_MUST_USE enum status store_read_accounts(struct store *store, take_account take,
                                                void *context, struct error *error);
STATUS_MUST_USE enum status store_read_transfers(struct store *store, take_transfer take,
                                                 void *context, struct error *error);
/* Of the timestamps that were added to store->records. Transfers: payload UINT64_MAX. */
STATUS_MUST_USE enum status store_read_holds(struct store *store, take_hold take, void *context,
                                             struct error *error);
STATUS_MUST_USE enum status store_read_events(struct store *store, take_transfer take,
                                              void *context, struct error *error);
STATUS_MUST_USE enum status store_read_taken(struct store *store, enum key_kind kind,
                                             take_taken take, void *context, struct error *error);

/* store_trial.c: the trial balance as it was. `series` is SUMS or ACCOUNTS. */
/* The last seal that stands at this timestamp or before; 0: there is none. */
STATUS_MUST_USE enum status store_trial_base(struct store *store, enum trial_series series,
                                             uint64_t timestamp, uint64_t *base,
                                             struct error *error);
/* The series' part of the rows, which have ledger and code and ascend, as of a base. */
STATUS_MUST_USE enum status store_trial_read(struct store *store, enum trial_series series,
                                             uint64_t base, struct trial_row *rows, uint32_t count,
                                             struct error *error);

/* store_prefetch.c: what the prefetch of a pulse needs too. */
void store_bring_hold(void *context, uint32_t position, const struct hold *hold);
void store_bring_transfer(void *context, u128 id, uint32_t position,
                          const struct transfer *transfer, uint16_t why);
/* Pins those in memory and adds the others to store->ids. */
void store_want_account(struct store *store, u128 id);
STATUS_MUST_USE enum status store_bring_accounts(struct store *store, struct error *error);

/* Brings it in when memory has it, else adds it to store->ids. */
void store_want_transfer(struct store *store, u128 id);

/* store_prefetch_journal.c: for journals that are to be reversed, which have been brought in. The
 * ids of the legs to be; the legs that there are; their accounts. */
void store_want_mirrors(struct store *store, const struct store_names *names);
STATUS_MUST_USE enum status
store_bring_mirrored(struct store *store, const struct store_names *names, struct error *error);
void store_want_mirrored_accounts(struct store *store, const struct store_names *names);

/* store_object.c */
STATUS_MUST_USE bool objects_open(struct store_objects *objects); /* false: no memory */
void objects_close(struct store_objects *objects);
/* Pins it when memory has it, else notes it; bring looks up all that were noted. Several rounds may
 * follow one another: what was brought in may name more. */
void store_want_object(struct store *store, struct object_name name);
/* CORRUPT, for what is sealed under this name. */
enum status store_object_damaged(struct error *error, struct object_name name);
STATUS_MUST_USE enum status store_bring_objects(struct store *store, struct error *error);

/* store_due.c */
STATUS_MUST_USE bool dues_open(struct sealed_dues *dues); /* false: no memory */
void dues_close(struct sealed_dues *dues);
/* A seal has ended. */
void dues_sealed(struct store *store);

/* store_seal.c */
STATUS_MUST_USE bool seal_open(struct store *store); /* false: no memory */
void seal_close(struct store *store);
/* store_seal_progress.c: what seal.progress follows, by what it costs. */
void seal_progress_begin(struct seal *seal, const struct delta *delta);
/* Nobody is to wait for a seal that met a full disk. */
void seal_progress_fail(struct seal *seal);
void seal_count_gathered(struct seal *seal, uint32_t records);
/* A pass of sorting; and that no more are needed. */
void seal_count_pass(struct seal *seal, uint32_t passes_before, uint32_t records);
void seal_count_sorted(struct seal *seal, uint32_t passes, uint32_t records);
/* Records written into the open table, and its end. */
void seal_count(struct seal *seal, uint32_t records);
void seal_count_end(struct seal *seal);
/* Changes whose values were gathered for posting lists; postings that turned out not to be there. */
void seal_count_values(struct seal *seal, uint32_t records);
void seal_count_absent(struct seal *seal, uint32_t postings);
/* What a record of that kind costs to write. */
uint32_t seal_record_cost(enum key_kind kind);

/* store_seal_tables.c: phases of a seal, each of which does one bounded piece. */
typedef enum status (*seal_phase)(struct store *store, bool *done, struct error *error);
struct seal_record {
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_RECORD_MAX];
    size_t key_size;
    size_t value_size;
    bool deleted;
};
/* The i-th record of the table. */
typedef void (*seal_make)(struct store *store, uint32_t i, struct seal_record *record);
enum status seal_table_begin(struct store *store, enum key_kind kind, struct error *error);
/* The next ones of `count` records go into the open table. */
enum status seal_add_piece(struct store *store, uint32_t count, seal_make make, bool *done,
                           struct error *error);
enum status seal_table_end(struct store *store, struct error *error);
void seal_table_abandon(struct store *store);
enum status seal_write_events(struct store *store, bool *done, struct error *error);
enum status seal_write_ids(struct store *store, bool *done, struct error *error);
enum status seal_write_created(struct store *store, bool *done, struct error *error);
enum status seal_write_journals(struct store *store, bool *done, struct error *error);
enum status seal_write_holds(struct store *store, bool *done, struct error *error);
enum status seal_write_dues(struct store *store, bool *done, struct error *error);
enum status seal_write_postings(struct store *store, bool *done, struct error *error);
enum status seal_write_trial(struct store *store, bool *done,
                             struct error *error); /* store_trial.c */
enum status seal_write_objects(struct store *store, bool *done,
                               struct error *error); /* store_seal_objects.c */
enum status seal_write_versions(struct store *store, bool *done, struct error *error);
/* With the checkpoint record at the end. */
enum status seal_write_accounts(struct store *store, bool *done, struct error *error);
