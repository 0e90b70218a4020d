#include "base/crc32c.h"
#include "ledger/store/kv_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAGIC = 0x01647646, /* "Fvd", version 1 */
    HEADER_SIZE = 24,
    RECORD_HEAD_SIZE = 10,
    BUILDER_CAPACITY = 16 * 1024,
};

enum status kv_data_path(char path[DISK_PATH_MAX], const char *folder, uint64_t number,
                         struct error *error)
{
    char name[DISK_NAME_MAX];
    (void)snprintf(name, sizeof name, "%016" PRIx64 ".data", number);
    return disk_join(path, folder, name, error);
}

bool kv_data_number(const char *name, uint64_t *number)
{
    char *end;
    *number = strtoull(name, &end, 16);
    return end == name + 16 && strcmp(end, ".data") == 0;
}

static uint32_t place_crc(uint64_t number, uint64_t offset)
{
    uint8_t place[16];
    struct writer writer = writer_init(place, sizeof place);
    write_u64(&writer, number);
    write_u64(&writer, offset);
    return crc32c(place, sizeof place);
}

static uint32_t record_crc(uint64_t number, uint64_t offset, const uint8_t *record, size_t size)
{
    return crc32c_extend(place_crc(number, offset), record + 4, size - 4);
}

static size_t record_size(size_t key_size, uint32_t value_size)
{
    return RECORD_HEAD_SIZE + key_size + (value_size == KV_DELETED ? 0 : value_size);
}

static enum status damaged(const struct kv_data *data, uint64_t offset, const char *what,
                           struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "store file %s: %s at byte %" PRIu64 " is damaged",
                     data->path, what, offset);
}

/* --- making one ------------------------------------------------------------------------------- */

enum status kv_builder_open(struct kv_builder *builder, uint64_t number, struct error *error)
{
    *builder = (struct kv_builder){ .number = number, .bytes = malloc(BUILDER_CAPACITY) };
    if (builder->bytes == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a file of the store");
    }
    builder->capacity = BUILDER_CAPACITY;
    builder->size = HEADER_SIZE;
    return STATUS_OK;
}

static enum status grow(struct kv_builder *builder, size_t more, struct error *error)
{
    if (builder->capacity - builder->size >= more) {
        return STATUS_OK;
    }
    size_t capacity = builder->capacity * 2;
    capacity = capacity < builder->size + more ? builder->size + more : capacity;
    uint8_t *bytes = realloc(builder->bytes, capacity);
    if (bytes == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a file of the store");
    }
    builder->bytes = bytes;
    builder->capacity = capacity;
    return STATUS_OK;
}

enum status kv_builder_add(struct kv_builder *builder, struct bytes key, struct bytes value,
                           struct error *error)
{
    ASSERT(key.data != NULL && key.size > 0 && key.size <= KV_KEY_MAX);
    ASSERT(value.size <= KV_VALUE_MAX);
    struct bytes last = { builder->last_key, builder->last_key_size };
    ASSERT(builder->count == 0 || kv_compare(last, key) < 0); /* each key once, ascending */
    uint32_t value_size = value.data == NULL ? KV_DELETED : (uint32_t)value.size;
    size_t size = record_size(key.size, value_size);
    TRY(grow(builder, size, error));
    uint8_t *record = builder->bytes + builder->size;
    struct writer writer = writer_init(record, size);
    write_u32(&writer, 0);
    write_u32(&writer, value_size);
    write_u16(&writer, (uint16_t)key.size);
    write_bytes(&writer, key.data, key.size);
    if (value.data != NULL) {
        write_bytes(&writer, value.data, value.size);
    }
    uint32_t crc = record_crc(builder->number, builder->size, record, size);
    struct writer first = writer_init(record, sizeof crc);
    write_u32(&first, crc);
    memcpy(builder->last_key, key.data, key.size);
    builder->last_key_size = key.size;
    builder->size += size;
    builder->count++;
    return STATUS_OK;
}

