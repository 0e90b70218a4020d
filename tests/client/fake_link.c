#include "tests/client/fake_link.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

struct link fake_links[FAKE_LINKS_MAX];
uint32_t fake_links_count;
uint64_t fake_config_index;

void fake_reset(void)
{
    memset(fake_links, 0, sizeof fake_links);
    fake_links_count = 0;
    fake_config_index = 0;
}

/* A request that the client makes by itself: its id says so. */
static bool is_poll(const struct fake_sent *sent)
{
    return sent->request.id >> 63 != 0;
}

enum status link_start(const struct link_options *options, struct link **link, struct error *error)
{
    (void)error;
    ASSERT(fake_links_count < FAKE_LINKS_MAX);
    *link = &fake_links[fake_links_count++];
    (*link)->handler = options->handler;
    (void)snprintf((*link)->address, sizeof(*link)->address, "%s", options->address);
    return STATUS_OK;
}

enum status link_send(struct link *link, enum frame_kind kind, struct bytes head,
                      const struct bus_payload *payload)
{
    ASSERT(kind == FRAME_REQUEST);
    if (!link->up || link->busy) {
        return link->up ? STATUS_BUSY : STATUS_CLOSED;
    }
    ASSERT(link->sent_count < FAKE_SENT_MAX);
    struct fake_sent *sent = &link->sent[link->sent_count++];
    memset(sent, 0, sizeof *sent);
    enum status status = request_decode(head, &sent->request);
    ASSERT(status == STATUS_OK);
    if (payload == NULL) {
        return STATUS_OK;
    }
    if (sent->request.operation == OPERATION_ADMIN) {
        status = admin_request_decode(payload->bytes, &sent->admin);
        ASSERT(status == STATUS_OK);
    } else {
        size_t unit_size = payload->bytes.size - sizeof sent->command;
        memcpy(&sent->command, payload->bytes.data, sizeof sent->command);
        memcpy(sent->unit, payload->bytes.data + sizeof sent->command,
               unit_size < sizeof sent->unit ? unit_size : sizeof sent->unit);
    }
    if (payload->release == NULL) {
        return STATUS_OK;
    }
    if (link->holds) {
        link->held[link->held_count++] = *payload;
    } else {
        payload->release(payload->release_context, (void *)(uintptr_t)payload->bytes.data);
    }
    return STATUS_OK;
}

void fake_release(uint32_t link)
{
    struct link *from = &fake_links[link];
    for (uint32_t i = 0; i < from->held_count; i++) {
        from->held[i].release(from->held[i].release_context,
                              (void *)(uintptr_t)from->held[i].bytes.data);
    }
    from->held_count = 0;
}

void link_close(struct link *link, void (*done)(void *context), void *context)
{
    link->up = false;
    link->closed = true;
    fake_release((uint32_t)(link - fake_links));
    done(context);
}

void fake_up(uint32_t link, u128 cluster, uint32_t node)
{
    struct hello hello = { .cluster = cluster, .role = HELLO_PEER, .node = node };
    fake_links[link].up = true;
    fake_links[link].sent_count = 0;
    fake_links[link].handler.on_open(fake_links[link].handler.context, &hello);
}

void fake_down(uint32_t link)
{
    struct error error = { .status = STATUS_CLOSED, .text = "cut by the test" };
    fake_links[link].up = false;
    fake_release(link);
    fake_links[link].handler.on_close(fake_links[link].handler.context, &error);
}

struct fake_sent *fake_command(uint32_t link)
{
    for (uint32_t i = fake_links[link].sent_count; i > 0; i--) {
        struct fake_sent *sent = &fake_links[link].sent[i - 1];
        if (!is_poll(sent) && !sent->answered) {
            return sent;
        }
    }
    return NULL;
}

uint32_t fake_commands_count(uint32_t link)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fake_links[link].sent_count; i++) {
        count += !is_poll(&fake_links[link].sent[i]);
    }
    return count;
}

void fake_reply(uint32_t link, const struct reply *reply, const void *payload, size_t size)
{
    uint8_t head[REPLY_HEAD_SIZE];
    reply_encode(head, reply);
    fake_links[link].handler.on_frame(fake_links[link].handler.context, FRAME_REPLY,
                                      (struct bytes){ head, sizeof head },
                                      (struct bytes){ payload, size });
}

void fake_answer_status(uint32_t link, uint32_t leader, uint64_t term)
{
    struct link *from = &fake_links[link];
    struct node_status status = {
        .node = link + 1, .leader = leader, .term = term, .config_index = fake_config_index
    };
    uint8_t payload[NODE_STATUS_SIZE];
    node_status_encode(payload, &status);
    for (uint32_t i = 0; i < from->sent_count; i++) {
        struct fake_sent *sent = &from->sent[i];
        if (sent->request.operation == OPERATION_STATUS && !sent->answered) {
            sent->answered = true;
            struct reply reply = { .id = sent->request.id, .leader = leader, .term = term };
            fake_reply(link, &reply, payload, sizeof payload);
        }
    }
}

uint32_t fake_lists_count(uint32_t link)
{
    const struct link *from = &fake_links[link];
    uint32_t count = 0;
    for (uint32_t i = 0; i < from->sent_count; i++) {
        count += is_poll(&from->sent[i]) && from->sent[i].request.operation == OPERATION_ADMIN;
    }
    return count;
}

void fake_answer_list(uint32_t link, const struct members_view *view)
{
    struct link *from = &fake_links[link];
    uint8_t payload[MEMBERS_VIEW_SIZE_MAX];
    size_t size = members_view_encode(payload, view);
    for (uint32_t i = from->sent_count; i > 0; i--) {
        struct fake_sent *sent = &from->sent[i - 1];
        if (is_poll(sent) && sent->request.operation == OPERATION_ADMIN && !sent->answered) {
            sent->answered = true;
            struct reply reply = { .id = sent->request.id,
                                   .leader = view->leader,
                                   .term = view->term };
            fake_reply(link, &reply, payload, size);
            return;
        }
    }
    ASSERT(false);
}
