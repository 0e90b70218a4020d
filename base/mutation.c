#include "base/mutation.h"

#ifdef FENLU_MUTATIONS

#include <stddef.h>
#include <string.h>

enum mutation mutation_selected = MUTATION_NONE;

static const char *const names[MUTATION_COUNT] = { "none",
#define MUTATION_NAME(name, text) #name,
                                                   MUTATION_MAP(MUTATION_NAME)
#undef MUTATION_NAME
};

static const char *const texts[MUTATION_COUNT] = { "nothing is wrong",
#define MUTATION_TEXT(name, text) text,
                                                   MUTATION_MAP(MUTATION_TEXT)
#undef MUTATION_TEXT
};

bool mutation_select(const char *name)
{
    if (name == NULL) {
        mutation_selected = MUTATION_NONE;
        return true;
    }
    for (unsigned i = 0; i < MUTATION_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            mutation_selected = (enum mutation)i;
            return true;
        }
    }
    return false;
}

const char *mutation_name(enum mutation mutation)
{
    return names[mutation];
}

const char *mutation_text(enum mutation mutation)
{
    return texts[mutation];
}

#endif
