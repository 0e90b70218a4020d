/* limit_set.c — setting the limits of an account or of a group, and showing them. */
#include "ledger/core/control.h"
#include "ledger/core/window.h"

enum {
    KNOWN_FLAGS = LIMIT_OF_GROUP | LIMIT_REMOVE | LIMIT_AMOUNT | LIMIT_COUNT | LIMIT_DEBIT_NORMAL
};

/* --- checks ----------------------------------------------------------------------------------- */

/* What only an answer tells must be zero, like what is reserved. */
static bool has_reserved(const struct limit_event *event)
{
    return event->amount_used != 0 || event->count_used != 0 || event->window_begins != 0 ||
           event->window_ends != 0 || event->reserved[0] != 0 || event->reserved[1] != 0 ||
           event->reserved[2] != 0 || event->reserved_128[0] != 0 || event->reserved_128[1] != 0;
}

/* Flags that say something about a limit of this kind. */
static unsigned flags_of_kind(unsigned kind)
{
    const unsigned all = LIMIT_OF_GROUP | LIMIT_REMOVE;
    switch (kind) {
    case LIMIT_WINDOW:
        return all | LIMIT_AMOUNT | LIMIT_COUNT;
    case LIMIT_NORMAL:
        return LIMIT_OF_GROUP | LIMIT_DEBIT_NORMAL;
    default:
        return all;
    }
}

static enum control_status check_window(const struct limit_event *event)
{
    if (event->side >= SIDES) {
        return CONTROL_STATUS_SIDE_UNKNOWN;
    }
    if (event->period >= PERIODS) {
        return CONTROL_STATUS_PERIOD_UNKNOWN;
    }
    if (event->utc_offset_s < UTC_OFFSET_MIN_S || event->utc_offset_s > UTC_OFFSET_MAX_S) {
        return CONTROL_STATUS_UTC_OFFSET_OUT_OF_RANGE;
    }
    return (event->flags & (LIMIT_REMOVE | LIMIT_AMOUNT | LIMIT_COUNT)) == 0
               ? CONTROL_STATUS_AMOUNT_OR_COUNT_EXPECTED
               : CONTROL_STATUS_CREATED;
}

static enum control_status check(const struct limit_event *event)
{
    const bool known = event->kind >= LIMIT_CREDIT && event->kind <= LIMIT_NORMAL;
    if (has_reserved(event)) {
        return CONTROL_STATUS_RESERVED_FIELD;
    }
    if ((event->flags & ~(unsigned)KNOWN_FLAGS) != 0 ||
        (known && (event->flags & ~flags_of_kind(event->kind)) != 0)) {
        return CONTROL_STATUS_RESERVED_FLAG;
    }
    if (event->id == 0) {
        return CONTROL_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    if (event->id == U128_MAX) {
        return CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX;
    }
    if (!known) {
        return CONTROL_STATUS_KIND_UNKNOWN;
    }
    if (event->kind == LIMIT_WINDOW) {
        return check_window(event);
    }
    return event->kind == LIMIT_NORMAL && (event->flags & LIMIT_OF_GROUP) == 0
               ? CONTROL_STATUS_GROUP_EXPECTED
               : CONTROL_STATUS_CREATED;
}

/* --- setting ---------------------------------------------------------------------------------- */

/* A window that counts the same in the same local time goes on counting with its new maximum;
 * another one begins at zero. */
static void set_window(struct window *window, const struct limit_event *event, uint64_t timestamp)
{
    unsigned flags = (event->flags & LIMIT_AMOUNT) != 0 ? WINDOW_AMOUNT : 0;
    flags |= (event->flags & LIMIT_COUNT) != 0 ? WINDOW_COUNT : 0;
    if ((event->flags & LIMIT_REMOVE) != 0) {
        *window = (struct window){ .flags = 0 };
        return;
    }
    if (window->flags != flags || window->utc_offset_s != event->utc_offset_s) {
        *window = (struct window){ .since = timestamp,
                                   .utc_offset_s = event->utc_offset_s,
                                   .flags = (uint16_t)flags };
    }
    window->amount_max = (event->flags & LIMIT_AMOUNT) != 0 ? event->amount_max : 0;
    window->count_max = (event->flags & LIMIT_COUNT) != 0 ? event->count_max : 0;
}

static void set_flag(uint16_t *flags, unsigned flag, bool on)
{
    *flags = (uint16_t)(on ? *flags | flag : *flags & ~flag);
}

static void set(struct limits *limits, uint16_t *flags, const struct limit_event *event,
                uint64_t timestamp)
{
    const bool on = (event->flags & LIMIT_REMOVE) == 0;
    switch ((enum limit_kind)event->kind) {
    case LIMIT_CREDIT:
        set_flag(flags, CONTROL_CREDIT_LIMIT, on);
        *flags |= on ? CONTROL_HAD_CREDIT_LIMIT : 0;
        limits->credit_limit = on ? event->amount_max : 0;
        break;
    case LIMIT_BALANCE:
        set_flag(flags, CONTROL_BALANCE_MAX, on);
        limits->balance_max = on ? event->amount_max : 0;
        break;
    case LIMIT_WINDOW:
        set_window(&limits->windows[event->side * PERIODS + event->period], event, timestamp);
        break;
    case LIMIT_NORMAL:
        set_flag(flags, CONTROL_DEBIT_NORMAL, (event->flags & LIMIT_DEBIT_NORMAL) != 0);
        break;
    }
}

static enum control_status set_limit(struct ledger *ledger, const struct limit_event *event,
                                     uint64_t timestamp)
{
    const enum control_status status = check(event);
    if (status != CONTROL_STATUS_CREATED) {
        return status;
    }
    if ((event->flags & LIMIT_OF_GROUP) != 0) {
        struct group *group = group_change(ledger, event->id);
        group->updated_at = timestamp;
        set(&group->limits, &group->flags, event, timestamp);
        return CONTROL_STATUS_CREATED;
    }
    struct account *account = delta_account(ledger->delta, event->id);
    if (account == NULL) {
        return CONTROL_STATUS_ACCOUNT_NOT_FOUND;
    }
    struct control *control = control_change(ledger, account);
    set(&control->limits, &control->flags, event, timestamp);
    control_changed(ledger, control, account, timestamp);
    return CONTROL_STATUS_CREATED;
}

void ledger_set_limits(struct ledger *ledger, const struct limit_event *events, uint32_t count,
                       uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = set_limit(ledger, &events[i], first_timestamp + i);
    }
}

