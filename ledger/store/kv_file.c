/* kv_file.c — the key-value seam in files on the disk seam: what the simulator runs.
 *
 * It is made for ledgers whose index fits in memory, for being deterministic, and for meeting every
 * fault of the disk below: formats and the argument why a crash is harmless stand in kv_file.h.
 *
 * Damage     each read of a value checks its record; open and verify check everything. CORRUPT
 *            names file and byte, and nothing that failed its check is ever given away.
 * Full disk  is met when a data file gets its space, before anything else: NO_SPACE from a commit,
 *            an ingest or a closing table means that nothing happened.
 * Growth     a change that finds KV_FILES_COMPACT files or more merges the newest ones first, as
 *            many as are of a size with those after them, until there are fewer: each record is
 *            rewritten a logarithmic number of times, and what was replaced or deleted goes with
 *            the older file.
 * Threads    as kv.h says, when the disk allows it (the simulator's is for one thread). Files whose
 *            names are removed may still be open below readers, as POSIX has it.
 */
#include "ledger/store/kv_file.h"

#include <stdlib.h>
#include <string.h>

struct kv_iterator {
    struct kv_file *file;
    struct kv_state *state;
    size_t at; /* of the next record; backwards: one more than that */
    bool backwards;
    struct kv_room room;
};

/* --- reads ------------------------------------------------------------------------------------ */

static enum status get_one(const struct kv_state *state, struct kv_get *get, struct kv_room *room,
                           struct error *error)
{
    size_t at = kv_state_search(state, get->key);
    const struct kv_record *record = at < state->count ? state->records[at] : NULL;
    get->found = record != NULL &&
                 kv_compare((struct bytes){ record->key, record->key_size }, get->key) == 0;
    get->value_size = 0;
    if (!get->found) {
        return STATUS_OK;
    }
    struct bytes value;
    TRY(kv_data_read(record, room, &value, error));
    if (value.size > get->value_max) {
        return error_set(error, STATUS_CORRUPT,
                         "store file %s: a value of %zu bytes where at most %u belong",
                         record->data->path, value.size, (unsigned)get->value_max);
    }
    get->value_size = (uint32_t)value.size;
    memcpy(get->value, value.data, value.size);
    return STATUS_OK;
}

static enum status file_multi_get(struct kv *kv, struct kv_get *gets, size_t count,
                                  struct error *error)
{
    struct kv_file *file = kv_file_of(kv);
    struct kv_state *state = kv_state_hold(file);
    struct kv_room room = { 0 };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = get_one(state, &gets[i], &room, error);
    }
    kv_room_free(&room);
    kv_state_release(file, state);
    return status;
}

static enum status file_seek(struct kv_iterator *iterator, struct bytes to, struct error *error)
{
    (void)error;
    const struct kv_state *state = iterator->state;
    iterator->at = kv_state_search(state, to);
    if (iterator->backwards && iterator->at < state->count) {
        const struct kv_record *record = state->records[iterator->at];
        iterator->at += kv_compare((struct bytes){ record->key, record->key_size }, to) == 0;
    }
    return STATUS_OK;
}

static enum status file_iterate(struct kv *kv, struct bytes from, bool backwards,
                                struct kv_iterator **iterator, struct error *error)
{
    struct kv_iterator *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for an iterator");
    }
    opened->file = kv_file_of(kv);
    opened->state = kv_state_hold(opened->file);
    opened->backwards = backwards;
    *iterator = opened;
    return file_seek(opened, from, error);
}

static enum status file_next(struct kv_iterator *iterator, struct bytes *key, struct bytes *value,
                             struct error *error)
{
    *key = (struct bytes){ NULL, 0 };
    *value = (struct bytes){ NULL, 0 };
    if (iterator->at == (iterator->backwards ? 0 : iterator->state->count)) {
        return STATUS_OK;
    }
    size_t at = iterator->backwards ? iterator->at - 1 : iterator->at;
    const struct kv_record *record = iterator->state->records[at];
    TRY(kv_data_read(record, &iterator->room, value, error));
    *key = (struct bytes){ record->key, record->key_size };
    iterator->at = iterator->backwards ? at : at + 1;
    return STATUS_OK;
}

static void file_iterate_end(struct kv_iterator *iterator)
{
    kv_state_release(iterator->file, iterator->state);
    kv_room_free(&iterator->room);
    free(iterator);
}

/* --- verifying -------------------------------------------------------------------------------- */

/* The place: number of the file, then of the record in it, both of the next one to read. */
static void place_write(struct kv_place *place, uint64_t number, uint32_t record)
{
    struct writer writer = writer_init(place->bytes, sizeof place->bytes);
    write_u64(&writer, number);
    write_u32(&writer, record);
    place->size = (uint32_t)writer_size(&writer);
}

/* The file with the lowest number from `number` on; NULL: none. What a compaction moves gets a
 * higher number than any before, so a walk by number misses nothing. */
static const struct kv_data *next_file(const struct kv_state *state, uint64_t number)
{
    const struct kv_data *next = NULL;
    for (uint32_t i = 0; i < state->file_count; i++) {
        const struct kv_data *data = state->files[i];
        if (data->number >= number && (next == NULL || data->number < next->number)) {
            next = data;
        }
    }
    return next;
}

