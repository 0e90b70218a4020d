#include "ledger/node/snapshot_target.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log_line.h"
#include "base/situation.h"
#include "ledger/node/snapshot_target_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKS_MAX = 3 };

static const uint64_t RETRY_NS = SNAPSHOT_RETRY_MS * NS_PER_MS;
static const uint64_t POLL_NS = SNAPSHOT_POLL_MS * NS_PER_MS;
static const uint64_t SILENCE_NS = SNAPSHOT_SILENCE_MS * NS_PER_MS;

enum status snapshot_target_open(const struct snapshot_target_options *options,
                                 struct snapshot_target **target_out, struct error *error)
{
    struct snapshot_target *target = calloc(1, sizeof *target);
    if (target == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the receiver of snapshots");
    }
    target->options = *options;
    int size = snprintf(target->data_folder, sizeof target->data_folder, "%s", options->folder);
    ASSERT(size >= 0 && (size_t)size < sizeof target->data_folder);
    target->options.folder = target->data_folder;
    enum status status = disk_join(target->root, target->data_folder, "install", error);
    status = status == STATUS_OK ? disk_join(target->db, target->root, "db", error) : status;
    status = status == STATUS_OK ? target_load(target, error) : status;
    if (status != STATUS_OK) {
        snapshot_target_close(target);
        return status;
    }
    *target_out = target;
    return STATUS_OK;
}

void snapshot_target_close(struct snapshot_target *target)
{
    snapshot_manifest_free(&target->manifest);
    free(target->encoded);
    free(target->have);
    free(target);
}

/* --- beginning, going on, beginning anew --- */

static bool has_manifest(const struct snapshot_target *target)
{
    return target->manifest.snapshot != 0;
}

static void forget_asks(struct snapshot_target *target)
{
    memset(target->asks, 0, sizeof target->asks);
}

/* Whatever there is, of whoever leads. */
static void ask_anew(struct snapshot_target *target, uint64_t now_ns)
{
    free(target->encoded);
    target->encoded = NULL;
    target->encoded_got = 0;
    target->encoded_total = 0;
    target->arriving = 0;
    target->source = target->offered_by;
    target->heard_ns = now_ns;
    target->ask_ns = now_ns;
    target->state = TARGET_ASKING;
}

static enum status begin_anew(struct snapshot_target *target, const char *reason, uint64_t now_ns,
                              struct error *error)
{
    if (has_manifest(target)) {
        SITUATION(snapshot_begun_anew);
        log_line(LOG_INFO, "snapshot_abandoned", LOG_UINT("index", target->manifest.index),
                 LOG_UINT("source", target->source), LOG_TEXT("reason", reason), LOG_END);
    }
    TRY(target_drop(target, error));
    ask_anew(target, now_ns);
    return STATUS_OK;
}

/* What an earlier process, or a pause, left. */
static enum status go_on(struct snapshot_target *target, uint64_t now_ns, struct error *error)
{
    TRY(target_begin_chunks(target, error));
    forget_asks(target);
    target->source = target->manifest.source;
    target->heard_ns = now_ns;
    target->state = TARGET_SCANNING;
    SITUATION(snapshot_resumed);
    log_line(LOG_INFO, "snapshot_resumed", LOG_UINT("index", target->manifest.index),
             LOG_UINT("source", target->source), LOG_END);
    return STATUS_OK;
}

enum status snapshot_target_offer(struct snapshot_target *target, uint32_t from,
                                  uint64_t base_index, uint64_t now_ns, struct error *error)
{
    if (now_ns < target->not_before_ns) {
        return STATUS_OK;
    }
    target->offered_by = from;
    target->base_index = base_index;
    bool asking = target->state == TARGET_ASKING || target->state == TARGET_PULLING;
    if (asking && target->source != from) {
        SITUATION(snapshot_leader_changed);
    }
    bool silent = asking && now_ns - target->heard_ns >= SILENCE_NS;
    if (has_manifest(target) && target->manifest.index < base_index) {
        return begin_anew(target, "the leader's log begins later", now_ns, error);
    }
    if (silent && target->source != from) {
        return begin_anew(target, "its source is silent", now_ns, error);
    }
    if (target->state == TARGET_IDLE && has_manifest(target)) {
        return go_on(target, now_ns, error);
    }
    /* Who leads now can have one when who led cannot. */
    bool nothing_yet = target->state == TARGET_ASKING && target->encoded == NULL;
    if (target->state == TARGET_IDLE || (nothing_yet && target->source != from)) {
        ask_anew(target, now_ns);
    }
    return STATUS_OK;
}

