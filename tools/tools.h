/* tools.h — the subcommands of the fenlu program, one file each. */
#pragma once

#include "tools/flags.h"

extern const struct tool TOOL_DEV, TOOL_PLAYGROUND, TOOL_FORMAT, TOOL_SERVER, TOOL_API, TOOL_STATUS,
    TOOL_ADMIN, TOOL_IMPORT, TOOL_BENCH, TOOL_WATCH, TOOL_AUDIT, TOOL_TRIAL_BALANCE, TOOL_SCRIPT,
    TOOL_SIM;
