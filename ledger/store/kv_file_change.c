#include "ledger/store/kv_file.h"

#include <stdlib.h>
#include <string.h>

static struct kv_manifest manifest_of(const struct kv_file *file, struct kv_data *const *files,
                                      uint32_t count)
{
    struct kv_manifest manifest = { .sequence = file->sequence + 1,
                                    .next_number = file->next_number,
                                    .count = count };
    for (uint32_t i = 0; i < count; i++) {
        manifest.files[i].number = files[i]->number;
        manifest.files[i].size = files[i]->size;
    }
    return manifest;
}

/* From here on these files count and no others. */
static enum status publish(struct kv_file *file, struct kv_state *state, struct error *error)
{
    struct kv_manifest manifest = manifest_of(file, state->files, state->file_count);
    enum status status = kv_manifest_write(file->disk, file->folder, &manifest, false, error);
    if (status != STATUS_OK) {
        free(state);
        return status;
    }
    file->sequence = manifest.sequence;
    kv_state_publish(file, state);
    return STATUS_OK;
}

static enum status add_records(struct kv_builder *builder, const struct kv_record *const *records,
                               size_t count, struct error *error)
{
    struct kv_room room = { 0 };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct bytes value;
        struct bytes key = { records[i]->key, records[i]->key_size };
        status = kv_data_read(records[i], &room, &value, error);
        if (status == STATUS_OK) {
            status = kv_builder_add(builder, key, value, error);
        }
    }
    kv_room_free(&room);
    return status;
}

/* One data file of these records. */
static enum status write_records(struct disk *disk, const char *folder, uint64_t number,
                                 const struct kv_record *const *records, size_t count,
                                 struct kv_data **data, struct error *error)
{
    struct kv_builder builder;
    TRY(kv_builder_open(&builder, number, error));
    enum status status = add_records(&builder, records, count, error);
    if (status == STATUS_OK) {
        status = kv_data_write(disk, folder, &builder, data, error);
    }
    kv_builder_close(&builder);
    return status;
}

/* --- compaction ------------------------------------------------------------------------------- */

/* The first of the newest files that are merged: two at least, and on while the next older one is
 * at most twice as large as all of them. */
static uint32_t compact_from(const struct kv_state *state)
{
    uint32_t from = state->file_count - 1;
    uint64_t size = state->files[from]->size;
    while (from > 0 && (from + 2 > state->file_count || state->files[from - 1]->size <= 2 * size)) {
        from--;
        size += state->files[from]->size;
    }
    return from;
}

static enum status merge_files(struct kv_file *file, const struct kv_state *state, uint32_t from,
                               struct kv_data **merged, struct error *error)
{
    const struct kv_record **records = NULL;
    size_t count = 0;
    for (uint32_t i = from; i < state->file_count; i++) {
        const struct kv_data *data = state->files[i];
        const struct kv_record **next =
            kv_merge(records, count, data->records, data->count, from > 0, &count);
        free(records);
        records = next;
    }
    enum status status =
        write_records(file->disk, file->folder, file->next_number++, records, count, merged, error);
    free(records);
    return status;
}

static enum status compact(struct kv_file *file, struct error *error)
{
    struct kv_state *old = kv_state_hold(file);
    uint32_t from = compact_from(old);
    struct kv_data *files[KV_FILES_MAX];
    memcpy(files, old->files, from * sizeof(void *));
    enum status status = merge_files(file, old, from, &files[from], error);
    if (status == STATUS_OK) {
        status = publish(file, kv_state_new(files, from + 1), error);
        kv_data_release(file, files[from]);
    }
    for (uint32_t i = from; i < old->file_count && status == STATUS_OK; i++) {
        status = disk_remove(file->disk, old->files[i]->path, error);
    }
    kv_state_release(file, old);
    return status;
}

static enum status make_room(struct kv_file *file, struct error *error)
{
    while (file->state->file_count >= KV_FILES_COMPACT) {
        TRY(compact(file, error)); /* at least one file fewer */
    }
    return STATUS_OK;
}

