#include "base/assert.h"
#include "base/limits.h"
#include "tools/script_parser.h"

#include <stdlib.h>
#include <string.h>

static const struct script_operation operations[] = {
    [SCRIPT_CREATE_ACCOUNTS] = { "accounts", SCRIPT_EVENTS, &script_account_keys,
                                 &script_result_keys },
    [SCRIPT_CREATE_TRANSFERS] = { "transfers", SCRIPT_EVENTS, &script_transfer_keys,
                                  &script_result_keys },
    [SCRIPT_LOOK_UP_ACCOUNTS] = { "account", SCRIPT_LINE_ONLY, &script_id_keys,
                                  &script_account_keys },
    [SCRIPT_LOOK_UP_TRANSFERS] = { "transfer", SCRIPT_LINE_ONLY, &script_id_keys,
                                   &script_transfer_keys },
    [SCRIPT_LOOK_UP_HOLDS] = { "hold", SCRIPT_LINE_ONLY, &script_id_keys, &script_hold_keys },
    [SCRIPT_POST_JOURNAL] = { "journal", SCRIPT_HEADED, &script_journal_request_keys,
                              &script_result_keys },
    [SCRIPT_REVERSE_JOURNAL] = { "reverse_journal", SCRIPT_ALONE, &script_reversal_request_keys,
                                 &script_result_keys },
    [SCRIPT_GET_JOURNALS] = { "get_journal", SCRIPT_LINE_ONLY, &script_id_keys,
                              &script_journal_keys },
    [SCRIPT_RESOLVE] = { "resolve", SCRIPT_EVENTS, &script_resolve_keys, &script_resolved_keys },
    [SCRIPT_SET_UP] = { "setup", SCRIPT_SILENT, &script_setup_keys, NULL },
    [SCRIPT_TICK] = { "tick", SCRIPT_SILENT, NULL, NULL },
    [SCRIPT_ACCOUNT_TRANSFERS] = { "account_transfers", SCRIPT_LIST, &script_account_filter_keys,
                                   NULL },
    [SCRIPT_ACCOUNT_BALANCES] = { "account_balances", SCRIPT_ROWS, &script_account_filter_keys,
                                  &script_balance_keys },
    [SCRIPT_QUERY_TRANSFERS] = { "query_transfers", SCRIPT_LIST, &script_query_filter_keys, NULL },
    [SCRIPT_QUERY_ACCOUNTS] = { "query_accounts", SCRIPT_LIST, &script_query_filter_keys, NULL },
    [SCRIPT_QUERY_JOURNALS] = { "query_journals", SCRIPT_LIST, &script_journal_filter_keys, NULL },
    [SCRIPT_CHANGES] = { "changes", SCRIPT_ROWS, &script_changes_filter_keys, &script_change_keys },
    [SCRIPT_TRIAL_BALANCE] = { "trial_balance", SCRIPT_ROWS, &script_trial_filter_keys,
                               &script_trial_keys },
    [SCRIPT_BALANCES_AS_OF] = { "balances_as_of", SCRIPT_ROWS, &script_as_of_keys,
                                &script_balance_keys },
    [SCRIPT_PLACE_FREEZES] = { "freezes", SCRIPT_EVENTS, &script_freeze_event_keys,
                               &script_result_keys },
    [SCRIPT_RELEASE_FREEZES] = { "release_freezes", SCRIPT_EVENTS, &script_release_keys,
                                 &script_result_keys },
    [SCRIPT_SET_LIMITS] = { "limits", SCRIPT_EVENTS, &script_limit_keys, &script_result_keys },
    [SCRIPT_SET_GROUP_MEMBERS] = { "group_members", SCRIPT_EVENTS, &script_member_keys,
                                   &script_result_keys },
    [SCRIPT_LOOK_UP_CONTROLS] = { "control", SCRIPT_LINE_ONLY, &script_id_keys,
                                  &script_control_keys },
    [SCRIPT_LOOK_UP_GROUPS] = { "group", SCRIPT_LINE_ONLY, &script_id_keys, &script_group_keys },
    [SCRIPT_LOOK_UP_FREEZES] = { "freeze", SCRIPT_LINE_ONLY, &script_id_keys, &script_freeze_keys },
    [SCRIPT_LIST_FREEZES] = { "freezes_of", SCRIPT_ROWS, &script_id_keys, &script_freeze_keys },
    [SCRIPT_LIST_LIMITS] = { "limits_of", SCRIPT_ROWS, &script_limits_of_keys,
                             &script_limit_row_keys },
    [SCRIPT_CREATE_LEDGERS] = { "ledgers", SCRIPT_EVENTS, &script_ledger_keys,
                                &script_result_keys },
    [SCRIPT_CREATE_ACCOUNT_CODES] = { "account_codes", SCRIPT_EVENTS, &script_account_code_keys,
                                      &script_result_keys },
    [SCRIPT_SET_REGISTRY_MODE] = { "registry", SCRIPT_ALONE, &script_registry_keys,
                                   &script_result_keys },
    [SCRIPT_SET_METADATA] = { "set_metadata", SCRIPT_ALONE, &script_set_metadata_keys,
                              &script_result_keys },
    [SCRIPT_LOOK_UP_LEDGERS] = { "ledger", SCRIPT_LINE_ONLY, &script_id_keys, &script_ledger_keys },
    [SCRIPT_LOOK_UP_CODES] = { "account_code", SCRIPT_LINE_ONLY, &script_id_keys,
                               &script_account_code_keys },
    [SCRIPT_GET_METADATA] = { "metadata", SCRIPT_LINE_ONLY, &script_get_metadata_keys,
                              &script_metadata_keys },
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

const struct script_operation *script_operation(enum script_kind kind)
{
    return &operations[kind];
}

void *script_with_room(void *array, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) {
        return array;
    }
    *room = *room == 0 ? 64 : *room * 2;
    void *grown = realloc(array, *room * size);
    ASSERT(grown != NULL);
    return grown;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

struct bytes script_next_word(struct parser *parser)
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

/* A side is no number: it is kept by itself. */
static bool add_side(struct script *script, struct bytes text, u128 *index)
{
    script->sides = script_with_room(script->sides, script->side_count, &script->side_room,
                                     sizeof script->sides[0]);
    *index = script->side_count;
    return script_side_parse(text, &script->sides[script->side_count++]);
}

enum status script_parse_field(const struct parser *parser, const struct script_keys *keys,
                               struct bytes word, struct script_field *field)
{
    const uint8_t *equals = memchr(word.data, '=', word.size);
    if (equals == NULL) {
        return script_fail(parser, "expected key=value, found", word);
    }
    const struct bytes name = { word.data, (size_t)(equals - word.data) };
    const struct bytes value = { equals + 1, word.size - name.size - 1 };
    field->key = script_key_find(keys, name);
    if (field->key == NULL) {
        return script_refuse_key(parser, keys, name);
    }
    bool sound;
    if (field->key->value == SCRIPT_SIDE) {
        sound = add_side(parser->script, value, &field->value);
    } else {
        sound = script_value_parse(field->key, value, &field->value);
    }
    return sound ? STATUS_OK : script_refuse_value(parser, field->key, word);
}

/* Several keys say the same time of a filter: a bit for the one that this key says. */
static uint32_t time_bit(const struct script_key *key)
{
    static const char *const times[] = { "timestamp_min", "timestamp_max", "as_of" };
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (strncmp(key->name, times[i], strlen(times[i])) == 0) {
            return 1U << i;
        }
    }
    return 0;
}