/* Reads records of one file from *at on, until the budget is spent. */
static enum status verify_file(const struct kv_data *data, uint32_t *at, uint64_t *bytes_left,
                               struct error *error)
{
    struct kv_room room = { 0 };
    enum status status = STATUS_OK;
    while (*at<data->count && * bytes_left> 0 && status == STATUS_OK) {
        struct bytes value;
        status = kv_data_read(&data->records[*at], &room, &value, error);
        uint64_t bytes = data->records[*at].key_size + value.size;
        *bytes_left -= bytes < *bytes_left ? bytes : *bytes_left;
        *at += 1;
    }
    kv_room_free(&room);
    return status;
}

static enum status file_verify(struct kv *kv, struct kv_place *place, uint64_t bytes_budget,
                               bool *done, struct error *error)
{
    struct kv_file *file = kv_file_of(kv);
    struct reader reader = reader_init(place->bytes, place->size);
    uint64_t number = read_u64(&reader); /* 0 at the beginning */
    uint32_t first = read_u32(&reader);
    uint64_t bytes_left = bytes_budget > 0 ? bytes_budget : 1;
    struct kv_state *state = kv_state_hold(file);
    enum status status = STATUS_OK;
    const struct kv_data *data = next_file(state, number);
    while (data != NULL && bytes_left > 0 && status == STATUS_OK) {
        uint32_t at = data->number == number ? first : 0;
        status = verify_file(data, &at, &bytes_left, error);
        bool through = at == data->count;
        number = through ? data->number + 1 : data->number;
        first = through ? 0 : at;
        data = next_file(state, number);
    }
    *done = data == NULL;
    if (*done) {
        place->size = 0;
    } else {
        place_write(place, number, first);
    }
    kv_state_release(file, state);
    if (status == STATUS_IO) {
        status = error->status = STATUS_CORRUPT; /* what the disk does not give is lost */
    }
    return status;
}

/* --- tables ----------------------------------------------------------------------------------- */

static enum status file_table_open(struct kv *kv, const char *name, struct kv_table **table,
                                   struct error *error)
{
    struct kv_file *file = kv_file_of(kv);
    struct kv_table *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for table %s", name);
    }
    enum status status = kv_builder_open(&opened->builder, file->next_number, error);
    if (status == STATUS_OK && strlen(name) >= sizeof opened->name) {
        status = error_set(error, STATUS_TOO_LARGE, "the table name %s is too long", name);
    }
    if (status != STATUS_OK) {
        kv_builder_close(&opened->builder);
        free(opened);
        return status;
    }
    file->next_number++;
    opened->file = file;
    memcpy(opened->name, name, strlen(name) + 1);
    *table = opened;
    return STATUS_OK;
}

static enum status file_table_add(struct kv_table *table, struct bytes key, struct bytes value,
                                  struct error *error)
{
    return kv_builder_add(&table->builder, key, value, error);
}

static void file_table_abandon(struct kv_table *table)
{
    kv_builder_close(&table->builder);
    free(table);
}

/* A table that no one will ingest: the name was written again. */
static enum status closed_drop(struct kv_file *file, struct kv_table *table, struct error *error)
{
    enum status status = disk_remove(file->disk, table->data->path, error);
    kv_closed_free(file, table);
    return status;
}

static enum status file_table_close(struct kv_table *table, uint64_t *size, struct error *error)
{
    struct kv_file *file = table->file;
    struct kv_table *older = kv_closed_take(file, table->name);
    enum status status = older == NULL ? STATUS_OK : closed_drop(file, older, error);
    if (status == STATUS_OK) {
        status = kv_data_write(file->disk, file->folder, &table->builder, &table->data, error);
    }
    if (status != STATUS_OK) {
        file_table_abandon(table);
        return status;
    }
    kv_builder_close(&table->builder);
    *size = table->data->size;
    table->next = file->closed;
    file->closed = table;
    return STATUS_OK;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void file_close(struct kv *kv)
{
    struct kv_file *file = kv_file_of(kv);
    while (file->closed != NULL) {
        kv_closed_free(file, kv_closed_take(file, file->closed->name));
    }
    if (file->state != NULL) {
        kv_state_release(file, file->state);
    }
    int result = pthread_mutex_destroy(&file->mutex);
    ASSERT(result == 0);
    free(file);
}

static const struct kv_ops file_ops = {
    .multi_get = file_multi_get,
    .iterate = file_iterate,
    .seek = file_seek,
    .next = file_next,
    .iterate_end = file_iterate_end,
    .table_open = file_table_open,
    .table_add = file_table_add,
    .table_close = file_table_close,
    .table_abandon = file_table_abandon,
    .ingest = kv_file_ingest,
    .commit = kv_file_commit,
    .checkpoint = kv_file_checkpoint,
    .verify = file_verify,
    .close = file_close,
};

enum status kv_file_open(struct disk *disk, const char *folder, struct kv **kv, struct error *error)
{
    struct kv_file *file = calloc(1, sizeof *file);
    if (file == NULL || pthread_mutex_init(&file->mutex, NULL) != 0) {
        free(file);
        return error_set(error, STATUS_MEMORY, "no memory for the store in %s", folder);
    }
    file->kv.ops = &file_ops;
    file->disk = disk;
    enum status status = kv_file_load(file, folder, error);
    if (status != STATUS_OK) {
        file_close(&file->kv);
        return status;
    }
    *kv = &file->kv;
    return STATUS_OK;
}