/* --- tables ----------------------------------------------------------------------------------- */

/* Takes the closed table of that name out of the list, or NULL. */
struct kv_table *kv_closed_take(struct kv_file *file, const char *name)
{
    for (struct kv_table **at = &file->closed; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct kv_table *table = *at;
            *at = table->next;
            return table;
        }
    }
    return NULL;
}

void kv_closed_free(struct kv_file *file, struct kv_table *table)
{
    kv_data_release(file, table->data);
    free(table);
}

static enum status find_closed(struct kv_file *file, const char *name, struct kv_data **data,
                               struct error *error)
{
    for (struct kv_table *at = file->closed; at != NULL; at = at->next) {
        if (strcmp(at->name, name) == 0) {
            *data = at->data;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_NOT_FOUND, "there is no closed table %s", name);
}

enum status kv_file_ingest(struct kv *kv, const char *const *tables, size_t count,
                           struct error *error)
{
    struct kv_file *file = kv_file_of(kv);
    struct kv_data *fresh[KV_INGEST_MAX];
    ASSERT(count > 0 && count <= KV_INGEST_MAX);
    for (size_t i = 0; i < count; i++) {
        TRY(find_closed(file, tables[i], &fresh[i], error));
    }
    TRY(make_room(file, error));
    TRY(publish(file, kv_state_extend(file->state, fresh, (uint32_t)count), error));
    for (size_t i = 0; i < count; i++) {
        kv_closed_free(file, kv_closed_take(file, tables[i]));
    }
    return STATUS_OK;
}

/* --- commits ---------------------------------------------------------------------------------- */

static int compare_puts(const void *a, const void *b)
{
    const struct kv_put *const *left = a;
    const struct kv_put *const *right = b;
    return kv_compare((*left)->key, (*right)->key);
}

static enum status add_puts(struct kv_builder *builder, const struct kv_put *puts, size_t count,
                            struct error *error)
{
    const struct kv_put **sorted = malloc((count + 1) * sizeof(void *));
    if (sorted == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %zu puts", count);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &puts[i];
    }
    qsort(sorted, count, sizeof sorted[0], compare_puts);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = kv_builder_add(builder, sorted[i]->key, sorted[i]->value, error);
    }
    free(sorted);
    return status;
}

enum status kv_file_commit(struct kv *kv, const struct kv_put *puts, size_t count,
                           struct error *error)
{
    struct kv_file *file = kv_file_of(kv);
    struct kv_builder builder;
    struct kv_data *data = NULL;
    TRY(make_room(file, error));
    TRY(kv_builder_open(&builder, file->next_number++, error));
    enum status status = add_puts(&builder, puts, count, error);
    if (status == STATUS_OK) {
        status = kv_data_write(file->disk, file->folder, &builder, &data, error);
    }
    kv_builder_close(&builder);
    TRY(status);
    status = publish(file, kv_state_extend(file->state, &data, 1), error);
    kv_data_release(file, data);
    return status;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* What counts, in one data file; each byte that goes into it was checked. */
static enum status copy_state(struct kv_file *file, const struct kv_state *state,
                              const char *folder, struct error *error)
{
    struct kv_manifest manifest = { .sequence = 1, .next_number = 2 };
    if (state->count > 0) {
        struct kv_data *data;
        TRY(write_records(file->disk, folder, 1, state->records, state->count, &data, error));
        manifest.count = 1;
        manifest.files[0].number = data->number;
        manifest.files[0].size = data->size;
        kv_data_free(data);
    }
    return kv_manifest_write(file->disk, folder, &manifest, true, error);
}

enum status kv_file_checkpoint(struct kv *kv, const char *folder, struct error *error)
{
    struct kv_file *file = kv_file_of(kv);
    TRY(disk_make_folder(file->disk, folder, error));
    struct kv_state *state = kv_state_hold(file);
    enum status status = copy_state(file, state, folder, error);
    kv_state_release(file, state);
    return status;
}
