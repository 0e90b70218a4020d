#include "tools/script_parse.h"

#include "base/assert.h"
#include "base/limits.h"
#include "ledger/core/result.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    struct script *script;
    struct bytes text;
    struct bytes rest; /* of the line under way, without its comment */
    uint32_t line;
    struct error *error;
};

struct operation {
    const char *name;
    enum script_kind kind;
    bool has_events; /* as indented lines */
};

static const struct operation operations[] = {
    { "accounts", SCRIPT_CREATE_ACCOUNTS, true },
    { "transfers", SCRIPT_CREATE_TRANSFERS, true },
    { "account", SCRIPT_LOOK_UP_ACCOUNTS, false },
    { "transfer", SCRIPT_LOOK_UP_TRANSFERS, false },
    { "setup", SCRIPT_SET_UP, false },
    { "tick", SCRIPT_TICK, false },
};
static const char *const later_operations[] = { "account_transfers", "account_balances",
                                                "query_transfers", "query_accounts", "changes" };

/* An array of the script's with room for one more element. */
static void *with_room(void *array, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) {
        return array;
    }
    *room = *room == 0 ? 64 : *room * 2;
    void *grown = realloc(array, *room * size);
    ASSERT(grown != NULL);
    return grown;
}

static int word_size(struct bytes word)
{
    return word.size < 80 ? (int)word.size : 80;
}