static void write_header(struct kv_builder *builder)
{
    struct writer writer = writer_init(builder->bytes, HEADER_SIZE);
    write_u32(&writer, 0);
    write_u32(&writer, MAGIC);
    write_u64(&writer, builder->number);
    write_u32(&writer, builder->count);
    write_u32(&writer, 0);
    struct writer first = writer_init(builder->bytes, 4);
    write_u32(&first, crc32c(builder->bytes + 4, HEADER_SIZE - 4));
}

void kv_builder_close(struct kv_builder *builder)
{
    free(builder->bytes);
    builder->bytes = NULL;
}

/* --- what lies in one ------------------------------------------------------------------------- */

static enum status index_record(struct kv_data *data, struct reader *reader, const uint8_t *bytes,
                                uint8_t **key_room, struct error *error)
{
    const uint8_t *record = reader->at;
    uint64_t offset = (uint64_t)(record - bytes);
    uint32_t crc = read_u32(reader);
    uint32_t value_size = read_u32(reader);
    uint16_t key_size = read_u16(reader);
    const uint8_t *key = read_bytes(reader, key_size);
    (void)read_bytes(reader, value_size == KV_DELETED ? 0 : value_size);
    if (reader->failed || key_size == 0 || key_size > KV_KEY_MAX ||
        crc != record_crc(data->number, offset, record, record_size(key_size, value_size))) {
        return damaged(data, offset, "the record", error);
    }
    struct kv_record *indexed = &data->records[data->count];
    *indexed = (struct kv_record){ .data = data,
                                   .key = *key_room,
                                   .offset = offset,
                                   .value_size = value_size,
                                   .key_size = key_size };
    memcpy(*key_room, key, key_size);
    if (data->count > 0 && kv_compare((struct bytes){ indexed[-1].key, indexed[-1].key_size },
                                      (struct bytes){ indexed->key, indexed->key_size }) >= 0) {
        return damaged(data, offset, "the order of the record", error);
    }
    *key_room += key_size;
    data->count++;
    return STATUS_OK;
}

/* Remembers where the records lie; checks everything. */
static enum status index_data(struct kv_data *data, const uint8_t *bytes, struct error *error)
{
    struct reader reader = reader_init(bytes, data->size);
    uint32_t crc = read_u32(&reader);
    uint32_t magic = read_u32(&reader);
    uint64_t number = read_u64(&reader);
    uint32_t count = read_u32(&reader);
    uint32_t zero = read_u32(&reader);
    if (reader.failed || crc != crc32c(bytes + 4, HEADER_SIZE - 4) || magic != MAGIC ||
        number != data->number || zero != 0 || count > data->size / RECORD_HEAD_SIZE) {
        return damaged(data, 0, "the header", error);
    }
    data->records = malloc((count + 1) * sizeof *data->records);
    data->keys = malloc(data->size); /* keys are a part of it */
    if (data->records == NULL || data->keys == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the index of %s", data->path);
    }
    uint8_t *key_room = data->keys;
    for (uint32_t i = 0; i < count; i++) {
        TRY(index_record(data, &reader, bytes, &key_room, error));
    }
    return reader_done(&reader) ? STATUS_OK : damaged(data, data->size, "the end", error);
}

static enum status data_new(struct disk *disk, const char *folder, uint64_t number, uint64_t size,
                            struct kv_data **data, struct error *error)
{
    struct kv_data *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a file of the store");
    }
    made->disk = disk;
    made->file.handle = -1;
    made->number = number;
    made->size = size;
    made->references = 1;
    enum status status = kv_data_path(made->path, folder, number, error);
    if (status != STATUS_OK) {
        free(made);
        return status;
    }
    *data = made;
    return STATUS_OK;
}

void kv_data_free(struct kv_data *data)
{
    if (data->file.handle >= 0) {
        disk_close(data->disk, data->file);
    }
    free(data->records);
    free(data->keys);
    free(data);
}

/* --- writing and opening ---------------------------------------------------------------------- */

