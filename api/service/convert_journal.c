#include "api/service/convert_journal.h"

#include "api/service/convert_fields.h"
#include "api/service/convert_metadata.h"
#include "base/assert.h"
#include "ledger/core/command_journal.h"
#include "ledger/core/filter.h"

#include <fenlu/v1/ledger.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUEST(message, kind, name, field)                                                        \
    [fenlu_v1_##message##_##name##                                                                 \
        _tag] = { #name, FIELD_##kind, offsetof(struct journal_request, field) }
#define FILTER(kind, name)                                                                         \
    [fenlu_v1_JournalFilter_##name##                                                               \
        _tag] = { #name, FIELD_##kind, offsetof(struct journal_filter, name) }

static const struct field POST_FIELDS[FIELDS_END] = {
    REQUEST(PostJournalRequest, ID, id, id),
    REQUEST(PostJournalRequest, U32, kind, kind),
    REQUEST(PostJournalRequest, U32, business_date, business_date),
    REQUEST(PostJournalRequest, ID, reference, reference),
    REQUEST(PostJournalRequest, ID, user_data_128, user_data_128),
    REQUEST(PostJournalRequest, U64, user_data_64, user_data_64),
    REQUEST(PostJournalRequest, U32, user_data_32, user_data_32),
};

static const struct field REVERSE_FIELDS[FIELDS_END] = {
    REQUEST(ReverseJournalRequest, ID, id, id),
    REQUEST(ReverseJournalRequest, ID, journal_id, reverses),
    REQUEST(ReverseJournalRequest, U32, business_date, business_date),
    REQUEST(ReverseJournalRequest, ID, reference, reference),
    REQUEST(ReverseJournalRequest, ID, user_data_128, user_data_128),
    REQUEST(ReverseJournalRequest, U64, user_data_64, user_data_64),
    REQUEST(ReverseJournalRequest, U32, user_data_32, user_data_32),
};

static const struct field GET_FIELDS[FIELDS_END] = {
    REQUEST(GetJournalRequest, ID, id, id),
};

static const struct field FILTER_FIELDS[FIELDS_END] = {
    FILTER(U32, kind),
    FILTER(U32, business_date_min),
    FILTER(U32, business_date_max),
    FILTER(ID, reference),
    FILTER(U64, timestamp_min),
    FILTER(U64, timestamp_max),
    FILTER(U32, limit),
    FILTER(U32, flags),
};

static struct shape shape_of(enum operation operation)
{
    switch ((unsigned)operation) {
    case OPERATION_POST_JOURNAL:
        return (struct shape){ "PostJournalRequest", NULL, POST_FIELDS, EVENT_SIZE };
    case OPERATION_REVERSE_JOURNAL:
        return (struct shape){ "ReverseJournalRequest", NULL, REVERSE_FIELDS, EVENT_SIZE };
    case OPERATION_GET_JOURNAL:
        return (struct shape){ "GetJournalRequest", NULL, GET_FIELDS, EVENT_SIZE };
    case OPERATION_QUERY_JOURNALS:
        return (struct shape){ "JournalFilter", NULL, FILTER_FIELDS, EVENT_SIZE };
    default:
        UNREACHABLE();
    }
}

static uint8_t *new_command(enum operation operation, uint32_t count)
{
    return calloc(1, COMMAND_HEADER_SIZE + operation_payload_size(operation, count));
}

/* --- legs ------------------------------------------------------------------------------------- */

static const struct shape LEGS = { "PostJournalRequest", "legs", CONVERT_TRANSFER_FIELDS,
                                   EVENT_SIZE };

/* The next leg off the front; false at the end, or when the reader failed. The type of each was
 * checked by count_legs, which sees all of them first. */
static bool next_leg(struct proto_reader *reader, struct bytes *leg, uint32_t *type)
{
    struct proto_tag tag;
    while (proto_read_tag(reader, &tag)) {
        if (tag.field == fenlu_v1_PostJournalRequest_legs_tag) {
            *type = tag.type;
            if (tag.type != PROTO_BYTES) {
                return false;
            }
            *leg = proto_read_bytes(reader);
            return reader->failed == NULL;
        }
        proto_skip(reader, tag.type);
    }
    return false;
}

static enum status count_legs(struct bytes message, uint32_t *count, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct bytes leg;
    uint32_t type = PROTO_BYTES;
    *count = 0;
    while (next_leg(&reader, &leg, &type)) {
        (*count)++;
    }
    if (reader.failed != NULL) {
        return convert_malformed(refusal, &LEGS, message, &reader);
    }
    if (type != PROTO_BYTES) {
        convert_name_field(refusal, &LEGS, *count, NULL);
        return convert_wrong_type(refusal, type, PROTO_BYTES);
    }
    if (*count < 1 || *count > JOURNAL_LEGS_MAX) {
        (void)snprintf(refusal->field, sizeof refusal->field, "legs");
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "legs: %" PRIu32 " items, expected 1 to %d", *count, JOURNAL_LEGS_MAX);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status read_legs(struct bytes message, uint8_t *into, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct position position = { message, &LEGS, 0, refusal };
    struct bytes leg;
    uint32_t type;
    for (; next_leg(&reader, &leg, &type); position.index++, into += EVENT_SIZE) {
        TRY(convert_read_record(leg, &position, into));
    }
    return STATUS_OK;
}

/* --- metadata --------------------------------------------------------------------------------- */

_Static_assert(fenlu_v1_PostJournalRequest_metadata_tag ==
                   fenlu_v1_ReverseJournalRequest_metadata_tag,
               "one reader");

static enum status read_metadata(const struct shape *shape, struct bytes message,
                                 uint8_t map[METADATA_BYTES_MAX], uint32_t *size,
                                 struct refusal *refusal)
{
    struct metadata_reading reading = { .count = 0 };
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field != fenlu_v1_PostJournalRequest_metadata_tag) {
            proto_skip(&reader, tag.type);
            continue;
        }
        if (tag.type != PROTO_BYTES) {
            (void)snprintf(refusal->field, sizeof refusal->field, "metadata");
            return convert_wrong_type(refusal, tag.type, PROTO_BYTES);
        }
        const struct bytes entry = proto_read_bytes(&reader);
        if (reader.failed == NULL) {
            TRY(convert_metadata_entry(entry, shape->message, "metadata", &reading, refusal));
        }
    }
    *size = 0;
    return reading.count == 0
               ? STATUS_OK
               : convert_metadata_write(&reading, false, "metadata", map, size, refusal);
}

/* --- requests --------------------------------------------------------------------------------- */

static enum status refuse(struct refusal *refusal, const char *field)
{
    (void)snprintf(refusal->field, sizeof refusal->field, "%s", field);
    return STATUS_INVALID;
}

static enum status check_times(const struct journal_filter *filter, struct refusal *refusal)
{
    const struct filter times = { .timestamp_min = filter->timestamp_min,
                                  .timestamp_max = filter->timestamp_max,
                                  .flags = filter->flags };
    return convert_check_filter(OPERATION_QUERY_TRANSFERS, &times, refusal);
}

static enum status check_date(const char *field, uint32_t date, struct refusal *refusal)
{
    if (date == 0 || metadata_date_is_sound(date)) {
        return STATUS_OK;
    }
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "%s: %" PRIu32 ", expected a day as YYYYMMDD, 19700101 to 99991231, or 0", field,
                   date);
    return refuse(refusal, field);
}

