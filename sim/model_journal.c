/* model_journal.c — journals, from docs/journals.md. */
#include "base/assert.h"
#include "base/hash.h"
#include "ledger/store/delta_object.h"
#include "sim/model_judge.h"

#include <string.h>

/* --- records ---------------------------------------------------------------------------------- */

static struct kept_journal *find(const struct model *model, u128 id)
{
    for (uint32_t i = model->journal_count; i > 0; i--) {
        if (model->journals[i - 1].record.id == id) {
            return &model->journals[i - 1];
        }
    }
    return NULL;
}

const struct journal *model_journal(const struct model *model, u128 id)
{
    const struct kept_journal *kept = find(model, id);
    return kept == NULL ? NULL : &kept->record;
}

static void keep(struct model *model, const struct journal *journal, const uint8_t *metadata)
{
    model->journals = books_grow(model->journals, model->journal_count, &model->journal_room,
                                 sizeof model->journals[0]);
    struct kept_journal *kept = &model->journals[model->journal_count++];
    memset(kept, 0, sizeof *kept);
    kept->record = *journal;
    kept->log_index = model->log_index;
    kept->reversed_index = UINT64_MAX;
    model->digest += delta_hash_object(OBJECT_JOURNAL, journal);
    if (journal->metadata_size > 0) {
        memcpy(kept->map, metadata, journal->metadata_size);
        records_keep_map(model, OBJECT_METADATA_JOURNAL, journal->id, journal->timestamp, metadata,
                         journal->metadata_size);
    }
}

static void use_up(struct model *model, u128 id, uint64_t timestamp)
{
    const struct journal failed = { .id = id, .timestamp = timestamp, .state = JOURNAL_FAILED };
    keep(model, &failed, NULL);
}

static void link_mirror(struct model *model, u128 original, u128 mirror)
{
    struct kept_journal *kept = find(model, original);
    ASSERT(kept != NULL);
    struct journal *record = &kept->record;
    model->digest -= delta_hash_object(OBJECT_JOURNAL, record);
    record->reversed_by = mirror;
    kept->reversed_index = model->log_index;
    model->digest += delta_hash_object(OBJECT_JOURNAL, record);
}

