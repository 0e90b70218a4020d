/* past.c — questions about the past, each a sequence of smaller ones that query.c answers. */
#include "ledger/store/past.h"

#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/store/query_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECE_ROWS = 512,    /* of the trial balance at a seal, read in one step */
    PIECE_QUESTIONS = 8, /* steps of smaller questions about accounts in one step */
};

enum past_phase { PAST_BASE, PAST_REPLAY, PAST_BASE_ACCOUNTS, PAST_REPLAY_ACCOUNTS, PAST_LAST };

struct past {
    struct store *store;
    struct query *inner; /* the smaller question under way; NULL: none */
    uint64_t as_of;
    uint32_t limit;
    uint32_t position;
    uint32_t count; /* of rows, or of answers */

    /* The trial balance: */
    struct trial_row *rows;
    enum past_phase phase;
    uint64_t base;
    bool sums_are_now; /* the rows have what is asked for already */
    bool accounts_are_now;

    /* Balances: */
    struct balances_question *questions;
    struct balances_answer *answers;
};

/* --- opening and closing ---------------------------------------------------------------------- */

static enum status no_memory(struct past *past, struct error *error)
{
    past_close(past);
    return error_set(error, STATUS_MEMORY, "no memory for a question about the past");
}

static enum status as_query(struct past *past, enum query_kind kind, struct query **query,
                            struct error *error)
{
    struct query *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return no_memory(past, error);
    }
    opened->store = past->store;
    opened->kind = kind;
    opened->past = past;
    *query = opened;
    return STATUS_OK;
}

static bool is_asked_for(const struct trial_question *question, const struct trial_row *row)
{
    bool after = row->ledger != question->after_ledger ? row->ledger > question->after_ledger
                                                       : row->code > question->after_code;
    return after && (question->ledger == 0 || row->ledger == question->ledger) &&
           (question->code == 0 || row->code == question->code);
}

enum status past_open_trial(struct store *store, const struct trial_question *question,
                            const struct trial_now *now, struct query **query, struct error *error)
{
    struct past *past = calloc(1, sizeof *past);
    uint32_t count = 0;
    for (uint32_t i = 0; i < now->count; i++) {
        count += is_asked_for(question, &now->rows[i]);
    }
    if (past == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a question about the past");
    }
    past->store = store;
    past->as_of = question->as_of;
    past->limit = question->limit < QUERY_ROWS_MAX ? question->limit : QUERY_ROWS_MAX;
    past->rows = malloc((count > 0 ? count : 1) * sizeof *past->rows);
    if (past->rows == NULL) {
        return no_memory(past, error);
    }
    for (uint32_t i = 0; i < now->count; i++) {
        if (is_asked_for(question, &now->rows[i])) {
            past->rows[past->count++] = now->rows[i];
        }
    }
    past->sums_are_now = past->as_of == 0 || past->as_of >= now->last_change;
    past->accounts_are_now = past->as_of == 0 || past->as_of >= now->last_account;
    past->phase = past->sums_are_now ? PAST_BASE_ACCOUNTS : PAST_BASE;
    return as_query(past, QUERY_TRIAL, query, error);
}

enum status past_open_balances(struct store *store, const struct balances_question *questions,
                               uint32_t count, struct query **query, struct error *error)
{
    struct past *past = calloc(1, sizeof *past);
    ASSERT(count > 0 && count <= BATCH_EVENTS_MAX);
    if (past == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a question about the past");
    }
    past->store = store;
    past->count = count;
    past->questions = malloc(count * sizeof *past->questions);
    past->answers = calloc(count, sizeof *past->answers);
    if (past->questions == NULL || past->answers == NULL) {
        return no_memory(past, error);
    }
    memcpy(past->questions, questions, count * sizeof *questions);
    return as_query(past, QUERY_BALANCES_AS_OF, query, error);
}

static void close_inner(struct past *past)
{
    if (past->inner != NULL) {
        query_close(past->inner);
        past->inner = NULL;
    }
}

void past_close(struct past *past)
{
    close_inner(past);
    free(past->rows);
    free(past->questions);
    free(past->answers);
    free(past);
}

const void *past_rows(const struct past *past, uint32_t *count)
{
    *count = past->count;
    return past->questions != NULL ? (const void *)past->answers : past->rows;
}

