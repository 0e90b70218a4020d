/* script_compare.c — texts of the expected and of the found, printed from the same keys in the same
 * order: equal texts are an expectation that is met. */
#include "base/assert.h"
#include "tools/script_machine.h"
#include "tools/script_parser.h"

#include <string.h>

static void print_expected(struct machine *machine, const struct script_expectation *expected)
{
    struct script_text *text = &machine->expected;
    script_text_clear(text);
    if (expected->word != NULL) {
        script_print(text, expected->word);
    }
    for (uint32_t i = 0; i < expected->field_count; i++) {
        const struct script_field *field = &machine->script->fields[expected->first_field + i];
        if (field->key == NULL) {
            script_print_number(text, field->value);
        } else if (field->key->value == SCRIPT_SIDE) {
            script_print_side(text, field->key, &machine->script->sides[(size_t)field->value]);
        } else {
            script_print_field(text, field->key, field->value);
        }
    }
}

static void tell(struct machine *machine, const struct script_item *item)
{
    print_expected(machine, &item->expected);
    machine->watcher->item(machine->watcher->context, item,
                           item->expected.given ? script_text_get(&machine->expected) : NULL,
                           script_text_get(&machine->found));
}

static void print_key(struct script_text *text, const struct script_key *key, const void *record)
{
    if (key->value == SCRIPT_SIDE) {
        struct script_side side;
        memcpy(&side, (const uint8_t *)record + key->offset, sizeof side);
        script_print_side(text, key, &side);
    } else {
        script_print_field(text, key, script_field_get(key, record));
    }
}

/* The fields that are expected, as the record has them. */
static void print_fields(struct machine *machine, const struct script_expectation *expected,
                         const void *record)
{
    for (uint32_t i = 0; i < expected->field_count; i++) {
        print_key(&machine->found, machine->script->fields[expected->first_field + i].key, record);
    }
}

void script_compare_result(struct machine *machine, const struct script_item *item,
                           const struct result *result, const char *status)
{
    ASSERT(status != NULL);
    script_text_clear(&machine->found);
    if (item->expected.word != NULL || !item->expected.given) {
        script_print(&machine->found, status);
    }
    print_fields(machine, &item->expected, result);
    tell(machine, item);
}

static void print_balances(const struct account *account, struct script_text *text)
{
    for (size_t i = 0; i < script_setup_keys.count; i++) {
        const struct script_key *key = &script_setup_keys.list[i];
        if (key->offset != offsetof(struct account, id)) {
            print_key(text, key, account);
        }
    }
}

/* Of a transfer "found" says enough where nothing was expected. */
void script_compare_found(struct machine *machine, const struct script_item *item,
                          const void *record, const struct account *account)
{
    const struct script_expectation *expected = &item->expected;
    const bool other_word = expected->word != NULL && strcmp(expected->word, "found") != 0;
    struct script_text *found = &machine->found;
    script_text_clear(found);
    if (record == NULL) {
        script_print(found, "not_found");
    } else if (account != NULL && (!expected->given || other_word)) {
        print_balances(account, found);
    } else {
        if (!expected->given || expected->word != NULL) {
            script_print(found, "found");
        }
        print_fields(machine, expected, record);
    }
    tell(machine, item);
}

void script_compare_ids(struct machine *machine, const struct script_item *item, uint32_t count,
                        u128 (*id)(const struct machine *machine, uint32_t i))
{
    script_text_clear(&machine->found);
    for (uint32_t i = 0; i < count; i++) {
        script_print_number(&machine->found, id(machine, i));
    }
    tell(machine, item);
}

/* --- rows ------------------------------------------------------------------------------------- */

/* What of a row that nobody expected is worth a line: not ids that are not there, and not what a
 * transfer has by itself. */
static bool is_told(const struct script_key *key, const void *row)
{
    static const char *const untold[] = { "ledger", "code", "timestamp" };
    for (size_t i = 0; i < sizeof untold / sizeof untold[0]; i++) {
        if (strcmp(key->name, untold[i]) == 0) {
            return false;
        }
    }
    const bool is_id = strcmp(key->name, "transfer") == 0 || strcmp(key->name, "pending_id") == 0;
    return !is_id || script_field_get(key, row) != 0;
}

/* A row that nobody expected, or none, below the last line of the step. */
static void tell_more(struct machine *machine, const struct script_step *step, const void *row)
{
    const struct script_item *last =
        &machine->script->items[step->first_item + step->item_count - 1];
    struct script_item more = { .line = last->line, .expected = { .given = true } };
    more.expected.place = SCRIPT_LINES_FOLLOW;
    more.expected.begin = last->expected.end;
    more.expected.end = last->expected.end;
    const struct script_keys *keys = script_operation(step->kind)->expected;
    script_text_clear(&machine->found);
    for (size_t k = 0; k < keys->count; k++) {
        if (row != NULL && is_told(&keys->list[k], row)) {
            print_key(&machine->found, &keys->list[k], row);
        }
    }
    tell(machine, &more);
}

void script_compare_rows(struct machine *machine, const struct script_step *step, const void *rows,
                         uint32_t count, size_t size)
{
    const struct script_item *items = &machine->script->items[step->first_item + 1];
    const uint32_t expected = step->item_count - 1;
    const uint8_t *bytes = rows;
    for (uint32_t i = 0; i < expected; i++) {
        script_text_clear(&machine->found);
        if (i < count) {
            print_fields(machine, &items[i].expected, bytes + i * size);
        }
        tell(machine, &items[i]);
    }
    for (uint32_t i = expected; i < count; i++) {
        tell_more(machine, step, bytes + i * size);
    }
    if (expected == 0 && count == 0) {
        tell_more(machine, step, NULL);
    }
}