static enum status fail(const struct parser *parser, const char *what, struct bytes word)
{
    error_set(parser->error, STATUS_INVALID, "%u: %s: %.*s", parser->line, what, word_size(word),
              (const char *)word.data);
    return STATUS_INVALID;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The next word of the line; of size 0 at its end. */
static struct bytes next_word(struct parser *parser)
{
    struct bytes *rest = &parser->rest;
    while (rest->size > 0 && is_space(rest->data[0])) {
        rest->data++;
        rest->size--;
    }
    struct bytes word = { rest->data, 0 };
    while (word.size < rest->size && !is_space(rest->data[word.size])) {
        word.size++;
    }
    rest->data += word.size;
    rest->size -= word.size;
    return word;
}

/* --- fields ----------------------------------------------------------------------------------- */

static enum status parse_field(const struct parser *parser, const struct script_keys *keys,
                               struct bytes word, struct script_field *field)
{
    const uint8_t *equals = memchr(word.data, '=', word.size);
    if (equals == NULL) {
        return fail(parser, "expected key=value, found", word);
    }
    const struct bytes name = { word.data, (size_t)(equals - word.data) };
    const struct bytes value = { equals + 1, word.size - name.size - 1 };
    field->key = script_key_find(keys, name);
    if (field->key == NULL) {
        return fail(parser, "unknown key", name);
    }
    if (!script_value_parse(field->key, value, &field->value)) {
        return fail(parser, "not a value of this key, or too large", word);
    }
    return STATUS_OK;
}

/* Fields up to the arrow, whose presence is told, or to the end of the line. */
static enum status parse_record(struct parser *parser, const struct script_keys *keys, void *record,
                                bool *arrow)
{
    uint32_t seen = 0; /* a bit for each key */
    *arrow = false;
    for (struct bytes word = next_word(parser); word.size > 0; word = next_word(parser)) {
        if (script_is(word, "->")) {
            *arrow = true;
            return STATUS_OK;
        }
        struct script_field field;
        TRY(parse_field(parser, keys, word, &field));
        const uint32_t bit = 1U << (field.key - keys->list);
        if (field.key->value == SCRIPT_ACCOUNT_CLOSED) {
            return fail(parser, "can be expected, not given", word);
        }
        if ((seen & bit) != 0) {
            return fail(parser, "given twice", word);
        }
        seen |= bit;
        script_field_set(field.key, record, field.value);
    }
    return STATUS_OK;
}

/* --- expectations ----------------------------------------------------------------------------- */

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

/* The word as a text that lasts, when it may be expected of this kind of step. */
static const char *expected_word(enum script_kind kind, struct bytes word)
{
    if (kind == SCRIPT_CREATE_ACCOUNTS) {
        return account_status_named(word);
    }
    if (kind == SCRIPT_CREATE_TRANSFERS) {
        return transfer_status_named(word);
    }
    if (script_is(word, "not_found")) {
        return "not_found";
    }
    return script_is(word, "found") ? "found" : NULL;
}

static const struct script_keys *expected_keys(enum script_kind kind)
{
    if (kind == SCRIPT_LOOK_UP_ACCOUNTS) {
        return &script_account_keys;
    }
    return kind == SCRIPT_LOOK_UP_TRANSFERS ? &script_transfer_keys : &script_result_keys;
}

static enum status add_expected_field(struct parser *parser, enum script_kind kind,
                                      struct bytes word, struct script_expectation *expected)
{
    struct script *script = parser->script;
    struct script_field field;
    TRY(parse_field(parser, expected_keys(kind), word, &field));
    if (expected->field_count == SCRIPT_FIELDS_MAX) {
        return fail(parser, "too many fields", word);
    }
    script->fields = with_room(script->fields, script->field_count, &script->field_room,
                               sizeof script->fields[0]);
    script->fields[script->field_count++] = field;
    expected->field_count++;
    return STATUS_OK;
}

static enum status add_expected(struct parser *parser, enum script_kind kind, struct bytes word,
                                struct script_expectation *expected)
{
    if (memchr(word.data, '=', word.size) != NULL) {
        return add_expected_field(parser, kind, word, expected);
    }
    if (expected->word != NULL) {
        return fail(parser, "one status is expected, not also", word);
    }
    expected->word = expected_word(kind, word);
    return expected->word != NULL ? STATUS_OK : fail(parser, "unknown status", word);
}

static enum status parse_expectation(struct parser *parser, enum script_kind kind,
                                     struct script_expectation *expected)
{
    *expected =
        (struct script_expectation){ .given = true, .first_field = parser->script->field_count };
    expected->begin = (size_t)(parser->rest.data - parser->text.data);
    expected->end = expected->begin;
    for (struct bytes word = next_word(parser); word.size > 0; word = next_word(parser)) {
        expected->end = (size_t)(parser->rest.data - parser->text.data);
        TRY(add_expected(parser, kind, word, expected));
    }
    if (expected->word == NULL && expected->field_count == 0) {
        return error_set(parser->error, STATUS_INVALID, "%u: nothing behind ->", parser->line);
    }
    return STATUS_OK;
}

/* --- lines ------------------------------------------------------------------------------------ */

static struct script_item *add_item(struct parser *parser, struct script_step *step)
{
    struct script *script = parser->script;
    script->items =
        with_room(script->items, script->item_count, &script->item_room, sizeof script->items[0]);
    struct script_item *item = &script->items[script->item_count++];
    memset(item, 0, sizeof *item);
    item->line = parser->line;
    step->item_count++;
    return item;
}

static struct script_step *add_step(struct parser *parser, enum script_kind kind)
{
    struct script *script = parser->script;
    script->steps =
        with_room(script->steps, script->step_count, &script->step_room, sizeof script->steps[0]);
    struct script_step *step = &script->steps[script->step_count++];
    *step = (struct script_step){ .kind = kind,
                                  .line = parser->line,
                                  .first_item = script->item_count };
    return step;
}

/* Where an expectation may be added: behind the last word, before the space of a comment. */
static size_t end_of_words(const struct parser *parser, struct bytes line)
{
    while (line.size > 0 && is_space(line.data[line.size - 1])) {
        line.size--;
    }
    return (size_t)(line.data + line.size - parser->text.data);
}

static enum status parse_item(struct parser *parser, struct script_step *step)
{
    if (step->item_count == BATCH_EVENTS_MAX) {
        return fail(parser, "more than 8190 lines in one batch", parser->rest);
    }
    const struct bytes line = parser->rest;
    struct script_item *item = add_item(parser, step);
    const bool transfer =
        step->kind == SCRIPT_CREATE_TRANSFERS || step->kind == SCRIPT_LOOK_UP_TRANSFERS;
    const struct script_keys *keys = transfer ? &script_transfer_keys : &script_account_keys;
    if (step->kind == SCRIPT_SET_UP) {
        keys = &script_setup_keys;
    }
    if (step->kind == SCRIPT_LOOK_UP_ACCOUNTS || step->kind == SCRIPT_LOOK_UP_TRANSFERS) {
        static const struct script_key id = { "id", 0, sizeof(u128), SCRIPT_NUMBER };
        static const struct script_keys id_alone = { &id, 1 };
        keys = &id_alone;
    }
    bool arrow = false;
    TRY(parse_record(parser, keys, &item->account, &arrow));
    if (!arrow) {
        item->expected.begin = end_of_words(parser, line);
        item->expected.end = item->expected.begin;
        return STATUS_OK;
    }
    if (step->kind == SCRIPT_SET_UP) {
        return fail(parser, "setup expects nothing", line);
    }
    return parse_expectation(parser, step->kind, &item->expected);
}

static enum status parse_tick(struct parser *parser, struct script_step *step)
{
    struct bytes amount = next_word(parser);
    const struct bytes unit = next_word(parser);
    struct script_item *item = add_item(parser, step);
    if (amount.size > 0 && amount.data[0] == '-') {
        item->tick.before_end = true;
        amount.data++;
        amount.size--;
    }
    u128 number = 0;
    if (!u128_parse((const char *)amount.data, amount.size, &number)) {
        return fail(parser, "tick needs a number, found", amount);
    }
    u128 unit_ns = 0;
    if (script_is(unit, "seconds") || script_is(unit, "second")) {
        unit_ns = 1000000000;
    } else if (script_is(unit, "nanoseconds") || script_is(unit, "nanosecond")) {
        unit_ns = 1;
    } else {
        return fail(parser, "tick needs seconds or nanoseconds, found", unit);
    }
    if (number > INT64_MAX / unit_ns) {
        return fail(parser, "tick is past the largest timestamp", amount);
    }
    item->tick.duration_ns = (uint64_t)(number * unit_ns);
    const struct bytes more = next_word(parser);
    return more.size == 0 ? STATUS_OK : fail(parser, "unexpected", more);
}

static enum status parse_operation(struct parser *parser)
{
    const struct bytes name = next_word(parser);
    for (size_t i = 0; i < sizeof later_operations / sizeof later_operations[0]; i++) {
        if (script_is(name, later_operations[i])) {
            return error_set(parser->error, STATUS_UNIMPLEMENTED,
                             "%u: not supported by this release: %s", parser->line,
                             later_operations[i]);
        }
    }
    const struct operation *found = NULL;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        found = script_is(name, operations[i].name) ? &operations[i] : found;
    }
    if (found == NULL) {
        return fail(parser, "unknown operation", name);
    }
    struct script *script = parser->script;
    struct script_step *last =
        script->step_count > 0 ? &script->steps[script->step_count - 1] : NULL;
    const bool look_up =
        found->kind == SCRIPT_LOOK_UP_ACCOUNTS || found->kind == SCRIPT_LOOK_UP_TRANSFERS;
    /* Consecutive lines are one look-up. */
    struct script_step *step =
        look_up && last != NULL && last->kind == found->kind ? last : add_step(parser, found->kind);
    if (found->kind == SCRIPT_TICK) {
        return parse_tick(parser, step);
    }
    if (found->has_events) {
        const struct bytes more = next_word(parser);
        return more.size == 0 ? STATUS_OK : fail(parser, "unexpected", more);
    }
    return parse_item(parser, step);
}

