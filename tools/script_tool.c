/* script_tool.c — `fenlu script`: the subcommand around script.h. */
#include "tools/script.h"
#include "tools/tools.h"

static int run(const struct tool *tool, int argc, char **argv)
{
    (void)tool;
    return tool_script(argc, argv);
}

const struct tool TOOL_SCRIPT = {
    .name = "script",
    .arguments = "FILE…",
    .summary = "Runs golden scripts on a ledger in memory and compares every expectation.",
    .details = NULL,
    .run = run,
};