static struct journal new_record(const struct journal_request *request, const uint8_t *metadata,
                                 uint64_t timestamp)
{
    struct journal journal = { .id = request->id, .timestamp = timestamp, .state = JOURNAL_POSTED };
    journal.kind = request->kind;
    journal.business_date = request->business_date;
    journal.reference = request->reference;
    journal.reverses = request->reverses;
    journal.user_data_128 = request->user_data_128;
    journal.user_data_64 = request->user_data_64;
    journal.user_data_32 = request->user_data_32;
    journal.metadata_size = request->metadata_size;
    journal.metadata_hash =
        request->metadata_size > 0 ? hash_bytes(0, metadata, request->metadata_size) : 0;
    return journal;
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool is_day(uint32_t date)
{
    static const char lengths[] = "312831303130313130313031";
    const uint32_t y = date / 10000, m = date / 100 % 100, d = date % 100;
    if (y < 1970 || y > 9999 || m < 1 || m > 12) {
        return false;
    }
    uint32_t length =
        (uint32_t)(lengths[2 * m - 2] - '0') * 10 + (uint32_t)(lengths[2 * m - 1] - '0');
    length += m == 2 && (y % 400 == 0 || (y % 4 == 0 && y % 100 != 0)) ? 1 : 0;
    return d >= 1 && d <= length;
}

/* All but the legs. */
static unsigned judge_head(const struct model *model, const struct journal_request *r,
                           const uint8_t *metadata, bool reversal, bool needs_room)
{
    unsigned answer = NOTHING_NOTED;
    const struct kept_journal *old = find(model, r->id);
    note(&answer, r->id == 0, JOURNAL_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, r->id + 1 == 0, JOURNAL_STATUS_ID_MUST_NOT_BE_INT_MAX);
    note(&answer, !is_day(r->business_date), JOURNAL_STATUS_BUSINESS_DATE_MUST_BE_A_DATE);
    note(&answer, needs_room && r->id % 65536 != 0, JOURNAL_STATUS_ID_MUST_LEAVE_ROOM_FOR_LEGS);
    note(&answer, !reversal && r->kind == 0, JOURNAL_STATUS_KIND_MUST_NOT_BE_ZERO);
    if (reversal) {
        note(&answer, r->reverses == 0, JOURNAL_STATUS_JOURNAL_ID_MUST_NOT_BE_ZERO);
        note(&answer, r->reverses + 1 == 0, JOURNAL_STATUS_JOURNAL_ID_MUST_NOT_BE_INT_MAX);
        note(&answer, r->reverses == r->id, JOURNAL_STATUS_JOURNAL_ID_MUST_BE_DIFFERENT);
    }
    if (old == NULL) {
        return answer;
    }
    const struct journal *o = &old->record;
    if (o->state == JOURNAL_FAILED) {
        note(&answer, true, JOURNAL_STATUS_ID_ALREADY_FAILED);
        return answer;
    }
    note(&answer, true, JOURNAL_STATUS_EXISTS);
    note(&answer,
         r->metadata_size != o->metadata_size ||
             (o->metadata_size > 0 && memcmp(metadata, old->map, o->metadata_size) != 0),
         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_METADATA);
    note(&answer, r->user_data_32 != o->user_data_32,
         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32);
    note(&answer, r->user_data_64 != o->user_data_64,
         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64);
    note(&answer, r->user_data_128 != o->user_data_128,
         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128);
    note(&answer, r->reference != o->reference, JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_REFERENCE);
    note(&answer, r->business_date != o->business_date,
         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_BUSINESS_DATE);
    note(&answer, !reversal && r->kind != o->kind, JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_KIND);
    note(&answer, r->reverses != o->reverses || reversal != (o->reverses != 0),
         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_JOURNAL_ID);
    return answer;
}

/* --- legs ------------------------------------------------------------------------------------- */

static struct transfer leg_of(const struct journal_request *request, const struct transfer *legs,
                              uint32_t i)
{
    struct transfer leg = legs[i];
    leg.id = leg.id == 0 ? request->id + 1 + i : leg.id;
    return leg;
}

/* Whether no leg before this one names the account. */
static bool is_first_of(const struct model *model, u128 id, const struct transfer *leg,
                        uint32_t count)
{
    const struct kept_transfer *made = &model->transfers[model->transfer_count - count];
    while (made->record.id != leg->id && made->record.debit_account_id != id &&
           made->record.credit_account_id != id) {
        made++;
    }
    return made->record.id == leg->id;
}

/* What the books at the end have against one leg, which was made. `reversed` is the journal that all
 * of them mirror, or NULL. */
static unsigned judge_made(struct model *model, const struct transfer *leg, uint32_t count,
                           const struct journal *reversed, uint64_t timestamp)
{
    /* Windows count at the time of the last leg. */
    const uint64_t taken_at = reversed == NULL ? 0 : reversed->timestamp + reversed->leg_count;
    unsigned answer = NOTHING_NOTED;
    const u128 ids[] = { leg->debit_account_id, leg->credit_account_id };
    for (uint32_t i = 0; i < 2 && answer == NOTHING_NOTED; i++) {
        if (is_first_of(model, ids[i], leg, count)) {
            answer = judge_net(model, ids[i], count, taken_at, timestamp);
        }
    }
    if (answer == NOTHING_NOTED) {
        judge_limits(model, &answer, 0, model_account(model, ids[0]), model_account(model, ids[1]));
    }
    return answer;
}

/* The first leg that something speaks against; `count`: nothing does. */
static uint32_t beyond_limit(struct model *model, uint32_t count, const struct journal *reversed,
                             uint64_t timestamp, unsigned *status)
{
    const uint32_t first = model->transfer_count - count;
    for (uint32_t i = 0; i < count; i++) {
        const struct transfer leg = model->transfers[first + i].record;
        const unsigned answer = judge_made(model, &leg, count, reversed, timestamp);
        if (answer != NOTHING_NOTED) {
            *status = answer;
            return i;
        }
    }
    return count;
}

/* Does all of them, or none. `count`: it did; else the leg that failed, with its status. */
static uint32_t do_legs(struct model *model, const struct transfer *legs, uint32_t count,
                        const struct journal *reversed, uint64_t first_timestamp, unsigned *status)
{
    const struct model_mark mark = model_mark(model);
    uint32_t failed = count;
    for (uint32_t i = 0; i < count && failed == count; i++) {
        const struct occasion occasion = { .timestamp = first_timestamp + i,
                                           .last_timestamp = UINT64_MAX,
                                           .in_journal = true };
        const unsigned known =
            TRANSFER_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT;
        *status = (legs[i].flags | known) != known
                      ? (unsigned)TRANSFER_STATUS_RESERVED_FLAG
                      : model_try_transfer(model, &legs[i], &occasion).status;
        failed = *status == TRANSFER_STATUS_CREATED ? count : i;
    }
    if (failed == count) {
        failed = beyond_limit(model, count, reversed, first_timestamp + count - 1, status);
    }
    if (failed < count) {
        model_put_back(model, &mark);
        if (model_remembers_failure(*status) && !model_failed(model, legs[failed].id)) {
            books_add_failed(model, legs[failed].id, *status);
        }
    }
    return failed;
}

/* --- requests --------------------------------------------------------------------------------- */

/* True when all legs are those of the journal. */
static bool same_legs(struct model *model, const struct journal_request *request,
                      const struct transfer *legs, const struct journal *old,
                      uint64_t first_timestamp, struct result *results)
{
    bool same = request->leg_count == old->leg_count;
    for (uint32_t i = 0; i < request->leg_count; i++) {
        const struct transfer leg = leg_of(request, legs, i);
        const struct transfer *made = model_transfer(model, leg.id);
        const struct occasion occasion = { .timestamp = first_timestamp + i,
                                           .last_timestamp = UINT64_MAX };
        if (made != NULL && made->timestamp == old->timestamp + 1 + i) {
            results[i] = model_try_transfer(model, &leg, &occasion);
        }
        same = same && results[i].status == TRANSFER_STATUS_EXISTS;
    }
    return same;
}

void model_post_journal(struct model *model, const struct journal_request *request,
                        const struct transfer *legs, const uint8_t *metadata,
                        uint64_t first_timestamp, struct result *results)
{
    struct transfer all[JOURNAL_LEGS_MAX];
    bool needs_room = false;
    unsigned status = TRANSFER_STATUS_CREATED;
    for (uint32_t i = 0; i <= request->leg_count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i,
                                      .status = TRANSFER_STATUS_LINKED_EVENT_FAILED };
    }
    for (uint32_t i = 0; i < request->leg_count; i++) {
        needs_room = needs_room || legs[i].id == 0;
        all[i] = leg_of(request, legs, i);
    }
    results[0].status = judge_head(model, request, metadata, false, needs_room);
    if (results[0].status == JOURNAL_STATUS_EXISTS) {
        const struct journal old = *model_journal(model, request->id);
        const bool same = same_legs(model, request, legs, &old, first_timestamp + 1, results + 1);
        results[0].status =
            same ? JOURNAL_STATUS_EXISTS : JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_LEGS;
        results[0].timestamp = same ? old.timestamp : first_timestamp;
    }
    if (results[0].status != NOTHING_NOTED) {
        return;
    }
    const uint32_t count = request->leg_count;
    const uint32_t failed = do_legs(model, all, count, NULL, first_timestamp + 1, &status);
    if (failed < count) {
        results[0].status = JOURNAL_STATUS_LEG_FAILED;
        results[1 + failed].status = status;
        if (model_remembers_failure(status)) {
            use_up(model, request->id, first_timestamp);
        }
        controls_settle(model);
        return;
    }
    controls_settle(model);
    struct journal journal = new_record(request, metadata, first_timestamp);
    journal.leg_count = count;
    for (uint32_t i = 0; i < count; i++) {
        journal.pending_leg_count += (all[i].flags & TRANSFER_PENDING) != 0 ? 1 : 0;
        results[1 + i].status = TRANSFER_STATUS_CREATED;
    }
    keep(model, &journal, metadata);
    results[0].status = JOURNAL_STATUS_CREATED;
}

