#include "api/service/convert_journal.h"
#include "api/service/convert_metadata.h"
#include "api/service/page.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"
#include "ledger/store/records.h"

#include <fenlu/v1/ledger.pb.h>
#include <string.h>

enum {
    RESULT_ENCODED_MAX = 2 + 2 * (1 + PROTO_VARINT_SIZE_MAX),
    NUMBERS_ENCODED_MAX = 8 * (2 + PROTO_VARINT_SIZE_MAX),
    /* Without legs: 5 ids, 8 numbers. */
    HEAD_ENCODED_MAX = 5 * (2 + 1 + 16) + NUMBERS_ENCODED_MAX,
    /* Tag and length of a message of up to 2^35 bytes. */
    FRAME_MAX = 1 + 5,
};
_Static_assert(BATCH_EVENTS_MAX *(HEAD_ENCODED_MAX + FRAME_MAX) + 2 + PAGE_TOKEN_SIZE <=
                   GRPC_MESSAGE_MAX,
               "any page of journals fits");

static struct result result_at(struct bytes payload, uint32_t i)
{
    struct result result;
    memcpy(&result, payload.data + (size_t)i * sizeof result, sizeof result);
    return result;
}

static struct grpc_buffer *finish(struct grpc_buffer *reply, const uint8_t *end, size_t room)
{
    const size_t size = (size_t)(end - reply->data);
    ASSERT(size <= room);
    grpc_buffer_shorten(reply, size);
    return reply;
}

static struct grpc_buffer *posted(struct bytes payload, uint32_t count, uint64_t log_index)
{
    const size_t room = NUMBERS_ENCODED_MAX + (size_t)count * RESULT_ENCODED_MAX;
    struct grpc_buffer *reply = grpc_buffer_new(room);
    const struct result journal = result_at(payload, 0);
    uint8_t *at = reply->data;
    at = proto_put_uint(at, fenlu_v1_PostJournalResponse_timestamp_tag, journal.timestamp);
    at = proto_put_uint(at, fenlu_v1_PostJournalResponse_status_tag, journal.status);
    for (uint32_t i = 1; i < count; i++) {
        at = convert_put_result(at, fenlu_v1_PostJournalResponse_legs_tag,
                                payload.data + (size_t)i * sizeof journal);
    }
    at = proto_put_uint(at, fenlu_v1_PostJournalResponse_log_index_tag, log_index);
    return finish(reply, at, room);
}

static struct grpc_buffer *reversed(struct bytes payload, uint64_t log_index)
{
    struct grpc_buffer *reply = grpc_buffer_new(NUMBERS_ENCODED_MAX);
    const struct result journal = result_at(payload, 0);
    const struct result leg = result_at(payload, 1);
    uint8_t *at = reply->data;
    at = proto_put_uint(at, fenlu_v1_ReverseJournalResponse_timestamp_tag, journal.timestamp);
    at = proto_put_uint(at, fenlu_v1_ReverseJournalResponse_status_tag, journal.status);
    if (journal.status == fenlu_v1_JournalStatus_JOURNAL_STATUS_LEG_FAILED) {
        at = proto_put_uint(at, fenlu_v1_ReverseJournalResponse_leg_tag,
                            leg.timestamp - journal.timestamp - 1);
        at = proto_put_uint(at, fenlu_v1_ReverseJournalResponse_leg_status_tag, leg.status);
    }
    at = proto_put_uint(at, fenlu_v1_ReverseJournalResponse_log_index_tag, log_index);
    return finish(reply, at, NUMBERS_ENCODED_MAX);
}

static uint8_t *put_head(uint8_t *at, const struct journal *journal)
{
    at = proto_put_u128(at, fenlu_v1_Journal_id_tag, journal->id);
    at = proto_put_uint(at, fenlu_v1_Journal_kind_tag, journal->kind);
    at = proto_put_uint(at, fenlu_v1_Journal_business_date_tag, journal->business_date);
    at = proto_put_u128(at, fenlu_v1_Journal_reference_tag, journal->reference);
    at = proto_put_u128(at, fenlu_v1_Journal_user_data_128_tag, journal->user_data_128);
    at = proto_put_uint(at, fenlu_v1_Journal_user_data_64_tag, journal->user_data_64);
    at = proto_put_uint(at, fenlu_v1_Journal_user_data_32_tag, journal->user_data_32);
    at = proto_put_uint(at, fenlu_v1_Journal_timestamp_tag, journal->timestamp);
    at = proto_put_uint(at, fenlu_v1_Journal_leg_count_tag, journal->leg_count);
    at = proto_put_uint(at, fenlu_v1_Journal_pending_leg_count_tag, journal->pending_leg_count);
    at = proto_put_u128(at, fenlu_v1_Journal_reverses_tag, journal->reverses);
    return proto_put_u128(at, fenlu_v1_Journal_reversed_by_tag, journal->reversed_by);
}