enum status snapshot_target_applied(struct snapshot_target *target, uint64_t index,
                                    struct error *error)
{
    if (has_manifest(target) && index >= target->manifest.index) {
        SITUATION(snapshot_not_needed_any_more);
        log_line(LOG_INFO, "snapshot_abandoned", LOG_UINT("index", target->manifest.index),
                 LOG_UINT("source", target->source),
                 LOG_TEXT("reason", "this node has caught up without"), LOG_END);
        return target_drop(target, error);
    }
    if (target->state == TARGET_ASKING && index >= target->base_index) {
        target->state = TARGET_IDLE;
    }
    return STATUS_OK;
}

/* A disk that is full may have room later. */
static enum status pause_if_full(struct snapshot_target *target, enum status status,
                                 uint64_t now_ns, const struct error *error)
{
    if (status != STATUS_NO_SPACE) {
        return status;
    }
    log_line(LOG_ERROR, "snapshot_paused", LOG_UINT("index", target->manifest.index),
             LOG_TEXT("reason", error->text), LOG_END);
    target->state = TARGET_IDLE;
    target->not_before_ns = now_ns + SILENCE_NS;
    return STATUS_OK;
}

/* --- answers --- */

/* The manifest is whole: what it describes is what will be asked for. */
static enum status take_manifest(struct snapshot_target *target, uint64_t now_ns,
                                 struct error *error)
{
    struct error why;
    struct bytes encoded = { target->encoded, (size_t)target->encoded_total };
    enum status status = snapshot_manifest_decode(encoded, &target->manifest, &why);
    if (status == STATUS_OK && (target->manifest.snapshot != target->arriving ||
                                target->manifest.cluster != target->options.cluster ||
                                target->manifest.index < target->base_index)) {
        status = error_set(&why, STATUS_PROTOCOL, "it is not the snapshot that was asked for");
        snapshot_manifest_free(&target->manifest);
    }
    if (status != STATUS_OK) {
        log_line(LOG_ERROR, "snapshot_unsound", LOG_UINT("source", target->source),
                 LOG_TEXT("reason", why.text), LOG_END);
        ask_anew(target, now_ns);
        target->ask_ns = now_ns + RETRY_NS;
        return STATUS_OK;
    }
    forget_asks(target);
    status = target_store_manifest(target, target->encoded, encoded.size, error);
    if (status == STATUS_NO_SPACE) {
        status = pause_if_full(target, status, now_ns, error);
        TRY(target_drop(target, error)); /* another one is asked for then */
        return status;
    }
    TRY(status);
    target->state = TARGET_SCANNING;
    log_line(LOG_INFO, "snapshot_begun", LOG_UINT("source", target->source),
             LOG_UINT("index", target->manifest.index),
             LOG_UINT("files", target->manifest.file_count),
             LOG_UINT("bytes", target->manifest.bytes), LOG_END);
    return STATUS_OK;
}

static bool piece_fits(const struct snapshot_target *target, const struct snapshot_message *message)
{
    bool first = target->encoded == NULL && message->offset == 0;
    bool next = target->encoded != NULL && message->snapshot == target->arriving &&
                message->total == target->encoded_total && message->offset == target->encoded_got;
    return target->state == TARGET_ASKING && (first || next);
}

static enum status receive_manifest(struct snapshot_target *target,
                                    const struct snapshot_message *message, struct bytes piece,
                                    uint64_t now_ns, struct error *error)
{
    if (!piece_fits(target, message)) {
        return STATUS_OK; /* late, or repeated */
    }
    if (target->encoded == NULL) {
        target->encoded = malloc((size_t)message->total);
        if (target->encoded == NULL) {
            return error_set(error, STATUS_MEMORY, "no memory for a snapshot's manifest");
        }
        target->encoded_total = message->total;
        target->arriving = message->snapshot;
    }
    memcpy(target->encoded + target->encoded_got, piece.data, piece.size);
    target->encoded_got += piece.size;
    target->ask_ns = now_ns; /* for the next one */
    if (target->encoded_got < target->encoded_total) {
        return STATUS_OK;
    }
    return take_manifest(target, now_ns, error);
}

static void begin_checking(struct snapshot_target *target)
{
    target->state = TARGET_CHECKING;
    target->phase = CHECK_SYNC_FILES;
    target->file = 0;
    target->chunk = 0;
}

