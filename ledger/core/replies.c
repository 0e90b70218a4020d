#include "ledger/core/replies.h"

#include "base/assert.h"
#include "ledger/core/chain.h"
#include "ledger/core/replies_parts.h"

#include <string.h>

/* The parts of the caller's memory, from the widest alignment to the narrowest. */
enum {
    LIST_AT = (sizeof(struct replies) + 15) / 16 * 16,
    ROWS_AT = LIST_AT + REPLIES_REMEMBERED_MAX * sizeof(struct reply),
    MAP_AT = ROWS_AT + REPLY_ROWS_REMEMBERED_MAX * sizeof(struct reply_row),
};

size_t replies_footprint(void)
{
    return MAP_AT + map_footprint(REPLIES_REMEMBERED_MAX);
}

struct replies *replies_init(void *memory)
{
    ASSERT((uintptr_t)memory % _Alignof(struct reply) == 0);
    struct replies *replies = memory;
    uint8_t *bytes = memory;
    *replies =
        (struct replies){ .list = (void *)(bytes + LIST_AT), .rows = (void *)(bytes + ROWS_AT) };
    map_init(&replies->newest_by_key, bytes + MAP_AT, REPLIES_REMEMBERED_MAX);
    return replies;
}

void replies_forget(struct replies *replies)
{
    map_clear(&replies->newest_by_key);
    *replies = (struct replies){ .list = replies->list,
                                 .rows = replies->rows,
                                 .newest_by_key = replies->newest_by_key };
}

struct reply *replies_at(const struct replies *replies, uint32_t i)
{
    ASSERT(i < replies->count);
    return &replies->list[(replies->first + i) % REPLIES_REMEMBERED_MAX];
}

struct reply_row *replies_row(const struct replies *replies, const struct reply *reply, uint32_t i)
{
    ASSERT(i < reply->rows);
    return &replies->rows[(reply->first_row + i) % REPLY_ROWS_REMEMBERED_MAX];
}

/* Clients are random numbers, so two replies with one key are rare, but not impossible: they form
 * a list, newest first. */
static u128 key_of(u128 client, uint64_t sequence)
{
    return client + (u128)sequence * u128_make(0x9E3779B97F4A7C15U, 0xD1B54A32D192ED03U);
}

static const struct reply *find(const struct replies *replies, u128 client, uint64_t sequence)
{
    const uint32_t *newest = map_find(&replies->newest_by_key, key_of(client, sequence));
    uint32_t at = newest != NULL ? *newest : REPLY_NONE;
    while (at != REPLY_NONE) {
        const struct reply *reply = &replies->list[at];
        if (reply->client == client && reply->sequence == sequence) {
            return reply;
        }
        at = reply->older;
    }
    return NULL;
}

bool replies_has(const struct replies *replies, u128 client, uint64_t sequence)
{
    return find(replies, client, sequence) != NULL;
}

static void unlink_oldest(struct replies *replies)
{
    const uint32_t oldest = replies->first;
    const u128 key = key_of(replies->list[oldest].client, replies->list[oldest].sequence);
    uint32_t at = *map_find(&replies->newest_by_key, key);
    if (at == oldest) {
        const bool removed = map_remove(&replies->newest_by_key, key);
        ASSERT(removed);
        return;
    }
    while (replies->list[at].older != oldest) {
        at = replies->list[at].older;
        ASSERT(at != REPLY_NONE);
    }
    replies->list[at].older = REPLY_NONE;
}

static void forget_oldest(struct replies *replies)
{
    ASSERT(replies->count > 0);
    const struct reply *oldest = &replies->list[replies->first];
    unlink_oldest(replies);
    replies->digest -= oldest->hash;
    replies->first_row = (replies->first_row + oldest->rows) % REPLY_ROWS_REMEMBERED_MAX;
    replies->rows_used -= oldest->rows;
    replies->first = (replies->first + 1) % REPLIES_REMEMBERED_MAX;
    replies->count--;
}