/* --- showing ---------------------------------------------------------------------------------- */

static struct limit_event window_row(const struct window *window, unsigned at, uint64_t now)
{
    const unsigned period = at % PERIODS;
    const struct window_span span = window_of(period, window->utc_offset_s, now);
    const bool current = window->begins == span.begins;
    struct limit_event row = { .amount_max = window->amount_max,
                               .amount_used = current ? window->amount_used : 0,
                               .window_begins = span.begins,
                               .window_ends = span.ends,
                               .count_max = window->count_max,
                               .count_used = current ? window->count_used : 0,
                               .utc_offset_s = window->utc_offset_s,
                               .kind = LIMIT_WINDOW,
                               .side = (uint8_t)(at / PERIODS),
                               .period = (uint8_t)period };
    row.flags = (window->flags & WINDOW_AMOUNT) != 0 ? LIMIT_AMOUNT : 0;
    row.flags |= (window->flags & WINDOW_COUNT) != 0 ? LIMIT_COUNT : 0;
    return row;
}

uint32_t limit_rows(const struct limits *limits, unsigned control_flags, u128 id, bool group,
                    uint64_t now, struct limit_event rows[static LIMIT_ROWS_MAX])
{
    uint32_t count = 0;
    if ((control_flags & CONTROL_CREDIT_LIMIT) != 0) {
        rows[count++] =
            (struct limit_event){ .kind = LIMIT_CREDIT, .amount_max = limits->credit_limit };
    }
    if ((control_flags & CONTROL_BALANCE_MAX) != 0) {
        rows[count++] =
            (struct limit_event){ .kind = LIMIT_BALANCE, .amount_max = limits->balance_max };
    }
    if ((control_flags & CONTROL_DEBIT_NORMAL) != 0) {
        rows[count++] = (struct limit_event){ .kind = LIMIT_NORMAL, .flags = LIMIT_DEBIT_NORMAL };
    }
    for (unsigned i = 0; i < SIDES * PERIODS; i++) {
        if (limits->windows[i].flags != 0) {
            rows[count++] = window_row(&limits->windows[i], i, now);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].id = id;
        rows[i].flags |= group ? LIMIT_OF_GROUP : 0;
    }
    return count;
}
