/* store_rocks_pace.c — how far compaction is behind, and what is done about it.
 *
 * RocksDB slows down writes to its memtable when compaction falls behind, but no ingest, and an
 * ingest that waited for one long compaction would stop the ledger for as long. So the writing of
 * tables is slowed down before: the more of them lie in level 0 the more, and with it the progress
 * of the seal, which entries follow (store_seal_behind). A table beyond ROCKS_LEVEL_0_SLOW makes a
 * seal of 262,144 transfers, which takes 0.2 to 0.4 s and leaves three or four, last 17 ms longer,
 * the last before the wait more than a second: some 15 s pass until the wait of the ingest, the last
 * resort, and no entry waits for more than 50 ms.
 */
#include "base/assert.h"
#include "ledger/store/store_rocks.h"

#include <rocksdb/c.h>
#include <stdlib.h>
#include <time.h>

enum {
    SLOW_FILE_NS = 200000, /* a piece, for each table beyond ROCKS_LEVEL_0_SLOW */
    WAIT_NS = 2000000,
};

static uint64_t property(rocksdb_t *database, rocksdb_column_family_handle_t *family,
                         const char *name)
{
    uint64_t value = 0;
    int result = rocksdb_property_int_cf(database, family, name, &value);
    ASSERT(result == 0);
    return value;
}

struct rocks_load rocks_load_of(rocksdb_t *database, rocksdb_column_family_handle_t *family)
{
    char name[] = "rocksdb.num-files-at-level0";
    char *text = rocksdb_property_value_cf(database, family, name);
    ASSERT(text != NULL);
    struct rocks_load load = {
        .level_0_files = (uint32_t)strtoul(text, NULL, 10),
        .merging = property(database, family, "rocksdb.num-running-compactions") > 0 ||
                   property(database, family, "rocksdb.compaction-pending") > 0,
        .failed = property(database, family, "rocksdb.background-errors") > 0,
    };
    rocksdb_free(text);
    return load;
}

static bool behind(const struct rocks_load *load, uint32_t files)
{
    return load->level_0_files >= files && load->merging && !load->failed;
}

static void pause_ns(uint64_t ns)
{
    const struct timespec pause = { .tv_nsec = (long)ns };
    (void)nanosleep(&pause, NULL);
}

void rocks_slow_down(rocksdb_t *database, rocksdb_column_family_handle_t *family)
{
    const struct rocks_load load = rocks_load_of(database, family);
    if (behind(&load, ROCKS_LEVEL_0_SLOW)) {
        const uint32_t more = load.level_0_files - ROCKS_LEVEL_0_SLOW + 1;
        pause_ns((uint64_t)more * SLOW_FILE_NS);
    }
}

void rocks_wait(rocksdb_t *database, rocksdb_column_family_handle_t *family)
{
    struct rocks_load load = rocks_load_of(database, family);
    while (behind(&load, ROCKS_LEVEL_0_WAIT)) {
        pause_ns(WAIT_NS);
        load = rocks_load_of(database, family);
    }
}
