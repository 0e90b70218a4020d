/* Runs the scripts that are named, as `fenlu script` does: the golden tests. */
#include "tools/script.h"

int main(int argc, char **argv)
{
    return tool_script(argc, argv);
}
