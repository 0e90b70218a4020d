/* kv_kinds.h — the key-value stores that tests of the store run on. Failures fail the test. */
#pragma once

#include "ledger/store/kv.h"
#include "sim/sim_disk.h"

enum kv_kind {
    KV_SIMULATED, /* kv_file on a simulated disk: one thread */
    KV_FILES,     /* kv_file on the kernel's files */
    KV_ROCKS,
};

/* Where a kv lies: it can be opened again and again, one at a time. */
struct kv_home {
    enum kv_kind kind;
    struct disk os;
    struct sim_disk *sim;       /* KV_SIMULATED */
    char folder[DISK_PATH_MAX]; /* of the kv, on its disk */
    char top[DISK_PATH_MAX];    /* that is removed at the end; else empty */
};

void kv_home_begin(struct kv_home *home, enum kv_kind kind);
struct kv *kv_home_open(struct kv_home *home);
/* The disk that the home is on. */
struct disk *kv_home_disk(struct kv_home *home);
void kv_home_end(struct kv_home *home);

/* One on a simulated disk of its own, which goes with it. */
struct kv *kv_simulated_open(void);
