/* What a command line may say, and what is refused with exit code 2. */
#include "tools/flags.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* setjmp before cmocka */
#include <setjmp.h>

#include <cmocka.h>

static const char *const COLOURS[] = { "red", "blue", NULL };

struct values {
    const char *data;
    const char *colour;
    uint64_t number;
    bool loud;
};

static int run_nothing(const struct tool *tool, int argc, char **argv)
{
    (void)tool;
    (void)argc;
    (void)argv;
    return EXIT_OK;
}

static const struct tool TOOL = {
    .name = "probe", .arguments = "FILE…", .summary = "A probe.", .run = run_nothing
};

/* Parses up to six words; -1 for "go on". */
static int parse(struct values *values, struct arguments *arguments, const char *const *words)
{
    const struct flag flags[] = {
        { .name = "data",
          .kind = FLAG_TEXT,
          .target = &values->data,
          .value = "DIR",
          .required = true,
          .help = "A folder." },
        { .name = "colour",
          .kind = FLAG_TEXT,
          .target = &values->colour,
          .value = "C",
          .choices = COLOURS,
          .help = "A colour." },
        { .name = "number",
          .kind = FLAG_NUMBER,
          .target = &values->number,
          .value = "N",
          .minimum = 3,
          .maximum = 9,
          .help = "A number." },
        { .name = "loud", .kind = FLAG_SWITCH, .target = &values->loud, .help = "Loud." },
    };
    /* static: values point into it, and nothing of an earlier case is looked at any more */
    static char storage[8][256];
    char *argv[9] = { storage[0] };
    int argc = 1;
    (void)snprintf(storage[0], sizeof storage[0], "probe");
    for (; words[argc - 1] != NULL; argc++) {
        assert_true(argc < 8);
        (void)snprintf(storage[argc], sizeof storage[argc], "%s", words[argc - 1]);
        argv[argc] = storage[argc];
    }
    int exit_code = -1;
    bool go_on = flags_parse(&TOOL, flags, sizeof flags / sizeof flags[0], argc, argv, arguments,
                             &exit_code);
    return go_on ? -1 : exit_code;
}

#define PARSE(values, arguments, ...)                                                              \
    parse(values, arguments, (const char *const[]){ __VA_ARGS__, NULL })

static void values_are_taken(void **state)
{
    (void)state;
    struct values values = { .number = 5 };
    struct arguments arguments;
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--colour=blue", "--loud", "a"), -1);
    assert_string_equal(values.data, "d");
    assert_string_equal(values.colour, "blue");
    assert_int_equal(values.number, 5);
    assert_true(values.loud);
    assert_int_equal(arguments.count, 1);
    assert_string_equal(arguments.values[0], "a");
}

static void bad_usage_is_refused(void **state)
{
    (void)state;
    struct values values = { 0 };
    struct arguments arguments;
    assert_int_equal(PARSE(&values, &arguments, "--loud"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--nonsense"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--number", "2"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--number", "10"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--number", "4x"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--number", "-4"), EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--number", "18446744073709551617"),
                     EXIT_USAGE);
    assert_int_equal(PARSE(&values, &arguments, "--data", "d", "--colour", "green"), EXIT_USAGE);
}

static void help_ends_well(void **state)
{
    (void)state;
    struct values values = { 0 };
    struct arguments arguments;
    assert_int_equal(PARSE(&values, &arguments, "--help"), EXIT_OK);
}

static int with_config(struct values *values, const char *text, const char *flag, const char *value)
{
    char path[] = "/tmp/fenlu-flags-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    struct arguments arguments;
    int result = flag != NULL ? PARSE(values, &arguments, "--config", path, flag, value)
                              : PARSE(values, &arguments, "--config", path);
    assert_int_equal(unlink(path), 0);
    return result;
}

static void a_config_file_fills_in(void **state)
{
    (void)state;
    struct values values = { 0 };
    assert_int_equal(
        with_config(&values, "# c\ndata = there\nnumber = 7\nloud = true\n", NULL, NULL), -1);
    assert_string_equal(values.data, "there");
    assert_int_equal(values.number, 7);
    assert_true(values.loud);
    assert_int_equal(with_config(&values, "data = there\nnumber = 7\n", "--number", "8"), -1);
    assert_int_equal(values.number, 8); /* the command line wins */
}

static void a_bad_config_file_is_refused(void **state)
{
    (void)state;
    struct values values = { 0 };
    assert_int_equal(with_config(&values, "data = x\nnonsense = 1\n", NULL, NULL), EXIT_USAGE);
    assert_int_equal(with_config(&values, "data = x\nnumber = 100\n", NULL, NULL), EXIT_USAGE);
    assert_int_equal(with_config(&values, "[part]\ndata = x\n", NULL, NULL), EXIT_USAGE);
    assert_int_equal(with_config(&values, "data = x\nloud = perhaps\n", NULL, NULL), EXIT_USAGE);
    assert_int_equal(with_config(&values, "data = x\nno equals sign\n", NULL, NULL), EXIT_USAGE);
    struct arguments arguments;
    assert_int_equal(PARSE(&values, &arguments, "--config", "/nonexistent"), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken),
        cmocka_unit_test(bad_usage_is_refused),
        cmocka_unit_test(help_ends_well),
        cmocka_unit_test(a_config_file_fills_in),
        cmocka_unit_test(a_bad_config_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