/* Fields up to the arrow, whose presence is told, or to the end of the line. */
static enum status parse_record(struct parser *parser, const struct script_keys *keys, void *record,
                                bool *arrow)
{
    uint32_t seen = 0;  /* a bit for each key */
    uint32_t times = 0; /* and for each time */
    *arrow = false;
    for (struct bytes word = script_next_word(parser); word.size > 0;
         word = script_next_word(parser)) {
        if (script_is(word, "->")) {
            *arrow = true;
            return STATUS_OK;
        }
        struct script_field field;
        TRY(script_parse_field(parser, keys, word, &field));
        const uint32_t bit = 1U << (field.key - keys->list);
        if (field.key->value == SCRIPT_ACCOUNT_CLOSED) {
            return script_fail(parser, "can be expected, not given", word);
        }
        if ((seen & bit) != 0 || (times & time_bit(field.key)) != 0) {
            return script_fail(parser, "given twice", word);
        }
        seen |= bit;
        times |= time_bit(field.key);
        script_field_set(field.key, record, field.value);
    }
    return STATUS_OK;
}

/* --- lines ------------------------------------------------------------------------------------ */

static struct script_item *add_item(struct parser *parser, struct script_step *step)
{
    struct script *script = parser->script;
    script->items = script_with_room(script->items, script->item_count, &script->item_room,
                                     sizeof script->items[0]);
    struct script_item *item = &script->items[script->item_count++];
    memset(item, 0, sizeof *item);
    item->line = parser->line;
    step->item_count++;
    return item;
}

