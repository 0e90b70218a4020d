#include "ledger/node/snapshot_source.h"

#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/snapshot_source_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUMMING_SPEEDUP = 4 };

static const uint64_t LEASE_NS = SNAPSHOT_LEASE_MS * NS_PER_MS;
static const uint64_t SILENCE_NS = SNAPSHOT_SILENCE_MS * NS_PER_MS;

/* --- life --- */

static enum status init_paths(struct snapshot_source *source,
                              const struct snapshot_source_options *options, struct error *error)
{
    int size = snprintf(source->data_folder, sizeof source->data_folder, "%s", options->folder);
    ASSERT(size >= 0 && (size_t)size < sizeof source->data_folder);
    source->options.folder = source->data_folder;
    return disk_join(source->root, source->data_folder, "snapshot", error);
}

enum status snapshot_source_open(const struct snapshot_source_options *options, uint64_t now_ns,
                                 struct snapshot_source **source_out, struct error *error)
{
    struct snapshot_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the sender of snapshots");
    }
    source->options = *options;
    uint64_t rate = options->bytes_per_s > 0 ? options->bytes_per_s : SNAPSHOT_BYTES_PER_S;
    uint64_t chunk_size = options->chunk_size > 0 ? options->chunk_size : SNAPSHOT_CHUNK_SIZE;
    uint64_t slowest = chunk_size * SNAPSHOT_BYTES_PER_S_MIN / SNAPSHOT_CHUNK_SIZE;
    rate = rate > slowest ? rate : slowest;
    throttle_init(&source->sending, rate, now_ns);
    throttle_init(&source->summing, rate * SUMMING_SPEEDUP, now_ns);
    source->options.chunk_size = (uint32_t)chunk_size;
    random_init(&source->random, options->seed);
    source->held_index = UINT64_MAX;
    source->asked_ns = now_ns;
    enum status status = init_paths(source, options, error);
    if (status == STATUS_OK) {
        status = source_adopt(source, error);
    }
    if (status != STATUS_OK) {
        snapshot_source_close(source);
        return status;
    }
    *source_out = source;
    return STATUS_OK;
}

void snapshot_source_close(struct snapshot_source *source)
{
    snapshot_manifest_free(&source->manifest);
    free(source->encoded);
    free(source);
}

/* --- requests --- */

static void refuse(struct snapshot_source *source, uint32_t to, u128 snapshot,
                   enum snapshot_refusal reason)
{
    struct snapshot_message message = { .kind = SNAPSHOT_REFUSED,
                                        .reason = reason,
                                        .cluster = source->options.cluster,
                                        .snapshot = snapshot };
    source->options.send(source->options.context, to, &message, NULL, 0);
}

/* How far a receiver has come that asks for this: first the manifest, then the chunks. */
static uint64_t how_far(const struct snapshot_message *message)
{
    return message->kind == SNAPSHOT_CHUNK_GET ? SNAPSHOT_MANIFEST_BYTES_MAX + message->chunk
                                               : message->offset;
}

/* One receiver at a time; the place of one that gets no further is free: it may be gone, or ask and
 * ask, and not hear the answers. */
static bool admit(struct snapshot_source *source, uint32_t from,
                  const struct snapshot_message *message, uint64_t now_ns)
{
    const bool other = source->receiver != from;
    const uint64_t far = how_far(message);
    if (other && source->receiver != 0 && now_ns - source->advanced_ns < SILENCE_NS) {
        return false;
    }
    if (other) {
        source->receiver = from;
        source->request_count = 0;
    }
    if (other || far > source->farthest) {
        source->farthest = far;
        source->advanced_ns = now_ns;
    }
    source->asked_ns = now_ns;
    return true;
}

/* A receiver that asks again for what waits already gets it once. */
static void queue(struct snapshot_source *source, const struct source_request *request)
{
    for (uint32_t i = 0; i < source->request_count; i++) {
        if (memcmp(&source->requests[i], request, sizeof *request) == 0) {
            return;
        }
    }
    if (source->request_count < SNAPSHOT_REQUESTS_MAX) {
        source->requests[source->request_count++] = *request;
    }
}

