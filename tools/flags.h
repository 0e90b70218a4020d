/* flags.h — the command line of every subcommand: one table of flags gives parsing, checking, help
 * text and the keys of a --config file.
 *
 * Values come from the command line first, then the --config file (INI: one `name = value` a line,
 * names as the flags without dashes, "#" or ";" comments), then the defaults that the targets hold.
 * Errors are one line on stderr that names flag, value and what is allowed; exit code 2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, ARGUMENTS_MAX = 256 };

enum flag_kind {
    FLAG_TEXT,   /* const char ** */
    FLAG_NUMBER, /* uint64_t *, minimum..maximum */
    FLAG_SWITCH, /* bool *; no value */
};

struct flag {
    const char *name; /* without dashes */
    enum flag_kind kind;
    void *target;
    const char *value; /* what the value is, for help: "DIR", "ADDR" */
    const char *help;  /* one sentence; the default is added by the table's author */
    bool required;
    uint64_t minimum;
    uint64_t maximum;
    const char *const *choices; /* FLAG_TEXT: NULL, or the allowed values, NULL at the end */
};

struct tool {
    const char *name;
    const char *arguments; /* "" or "FILE…" */
    const char *summary;   /* one line */
    const char *details;   /* paragraphs for help, or NULL */
    int (*run)(const struct tool *tool, int argc, char **argv);
};

struct arguments {
    int count;
    char *values[ARGUMENTS_MAX]; /* what is not a flag */
};

/* True: go on. False: *exit_code says how to end (help was asked for, or an error was printed). */
bool flags_parse(const struct tool *tool, const struct flag *flags, size_t count, int argc,
                 char **argv, struct arguments *arguments, int *exit_code);
/* Prints "fenlu NAME: message" and gives EXIT_USAGE or EXIT_FAILED. */
int tool_usage(const struct tool *tool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int tool_failed(const struct tool *tool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