/* A message within another: its length comes first, so what it is made of is written elsewhere. */
static uint8_t *put_message(uint8_t *at, uint32_t field, const uint8_t *message, size_t size)
{
    at = proto_put_varint(at, (uint64_t)field << 3 | PROTO_BYTES);
    at = proto_put_varint(at, size);
    memcpy(at, message, size);
    return at + size;
}

static struct journal journal_at(const uint8_t *from)
{
    struct journal journal;
    memcpy(&journal, from, sizeof journal);
    return journal;
}

static uint8_t *put_legs(uint8_t *at, const uint8_t *legs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t leg[TRANSFER_ENCODED_MAX];
        const uint8_t *end = convert_put_transfer(leg, legs + (size_t)i * EVENT_SIZE);
        at = put_message(at, fenlu_v1_Journal_legs_tag, leg, (size_t)(end - leg));
    }
    return at;
}

/* Rows as the state machine gives them: the journal in two, its legs, its metadata. */
static struct grpc_buffer *got(struct bytes payload, uint32_t count)
{
    if (count == 0) {
        return grpc_buffer_new(0);
    }
    const struct journal journal = journal_at(payload.data);
    const uint32_t map_at = 2 + journal.leg_count;
    ASSERT(count == map_at || count == map_at + JOURNAL_METADATA_UNITS);
    const size_t body_room = HEAD_ENCODED_MAX + METADATA_ENCODED_MAX +
                             (size_t)journal.leg_count * (FRAME_MAX + TRANSFER_ENCODED_MAX);
    struct grpc_buffer *body = grpc_buffer_new(body_room);
    uint8_t *end = put_head(body->data, &journal);
    end = put_legs(end, payload.data + sizeof journal, journal.leg_count);
    if (count > map_at) {
        const uint8_t *map = payload.data + (size_t)map_at * EVENT_SIZE;
        end = convert_put_metadata(end, fenlu_v1_Journal_metadata_tag,
                                   (struct bytes){ map, metadata_size(map) });
    }
    const size_t size = (size_t)(end - body->data);
    struct grpc_buffer *reply = grpc_buffer_new(FRAME_MAX + size);
    end = put_message(reply->data, fenlu_v1_GetJournalResponse_journal_tag, body->data, size);
    grpc_buffer_free(body);
    return finish(reply, end, FRAME_MAX + size);
}

struct grpc_buffer *convert_journal_rows(struct bytes payload, uint32_t count,
                                         struct bytes next_page)
{
    ASSERT(payload.size == count * sizeof(struct journal));
    const size_t room = (size_t)count * (FRAME_MAX + HEAD_ENCODED_MAX) + 2 + PAGE_TOKEN_SIZE;
    struct grpc_buffer *reply = grpc_buffer_new(room);
    uint8_t *at = reply->data;
    for (uint32_t i = 0; i < count; i++) {
        const struct journal journal =
            journal_at(payload.data + (size_t)i * sizeof(struct journal));
        uint8_t head[HEAD_ENCODED_MAX];
        const uint8_t *end = put_head(head, &journal);
        at = put_message(at, fenlu_v1_QueryJournalsResponse_journals_tag, head,
                         (size_t)(end - head));
    }
    return finish(reply, convert_put_page(at, next_page), room);
}

struct grpc_buffer *convert_journal_reply(enum operation operation, struct bytes payload,
                                          uint32_t count, uint64_t log_index)
{
    ASSERT(payload.size == (size_t)count * operation_answer_size(operation));
    switch ((unsigned)operation) {
    case OPERATION_POST_JOURNAL:
        return posted(payload, count, log_index);
    case OPERATION_REVERSE_JOURNAL:
        return reversed(payload, log_index);
    case OPERATION_GET_JOURNAL:
        return got(payload, count);
    case OPERATION_QUERY_JOURNALS:
        return convert_journal_rows(payload, count, (struct bytes){ NULL, 0 });
    default:
        UNREACHABLE();
    }
}