/* Of a journal that may be mirrored as far as its own record says. */
static unsigned judge_original(const struct journal *original)
{
    unsigned answer = NOTHING_NOTED;
    if (original == NULL || original->state == JOURNAL_FAILED) {
        return JOURNAL_STATUS_JOURNAL_NOT_FOUND;
    }
    note(&answer, original->reversed_by != 0, JOURNAL_STATUS_JOURNAL_ALREADY_REVERSED);
    note(&answer, original->pending_leg_count > 0, JOURNAL_STATUS_JOURNAL_HAS_PENDING_LEGS);
    note(&answer, original->reverses != 0, JOURNAL_STATUS_JOURNAL_IS_A_REVERSAL);
    return answer;
}

/* The transfers that the original made lie one behind the other. */
static void mirror(const struct model *model, const struct journal *original, u128 id,
                   struct transfer *legs)
{
    uint32_t place = 0;
    while (model->transfers[place].record.timestamp != original->timestamp + 1) {
        place++;
        ASSERT(place < model->transfer_count);
    }
    for (uint32_t i = 0; i < original->leg_count; i++) {
        const struct transfer *made = &model->transfers[place + i].record;
        legs[i] = *made;
        legs[i].id = id + 1 + i;
        legs[i].debit_account_id = made->credit_account_id;
        legs[i].credit_account_id = made->debit_account_id;
        legs[i].flags = 0;
        legs[i].timestamp = 0;
    }
}

