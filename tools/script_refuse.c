/* script_refuse.c — what is wrong with a line: the line, the field, the value, and what it may be. */
#include "tools/script_names.h"
#include "tools/script_parser.h"

#include <string.h>

enum { WORD_SHOWN = 80 };

/* As it stands, but for what a terminal would not show: "?"; and "..." for what is too much. */
struct shown {
    char text[WORD_SHOWN + 4];
};

static struct shown show(struct bytes word)
{
    struct shown shown;
    const size_t size = word.size < WORD_SHOWN ? word.size : WORD_SHOWN;
    for (size_t i = 0; i < size; i++) {
        shown.text[i] = word.data[i] < ' ' || word.data[i] == 0x7f ? '?' : (char)word.data[i];
    }
    memcpy(shown.text + size, size < word.size ? "..." : "", size < word.size ? 4 : 1);
    return shown;
}

enum status script_fail(const struct parser *parser, const char *what, struct bytes word)
{
    const struct shown shown = show(word);
    return error_set(parser->error, STATUS_INVALID, "%u: %s: %s", parser->line, what, shown.text);
}

enum status script_refuse_key(const struct parser *parser, const struct script_keys *keys,
                              struct bytes name)
{
    char known[ERROR_TEXT_MAX];
    const struct shown shown = show(name);
    script_describe_keys(keys, known, sizeof known);
    return error_set(parser->error, STATUS_INVALID, "%u: unknown key: %s (%s)", parser->line,
                     shown.text, known);
}

enum status script_refuse_value(const struct parser *parser, const struct script_key *key,
                                struct bytes word)
{
    char values[ERROR_TEXT_MAX];
    const struct shown shown = show(word);
    script_describe_values(key, values, sizeof values);
    return error_set(parser->error, STATUS_INVALID, "%u: not a value of this key: %s (%s)",
                     parser->line, shown.text, values);
}
