#include "tests/ledger_core/model_options.h"

#include "base/u128.h"

#include <stdio.h>
#include <string.h>

static bool take(const char *name, const char *value, struct model_options *options)
{
    uint64_t *target = strcmp(name, "--seed") == 0         ? &options->seed
                       : strcmp(name, "--seeds") == 0      ? &options->seeds
                       : strcmp(name, "--operations") == 0 ? &options->operations
                                                           : NULL;
    u128 number = 0;
    if (target == NULL || value == NULL || !u128_parse(value, strlen(value), &number) ||
        number > UINT64_MAX) {
        return false;
    }
    *target = (uint64_t)number;
    return true;
}

bool model_options_parse(int argc, char **argv, struct model_options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--statuses") == 0) {
            options->statuses = true;
        } else if (take(argv[i], i + 1 < argc ? argv[i + 1] : NULL, options)) {
            i++;
        } else {
            fprintf(stderr, "bad option %s\n", argv[i]);
            return false;
        }
    }
    return true;
}