static struct script_step *add_step(struct parser *parser, enum script_kind kind)
{
    struct script *script = parser->script;
    script->steps = script_with_room(script->steps, script->step_count, &script->step_room,
                                     sizeof script->steps[0]);
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
    if (script_operation(step->kind)->shape == SCRIPT_HEADED &&
        step->item_count == 1 + JOURNAL_LEGS_MAX) {
        return script_fail(parser, "more than 1000 legs in one journal", parser->rest);
    }
    if (step->item_count == BATCH_EVENTS_MAX) {
        return script_fail(parser, "more than 8190 lines in one batch", parser->rest);
    }
    const struct script_operation *operation = script_operation(step->kind);
    const bool leg = operation->shape == SCRIPT_HEADED && step->item_count > 0;
    const struct bytes line = parser->rest;
    struct script_item *item = add_item(parser, step);
    bool arrow = false;
    TRY(parse_record(parser, leg ? &script_transfer_keys : operation->given, &item->account,
                     &arrow));
    if (!arrow) {
        item->expected.place =
            operation->shape == SCRIPT_ROWS ? SCRIPT_LINES_FOLLOW : SCRIPT_ARROW_LACKS;
        item->expected.begin = end_of_words(parser, line);
        item->expected.end = item->expected.begin;
        return STATUS_OK;
    }
    if (operation->shape == SCRIPT_ROWS) {
        item->expected.place = SCRIPT_LINES_FOLLOW;
        item->expected.begin = end_of_words(parser, line);
        item->expected.end = item->expected.begin;
        const struct bytes word = script_next_word(parser);
        return word.size == 0
                   ? STATUS_OK
                   : script_fail(parser, "its rows are indented lines below it, not", word);
    }
    if (operation->shape == SCRIPT_SILENT) {
        return script_fail(parser, "expects nothing", line);
    }
    return script_parse_expectation(parser, leg ? SCRIPT_CREATE_TRANSFERS : step->kind,
                                    &item->expected);
}

/* An indented line below a query. */
static enum status parse_row(struct parser *parser, struct script_step *step)
{
    if (step->item_count == 1 + BATCH_EVENTS_MAX) {
        return script_fail(parser, "more than 8190 rows", parser->rest);
    }
    struct script_item *item = add_item(parser, step);
    return script_parse_row(parser, step->kind, &item->expected);
}

