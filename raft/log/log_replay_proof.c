/* log_replay_proof.c — what a segment itself proves to have been durable once (segment.h). */
#include "raft/log/log_internal.h"

#include <string.h>

static uint32_t proved_by_slots(const struct log_replay *replay, const struct log_segment *segment)
{
    uint32_t proved = 0;
    for (uint32_t i = 0; i < segment_slot_count(segment->size); i++) {
        if (replay->slots[i].durable > proved && log_replay_sound(replay, segment, i)) {
            proved = replay->slots[i].durable;
        }
    }
    return proved;
}

/* Marks may stand at any block. */
static enum status proved_by_marks(struct log_replay *replay, const struct log_segment *segment,
                                   uint32_t *proved)
{
    enum { CHUNK = 1024 * 1024 };
    _Static_assert(CHUNK <= RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX, "fits replay->entry");
    *proved = 0;
    replay->marked = false;
    replay->marked_next = 0;
    for (uint32_t start = segment_entries_offset(segment->size); start < segment->size;
         start += CHUNK) {
        uint32_t left = segment->size - start;
        uint32_t size = left < CHUNK ? left : CHUNK;
        TRY(log_read_around(replay->log, segment->file, start, replay->entry, size, replay->error));
        for (uint32_t at = 0; at < size; at += LOG_BLOCK_SIZE) {
            struct segment_slot mark;
            memcpy(&mark, replay->entry + at, sizeof mark);
            if (!segment_mark_check(&mark, segment->seed, start + at, segment->size)) {
                continue;
            }
            replay->marked = true;
            *proved = mark.durable > *proved ? mark.durable : *proved;
            /* A segment that has once begun stays as long as those before it. */
            replay->marked_next = mark.index != 0 ? mark.index : replay->marked_next;
        }
    }
    return STATUS_OK;
}

enum status log_replay_proved(struct log_replay *replay, const struct log_segment *segment,
                              uint32_t *proved)
{
    uint32_t marked = 0;
    TRY(proved_by_marks(replay, segment, &marked));
    *proved = proved_by_slots(replay, segment);
    *proved = marked > *proved ? marked : *proved;
    return STATUS_OK;
}