struct reply *replies_append(struct replies *replies, const struct reply *head)
{
    ASSERT(head->client != 0 && head->rows <= head->count && head->count <= BATCH_EVENTS_MAX);
    ASSERT(!replies_has(replies, head->client, head->sequence));
    while (replies->count == REPLIES_REMEMBERED_MAX ||
           replies->rows_used + head->rows > REPLY_ROWS_REMEMBERED_MAX) {
        forget_oldest(replies);
    }
    const uint32_t at = (replies->first + replies->count) % REPLIES_REMEMBERED_MAX;
    struct reply *reply = &replies->list[at];
    *reply = *head;
    reply->first_row = (replies->first_row + replies->rows_used) % REPLY_ROWS_REMEMBERED_MAX;
    const u128 key = key_of(head->client, head->sequence);
    uint32_t *newest = map_find(&replies->newest_by_key, key);
    reply->older = newest != NULL ? *newest : REPLY_NONE;
    if (newest != NULL) {
        *newest = at;
    } else {
        map_insert(&replies->newest_by_key, key, at);
    }
    replies->count++;
    replies->rows_used += head->rows;
    return reply;
}

/* Depends on all that a replica remembers of the reply, and not on where it lies. */
static u128 hash_reply(const struct replies *replies, const struct reply *reply)
{
    uint8_t bytes[REPLY_SAVED_SIZE];
    struct writer writer = writer_init(bytes, sizeof bytes);
    reply_write(reply, &writer);
    ASSERT(!writer.failed);
    u128 hash = hash_bytes(0, bytes, sizeof bytes);
    for (uint32_t i = 0; i < reply->rows; i++) {
        hash +=
            hash_bytes(u128_low(hash), replies_row(replies, reply, i), sizeof(struct reply_row));
    }
    return hash;
}

void replies_seal(struct replies *replies, struct reply *reply)
{
    reply->hash = hash_reply(replies, reply);
    replies->digest += reply->hash;
}

/* Timestamp of event 0, as the first event that was created tells it; 0 when none was. */
static uint64_t base_of(const struct result *results, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (results[i].status == EVENT_CREATED) {
            return results[i].timestamp - i;
        }
    }
    return 0;
}

static bool is_plain(const struct result *result, uint64_t base, uint32_t i)
{
    return result->status == EVENT_CREATED && result->timestamp == base + i;
}

void replies_put(struct replies *replies, u128 client, uint64_t sequence, uint64_t log_index,
                 const struct result *results, uint32_t count)
{
    if (client == 0) {
        return;
    }
    struct reply head = { .client = client,
                          .sequence = sequence,
                          .log_index = log_index,
                          .base = base_of(results, count),
                          .count = count };
    for (uint32_t i = 0; i < count; i++) {
        head.rows += is_plain(&results[i], head.base, i) ? 0 : 1;
    }
    struct reply *reply = replies_append(replies, &head);
    uint32_t row = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_plain(&results[i], head.base, i)) {
            ASSERT(results[i].status <= UINT16_MAX && results[i].reserved == 0);
            *replies_row(replies, reply, row++) =
                (struct reply_row){ .timestamp = results[i].timestamp,
                                    .event = (uint16_t)i,
                                    .status = (uint16_t)results[i].status };
        }
    }
    replies_seal(replies, reply);
}

bool replies_find(const struct replies *replies, u128 client, uint64_t sequence,
                  uint64_t *log_index, struct result *results, uint32_t *count)
{
    const struct reply *reply = find(replies, client, sequence);
    if (reply == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        results[i] = (struct result){ .timestamp = reply->base + i, .status = EVENT_CREATED };
    }
    for (uint32_t i = 0; i < reply->rows; i++) {
        const struct reply_row *row = replies_row(replies, reply, i);
        results[row->event] = (struct result){ .timestamp = row->timestamp, .status = row->status };
    }
    *log_index = reply->log_index;
    *count = reply->count;
    return true;
}

u128 replies_digest(const struct replies *replies)
{
    return replies->digest;
}