/* Somebody needs a snapshot and has none in mind. */
static void ask_for_any(struct snapshot_source *source, uint32_t from,
                        const struct snapshot_message *message, const struct snapshot_now *now)
{
    if (source->state == SOURCE_READY && source->manifest.index >= message->index) {
        queue(source, &(struct source_request){ .manifest = 1, .offset = message->offset });
        return;
    }
    bool idle = source->state == SOURCE_NONE || source->state == SOURCE_READY;
    if (idle && now->disk_short) {
        refuse(source, from, 0, SNAPSHOT_NO_SPACE);
        return;
    }
    bool reaches = now->checkpoint_index > 0 && now->checkpoint_index >= message->index;
    source->wanted = source->wanted || (idle && reaches);
    refuse(source, from, 0, SNAPSHOT_NOT_YET);
}

void snapshot_source_receive(struct snapshot_source *source, uint32_t from,
                             const struct snapshot_message *message, const struct snapshot_now *now)
{
    ASSERT(snapshot_message_asks(message));
    if (message->cluster != source->options.cluster) {
        refuse(source, from, message->snapshot, SNAPSHOT_WRONG_CLUSTER);
        return;
    }
    bool any = message->kind == SNAPSHOT_MANIFEST_GET && message->snapshot == 0;
    bool known = source->state >= SOURCE_SUMMING && message->snapshot == source->manifest.snapshot;
    if (!any && !known) {
        refuse(source, from, message->snapshot, SNAPSHOT_GONE);
    } else if (!admit(source, from, message, now->now_ns)) {
        refuse(source, from, message->snapshot, SNAPSHOT_BUSY);
    } else if (any) {
        ask_for_any(source, from, message, now);
    } else if (source->state != SOURCE_READY) {
        refuse(source, from, message->snapshot, SNAPSHOT_NOT_YET);
    } else if (message->kind == SNAPSHOT_MANIFEST_GET) {
        queue(source, &(struct source_request){ .manifest = 1, .offset = message->offset });
    } else {
        queue(source, &(struct source_request){ .offset = message->chunk });
    }
}

enum status snapshot_source_want(struct snapshot_source *source, const struct snapshot_now *now)
{
    bool served = source->receiver != 0 && now->now_ns - source->advanced_ns < SILENCE_NS;
    if (now->checkpoint_index == 0) {
        return STATUS_NOT_FOUND;
    }
    if (source->state == SOURCE_READY && source->manifest.index >= now->checkpoint_index) {
        source->asked_ns = now->now_ns;
        return STATUS_OK;
    }
    if (source->wanted || source->state == SOURCE_COPYING || source->state == SOURCE_SUMMING ||
        (source->state == SOURCE_READY && served)) {
        return STATUS_BUSY;
    }
    if (now->disk_short) {
        return STATUS_NO_SPACE;
    }
    source->wanted = true;
    return STATUS_OK;
}

/* --- answers --- */

/* The whole snapshot goes: the receiver begins anew with another one. */
static enum status give_up(struct snapshot_source *source, const char *reason, struct error *error)
{
    log_line(LOG_INFO, "snapshot_dropped", LOG_UINT("node", source->options.node),
             LOG_UINT("index", source->manifest.index), LOG_TEXT("reason", reason), LOG_END);
    if (source->receiver != 0 && source->request_count > 0) {
        refuse(source, source->receiver, source->manifest.snapshot, SNAPSHOT_GONE);
    }
    source->request_count = 0;
    return source_drop(source, error);
}

static void send_manifest(struct snapshot_source *source, uint64_t offset, uint64_t now_ns)
{
    if (offset >= source->encoded_size) {
        return; /* nobody of ours asks for that */
    }
    size_t left = source->encoded_size - (size_t)offset;
    size_t size = left < SNAPSHOT_CHUNK_SIZE ? left : SNAPSHOT_CHUNK_SIZE;
    uint8_t *piece = malloc(size);
    ASSERT(piece != NULL);
    memcpy(piece, source->encoded + offset, size);
    struct snapshot_message message = { .kind = SNAPSHOT_MANIFEST,
                                        .cluster = source->options.cluster,
                                        .snapshot = source->manifest.snapshot,
                                        .offset = offset,
                                        .total = source->encoded_size };
    throttle_take(&source->sending, size, now_ns);
    source->options.send(source->options.context, source->receiver, &message, piece, size);
}

