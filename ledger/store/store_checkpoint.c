/* store_checkpoint.c — the two records without a number in their key: checkpoint and format. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHECKPOINT_VERSION = 5,
    /* version, four u64, digest, seven counts, count of kinds of objects, of ranges, size of extra,
     * checksum */
    CHECKPOINT_FIXED = 1 + 32 + 16 + 56 + 4 + 4 + 4 + 4,
    CHECKPOINT_KINDS = OBJECT_KINDS - 1,
};

size_t checkpoint_size(const struct sealed_past *past, size_t extra_size)
{
    return CHECKPOINT_FIXED + CHECKPOINT_KINDS * sizeof past->objects[0] +
           past->ranges.count * sizeof(struct id_range) + eras_size(&past->eras) + extra_size;
}

void checkpoint_write(uint8_t *value, const struct sealed_past *past, struct bytes extra)
{
    size_t size = checkpoint_size(past, extra.size);
    ASSERT(size <= KV_VALUE_MAX);
    struct writer writer = writer_init(value, size);
    write_u8(&writer, CHECKPOINT_VERSION);
    write_u64(&writer, past->log_index);
    write_u64(&writer, past->log_term);
    write_u64(&writer, past->timestamp);
    write_u64(&writer, past->log_chain);
    write_u128(&writer, past->digest);
    write_u64(&writer, past->accounts);
    write_u64(&writer, past->transfers);
    write_u64(&writer, past->failed_ids);
    write_u64(&writer, past->changes);
    write_u64(&writer, past->holds);
    write_u64(&writer, past->dues);
    write_u64(&writer, past->versions);
    write_u32(&writer, CHECKPOINT_KINDS);
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        write_u64(&writer, past->objects[kind]);
    }
    id_ranges_write(&past->ranges, &writer);
    eras_write(&past->eras, &writer);
    write_u32(&writer, (uint32_t)extra.size);
    write_bytes(&writer, extra.data, extra.size);
    write_u32(&writer, crc32c(value, writer_size(&writer)));
    ASSERT(!writer.failed && writer_size(&writer) == size);
}

/* A later program may know more kinds. */
static bool read_counts_of_objects(struct sealed_past *past, struct reader *reader)
{
    const uint32_t count = read_u32(reader);
    if (count >= OBJECT_KINDS) {
        return false;
    }
    for (uint32_t kind = 1; kind <= count; kind++) {
        past->objects[kind] = read_u64(reader);
    }
    return true;
}

static enum status damaged(struct error *error, const char *what)
{
    return error_set(error, STATUS_CORRUPT, "the checkpoint record of the store is damaged (%s)",
                     what);
}

enum status checkpoint_read(struct bytes value, struct sealed_past *past, struct bytes *extra,
                            struct error *error)
{
    if (value.size < CHECKPOINT_FIXED) {
        return damaged(error, "too short");
    }
    if (value.data[0] != CHECKPOINT_VERSION) {
        return error_set(error, STATUS_VERSION,
                         "the store's checkpoint record has version %u, this program reads %u: use "
                         "the version of fenlu that wrote it",
                         (unsigned)value.data[0], (unsigned)CHECKPOINT_VERSION);
    }
    struct reader reader = reader_init(value.data, value.size);
    (void)read_u8(&reader);
    past->log_index = read_u64(&reader);
    past->log_term = read_u64(&reader);
    past->timestamp = read_u64(&reader);
    past->log_chain = read_u64(&reader);
    past->digest = read_u128(&reader);
    past->accounts = read_u64(&reader);
    past->transfers = read_u64(&reader);
    past->failed_ids = read_u64(&reader);
    past->changes = read_u64(&reader);
    past->holds = read_u64(&reader);
    past->dues = read_u64(&reader);
    past->versions = read_u64(&reader);
    if (!read_counts_of_objects(past, &reader)) {
        return damaged(error, "kinds of objects");
    }
    if (!id_ranges_read(&past->ranges, &reader)) {
        return damaged(error, "id ranges");
    }
    if (!eras_read(&past->eras, &reader)) {
        return damaged(error, "eras");
    }
    extra->size = read_u32(&reader);
    extra->data = read_bytes(&reader, extra->size);
    uint32_t expected = read_u32(&reader);
    if (!reader_done(&reader) || expected != crc32c(value.data, value.size - sizeof expected)) {
        return damaged(error, "checksum");
    }
    return STATUS_OK;
}