static enum status write_bytes_of(struct kv_data *data, const struct kv_builder *builder,
                                  const char *folder, struct error *error)
{
    struct disk_slice slice = { builder->bytes, builder->size };
    TRY(disk_open(data->disk, data->path, DISK_CREATE, &data->file, error));
    TRY(disk_allocate(data->disk, data->file, builder->size, error));
    TRY(disk_write(data->disk, data->file, 0, &slice, 1, error));
    TRY(disk_sync(data->disk, data->file, error));
    return disk_sync_folder(data->disk, folder, error);
}

/* A file that does not count: of the two failures the first is told. */
static enum status give_up(struct kv_data *data, enum status status, struct error *error)
{
    struct error second;
    if (data->file.handle >= 0) {
        disk_close(data->disk, data->file);
        data->file.handle = -1;
        if (disk_remove(data->disk, data->path, &second) != STATUS_OK &&
            status == STATUS_NO_SPACE) {
            *error = second; /* it keeps the space that the next attempt wants */
            status = second.status;
        }
    }
    kv_data_free(data);
    return status;
}

enum status kv_data_write(struct disk *disk, const char *folder, struct kv_builder *builder,
                          struct kv_data **data, struct error *error)
{
    struct kv_data *made;
    write_header(builder);
    TRY(data_new(disk, folder, builder->number, builder->size, &made, error));
    enum status status = write_bytes_of(made, builder, folder, error);
    if (status == STATUS_OK) {
        status = index_data(made, builder->bytes, error);
    }
    if (status != STATUS_OK) {
        return give_up(made, status, error);
    }
    *data = made;
    return STATUS_OK;
}

static enum status load(struct kv_data *data, struct error *error)
{
    uint64_t size;
    enum status status = disk_open(data->disk, data->path, DISK_READ, &data->file, error);
    if (status == STATUS_NOT_FOUND) {
        return error_set(error, STATUS_CORRUPT, "store file %s is missing", data->path);
    }
    TRY(status);
    TRY(disk_size(data->disk, data->file, &size, error));
    if (size != data->size) {
        return error_set(error, STATUS_CORRUPT,
                         "store file %s has %" PRIu64 " bytes and should have %" PRIu64, data->path,
                         size, data->size);
    }
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %s", data->path);
    }
    status = disk_read(data->disk, data->file, 0, bytes, size, error);
    if (status == STATUS_OK) {
        status = index_data(data, bytes, error);
    }
    free(bytes);
    return status;
}

enum status kv_data_open(struct disk *disk, const char *folder, uint64_t number, uint64_t size,
                         struct kv_data **data, struct error *error)
{
    struct kv_data *made;
    TRY(data_new(disk, folder, number, size, &made, error));
    enum status status = load(made, error);
    if (status != STATUS_OK) {
        kv_data_free(made);
        return status;
    }
    *data = made;
    return STATUS_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

void kv_room_free(struct kv_room *room)
{
    free(room->bytes);
    *room = (struct kv_room){ 0 };
}

enum status kv_data_read(const struct kv_record *record, struct kv_room *room, struct bytes *value,
                         struct error *error)
{
    const struct kv_data *data = record->data;
    size_t size = record_size(record->key_size, record->value_size);
    if (size > room->size) {
        uint8_t *bytes = realloc(room->bytes, 2 * size);
        if (bytes == NULL) {
            return error_set(error, STATUS_MEMORY, "no memory to read %s", data->path);
        }
        room->bytes = bytes;
        room->size = 2 * size;
    }
    TRY(disk_read(data->disk, data->file, record->offset, room->bytes, size, error));
    struct reader reader = reader_init(room->bytes, size);
    uint32_t crc = read_u32(&reader);
    if (crc != record_crc(data->number, record->offset, room->bytes, size)) {
        return damaged(data, record->offset, "the record", error);
    }
    const uint8_t *bytes = room->bytes + RECORD_HEAD_SIZE + record->key_size;
    bool deleted = record->value_size == KV_DELETED;
    *value = (struct bytes){ deleted ? NULL : bytes, deleted ? 0 : record->value_size };
    return STATUS_OK;
}