/* --- the trial balance: rows of a seal -------------------------------------------------------- */

static enum trial_series series_of(const struct past *past)
{
    return past->phase == PAST_BASE ? TRIAL_SUMS : TRIAL_ACCOUNTS;
}

static void clear(struct trial_row *row, enum trial_series series)
{
    uint64_t accounts = row->accounts;
    if (series == TRIAL_ACCOUNTS) {
        row->accounts = 0;
    } else {
        *row = (struct trial_row){ .accounts = accounts, .ledger = row->ledger, .code = row->code };
    }
}

/* The seal is chosen once: later ones do not matter to what was before them. */
static enum status read_base(struct past *past, struct error *error)
{
    enum trial_series series = series_of(past);
    if (past->position == 0) {
        TRY(store_trial_base(past->store, series, past->as_of, &past->base, error));
    }
    uint32_t left = past->count - past->position;
    uint32_t piece = left < PIECE_ROWS ? left : PIECE_ROWS;
    struct trial_row *rows = past->rows + past->position;
    for (uint32_t i = 0; i < piece; i++) {
        clear(&rows[i], series);
    }
    if (past->base > 0) {
        TRY(store_trial_read(past->store, series, past->base, rows, piece, error));
    }
    past->position += piece;
    if (past->position == past->count) {
        past->position = 0;
        past->phase = series == TRIAL_SUMS ? PAST_REPLAY : PAST_REPLAY_ACCOUNTS;
    }
    return STATUS_OK;
}

/* --- the trial balance: what came after the seal ---------------------------------------------- */

/* NULL: not asked for. */
static struct trial_row *find_row(struct past *past, uint32_t ledger, uint16_t code)
{
    uint32_t low = 0;
    uint32_t high = past->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct trial_row *row = &past->rows[middle];
        if (row->ledger == ledger && row->code == code) {
            return row;
        }
        bool before = row->ledger != ledger ? row->ledger < ledger : row->code < code;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return NULL;
}

static void add(u128 *low, uint64_t *high, u128 amount)
{
    *high += !u128_add(*low, amount, low);
}

static void subtract(u128 *low, uint64_t *high, u128 amount)
{
    *high -= !u128_subtract(*low, amount, low);
}

static void replay(struct past *past, const struct query_change *event)
{
    const struct change *change = &event->change;
    const struct change_effect effect = change_effect(change);
    struct trial_row *debit = find_row(past, event->transfer.ledger, change->debit_code);
    struct trial_row *credit = find_row(past, event->transfer.ledger, change->credit_code);
    if (debit != NULL) {
        add(&debit->debits_pending, &debit->debits_pending_high, effect.reserved);
        subtract(&debit->debits_pending, &debit->debits_pending_high, effect.released);
        add(&debit->debits_posted, &debit->debits_posted_high, effect.posted);
    }
    if (credit != NULL) {
        add(&credit->credits_pending, &credit->credits_pending_high, effect.reserved);
        subtract(&credit->credits_pending, &credit->credits_pending_high, effect.released);
        add(&credit->credits_posted, &credit->credits_posted_high, effect.posted);
    }
}

static void replay_account(struct past *past, const struct account *account)
{
    struct trial_row *row = find_row(past, account->ledger, account->code);
    if (row != NULL) {
        row->accounts++;
    }
}

/* Rows of the inner query; gives the timestamp of the last one. */
static uint64_t take_events(struct past *past, const void *rows, uint32_t count)
{
    const struct query_change *changes = rows;
    const struct account *accounts = rows;
    bool of_changes = past->phase == PAST_REPLAY;
    for (uint32_t i = 0; i < count; i++) {
        if (of_changes) {
            replay(past, &changes[i]);
        } else {
            replay_account(past, &accounts[i]);
        }
    }
    return of_changes ? changes[count - 1].change.timestamp : accounts[count - 1].timestamp;
}

static enum status open_events(struct past *past, struct error *error)
{
    const struct query_filter filter = { .timestamp_min = past->base + 1,
                                         .timestamp_max = past->as_of,
                                         .limit = QUERY_ROWS_MAX };
    enum query_kind kind = past->phase == PAST_REPLAY ? QUERY_CHANGES : QUERY_ACCOUNTS;
    return query_open(past->store, kind, &filter, &past->inner, error);
}