/* --- loading ---------------------------------------------------------------------------------- */

static enum status kv_is_empty(struct kv *kv, bool *empty, struct error *error)
{
    struct kv_iterator *iterator;
    static const uint8_t lowest[1] = { 0 };
    struct bytes key, value;
    TRY(kv->ops->iterate(kv, (struct bytes){ lowest, sizeof lowest }, false, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    *empty = status == STATUS_OK && key.data == NULL;
    kv->ops->iterate_end(iterator);
    return status;
}

static enum status create_format(struct kv *kv, struct error *error)
{
    bool empty;
    TRY(kv_is_empty(kv, &empty, error));
    if (!empty) {
        return error_set(error, STATUS_CORRUPT,
                         "the store has records but none that names its format");
    }
    static const uint8_t key[1] = { KEY_FORMAT };
    uint8_t value[4];
    struct writer writer = writer_init(value, sizeof value);
    write_u32(&writer, STORE_FORMAT_VERSION);
    struct kv_put put = { .key = { key, sizeof key }, .value = { value, sizeof value } };
    return kv->ops->commit(kv, &put, 1, error);
}

static enum status check_format(struct kv *kv, struct error *error)
{
    static const uint8_t key[1] = { KEY_FORMAT };
    uint8_t value[4];
    struct kv_get get = { .key = { key, sizeof key }, .value = value, .value_max = sizeof value };
    TRY(kv->ops->multi_get(kv, &get, 1, error));
    if (!get.found) {
        return create_format(kv, error);
    }
    struct reader reader = reader_init(value, get.value_size);
    uint32_t version = read_u32(&reader);
    if (!reader_done(&reader)) {
        return error_set(error, STATUS_CORRUPT, "the store's format record is damaged");
    }
    if (version != STORE_FORMAT_VERSION) {
        return error_set(error, STATUS_VERSION,
                         "the store has format %u, this program reads %u: use the version of "
                         "fenlu that wrote it",
                         (unsigned)version, (unsigned)STORE_FORMAT_VERSION);
    }
    return STATUS_OK;
}

static enum status copy_extra(struct bytes extra, uint8_t **copy, size_t *size, struct error *error)
{
    *size = extra.size;
    if (extra.size == 0) {
        return STATUS_OK;
    }
    *copy = malloc(extra.size);
    if (*copy == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %zu bytes of checkpoint", extra.size);
    }
    memcpy(*copy, extra.data, extra.size);
    return STATUS_OK;
}

enum status checkpoint_load(struct kv *kv, struct sealed_past *past, uint8_t **extra,
                            size_t *extra_size, struct error *error)
{
    TRY(check_format(kv, error));
    *past = (struct sealed_past){ 0 };
    *extra = NULL;
    *extra_size = 0;
    static const uint8_t from[1] = { KEY_CHECKPOINT };
    struct kv_iterator *iterator;
    struct bytes key, value;
    TRY(kv->ops->iterate(kv, (struct bytes){ from, sizeof from }, false, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    if (status == STATUS_OK && key.data != NULL && key.size == 1 && key.data[0] == KEY_CHECKPOINT) {
        struct bytes found = { 0 };
        status = checkpoint_read(value, past, &found, error);
        if (status == STATUS_OK) {
            status = copy_extra(found, extra, extra_size, error);
        }
    }
    kv->ops->iterate_end(iterator);
    return status;
}