static enum status parse_line(struct parser *parser, struct bytes line)
{
    const uint8_t *comment = memchr(line.data, '#', line.size);
    parser->rest = line;
    parser->rest.size = comment != NULL ? (size_t)(comment - line.data) : line.size;
    struct parser ahead = *parser;
    if (next_word(&ahead).size == 0) {
        return STATUS_OK;
    }
    if (!is_space(line.data[0])) {
        return parse_operation(parser);
    }
    struct script *script = parser->script;
    struct script_step *last =
        script->step_count > 0 ? &script->steps[script->step_count - 1] : NULL;
    if (last == NULL ||
        (last->kind != SCRIPT_CREATE_ACCOUNTS && last->kind != SCRIPT_CREATE_TRANSFERS)) {
        return fail(parser, "an indented line belongs to accounts or transfers above it",
                    next_word(parser));
    }
    return parse_item(parser, last);
}

enum status script_parse(struct script *script, struct bytes text, struct error *error)
{
    *script = (struct script){ 0 };
    struct parser parser = { .script = script, .text = text, .error = error };
    script->items = with_room(NULL, 0, &script->item_room, sizeof script->items[0]);
    struct bytes left = text;
    while (left.size > 0) {
        const uint8_t *newline = memchr(left.data, '\n', left.size);
        const size_t size = newline != NULL ? (size_t)(newline - left.data) : left.size;
        parser.line++;
        TRY(parse_line(&parser, (struct bytes){ left.data, size }));
        const size_t taken = newline != NULL ? size + 1 : size;
        left.data += taken;
        left.size -= taken;
    }
    return STATUS_OK;
}

void script_free(struct script *script)
{
    free(script->steps);
    free(script->items);
    free(script->fields);
    *script = (struct script){ 0 };
}
