/* script_expect.c — what a script expects: a status, fields, a list of ids, a row. */
#include "ledger/core/controls.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/result.h"
#include "tools/script_parser.h"

#include <string.h>

static const char *account_status_named(struct bytes word)
{
#define NAMED(name, text, number)                                                                  \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    ACCOUNT_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

static const char *transfer_status_named(struct bytes word)
{
#define NAMED(name, text, number, transient)                                                       \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    TRANSFER_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

static const char *journal_status_named(struct bytes word)
{
#define NAMED(name, text, number, transient)                                                       \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    JOURNAL_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

static const char *control_status_named(struct bytes word)
{
#define NAMED(name, text, number)                                                                  \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    CONTROL_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

static const char *registry_status_named(struct bytes word)
{
#define NAMED(name, text, number)                                                                  \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    REGISTRY_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

static const char *metadata_status_named(struct bytes word)
{
#define NAMED(name, text, number)                                                                  \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    METADATA_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

static const char *resolve_status_named(struct bytes word)
{
#define NAMED(name, text, number)                                                                  \
    if (script_is(word, text)) {                                                                   \
        return text;                                                                               \
    }
    RESOLVE_STATUS_MAP(NAMED)
#undef NAMED
    return NULL;
}

/* The word as a text that lasts, when it may be expected of this kind of step. */
static const char *expected_word(enum script_kind kind, struct bytes word)
{
    if (kind == SCRIPT_CREATE_ACCOUNTS) {
        return account_status_named(word);
    }
    if (kind == SCRIPT_CREATE_TRANSFERS) {
        return transfer_status_named(word);
    }
    if (kind == SCRIPT_POST_JOURNAL || kind == SCRIPT_REVERSE_JOURNAL) {
        return journal_status_named(word);
    }
    if (kind >= SCRIPT_PLACE_FREEZES && kind <= SCRIPT_SET_GROUP_MEMBERS) {
        return control_status_named(word);
    }
    if (kind >= SCRIPT_CREATE_LEDGERS && kind <= SCRIPT_SET_REGISTRY_MODE) {
        return registry_status_named(word);
    }
    if (kind == SCRIPT_SET_METADATA) {
        return metadata_status_named(word);
    }
    if (kind == SCRIPT_RESOLVE) {
        return resolve_status_named(word);
    }
    if (script_is(word, "not_found")) {
        return "not_found";
    }
    return script_is(word, "found") ? "found" : NULL;
}

static void add_field(struct parser *parser, const struct script_field *field,
                      struct script_expectation *expected)
{
    struct script *script = parser->script;
    script->fields = script_with_room(script->fields, script->field_count, &script->field_room,
                                      sizeof script->fields[0]);
    script->fields[script->field_count++] = *field;
    expected->field_count++;
}

static bool is_expected(const struct parser *parser, const struct script_key *key,
                        const struct script_expectation *expected)
{
    for (uint32_t i = 0; i < expected->field_count; i++) {
        if (parser->script->fields[expected->first_field + i].key == key) {
            return true;
        }
    }
    return false;
}

static enum status add_expected_field(struct parser *parser, enum script_kind kind,
                                      struct bytes word, struct script_expectation *expected)
{
    struct script_field field;
    TRY(script_parse_field(parser, script_operation(kind)->expected, word, &field));
    if (is_expected(parser, field.key, expected)) {
        return script_fail(parser, "expected twice", word);
    }
    add_field(parser, &field, expected);
    return STATUS_OK;
}

static enum status add_expected(struct parser *parser, enum script_kind kind, struct bytes word,
                                struct script_expectation *expected)
{
    if (memchr(word.data, '=', word.size) != NULL) {
        return add_expected_field(parser, kind, word, expected);
    }
    if (expected->word != NULL) {
        return script_fail(parser, "one status is expected, not also", word);
    }
    expected->word = expected_word(kind, word);
    return expected->word != NULL ? STATUS_OK : script_fail(parser, "unknown status", word);
}

static enum status add_id(struct parser *parser, struct bytes word,
                          struct script_expectation *expected)
{
    struct script_field field = { .key = NULL };
    if (!script_value_parse(&script_id_keys.list[0], word, &field.value)) {
        return script_fail(parser, "not an id", word);
    }
    add_field(parser, &field, expected);
    return STATUS_OK;
}

static size_t place_of(const struct parser *parser, const uint8_t *at)
{
    return (size_t)(at - parser->text.data);
}

enum status script_parse_expectation(struct parser *parser, enum script_kind kind,
                                     struct script_expectation *expected)
{
    const enum script_shape shape = script_operation(kind)->shape;
    *expected = (struct script_expectation){ .given = true,
                                             .place = SCRIPT_AFTER_ARROW,
                                             .first_field = parser->script->field_count };
    expected->begin = place_of(parser, parser->rest.data);
    expected->end = expected->begin;
    for (struct bytes word = script_next_word(parser); word.size > 0;
         word = script_next_word(parser)) {
        expected->end = place_of(parser, parser->rest.data);
        if (shape == SCRIPT_LIST) {
            TRY(add_id(parser, word, expected));
        } else {
            TRY(add_expected(parser, kind, word, expected));
        }
    }
    if (shape != SCRIPT_LIST && expected->word == NULL && expected->field_count == 0) {
        return error_set(parser->error, STATUS_INVALID, "%u: nothing behind ->", parser->line);
    }
    return STATUS_OK;
}

enum status script_parse_row(struct parser *parser, enum script_kind kind,
                             struct script_expectation *expected)
{
    *expected = (struct script_expectation){ .given = true,
                                             .place = SCRIPT_LINE,
                                             .first_field = parser->script->field_count };
    for (struct bytes word = script_next_word(parser); word.size > 0;
         word = script_next_word(parser)) {
        if (expected->field_count == 0) {
            expected->begin = place_of(parser, word.data);
        }
        TRY(add_expected_field(parser, kind, word, expected));
        expected->end = place_of(parser, parser->rest.data);
    }
    return STATUS_OK;
}