static enum status send_chunk(struct snapshot_source *source, uint32_t chunk, uint64_t now_ns,
                              struct error *error)
{
    if (chunk >= source->manifest.chunk_count) {
        return STATUS_OK; /* nobody of ours asks for that */
    }
    uint8_t *data = NULL;
    uint32_t size = 0;
    uint32_t sum = 0;
    struct error why;
    enum status status = source_read_chunk(source, chunk, &data, &size, &sum, &why);
    if (status != STATUS_OK || sum != source->manifest.sums[chunk]) {
        free(data);
        const char *reason =
            status == STATUS_OK ? "a file of it has changed on the disk" : why.text;
        return give_up(source, reason, error);
    }
    struct snapshot_message message = { .kind = SNAPSHOT_CHUNK,
                                        .chunk = chunk,
                                        .cluster = source->options.cluster,
                                        .snapshot = source->manifest.snapshot };
    throttle_take(&source->sending, size, now_ns);
    source->sent_bytes += size;
    source->options.send(source->options.context, source->receiver, &message, data, size);
    return STATUS_OK;
}

static enum status serve(struct snapshot_source *source, uint64_t now_ns, struct error *error)
{
    struct source_request request = source->requests[0];
    source->request_count--;
    memmove(source->requests, source->requests + 1,
            source->request_count * sizeof source->requests[0]);
    if (request.manifest) {
        send_manifest(source, request.offset, now_ns);
        return STATUS_OK;
    }
    return send_chunk(source, (uint32_t)request.offset, now_ns, error);
}

/* --- steps --- */

static enum status begin_copy(struct snapshot_source *source, const struct snapshot_now *now,
                              struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(source_drop(source, error));
    do {
        source->copy_id = random_u128(&source->random);
    } while (source->copy_id == 0);
    enum status status =
        snapshot_make_folder(source->options.disk, source->data_folder, "snapshot", error);
    if (status == STATUS_NO_SPACE) { /* who needs one asks again */
        log_line(LOG_WARN, "snapshot_failed", LOG_UINT("node", source->options.node),
                 LOG_TEXT("reason", error->text), LOG_END);
        return STATUS_OK;
    }
    TRY(status);
    TRY(source_folder(source, source->copy_id, path, error));
    source->state = SOURCE_COPYING;
    source->asked_ns = now->now_ns;
    __atomic_store_n(&source->held_index, now->checkpoint_index, __ATOMIC_RELEASE);
    source->options.copy(source->options.context, path);
    return STATUS_OK;
}

enum status snapshot_source_copied(struct snapshot_source *source, enum status status,
                                   const struct store_checkpoint *checkpoint, uint64_t now_ns,
                                   struct error *error)
{
    ASSERT(source->state == SOURCE_COPYING && status != STATUS_AGAIN);
    source->manifest.snapshot = source->copy_id;
    source->asked_ns = now_ns;
    struct error why;
    if (status == STATUS_OK) {
        status = source_begin_manifest(source, checkpoint, &why);
    } else {
        (void)error_set(&why, status, "the store could not be copied: %s", status_text(status));
    }
    if (status != STATUS_OK) {
        log_line(LOG_WARN, "snapshot_failed", LOG_UINT("node", source->options.node),
                 LOG_TEXT("reason", why.text), LOG_END);
        return source_drop(source, error);
    }
    source->state = SOURCE_SUMMING;
    __atomic_store_n(&source->held_index, source->manifest.index, __ATOMIC_RELEASE);
    return STATUS_OK;
}

