/* audit_controls.c — batches of controls and of groups, and what each of them has to be. */
#include "tools/audit_controls.h"

#include "ledger/core/controls.h"
#include "ledger/store/books_audit.h"
#include "tools/audit_controls_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *controls_check_name(enum controls_check check)
{
    static const char *const names[CONTROLS_CHECKS] = {
        [CONTROLS_CONTROL] = "control", [CONTROLS_WINDOW] = "window", [CONTROLS_FREEZE] = "freeze",
        [CONTROLS_GROUP] = "group",     [CONTROLS_LIMIT] = "limit",
    };
    return names[check];
}

void controls_tell(struct control_books *books, enum controls_check check, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    books->result->differences[check]++;
    books->result->differences_all++;
    books->options->difference(books->options->context, check, text);
}

struct group_slot *controls_group_of(struct control_books *books, u128 id)
{
    const uint32_t *found = map_find(&books->groups_by_id, id);
    return found != NULL ? &books->groups[*found] : NULL;
}

/* --- windows ---------------------------------------------------------------------------------- */

/* Of an account or a group; counters that cannot be recomputed are those of windows that began
 * before `known_from`. */
static void judge_windows(struct control_books *books, const char *what, u128 number,
                          const struct control_audit *audit, uint64_t updated_at,
                          uint64_t known_from)
{
    static const char *const sides[SIDES] = { "debits", "credits" };
    static const char *const periods[PERIODS] = { "day", "month", "year", "lifetime" };
    char id[U128_DECIMAL_MAX], a[U128_DECIMAL_MAX], b[U128_DECIMAL_MAX];
    u128_print(number, id);
    for (unsigned at = 0; at < SIDES * PERIODS; at++) {
        const struct window *window = &audit->limits->windows[at];
        const char *side = sides[at / PERIODS];
        const char *period = periods[at % PERIODS];
        u128_print(window->amount_used, b);
        if (control_audit_begins(window) >= known_from && !control_audit_window(audit, at)) {
            const bool amount = (window->flags & WINDOW_AMOUNT) != 0;
            const bool count = (window->flags & WINDOW_COUNT) != 0;
            u128_print(amount ? audit->amounts[at] : 0, a);
            controls_tell(books, CONTROLS_WINDOW,
                          "%s %s: its %s of the %s are %s in %" PRIu32 " movements, %s in %" PRIu64
                          " expected from its transfers",
                          what, id, side, period, b, window->count_used, a,
                          count ? audit->counts[at] : 0);
        }
        if (!control_audit_within(window, updated_at)) {
            u128_print(window->amount_max, a);
            controls_tell(books, CONTROLS_LIMIT,
                          "%s %s: its %s of the %s are %s in %" PRIu32
                          " movements, at most %s in %" PRIu32 " expected by its limit (0: any)",
                          what, id, side, period, b, window->count_used, a, window->count_max);
        }
    }
}

/* --- controls --------------------------------------------------------------------------------- */

static void judge_control(struct control_books *books, const struct control_slot *slot)
{
    const struct control *control = &slot->control;
    const struct account *account = &slot->account;
    char id[U128_DECIMAL_MAX];
    u128_print(control->id, id);
    judge_windows(books, "account", control->id, &slot->audit, control->updated_at, 0);
    if (account->timestamp == 0) {
        controls_tell(books, CONTROLS_CONTROL, "account %s has a control and no record", id);
        return;
    }
    const unsigned expected = control_restrains(control) ? ACCOUNT_CONTROLLED : 0;
    if ((account->reserved & ACCOUNT_CONTROLLED) != expected) {
        controls_tell(books, CONTROLS_CONTROL,
                      "account %s: its record says that it is %scontrolled, the contrary expected "
                      "from its control",
                      id, expected != 0 ? "not " : "");
    }
    if (!control_audit_flags(control, account)) {
        controls_tell(books, CONTROLS_LIMIT,
                      "account %s is beyond its limit flag, which no credit limit ever widened",
                      id);
    }
}

static void add_member(struct control_books *books, const struct control_slot *slot)
{
    const struct control *control = &slot->control;
    for (unsigned i = 0; i < control->group_count && i < CONTROL_GROUPS_MAX; i++) {
        const u128 id = control->group_ids[i];
        struct group_slot *group = controls_group_of(books, id);
        if (group != NULL) {
            group_audit_member(&group->sums, &slot->account);
        } else if (id > books->groups_after && id <= books->groups_last) {
            char account[U128_DECIMAL_MAX], text[U128_DECIMAL_MAX];
            u128_print(control->id, account);
            u128_print(id, text);
            controls_tell(books, CONTROLS_GROUP,
                          "account %s is a member of group %s, which has no record", account, text);
        }
    }
}

/* Behind those that are there; *count: how many. */
static enum status load_controls(struct control_books *books, u128 after, size_t *count,
                                 struct error *error)
{
    const uint32_t room = books->options->controls_max - books->slot_count;
    const size_t max = room < CONTROLS_PAGE ? room : CONTROLS_PAGE;
    const struct control *page = (const struct control *)(const void *)books->page;
    struct control_slot *slots = &books->slots[books->slot_count];
    TRY(store_objects_list(books->store, OBJECT_CONTROL, after, max, books->page, count, error));
    for (size_t i = 0; i < *count; i++) {
        slots[i] = (struct control_slot){ .control = page[i] };
        control_audit_begin(&slots[i].audit, &slots[i].control.limits);
        map_insert(&books->slots_by_id, page[i].id, books->slot_count++);
    }
    for (size_t i = 0; i < *count; i++) {
        bool found;
        TRY(books_account(books->store, page[i].id, &slots[i].account, &found, error));
        add_member(books, &slots[i]);
    }
    return STATUS_OK;
}

