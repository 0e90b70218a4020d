/* disk_contract.h — what every implementation of base/disk.h must do, as cmocka tests.
 *
 * The one of the kernel runs them in test_disk_os.c; another one (the simulator's) runs the same.
 * Each check works in `folder`, an empty folder that exists, and leaves it empty.
 */
#pragma once

#include "base/disk.h"

struct disk_subject {
    struct disk disk;
    const char *folder;
};

/* All of them, one after the other; a violation fails the running test. */
void disk_contract(struct disk_subject *subject);