static enum status check_filter(const struct journal_filter *filter, struct refusal *refusal)
{
    TRY(check_times(filter, refusal));
    TRY(check_date("business_date_min", filter->business_date_min, refusal));
    TRY(check_date("business_date_max", filter->business_date_max, refusal));
    if (filter->business_date_max != 0 && filter->business_date_min > filter->business_date_max) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "business_date_min: %" PRIu32 ", limit %" PRIu32
                       ", which is business_date_max",
                       filter->business_date_min, filter->business_date_max);
        return refuse(refusal, "business_date_min");
    }
    return STATUS_OK;
}

static enum status make_post(const struct shape *shape, struct journal_request *request,
                             struct bytes message, struct converted *converted,
                             struct refusal *refusal)
{
    uint8_t map[METADATA_BYTES_MAX];
    TRY(count_legs(message, &request->leg_count, refusal));
    TRY(read_metadata(shape, message, map, &request->metadata_size, refusal));
    converted->count = journal_command_count(request->leg_count, request->metadata_size);
    converted->command = new_command(OPERATION_POST_JOURNAL, converted->count);
    if (converted->command == NULL) {
        return STATUS_MEMORY;
    }
    uint8_t *into = converted->command + COMMAND_HEADER_SIZE;
    memcpy(into, request, sizeof *request);
    memcpy(into + (1 + (size_t)request->leg_count) * EVENT_SIZE, map, request->metadata_size);
    return read_legs(message, into + sizeof *request, refusal);
}

static enum status make_reversal(const struct shape *shape, struct journal_request *request,
                                 struct bytes message, struct converted *converted,
                                 struct refusal *refusal)
{
    uint8_t map[METADATA_BYTES_MAX];
    TRY(read_metadata(shape, message, map, &request->metadata_size, refusal));
    converted->count = JOURNAL_REVERSAL_COUNT;
    converted->command = new_command(OPERATION_REVERSE_JOURNAL, converted->count);
    if (converted->command == NULL) {
        return STATUS_MEMORY;
    }
    uint8_t *into = converted->command + COMMAND_HEADER_SIZE;
    memcpy(into, request, sizeof *request);
    memcpy(into + sizeof *request, map, request->metadata_size);
    return STATUS_OK;
}

static enum status make_read(enum operation operation, const void *unit, size_t size,
                             struct converted *converted)
{
    converted->count = 1;
    converted->command = new_command(operation, 1);
    if (converted->command == NULL) {
        return STATUS_MEMORY;
    }
    memcpy(converted->command + COMMAND_HEADER_SIZE, unit, size);
    return STATUS_OK;
}

static enum status make(enum operation operation, struct bytes message, struct converted *converted,
                        struct refusal *refusal)
{
    const struct shape shape = shape_of(operation);
    const struct position position = { message, &shape, 0, refusal };
    _Alignas(16) uint8_t unit[EVENT_SIZE];
    TRY(convert_read_record(message, &position, unit));
    switch ((unsigned)operation) {
    case OPERATION_POST_JOURNAL:
        return make_post(&shape, (struct journal_request *)(void *)unit, message, converted,
                         refusal);
    case OPERATION_REVERSE_JOURNAL:
        return make_reversal(&shape, (struct journal_request *)(void *)unit, message, converted,
                             refusal);
    case OPERATION_GET_JOURNAL: /* the id is first */
        return make_read(operation, unit, sizeof(u128), converted);
    default:
        TRY(check_filter((const struct journal_filter *)(const void *)unit, refusal));
        TRY(convert_begin_page(operation, message, unit, &converted->page, refusal));
        return make_read(operation, unit, sizeof unit, converted);
    }
}

enum status convert_journal_request(enum operation operation, struct bytes message,
                                    struct converted *converted, struct refusal *refusal)
{
    *converted = (struct converted){ .command = NULL };
    const enum status status = make(operation, message, converted, refusal);
    if (status != STATUS_OK) {
        free(converted->command);
        converted->command = NULL;
    }
    return status;
}
