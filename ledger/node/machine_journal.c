#include "ledger/node/machine_journal.h"

#include "base/assert.h"

#include <string.h>

static enum status read_metadata(struct store *store, u128 id, uint8_t *rows, uint32_t *count,
                                 struct error *error)
{
    struct metadata_record record;
    bool found;
    TRY(store_object(store, OBJECT_METADATA_JOURNAL, id, &record, &found, error));
    if (found) {
        const size_t size = (size_t)JOURNAL_METADATA_UNITS * EVENT_SIZE;
        memset(rows, 0, size);
        memcpy(rows, record.map, sizeof record.map);
        *count += JOURNAL_METADATA_UNITS;
    }
    return STATUS_OK;
}

enum status machine_read_journal(struct store *store, u128 id, uint8_t *rows, uint32_t *count,
                                 struct error *error)
{
    struct journal journal;
    bool found;
    *count = 0;
    TRY(store_object(store, OBJECT_JOURNAL, id, &journal, &found, error));
    if (!found || journal.state != JOURNAL_POSTED) {
        return STATUS_OK;
    }
    ASSERT((uintptr_t)rows % 16 == 0);
    memcpy(rows, &journal, sizeof journal);
    TRY(store_journal_legs(store, &journal, (struct transfer *)(void *)(rows + sizeof journal),
                           error));
    *count = 2 + journal.leg_count;
    return read_metadata(store, id, rows + (size_t)*count * EVENT_SIZE, count, error);
}
