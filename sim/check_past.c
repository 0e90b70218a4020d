/* Questions about what was, and about single records, at the entry that the answer names. */
#include "base/assert.h"
#include "ledger/core/past_filter.h"
#include "sim/check_internal.h"

#include <string.h>

enum { PAIRS_MAX = 256 }; /* of ledger and code */

static void check_trial(struct rows *rows, const struct model *model, const struct command *command)
{
    struct trial_row all[PAIRS_MAX];
    const struct trial_question question = past_trial_question(command);
    const uint32_t count =
        model_trial_balance(model, rows_index(rows), question.as_of, all, PAIRS_MAX);
    uint32_t left = question.limit;
    for (uint32_t i = 0; i < count && left > 0; i++) {
        const bool after =
            all[i].ledger > question.after_ledger ||
            (all[i].ledger == question.after_ledger && all[i].code > question.after_code);
        if (after && (question.ledger == 0 || question.ledger == all[i].ledger) &&
            (question.code == 0 || question.code == all[i].code)) {
            query_expect(rows, &all[i]);
            left--;
        }
    }
}

static void check_balances(struct rows *rows, const struct model *model,
                           const struct command *command)
{
    for (uint32_t i = 0; i < command->header.count; i++) {
        const struct balances_question question = past_balances_question(command, i);
        struct balances_answer answer = { .account_id = question.account_id,
                                          .state = BALANCES_NOT_FOUND };
        struct account account;
        uint64_t timestamp;
        if (model_account_as_of(model, question.account_id, rows_index(rows), question.as_of,
                                &account, &timestamp)) {
            const bool history = (account.flags & ACCOUNT_HISTORY) != 0;
            answer.ledger = account.ledger;
            answer.state = history ? BALANCES_FOUND : BALANCES_NO_HISTORY;
            if (history) {
                answer.timestamp = timestamp;
                answer.balances = (struct balances){ .debits_pending = account.debits_pending,
                                                     .debits_posted = account.debits_posted,
                                                     .credits_pending = account.credits_pending,
                                                     .credits_posted = account.credits_posted };
            }
        }
        query_expect(rows, &answer);
    }
}

/* --- single records --------------------------------------------------------------------------- */

static void expect_units(struct rows *rows, const void *record, size_t size)
{
    uint8_t units[OBJECT_SIZE_MAX] = { 0 };
    ASSERT(size <= sizeof units);
    memcpy(units, record, size);
    for (size_t at = 0; at < size; at += EVENT_SIZE) {
        query_expect(rows, units + at);
    }
}

static bool find_journal(const struct model *model, u128 id, uint64_t index,
                         struct journal *journal)
{
    bool found = false;
    for (uint32_t i = 0; i < model_journal_count(model) && !found; i++) {
        found = model_journal_at(model, i, index, journal) && journal->id == id;
    }
    return found;
}

static void check_journal(struct rows *rows, const struct model *model,
                          const struct command *command)
{
    struct journal journal;
    u128 id;
    memcpy(&id, command->events, sizeof id);
    if (!find_journal(model, id, rows_index(rows), &journal)) {
        return;
    }
    expect_units(rows, &journal, sizeof journal);
    for (uint32_t i = 0; i < journal.leg_count; i++) {
        query_expect(rows, model_transfer_timed(model, journal.timestamp + 1 + i));
    }
    const struct metadata_record *record =
        model_metadata_at(model, OBJECT_METADATA_JOURNAL, id, rows_index(rows), 0);
    if (record != NULL) {
        expect_units(rows, record->map, sizeof record->map);
    }
}

static void check_metadata(struct rows *rows, const struct model *model,
                           const struct command *command)
{
    const struct metadata_question question = metadata_question_of(command);
    const struct metadata_record *record = model_metadata_at(
        model, metadata_kind(question.target), question.id, rows_index(rows), question.as_of);
    if (record != NULL) {
        expect_units(rows, record, sizeof *record);
    }
}

static void check_ids(struct rows *rows, const struct model *model, const struct command *command)
{
    for (uint32_t i = 0; i < command->header.count; i++) {
        struct hold_view hold;
        struct freeze freeze;
        u128 id;
        memcpy(&id, command->events + i * sizeof id, sizeof id);
        if (command->header.operation == OPERATION_LOOK_UP_HOLDS) {
            if (model_hold_at(model, id, rows_index(rows), &hold)) {
                query_expect(rows, &hold);
            }
        } else if (model_freeze_at(model, id, rows_index(rows), &freeze)) {
            query_expect(rows, &freeze);
        }
    }
}

void check_past(struct rows *rows, const struct model *model, const struct command *command)
{
    switch (command->header.operation) {
    case OPERATION_TRIAL_BALANCE:
        check_trial(rows, model, command);
        return;
    case OPERATION_BALANCES_AS_OF:
        check_balances(rows, model, command);
        return;
    case OPERATION_GET_JOURNAL:
        check_journal(rows, model, command);
        return;
    case OPERATION_GET_METADATA:
        check_metadata(rows, model, command);
        return;
    default:
        ASSERT(command->header.operation == OPERATION_LOOK_UP_HOLDS ||
               command->header.operation == OPERATION_GET_FREEZE);
        check_ids(rows, model, command);
        return;
    }
}
