/* What every received message goes through: is it sound, is there room for the write that it may
 * cause, and what does its term mean for ours (dissertation §3.3, §9.6; etcd/raft Step). */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/message.h"
#include "raft/core/state.h"

void raft_drop(struct raft *raft)
{
    raft->dropped_messages++;
}

/* To this node, and no other leader in a term that has one. */
static bool is_sound(struct raft *raft, const struct raft_message *message)
{
    if (message->to != raft->options.self || message->from == raft->options.self ||
        !raft_message_check(message)) {
        return false;
    }
    bool of_leader = message->kind == RAFT_APPEND || message->kind == RAFT_HEARTBEAT ||
                     message->kind == RAFT_SNAPSHOT || message->kind == RAFT_TIMEOUT_NOW;
    if (of_leader && message->term == raft->term) {
        return raft->leader == 0 || raft->leader == message->from;
    }
    return true;
}

/* Only a member is asked for anything, so the answer of a stranger is late: of one that was
 * removed. Leaders and candidates may be strangers: this node's configuration may be the one that
 * lags. */
static bool answers_late(struct raft *raft, const struct raft_message *message)
{
    bool answers = message->kind == RAFT_PRE_VOTE_RESULT || message->kind == RAFT_VOTE_RESULT ||
                   message->kind == RAFT_APPEND_RESULT || message->kind == RAFT_HEARTBEAT_RESULT;
    return answers && raft_member(raft, message->from) == NULL;
}

/* A new term, a vote, entries and a won election are written. When the queue of writes is full,
 * messages that could lead there are lost, as on a network: peers repeat them. */
static bool may_write(const struct raft *raft, const struct raft_message *message)
{
    switch (message->kind) {
    case RAFT_PRE_VOTE:
        return false;
    case RAFT_APPEND_RESULT:
    case RAFT_HEARTBEAT:
    case RAFT_HEARTBEAT_RESULT:
    case RAFT_SNAPSHOT:
    case RAFT_READ:
    case RAFT_READ_RESULT:
        return message->term > raft->term;
    case RAFT_PRE_VOTE_RESULT:
    case RAFT_VOTE:
    case RAFT_VOTE_RESULT:
    case RAFT_APPEND:
    case RAFT_TIMEOUT_NOW:
        return true;
    case RAFT_MESSAGE_KIND_END:
        break;
    }
    UNREACHABLE();
}

/* A leader of the past must learn that it is one, or a node cut off for a while with a higher term
 * would refuse its successor's messages in silence and stay outside for ever. */
static void answer_old_term(struct raft *raft, const struct raft_message *message)
{
    if (message->kind == RAFT_VOTE) {
        raft_send(raft, RAFT_VOTE_RESULT, message->from);
    } else if (message->kind == RAFT_HEARTBEAT) {
        raft_send(raft, RAFT_HEARTBEAT_RESULT, message->from)->last_index = raft->log.last_index;
    } else if (message->kind == RAFT_APPEND) {
        SITUATION(raft_old_leader_told);
        struct raft_message *answer = raft_send(raft, RAFT_APPEND_RESULT, message->from);
        answer->rejected = true;
        answer->prev_index = message->prev_index;
        answer->sequence = message->sequence;
        answer->last_index = raft->log.last_index;
    } else if (message->kind == RAFT_READ) {
        raft_send(raft, RAFT_READ_RESULT, message->from)->read_round = message->read_round;
    }
}

/* Goes to the sender's term. False: the message has nothing more to say. */
static bool adopt_term(struct raft *raft, const struct raft_message *message)
{
    switch (message->kind) {
    case RAFT_PRE_VOTE:
        return true; /* a term that may never be */
    case RAFT_PRE_VOTE_RESULT:
        if (message->granted || MUTATION(raft_refusal_spreads_no_term)) {
            return true; /* the echo of a term that may never be */
        }
        SITUATION(raft_refusal_spread_a_term);
        break; /* a refusal carries the term of a voter that is ahead */
    case RAFT_VOTE:
        if (!message->transfer && election_sticky(raft)) {
            raft_send(raft, RAFT_VOTE_RESULT, message->from);
            return false;
        }
        break;
    case RAFT_APPEND:
    case RAFT_HEARTBEAT:
    case RAFT_SNAPSHOT:
    case RAFT_TIMEOUT_NOW:
        election_follow(raft, message->term, message->from);
        return true;
    case RAFT_VOTE_RESULT:
    case RAFT_APPEND_RESULT:
    case RAFT_HEARTBEAT_RESULT:
    case RAFT_READ:
    case RAFT_READ_RESULT:
        break;
    case RAFT_MESSAGE_KIND_END:
        UNREACHABLE();
    }
    election_follow(raft, message->term, 0);
    return message->kind == RAFT_VOTE;
}

static void handle(struct raft *raft, const struct raft_message *message)
{
    switch (message->kind) {
    case RAFT_PRE_VOTE:
        election_pre_vote(raft, message);
        return;
    case RAFT_VOTE:
        election_vote(raft, message);
        return;
    case RAFT_PRE_VOTE_RESULT:
    case RAFT_VOTE_RESULT:
        election_result(raft, message);
        return;
    case RAFT_APPEND:
        follower_append(raft, message);
        return;
    case RAFT_HEARTBEAT:
        follower_heartbeat(raft, message);
        return;
    case RAFT_APPEND_RESULT:
        progress_result(raft, message);
        return;
    case RAFT_HEARTBEAT_RESULT:
        progress_heartbeat_result(raft, message);
        return;
    case RAFT_TIMEOUT_NOW:
        transfer_timeout_now(raft, message);
        return;
    case RAFT_SNAPSHOT:
        follower_snapshot(raft, message);
        return;
    case RAFT_READ:
        read_index_asked(raft, message);
        return;
    case RAFT_READ_RESULT:
        read_remote_result(raft, message);
        return;
    case RAFT_MESSAGE_KIND_END:
        break;
    }
    UNREACHABLE();
}

void raft_receive(struct raft *raft, const struct raft_message *message)
{
    if (!is_sound(raft, message)) {
        raft_drop(raft);
        return;
    }
    if (answers_late(raft, message) ||
        (write_queue_full(&raft->writes) && may_write(raft, message))) {
        return;
    }
    if (message->term < raft->term && message->kind != RAFT_PRE_VOTE) {
        answer_old_term(raft, message);
        return;
    }
    if (message->term > raft->term && !adopt_term(raft, message)) {
        return;
    }
    struct progress *sender = raft_member(raft, message->from);
    if (sender != NULL && message->term == raft->term && message->kind != RAFT_PRE_VOTE) {
        sender->heard_ns = raft->now_ns;
    }
    handle(raft, message);
}