/* *after is the last one's id. */
static enum status audit_batch(struct control_books *books, u128 *after, struct error *error)
{
    size_t count;
    books->slot_count = 0;
    map_clear(&books->slots_by_id);
    do {
        TRY(load_controls(books, *after, &count, error));
        *after = books->slot_count > 0 ? books->slots[books->slot_count - 1].control.id : *after;
    } while (count > 0 && books->slot_count < books->options->controls_max);
    TRY(controls_walk(books, error));
    for (uint32_t i = 0; books->first && i < books->slot_count; i++) {
        judge_control(books, &books->slots[i]);
        TRY(controls_check_listed(books, &books->slots[i].control, error));
    }
    books->result->controls += books->first ? books->slot_count : 0;
    return STATUS_OK;
}

/* --- groups ----------------------------------------------------------------------------------- */

static enum status load_groups(struct control_books *books, struct error *error)
{
    const struct group *page = (const struct group *)(const void *)books->page;
    u128 after = books->groups_after;
    size_t count;
    books->group_count = 0;
    map_clear(&books->groups_by_id);
    do {
        const uint32_t room = books->options->groups_max - books->group_count;
        TRY(store_objects_list(books->store, OBJECT_GROUP, after,
                               room < CONTROLS_PAGE ? room : CONTROLS_PAGE, books->page, &count,
                               error));
        for (size_t i = 0; i < count; i++) {
            struct group_slot *slot = &books->groups[books->group_count];
            slot->group = page[i];
            group_audit_begin(&slot->sums, &slot->group);
            control_audit_begin(&slot->audit, &slot->group.limits);
            map_insert(&books->groups_by_id, page[i].id, books->group_count++);
            after = page[i].id;
        }
    } while (count > 0 && books->group_count < books->options->groups_max);
    books->groups_last = count > 0 ? after : U128_MAX;
    return STATUS_OK;
}

static void judge_group(struct control_books *books, const struct group_slot *slot)
{
    const struct group *group = &slot->group;
    judge_windows(books, "group", group->id, &slot->audit, group->updated_at,
                  group->members_changed_at);
    if (group_audit_end(&slot->sums)) {
        return;
    }
    const struct group *of[2] = { group, &slot->sums.sums };
    char id[U128_DECIMAL_MAX], sums[2][TEXT_MAX / 2];
    for (int i = 0; i < 2; i++) {
        char text[4][U128_DECIMAL_MAX];
        u128_print(of[i]->debits_pending, text[0]);
        u128_print(of[i]->debits_posted, text[1]);
        u128_print(of[i]->credits_pending, text[2]);
        u128_print(of[i]->credits_posted, text[3]);
        (void)snprintf(sums[i], sizeof sums[i], "debits %s %s, credits %s %s", text[0], text[1],
                       text[2], text[3]);
    }
    u128_print(group->id, id);
    controls_tell(books, CONTROLS_GROUP,
                  "group %s: %" PRIu32 " members with pending and posted %s; %" PRIu32
                  " with %s expected from its members",
                  id, group->members, sums[0], slot->sums.sums.members, sums[1]);
}

/* All controls, for one batch of groups. */
static enum status audit_groups(struct control_books *books, struct error *error)
{
    u128 after = 0;
    TRY(load_groups(books, error));
    do {
        TRY(audit_batch(books, &after, error));
    } while (books->slot_count == books->options->controls_max);
    for (uint32_t i = 0; i < books->group_count; i++) {
        judge_group(books, &books->groups[i]);
    }
    books->result->groups += books->group_count;
    return STATUS_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum status run(struct control_books *books, struct error *error)
{
    TRY(controls_check_orders(books, error));
    books->first = true;
    do {
        TRY(audit_groups(books, error));
        books->groups_after = books->groups_last;
        books->first = false;
    } while (books->groups_last != U128_MAX);
    return STATUS_OK;
}

static bool allocate(struct control_books *books)
{
    const struct controls_options *options = books->options;
    books->slots = calloc(options->controls_max, sizeof *books->slots);
    books->slot_map = calloc(1, map_footprint(options->controls_max));
    books->groups = calloc(options->groups_max, sizeof *books->groups);
    books->group_map = calloc(1, map_footprint(options->groups_max));
    books->page = malloc(CONTROLS_PAGE * OBJECT_SIZE_MAX);
    if (books->slots == NULL || books->slot_map == NULL || books->groups == NULL ||
        books->group_map == NULL || books->page == NULL) {
        return false;
    }
    map_init(&books->slots_by_id, books->slot_map, options->controls_max);
    map_init(&books->groups_by_id, books->group_map, options->groups_max);
    return true;
}

enum status audit_controls(struct store *store, const struct controls_options *options,
                           struct controls_result *result, struct error *error)
{
    struct control_books books = { .store = store, .options = options, .result = result };
    *result = (struct controls_result){ 0 };
    enum status status = allocate(&books)
                             ? run(&books, error)
                             : error_set(error, STATUS_MEMORY, "no memory for an audit");
    free(books.slots);
    free(books.slot_map);
    free(books.groups);
    free(books.group_map);
    free(books.page);
    return status;
}
