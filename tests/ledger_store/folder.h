/* folder.h — a temporary folder of a test. */
#pragma once

#include "base/disk.h"

/* Creates one under $TMPDIR or /tmp. */
void folder_make(char path[DISK_PATH_MAX]);
void folder_remove(const char *path);
/* Bytes of all files in it; `suffix` may be "" */
uint64_t folder_bytes(const char *path, const char *suffix);
