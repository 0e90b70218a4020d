/* script_parser.h — what the parts of the parser share. Included by script_parse.c,
 * script_refuse.c and script_expect.c alone. */
#pragma once

#include "tools/script_parse.h"

struct parser {
    struct script *script;
    struct bytes text;
    struct bytes rest; /* of the line under way, without its comment */
    uint32_t line;
    struct error *error;
};

/* What an operation's lines say, and what is expected of it. */
enum script_shape {
    SCRIPT_EVENTS,    /* its indented lines are events, each with a status */
    SCRIPT_HEADED,    /* its line has a status, and so has each indented one: legs */
    SCRIPT_ALONE,     /* its line is all, and has a status */
    SCRIPT_LINE_ONLY, /* its line is all; found, or fields */
    SCRIPT_LIST,      /* its line, and a list of ids */
    SCRIPT_ROWS,      /* its line is a filter, and the indented ones are rows expected */
    SCRIPT_SILENT,    /* its line, of which nothing can be expected */
};

struct script_operation {
    const char *name;
    enum script_shape shape;
    const struct script_keys *given;
    const struct script_keys *expected;
};
/* By enum script_kind. */
const struct script_operation *script_operation(enum script_kind kind);

/* An array of the script's with room for one more element. */
void *script_with_room(void *array, uint32_t count, uint32_t *room, size_t size);
/* The next word of the line; of size 0 at its end. */
struct bytes script_next_word(struct parser *parser);
STATUS_MUST_USE enum status script_parse_field(const struct parser *parser,
                                               const struct script_keys *keys, struct bytes word,
                                               struct script_field *field);

/* script_refuse.c: what is wrong; always INVALID. */
STATUS_MUST_USE enum status script_fail(const struct parser *parser, const char *what,
                                        struct bytes word);
STATUS_MUST_USE enum status script_refuse_key(const struct parser *parser,
                                              const struct script_keys *keys, struct bytes name);
/* The word is "key=value". */
STATUS_MUST_USE enum status script_refuse_value(const struct parser *parser,
                                                const struct script_key *key, struct bytes word);

/* script_expect.c: what stands behind the arrow, and a row. */
STATUS_MUST_USE enum status script_parse_expectation(struct parser *parser, enum script_kind kind,
                                                     struct script_expectation *expected);
STATUS_MUST_USE enum status script_parse_row(struct parser *parser, enum script_kind kind,
                                             struct script_expectation *expected);
