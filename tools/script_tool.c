/* script_tool.c — `fenlu script`: the subcommand around script.h. */
#include "tools/script.h"
#include "tools/tools.h"

static int run(const struct tool *tool, int argc, char **argv)
{
    bool update = false;
    const struct flag flags[] = {
        { .name = "update",
          .kind = FLAG_SWITCH,
          .target = &update,
          .help = "Rewrites the expectations that differ, and adds those that are missing." },
    };
    struct arguments files;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &files, &exit_code)) {
        return exit_code;
    }
    if (files.count == 0) {
        return tool_usage(tool, "no FILE given (fenlu help script)");
    }
    return script_run_files(files.values, files.count, update);
}

const struct tool TOOL_SCRIPT = {
    .name = "script",
    .arguments = "FILE…",
    .summary = "Runs golden scripts on a ledger in memory and compares every expectation.",
    .details =
        "The first differences are printed with their line numbers; docs/scripts.md has the "
        "grammar. Exit\ncodes: 0 all as expected, 1 a difference, 2 bad usage or a script that "
        "cannot be run.",
    .run = run,
};
