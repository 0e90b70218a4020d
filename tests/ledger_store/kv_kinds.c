#include "tests/ledger_store/kv_kinds.h"

#include "tests/ledger_store/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void kv_home_begin(struct kv_home *home, enum kv_kind kind)
{
    struct error error = { 0 };
    *home = (struct kv_home){ .kind = kind, .os = disk_os() };
    if (kind == KV_SIMULATED) {
        home->sim = sim_disk_new();
    } else {
        folder_make(home->top);
    }
    const char *parent = kind == KV_SIMULATED ? "d" : home->top;
    assert_int_equal(disk_join(home->folder, parent, "kv", &error), STATUS_OK);
}

struct disk *kv_home_disk(struct kv_home *home)
{
    return home->kind == KV_SIMULATED ? &home->sim->disk : &home->os;
}

struct kv *kv_home_open(struct kv_home *home)
{
    struct kv_rocks_options options = { .folder = home->folder,
                                        .cache_bytes = 8 * 1024 * 1024,
                                        .background_jobs = 2 };
    struct kv *kv = NULL;
    struct error error = { 0 };
    enum status status = home->kind == KV_ROCKS
                             ? kv_rocks_open(&options, &kv, &error)
                             : kv_file_open(kv_home_disk(home), home->folder, &kv, &error);
    if (status != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return kv;
}

void kv_home_end(struct kv_home *home)
{
    if (home->kind == KV_SIMULATED) {
        sim_disk_free(home->sim);
    } else {
        folder_remove(home->top);
    }
}

/* --- one with its own disk -------------------------------------------------------------------- */

struct own {
    struct kv_ops ops; /* those of kv_file, but for close */
    void (*close)(struct kv *kv);
    struct kv_home home;
};

static void own_close(struct kv *kv)
{
    struct own *own = (struct own *)(uintptr_t)kv->ops; /* ops is its first member */
    own->close(kv);
    kv_home_end(&own->home);
    free(own);
}

struct kv *kv_simulated_open(void)
{
    struct own *own = malloc(sizeof *own);
    assert_non_null(own);
    kv_home_begin(&own->home, KV_SIMULATED);
    struct kv *kv = kv_home_open(&own->home);
    own->ops = *kv->ops;
    own->close = own->ops.close;
    own->ops.close = own_close;
    kv->ops = &own->ops;
    return kv;
}