/* All events after the base up to the time, as many at a time as a query gives. */
static enum status replay_events(struct past *past, struct error *error)
{
    enum past_phase next = past->phase == PAST_REPLAY ? PAST_BASE_ACCOUNTS : PAST_LAST;
    if (past->inner == NULL) {
        if (past->base >= past->as_of || MUTATION(past_stops_at_seal)) {
            past->phase = next;
            return STATUS_OK;
        }
        return open_events(past, error);
    }
    if (!query_done(past->inner)) {
        return query_step(past->inner, error);
    }
    uint32_t count;
    const void *rows = query_rows(past->inner, &count);
    past->base = count > 0 ? take_events(past, rows, count) : past->base;
    past->phase = count < QUERY_ROWS_MAX ? next : past->phase;
    close_inner(past);
    return STATUS_OK;
}

/* Pairs that had no account then are not shown, nor what is over the limit. */
static void cut(struct past *past)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < past->count && kept < past->limit; i++) {
        if (past->rows[i].accounts > 0) {
            past->rows[kept++] = past->rows[i];
        }
    }
    past->count = kept;
}

static enum status step_trial(struct past *past, bool *done, struct error *error)
{
    switch (past->phase) {
    case PAST_BASE_ACCOUNTS:
        if (past->accounts_are_now) {
            past->phase = PAST_LAST;
            return STATUS_OK;
        }
        return read_base(past, error);
    case PAST_BASE:
        return read_base(past, error);
    case PAST_REPLAY:
    case PAST_REPLAY_ACCOUNTS:
        return replay_events(past, error);
    case PAST_LAST:
        cut(past);
        *done = true;
        return STATUS_OK;
    default:
        UNREACHABLE();
    }
}

/* --- balances --------------------------------------------------------------------------------- */

/* Opens the question for the account's last change when it has one to tell of. */
static enum status begin_answer(struct past *past, struct error *error)
{
    const struct balances_question *question = &past->questions[past->position];
    struct balances_answer *answer = &past->answers[past->position];
    struct account account;
    size_t found;
    answer->account_id = question->account_id;
    TRY(store_look_up_accounts(past->store, &question->account_id, 1, &account, &found, error));
    if (found == 0 || (question->as_of != 0 && account.timestamp > question->as_of)) {
        answer->state = BALANCES_NOT_FOUND;
        past->position++;
        return STATUS_OK;
    }
    answer->ledger = account.ledger;
    if ((account.flags & ACCOUNT_HISTORY) == 0) {
        answer->state = BALANCES_NO_HISTORY;
        past->position++;
        return STATUS_OK;
    }
    answer->state = BALANCES_FOUND;
    answer->timestamp = account.timestamp;
    const struct query_filter filter = {
        .account_id = question->account_id,
        .timestamp_max = question->as_of,
        .limit = 1,
        .flags = QUERY_ACCOUNT_DEBITS | QUERY_ACCOUNT_CREDITS | QUERY_ACCOUNT_REVERSED,
    };
    return query_open(past->store, QUERY_ACCOUNT_LAST, &filter, &past->inner, error);
}

static void end_answer(struct past *past)
{
    struct balances_answer *answer = &past->answers[past->position];
    uint32_t count;
    const struct query_balance *last = query_rows(past->inner, &count);
    if (count > 0) {
        answer->balances = last->balances;
        answer->timestamp = last->timestamp;
    }
    close_inner(past);
    past->position++;
}

static enum status step_balances(struct past *past, bool *done, struct error *error)
{
    for (uint32_t i = 0; i < PIECE_QUESTIONS && past->position < past->count; i++) {
        if (past->inner == NULL) {
            TRY(begin_answer(past, error));
        } else if (!query_done(past->inner)) {
            TRY(query_step(past->inner, error));
        } else {
            end_answer(past);
        }
    }
    *done = past->position == past->count;
    return STATUS_OK;
}

enum status past_step(struct past *past, bool *done, struct error *error)
{
    return past->questions != NULL ? step_balances(past, done, error)
                                   : step_trial(past, done, error);
}
