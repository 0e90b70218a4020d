#include "api/grpc/grpc_metadata.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

enum {
    ENTRY_OVERHEAD = 32, /* RFC 9113 §6.5.2 */
    TEXT_FIRST = 256,
};
_Static_assert(GRPC_HEADER_LIST_MAX <= UINT16_MAX, "positions are 16 bits");

void grpc_metadata_free(struct grpc_metadata *metadata)
{
    free(metadata->text);
    metadata->text = NULL;
    metadata->text_capacity = 0;
    grpc_metadata_clear(metadata);
}

void grpc_metadata_clear(struct grpc_metadata *metadata)
{
    metadata->text_used = 0;
    metadata->list_size = 0;
    metadata->count = 0;
}

static void make_room(struct grpc_metadata *metadata, uint32_t size)
{
    if (metadata->text != NULL && metadata->text_capacity - metadata->text_used >= size) {
        return;
    }
    uint32_t capacity = metadata->text_capacity == 0 ? TEXT_FIRST : metadata->text_capacity;
    while (capacity - metadata->text_used < size) {
        capacity *= 2;
    }
    metadata->text = realloc(metadata->text, capacity);
    ASSERT(metadata->text != NULL);
    metadata->text_capacity = capacity;
}

static uint16_t append(struct grpc_metadata *metadata, struct bytes text)
{
    uint32_t at = metadata->text_used;
    if (text.size > 0) {
        memcpy(metadata->text + at, text.data, text.size);
    }
    metadata->text_used += (uint32_t)text.size;
    return (uint16_t)at;
}

enum status grpc_metadata_add(struct grpc_metadata *metadata, struct bytes name, struct bytes value)
{
    if (metadata->count == GRPC_METADATA_MAX || name.size > GRPC_HEADER_LIST_MAX ||
        value.size > GRPC_HEADER_LIST_MAX) {
        return STATUS_TOO_LARGE;
    }
    uint32_t size = (uint32_t)(name.size + value.size);
    if (metadata->list_size + size + ENTRY_OVERHEAD > GRPC_HEADER_LIST_MAX) {
        return STATUS_TOO_LARGE;
    }
    make_room(metadata, size);
    struct grpc_metadata_entry *entry = &metadata->entries[metadata->count++];
    entry->name_size = (uint16_t)name.size;
    entry->value_size = (uint16_t)value.size;
    entry->name_at = append(metadata, name);
    entry->value_at = append(metadata, value);
    metadata->list_size += size + ENTRY_OVERHEAD;
    return STATUS_OK;
}

struct grpc_header grpc_metadata_at(const struct grpc_metadata *metadata, uint32_t index)
{
    ASSERT(index < metadata->count);
    const struct grpc_metadata_entry *entry = &metadata->entries[index];
    return (struct grpc_header){
        .name = { .data = metadata->text + entry->name_at, .size = entry->name_size },
        .value = { .data = metadata->text + entry->value_at, .size = entry->value_size },
    };
}

bool grpc_metadata_find(const struct grpc_metadata *metadata, const char *name, struct bytes *value)
{
    for (uint32_t i = 0; i < metadata->count; i++) {
        struct grpc_header header = grpc_metadata_at(metadata, i);
        if (grpc_text_equal(header.name, name)) {
            *value = header.value;
            return true;
        }
    }
    return false;
}