static unsigned try_mirror(struct model *model, const struct journal_request *request,
                           const uint8_t *metadata, uint64_t first_timestamp, struct result *leg)
{
    struct transfer legs[JOURNAL_LEGS_MAX];
    unsigned status = TRANSFER_STATUS_CREATED;
    const struct journal *found = model_journal(model, request->reverses);
    const unsigned answer = judge_original(found);
    if (answer != NOTHING_NOTED) {
        return answer;
    }
    const struct journal original = *found;
    mirror(model, &original, request->id, legs);
    const uint32_t failed =
        do_legs(model, legs, original.leg_count, &original, first_timestamp + 1, &status);
    leg->status = status;
    if (failed < original.leg_count) {
        leg->timestamp += failed;
        return JOURNAL_STATUS_LEG_FAILED;
    }
    struct journal journal = new_record(request, metadata, first_timestamp);
    journal.kind = original.kind;
    journal.leg_count = original.leg_count;
    keep(model, &journal, metadata);
    link_mirror(model, original.id, request->id);
    return JOURNAL_STATUS_CREATED;
}

void model_reverse_journal(struct model *model, const struct journal_request *request,
                           const uint8_t *metadata, uint64_t first_timestamp,
                           struct result results[2])
{
    results[0] = (struct result){ .timestamp = first_timestamp };
    results[1] = (struct result){ .timestamp = first_timestamp + 1,
                                  .status = TRANSFER_STATUS_LINKED_EVENT_FAILED };
    results[0].status = judge_head(model, request, metadata, true, true);
    if (results[0].status == JOURNAL_STATUS_EXISTS) {
        results[0].timestamp = model_journal(model, request->id)->timestamp;
        results[1] = (struct result){ .timestamp = results[0].timestamp + 1,
                                      .status = TRANSFER_STATUS_EXISTS };
    }
    if (results[0].status != NOTHING_NOTED) {
        return;
    }
    results[0].status = try_mirror(model, request, metadata, first_timestamp, &results[1]);
    if (results[0].status == JOURNAL_STATUS_JOURNAL_NOT_FOUND ||
        (results[0].status == JOURNAL_STATUS_LEG_FAILED &&
         model_remembers_failure(results[1].status))) {
        use_up(model, request->id, first_timestamp);
    }
    controls_settle(model);
}