static enum status step_summing(struct snapshot_source *source, uint64_t now_ns,
                                struct error *error)
{
    struct error why;
    enum status status = STATUS_OK;
    if (source->next_sum < source->manifest.chunk_count) {
        uint8_t *data = NULL;
        uint32_t size = 0;
        uint32_t *sum = &source->manifest.sums[source->next_sum];
        status = source_read_chunk(source, source->next_sum, &data, &size, sum, &why);
        free(data);
        throttle_take(&source->summing, size, now_ns);
        source->next_sum++;
        return status == STATUS_OK ? STATUS_OK : give_up(source, why.text, error);
    }
    status = source_end_manifest(source, &why);
    if (status != STATUS_OK) {
        return status == STATUS_NO_SPACE ? give_up(source, why.text, error)
                                         : error_set(error, status, "%s", why.text);
    }
    source->state = SOURCE_READY;
    source->asked_ns = now_ns;
    log_line(LOG_INFO, "snapshot_taken", LOG_UINT("node", source->options.node),
             LOG_UINT("index", source->manifest.index),
             LOG_UINT("files", source->manifest.file_count),
             LOG_UINT("bytes", source->manifest.bytes), LOG_END);
    return STATUS_OK;
}

/* Why the snapshot must go, or NULL. */
static const char *obsolete(const struct snapshot_source *source, const struct snapshot_now *now)
{
    if (source->state != SOURCE_SUMMING && source->state != SOURCE_READY) {
        return NULL;
    }
    if (now->disk_short) {
        return "the disk is short";
    }
    bool expired = source->state == SOURCE_READY && now->now_ns - source->asked_ns >= LEASE_NS;
    return expired ? "nobody asked for it any more" : NULL;
}

/* What can be done now, one piece of it; with `work` false only looks. */
static enum status next_piece(struct snapshot_source *source, const struct snapshot_now *now,
                              bool work, bool *due, struct error *error)
{
    const char *reason = obsolete(source, now);
    bool idle = source->state == SOURCE_NONE || source->state == SOURCE_READY;
    bool sum = source->state == SOURCE_SUMMING && throttle_allows(&source->summing, now->now_ns);
    bool answer = source->state == SOURCE_READY && source->request_count > 0 &&
                  throttle_allows(&source->sending, now->now_ns);
    *due = reason != NULL || (source->wanted && idle) || sum || answer;
    if (!work) {
        return STATUS_OK;
    }
    if (reason != NULL) {
        return give_up(source, reason, error);
    }
    if (source->wanted && idle) {
        source->wanted = false;
        return now->disk_short ? STATUS_OK : begin_copy(source, now, error);
    }
    if (sum) {
        return step_summing(source, now->now_ns, error);
    }
    return answer ? serve(source, now->now_ns, error) : STATUS_OK;
}

enum status snapshot_source_step(struct snapshot_source *source, const struct snapshot_now *now,
                                 bool *more, struct error *error)
{
    bool did = false;
    TRY(next_piece(source, now, true, &did, error));
    return next_piece(source, now, false, more, error);
}

uint64_t snapshot_source_due_ns(const struct snapshot_source *source)
{
    if (source->wanted && source->state != SOURCE_COPYING && source->state != SOURCE_SUMMING) {
        return 0;
    }
    if (source->state == SOURCE_SUMMING) {
        return source->summing.free_ns;
    }
    if (source->state == SOURCE_READY) {
        uint64_t lease_ns = source->asked_ns + LEASE_NS;
        bool waiting = source->request_count > 0 && source->sending.free_ns < lease_ns;
        return waiting ? source->sending.free_ns : lease_ns;
    }
    return UINT64_MAX;
}

uint64_t snapshot_source_held_index(const struct snapshot_source *source)
{
    return __atomic_load_n(&source->held_index, __ATOMIC_ACQUIRE);
}

void snapshot_source_view(const struct snapshot_source *source, struct snapshot_source_view *view)
{
    *view = (struct snapshot_source_view){
        .state = source->state,
        .snapshot = source->manifest.snapshot,
        .index = source->manifest.index,
        .bytes = source->manifest.bytes,
        .sent_bytes = source->sent_bytes,
        .receiver = source->receiver,
    };
}
