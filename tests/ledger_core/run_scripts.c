/* Runs the scripts that are named, as `fenlu script` does: the golden tests. */
#include "tools/script.h"

int main(int argc, char **argv)
{
    return argc < 2 ? 2 : script_run_files(argv + 1, argc - 1, false);
}
