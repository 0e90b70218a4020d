/* fuzz.h — the entry point that each fuzz target defines: libFuzzer calls it, and replay_main.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