static enum status parse_tick(struct parser *parser, struct script_step *step)
{
    struct bytes amount = script_next_word(parser);
    const struct bytes unit = script_next_word(parser);
    struct script_item *item = add_item(parser, step);
    if (amount.size > 0 && amount.data[0] == '-') {
        item->tick.before_end = true;
        amount.data++;
        amount.size--;
    }
    u128 number = 0;
    if (!u128_parse((const char *)amount.data, amount.size, &number)) {
        return script_fail(parser, "tick needs a number, found", amount);
    }
    u128 unit_ns = 0;
    if (script_is(unit, "seconds") || script_is(unit, "second")) {
        unit_ns = 1000000000;
    } else if (script_is(unit, "nanoseconds") || script_is(unit, "nanosecond")) {
        unit_ns = 1;
    } else {
        return script_fail(parser, "tick needs seconds or nanoseconds, found", unit);
    }
    if (number > INT64_MAX / unit_ns) {
        return script_fail(parser, "tick is past the largest timestamp, 2^63 - 1 nanoseconds",
                           amount);
    }
    item->tick.duration_ns = (uint64_t)(number * unit_ns);
    const struct bytes more = script_next_word(parser);
    return more.size == 0 ? STATUS_OK : script_fail(parser, "unexpected", more);
}

/* What may stand behind the name of a batch. */
static enum status parse_header(struct parser *parser, struct script_step *step)
{
    struct bytes more = script_next_word(parser);
    if (more.size > 0) {
        struct script_field field;
        TRY(script_parse_field(parser, &script_batch_keys, more, &field));
        step->not_after = (uint64_t)field.value;
        more = script_next_word(parser);
    }
    return more.size == 0 ? STATUS_OK : script_fail(parser, "unexpected", more);
}

static struct script_step *last_step(const struct script *script)
{
    return script->step_count > 0 ? &script->steps[script->step_count - 1] : NULL;
}

static enum status parse_operation(struct parser *parser)
{
    const struct bytes name = script_next_word(parser);
    unsigned kind = 0;
    while (kind < OPERATIONS && !script_is(name, operations[kind].name)) {
        kind++;
    }
    if (kind == OPERATIONS) {
        return script_fail(parser, "unknown operation", name);
    }
    struct script_step *last = last_step(parser->script);
    const bool look_up = operations[kind].shape == SCRIPT_LINE_ONLY;
    /* Consecutive lines are one look-up. */
    struct script_step *step = look_up && last != NULL && last->kind == kind
                                   ? last
                                   : add_step(parser, (enum script_kind)kind);
    if (kind == SCRIPT_TICK) {
        return parse_tick(parser, step);
    }
    if (operations[kind].shape == SCRIPT_EVENTS) {
        return parse_header(parser, step);
    }
    return parse_item(parser, step);
}

static enum status parse_line(struct parser *parser, struct bytes line)
{
    const uint8_t *comment = memchr(line.data, '#', line.size);
    parser->rest = line;
    parser->rest.size = comment != NULL ? (size_t)(comment - line.data) : line.size;
    struct parser ahead = *parser;
    if (script_next_word(&ahead).size == 0) {
        return STATUS_OK;
    }
    if (!is_space(line.data[0])) {
        return parse_operation(parser);
    }
    struct script_step *last = last_step(parser->script);
    const enum script_shape shape = last != NULL ? operations[last->kind].shape : SCRIPT_SILENT;
    if (shape == SCRIPT_EVENTS || shape == SCRIPT_HEADED) {
        return parse_item(parser, last);
    }
    if (shape == SCRIPT_ROWS) {
        return parse_row(parser, last);
    }
    return script_fail(parser, "an indented line belongs to a batch or a query above it",
                       script_next_word(parser));
}

enum status script_parse(struct script *script, struct bytes text, struct error *error)
{
    *script = (struct script){ 0 };
    struct parser parser = { .script = script, .text = text, .error = error };
    script->items = script_with_room(NULL, 0, &script->item_room, sizeof script->items[0]);
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
    free(script->sides);
    *script = (struct script){ 0 };
}
