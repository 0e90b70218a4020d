/* convert_past.c — the trial balance and balances as of a time: requests in, rows out. */
#include "api/service/convert_past.h"

#include "ledger/core/past_filter.h"

#include <fenlu/v1/ledger.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- requests --------------------------------------------------------------------------------- */

#define TRIAL(kind, name)                                                                          \
    [fenlu_v1_TrialBalanceFilter_##name##                                                          \
        _tag] = { #name, FIELD_##kind, offsetof(struct trial_filter, name) }
static const struct field TRIAL_FILTER_FIELDS[FIELDS_END] = {
    TRIAL(U32, ledger),       TRIAL(U64, as_of),      TRIAL(U16, code),
    TRIAL(U32, after_ledger), TRIAL(U16, after_code), TRIAL(U32, limit),
};
_Static_assert(fenlu_v1_GetAccountBalancesAsOfRequest_account_ids_tag == 1, "items are field 1");

struct shape past_trial_shape(void)
{
    return (struct shape){ "TrialBalanceFilter", NULL, TRIAL_FILTER_FIELDS,
                           sizeof(struct trial_filter) };
}

struct shape past_balances_shape(void)
{
    return (struct shape){ "GetAccountBalancesAsOfRequest", "account_ids", NULL,
                           sizeof(struct balances_question) };
}

static enum status check_as_of(uint64_t as_of, struct refusal *refusal)
{
    if (as_of <= TIMESTAMP_LARGEST) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->field, sizeof refusal->field, "as_of");
    return convert_over_limit(refusal, as_of, TIMESTAMP_LARGEST);
}

/* Of GetAccountBalancesAsOfRequest, for each of its ids. */
enum status past_read_as_of(const struct shape *shape, struct bytes message, uint8_t *into,
                            uint32_t count, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    uint64_t as_of = 0;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field != fenlu_v1_GetAccountBalancesAsOfRequest_as_of_tag) {
            proto_skip(&reader, tag.type);
        } else if (tag.type != PROTO_VARINT) {
            (void)snprintf(refusal->field, sizeof refusal->field, "as_of");
            return convert_wrong_type(refusal, tag.type, PROTO_VARINT);
        } else {
            as_of = proto_read_varint(&reader);
        }
    }
    if (reader.failed != NULL) {
        return convert_malformed(refusal, shape, message, &reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct balances_question question = { .as_of = as_of };
        uint8_t *unit = into + (size_t)i * sizeof question;
        memcpy(&question.account_id, unit, sizeof question.account_id);
        memcpy(unit, &question, sizeof question);
    }
    return check_as_of(as_of, refusal);
}

enum status past_read_trial(const struct shape *shape, struct bytes message, uint8_t *into,
                            struct refusal *refusal)
{
    struct position position = { message, shape, 0, refusal };
    struct trial_filter filter;
    TRY(convert_read_record(message, &position, (uint8_t *)&filter));
    filter.limit = filter.limit == 0 ? QUERY_ROWS_MAX : filter.limit;
    memcpy(into, &filter, sizeof filter);
    return check_as_of(filter.as_of, refusal);
}

/* --- replies ---------------------------------------------------------------------------------- */

_Static_assert(fenlu_v1_GetTrialBalanceResponse_rows_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetAccountBalancesAsOfResponse_balances_tag == 1, "items are field 1");

#define HALVES(name) _Static_assert(fenlu_v1_##name##_hi_tag == fenlu_v1_##name##_tag + 1, #name)
HALVES(TrialBalanceRow_debits_pending);
HALVES(TrialBalanceRow_debits_posted);
HALVES(TrialBalanceRow_credits_pending);
HALVES(TrialBalanceRow_credits_posted);
HALVES(AccountBalanceAsOf_debits_pending);
HALVES(AccountBalanceAsOf_debits_posted);
HALVES(AccountBalanceAsOf_credits_pending);
HALVES(AccountBalanceAsOf_credits_posted);

uint8_t *past_put_trial_row(uint8_t *at, const uint8_t *from)
{
    struct trial_row row;
    memcpy(&row, from, sizeof row);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceRow_ledger_tag, row.ledger);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceRow_code_tag, row.code);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceRow_accounts_tag, row.accounts);
    at = proto_put_amount(at, fenlu_v1_TrialBalanceRow_debits_pending_tag, row.debits_pending);
    at = proto_put_amount(at, fenlu_v1_TrialBalanceRow_debits_posted_tag, row.debits_posted);
    at = proto_put_amount(at, fenlu_v1_TrialBalanceRow_credits_pending_tag, row.credits_pending);
    at = proto_put_amount(at, fenlu_v1_TrialBalanceRow_credits_posted_tag, row.credits_posted);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceRow_debits_pending_carry_tag,
                        row.debits_pending_high);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceRow_debits_posted_carry_tag,
                        row.debits_posted_high);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceRow_credits_pending_carry_tag,
                        row.credits_pending_high);
    return proto_put_uint(at, fenlu_v1_TrialBalanceRow_credits_posted_carry_tag,
                          row.credits_posted_high);
}

uint8_t *past_put_balances(uint8_t *at, const uint8_t *from)
{
    struct balances_answer row;
    memcpy(&row, from, sizeof row);
    const struct balances *balances = &row.balances;
    at = proto_put_u128(at, fenlu_v1_AccountBalanceAsOf_account_id_tag, row.account_id);
    at = proto_put_amount(at, fenlu_v1_AccountBalanceAsOf_debits_pending_tag,
                          balances->debits_pending);
    at = proto_put_amount(at, fenlu_v1_AccountBalanceAsOf_debits_posted_tag,
                          balances->debits_posted);
    at = proto_put_amount(at, fenlu_v1_AccountBalanceAsOf_credits_pending_tag,
                          balances->credits_pending);
    at = proto_put_amount(at, fenlu_v1_AccountBalanceAsOf_credits_posted_tag,
                          balances->credits_posted);
    at = proto_put_uint(at, fenlu_v1_AccountBalanceAsOf_timestamp_tag, row.timestamp);
    return proto_put_uint(at, fenlu_v1_AccountBalanceAsOf_ledger_tag, row.ledger);
}

static uint32_t state_of(const uint8_t *from)
{
    struct balances_answer row;
    memcpy(&row, from, sizeof row);
    return row.state;
}

bool past_balances_found(const uint8_t *from)
{
    return state_of(from) == BALANCES_FOUND;
}

enum status past_check_balances(struct bytes payload, uint32_t count, struct refusal *refusal)
{
    for (uint32_t i = 0; i < count; i++) {
        if (state_of(payload.data + i * sizeof(struct balances_answer)) == BALANCES_NO_HISTORY) {
            (void)snprintf(refusal->field, sizeof refusal->field, "account_ids[%u]", i);
            (void)snprintf(refusal->text, sizeof refusal->text,
                           "%s: the account has not the flag HISTORY (%u), so its balances of the "
                           "past cannot be asked for",
                           refusal->field, (unsigned)ACCOUNT_HISTORY);
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}
