#include "ledger/store/eras.h"

#include "base/assert.h"

void eras_seal(struct eras *eras, uint64_t changes, uint32_t seal_events, uint64_t timestamp)
{
    const uint64_t full = (uint64_t)seal_events * ERA_SEALS;
    const uint64_t share = changes / ERA_SHARE;
    ASSERT(changes >= eras->changes_before);
    if (changes - eras->changes_before < (full > share ? full : share) || eras->count == ERAS_MAX) {
        return;
    }
    ASSERT(eras_begin(eras, eras->count) < timestamp);
    eras->begins[eras->count] = timestamp;
    eras->count++;
    eras->ids[eras->count] = (struct id_range){ 0 };
    eras->changes_before = changes;
}

void eras_see_id(struct eras *eras, u128 id)
{
    struct id_range *ids = &eras->ids[eras->count];
    ASSERT(id > 0);
    ids->first = ids->last == 0 || id < ids->first ? id : ids->first;
    ids->last = id > ids->last ? id : ids->last;
}

uint64_t eras_begin(const struct eras *eras, uint32_t era)
{
    ASSERT(era <= eras->count);
    return era == 0 ? 0 : eras->begins[era - 1];
}

uint32_t eras_at(const struct eras *eras, uint64_t timestamp)
{
    uint32_t low = 0;
    uint32_t high = eras->count;
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        if (eras_begin(eras, middle) <= timestamp) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

bool eras_cover_id(const struct eras *eras, uint32_t era, u128 id)
{
    ASSERT(era <= eras->count);
    return eras->ids[era].first <= id && id <= eras->ids[era].last;
}

size_t eras_size(const struct eras *eras)
{
    return sizeof eras->changes_before + sizeof eras->count + eras->count * sizeof eras->begins[0] +
           (eras->count + 1) * sizeof eras->ids[0];
}

void eras_write(const struct eras *eras, struct writer *writer)
{
    write_u64(writer, eras->changes_before);
    write_u32(writer, eras->count);
    for (uint32_t i = 0; i < eras->count; i++) {
        write_u64(writer, eras->begins[i]);
    }
    for (uint32_t i = 0; i <= eras->count; i++) {
        write_u128(writer, eras->ids[i].first);
        write_u128(writer, eras->ids[i].last);
    }
}

static bool read_ids(struct id_range *ids, struct reader *reader)
{
    ids->first = read_u128(reader);
    ids->last = read_u128(reader);
    return ids->first <= ids->last && (ids->first > 0 || ids->last == 0);
}

bool eras_read(struct eras *eras, struct reader *reader)
{
    eras->changes_before = read_u64(reader);
    eras->count = read_u32(reader);
    if (eras->count > ERAS_MAX) {
        return false;
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < eras->count; i++) {
        eras->begins[i] = read_u64(reader);
        if (eras->begins[i] <= before) {
            return false;
        }
        before = eras->begins[i];
    }
    for (uint32_t i = 0; i <= eras->count; i++) {
        if (!read_ids(&eras->ids[i], reader)) {
            return false;
        }
    }
    return !reader->failed;
}
