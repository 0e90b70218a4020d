/* In mutation builds (cmake/Testing.cmake) every unit test, which takes no options, selects the
 * seeded bug that FENLU_MUTATION names. */
#include "base/mutation.h"

#include <stdlib.h>

#ifdef FENLU_MUTATIONS
__attribute__((constructor)) static void select_from_environment(void)
{
    const char *name = getenv("FENLU_MUTATION");
    if (name != NULL && !mutation_select(name)) {
        abort();
    }
}
#endif
