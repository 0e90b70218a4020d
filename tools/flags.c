#include "tools/flags.h"

#include "base/assert.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFIG_BYTES_MAX = 64 * 1024,
    FLAGS_MAX = 48,
    HELP_COLUMN = 33,
    OPTION_HELP = 1000,
    OPTION_CONFIG = 1001
};

struct parse {
    const struct tool *tool;
    const struct flag *flags;
    size_t count;
    bool seen[FLAGS_MAX];
    bool failed;
};

static void __attribute__((format(printf, 2, 0)))
say(const struct tool *tool, const char *format, va_list arguments)
{
    (void)fprintf(stderr, "fenlu %s: ", tool->name);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

int tool_usage(const struct tool *tool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(tool, format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int tool_failed(const struct tool *tool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(tool, format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

static void print_help(const struct tool *tool, const struct flag *flags, size_t count)
{
    printf("usage: fenlu %s [flags]%s%s\n\n%s\n", tool->name, tool->arguments[0] != '\0' ? " " : "",
           tool->arguments, tool->summary);
    if (tool->details != NULL) {
        printf("\n%s\n", tool->details);
    }
    printf("\nflags:\n");
    for (size_t i = 0; i < count; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "--%s %s", flags[i].name,
                       flags[i].value != NULL ? flags[i].value : "");
        printf("  %-*s %s%s\n", HELP_COLUMN, name, flags[i].help,
               flags[i].required ? " (required)" : "");
    }
    printf("  %-*s %s\n", HELP_COLUMN, "--config FILE",
           "Reads flags from an INI file: name = value.");
    printf("  %-*s %s\n", HELP_COLUMN, "--help", "Prints this text.");
}

static bool set_number(struct parse *parse, const struct flag *flag, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0';
    if (!digits || errno != 0 || number < flag->minimum || number > flag->maximum) {
        (void)tool_usage(parse->tool, "--%s %s: expected a number from %" PRIu64 " to %" PRIu64,
                         flag->name, text, flag->minimum, flag->maximum);
        return false;
    }
    *(uint64_t *)flag->target = number;
    return true;
}

static bool set_text(struct parse *parse, const struct flag *flag, const char *text)
{
    if (flag->choices != NULL) {
        char allowed[128] = "";
        bool found = false;
        for (size_t i = 0; flag->choices[i] != NULL; i++) {
            found = found || strcmp(flag->choices[i], text) == 0;
            size_t used = strlen(allowed);
            (void)snprintf(allowed + used, sizeof allowed - used, "%s%s", i > 0 ? ", " : "",
                           flag->choices[i]);
        }
        if (!found) {
            (void)tool_usage(parse->tool, "--%s %s: expected one of %s", flag->name, text, allowed);
            return false;
        }
    }
    *(const char **)flag->target = text;
    return true;
}

static bool set_switch(struct parse *parse, const struct flag *flag, const char *text)
{
    if (text != NULL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        (void)tool_usage(parse->tool, "%s = %s: expected true or false", flag->name, text);
        return false;
    }
    *(bool *)flag->target = text == NULL || strcmp(text, "true") == 0;
    return true;
}

static bool set_flag(struct parse *parse, size_t i, const char *text)
{
    const struct flag *flag = &parse->flags[i];
    parse->seen[i] = true;
    switch (flag->kind) {
    case FLAG_NUMBER:
        return set_number(parse, flag, text);
    case FLAG_TEXT:
        return set_text(parse, flag, text);
    case FLAG_SWITCH:
        return set_switch(parse, flag, text);
    }
    UNREACHABLE();
}

/* A copy that lives as long as the process, as argv does. */
static const char *keep_text(const char *text)
{
    static char kept[CONFIG_BYTES_MAX];
    static size_t used;
    size_t size = strlen(text) + 1;
    ASSERT(used + size <= sizeof kept); /* ini.h bounds the lines; FLAGS_MAX of them count */
    char *copy = kept + used;
    memcpy(copy, text, size);
    used += size;
    return copy;
}

/* One `name = value` of the file; texts live as long as the process, like those of argv. */
static int on_config(void *context, const char *section, const char *name, const char *value)
{
    struct parse *parse = context;
    if (section[0] != '\0') {
        (void)tool_usage(parse->tool, "--config: unexpected section [%s]", section);
        parse->failed = true;
        return 0;
    }
    for (size_t i = 0; i < parse->count; i++) {
        if (strcmp(parse->flags[i].name, name) != 0) {
            continue;
        }
        if (parse->seen[i]) {
            return 1; /* the command line wins */
        }
        parse->failed = !set_flag(parse, i, keep_text(value));
        return parse->failed ? 0 : 1;
    }
    (void)tool_usage(parse->tool, "--config: unknown name %s (fenlu help %s lists them)", name,
                     parse->tool->name);
    parse->failed = true;
    return 0;
}

static bool read_config(struct parse *parse, const char *path)
{
    bool seen[FLAGS_MAX];
    memcpy(seen, parse->seen, sizeof seen);
    int line = ini_parse(path, on_config, parse);
    for (size_t i = 0; i < parse->count; i++) {
        parse->seen[i] = parse->seen[i] || seen[i];
    }
    if (parse->failed) {
        return false;
    }
    if (line < 0) {
        (void)tool_usage(parse->tool, "--config %s: cannot read the file", path);
    } else if (line > 0) {
        (void)tool_usage(parse->tool, "--config %s: line %d is not `name = value`", path, line);
    }
    return line == 0;
}

static bool check_required(struct parse *parse)
{
    for (size_t i = 0; i < parse->count; i++) {
        if (parse->flags[i].required && !parse->seen[i]) {
            (void)tool_usage(parse->tool, "--%s %s is required: %s", parse->flags[i].name,
                             parse->flags[i].value != NULL ? parse->flags[i].value : "",
                             parse->flags[i].help);
            return false;
        }
    }
    return true;
}

static void build_options(const struct parse *parse, struct option options[FLAGS_MAX + 3])
{
    for (size_t i = 0; i < parse->count; i++) {
        options[i] = (struct option){
            .name = parse->flags[i].name,
            .has_arg = parse->flags[i].kind == FLAG_SWITCH ? no_argument : required_argument,
            .val = (int)i,
        };
    }
    options[parse->count] = (struct option){ "config", required_argument, NULL, OPTION_CONFIG };
    options[parse->count + 1] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
    options[parse->count + 2] = (struct option){ 0 };
}

bool flags_parse(const struct tool *tool, const struct flag *flags, size_t count, int argc,
                 char **argv, struct arguments *arguments, int *exit_code)
{
    ASSERT(count <= FLAGS_MAX);
    struct parse parse = { .tool = tool, .flags = flags, .count = count };
    struct option options[FLAGS_MAX + 3];
    const char *config = NULL;
    build_options(&parse, options);
    optind = 1;
    opterr = 0;
    *exit_code = EXIT_USAGE;
    for (;;) {
        int found = getopt_long(argc, argv, ":", options, NULL);
        if (found == -1) {
            break;
        }
        if (found == OPTION_HELP) {
            print_help(tool, flags, count);
            *exit_code = EXIT_OK;
            return false;
        }
        if (found == OPTION_CONFIG) {
            config = optarg;
        } else if (found == ':') {
            (void)tool_usage(tool, "%s needs a value", argv[optind - 1]);
            return false;
        } else if (found == '?') {
            (void)tool_usage(tool, "unknown flag %s (fenlu help %s lists them)", argv[optind - 1],
                             tool->name);
            return false;
        } else if (!set_flag(&parse, (size_t)found, optarg)) {
            return false;
        }
    }
    if (config != NULL && !read_config(&parse, config)) {
        return false;
    }
    arguments->count = 0;
    for (int i = optind; i < argc; i++) {
        if (arguments->count == ARGUMENTS_MAX) {
            (void)tool_usage(tool, "more than %d arguments", ARGUMENTS_MAX);
            return false;
        }
        arguments->values[arguments->count++] = argv[i];
    }
    if (tool->arguments[0] == '\0' && arguments->count > 0) {
        (void)tool_usage(tool, "unexpected argument %s", arguments->values[0]);
        return false;
    }
    return check_required(&parse);
}