static void pull(struct snapshot_target *target)
{
    target->state = TARGET_PULLING;
    target->chunk = 0;
    if (target->have_count == target->manifest.chunk_count) {
        begin_checking(target);
    }
}

static enum status receive_chunk(struct snapshot_target *target,
                                 const struct snapshot_message *message, struct bytes data,
                                 uint64_t now_ns, struct error *error)
{
    struct target_ask *ask = NULL;
    for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++) {
        if (target->asks[i].used && target->asks[i].chunk == message->chunk) {
            ask = &target->asks[i];
        }
    }
    if (target->state != TARGET_PULLING || message->snapshot != target->manifest.snapshot ||
        ask == NULL) {
        return STATUS_OK; /* late, or repeated */
    }
    struct snapshot_place place = snapshot_manifest_place(&target->manifest, message->chunk);
    if (data.size != place.size ||
        crc32c(data.data, data.size) != target->manifest.sums[message->chunk]) {
        log_line(LOG_WARN, "snapshot_chunk_damaged", LOG_UINT("source", target->source),
                 LOG_UINT("chunk", message->chunk), LOG_END);
        return STATUS_OK; /* asked for again when its time is over */
    }
    enum status status = target_write_chunk(target, message->chunk, data, error);
    if (status != STATUS_OK) {
        return pause_if_full(target, status, now_ns, error);
    }
    ask->used = false;
    target_set_have(target, message->chunk, true);
    if (target->have_count == target->manifest.chunk_count) {
        begin_checking(target);
    }
    return STATUS_OK;
}

static enum status receive_refusal(struct snapshot_target *target,
                                   const struct snapshot_message *message, uint64_t now_ns,
                                   struct error *error)
{
    u128 asked = target->state == TARGET_ASKING ? target->arriving : target->manifest.snapshot;
    if ((target->state != TARGET_ASKING && target->state != TARGET_PULLING) ||
        message->snapshot != asked) {
        return STATUS_OK; /* an answer to what is no longer asked */
    }
    switch (message->reason) {
    case SNAPSHOT_GONE:
        return begin_anew(target, "its source no longer has it", now_ns, error);
    case SNAPSHOT_WRONG_CLUSTER:
        log_line(LOG_ERROR, "snapshot_refused", LOG_UINT("source", target->source),
                 LOG_TEXT("reason", snapshot_refusal_name(message->reason)), LOG_END);
        target->ask_ns = now_ns + SILENCE_NS;
        break;
    case SNAPSHOT_NO_SPACE:
        target->ask_ns = now_ns + RETRY_NS;
        break;
    case SNAPSHOT_NOT_YET:
    case SNAPSHOT_BUSY:
    case SNAPSHOT_REFUSAL_END:
        target->ask_ns = now_ns + POLL_NS;
        break;
    }
    return STATUS_OK;
}

enum status snapshot_target_receive(struct snapshot_target *target, uint32_t from,
                                    const struct snapshot_message *message, struct bytes payload,
                                    uint64_t now_ns, struct error *error)
{
    ASSERT(!snapshot_message_asks(message));
    if (target->source != from || target->state == TARGET_IDLE) {
        return STATUS_OK;
    }
    target->heard_ns = now_ns;
    if (message->kind == SNAPSHOT_REFUSED) {
        return receive_refusal(target, message, now_ns, error);
    }
    if (message->cluster != target->options.cluster) {
        return STATUS_OK;
    }
    return message->kind == SNAPSHOT_MANIFEST
               ? receive_manifest(target, message, payload, now_ns, error)
               : receive_chunk(target, message, payload, now_ns, error);
}

/* --- steps --- */

static void send(struct snapshot_target *target, struct snapshot_message message)
{
    message.cluster = target->options.cluster;
    target->options.send(target->options.context, target->source, &message, NULL, 0);
}

static void ask_manifest(struct snapshot_target *target, uint64_t now_ns)
{
    if (now_ns < target->ask_ns) {
        return;
    }
    target->ask_ns = now_ns + RETRY_NS;
    send(target, (struct snapshot_message){ .kind = SNAPSHOT_MANIFEST_GET,
                                            .snapshot = target->arriving,
                                            .index = target->base_index,
                                            .offset = target->encoded_got });
}

static bool asked(const struct snapshot_target *target, uint32_t chunk)
{
    for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++) {
        if (target->asks[i].used && target->asks[i].chunk == chunk) {
            return true;
        }
    }
    return false;
}

/* The next chunk that is neither here nor asked for, from `chunk` on; chunk_count: none. */
static uint32_t missing(struct snapshot_target *target)
{
    uint32_t count = target->manifest.chunk_count;
    while (target->chunk < count &&
           (target_has(target, target->chunk) || asked(target, target->chunk))) {
        target->chunk++;
    }
    return target->chunk;
}

static void ask_chunks(struct snapshot_target *target, uint64_t now_ns)
{
    for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++) {
        struct target_ask *ask = &target->asks[i];
        bool again = ask->used && now_ns - ask->asked_ns >= RETRY_NS;
        uint32_t next = ask->used ? 0 : missing(target);
        if (ask->used ? !again : next == target->manifest.chunk_count) {
            continue;
        }
        ask->chunk = ask->used ? ask->chunk : next;
        ask->used = true;
        ask->asked_ns = now_ns;
        send(target, (struct snapshot_message){ .kind = SNAPSHOT_CHUNK_GET,
                                                .snapshot = target->manifest.snapshot,
                                                .chunk = ask->chunk });
    }
}

static enum status step_scanning(struct snapshot_target *target, uint64_t now_ns,
                                 struct error *error)
{
    bool done = false;
    enum status status = target_scan(target, &done, error);
    if (status != STATUS_OK) {
        return pause_if_full(target, status, now_ns, error);
    }
    if (done) {
        target->heard_ns = now_ns;
        pull(target);
    }
    return STATUS_OK;
}

static enum status step_checking(struct snapshot_target *target, uint64_t now_ns,
                                 struct error *error)
{
    bool done = false;
    enum status status = target_check(target, &done, error);
    if (status != STATUS_OK) {
        return pause_if_full(target, status, now_ns, error);
    }
    if (!done) {
        return STATUS_OK;
    }
    if (target->have_count < target->manifest.chunk_count) {
        if (++target->checks > CHECKS_MAX) {
            return error_set(error, STATUS_CORRUPT,
                             "%s does not keep what is written to it: replace the disk of this "
                             "node",
                             target->db);
        }
        forget_asks(target);
        target->heard_ns = now_ns;
        pull(target);
        return STATUS_OK;
    }
    status = target_store_ready(target, error);
    if (status != STATUS_OK) {
        return pause_if_full(target, status, now_ns, error);
    }
    target->state = TARGET_READY;
    return STATUS_OK;
}

enum status snapshot_target_step(struct snapshot_target *target, uint64_t now_ns, bool *more,
                                 struct error *error)
{
    enum status status = STATUS_OK;
    switch (target->state) {
    case TARGET_ASKING:
        ask_manifest(target, now_ns);
        break;
    case TARGET_SCANNING:
        status = step_scanning(target, now_ns, error);
        break;
    case TARGET_CHECKING:
        status = step_checking(target, now_ns, error);
        break;
    case TARGET_PULLING:
    case TARGET_IDLE:
    case TARGET_READY:
        break;
    }
    if (target->state == TARGET_PULLING) { /* perhaps only now */
        ask_chunks(target, now_ns);
    }
    *more = target->state == TARGET_SCANNING || target->state == TARGET_CHECKING;
    return status;
}

uint64_t snapshot_target_due_ns(const struct snapshot_target *target)
{
    uint64_t due_ns = UINT64_MAX;
    switch (target->state) {
    case TARGET_ASKING:
        return target->ask_ns;
    case TARGET_SCANNING:
    case TARGET_CHECKING:
        return 0;
    case TARGET_PULLING:
        for (uint32_t i = 0; i < SNAPSHOT_WINDOW; i++) {
            uint64_t again_ns = target->asks[i].asked_ns + RETRY_NS;
            if (target->asks[i].used && again_ns < due_ns) {
                due_ns = again_ns;
            }
        }
        return due_ns;
    case TARGET_IDLE:
    case TARGET_READY:
        break;
    }
    return due_ns;
}

bool snapshot_target_ready(const struct snapshot_target *target)
{
    return target->state == TARGET_READY;
}

void snapshot_target_view(const struct snapshot_target *target, struct snapshot_target_view *view)
{
    *view = (struct snapshot_target_view){
        .state = target->state,
        .source = target->source,
        .snapshot = target->manifest.snapshot,
        .index = target->manifest.index,
        .bytes = target->manifest.bytes,
        .received = target->received,
    };
}
