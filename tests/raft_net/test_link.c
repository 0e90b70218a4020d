#include "base/crc32c.h"
#include "net_rig.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct user {
    struct rig *rig;
    struct link *link;
    uint32_t opens;
    uint32_t closes;
    uint32_t frames;
    struct hello hello;
    struct error error;
    bool open;
    bool ended;
    bool close_in_callback;
};

static void on_ended(void *context)
{
    struct user *user = context;
    user->ended = true;
}

static void on_open(void *context, const struct hello *hello)
{
    struct user *user = context;
    user->opens++;
    user->open = true;
    user->hello = *hello;
}

static void on_frame(void *context, enum frame_kind kind, struct bytes head, struct bytes payload)
{
    struct user *user = context;
    assert_int_equal(kind, FRAME_REPLY);
    assert_true(user->open);
    assert_true(rig_check(head, payload) == user->frames);
    user->frames++;
    if (user->close_in_callback) {
        user->open = false;
        link_close(user->link, on_ended, user);
    }
}

static void on_close(void *context, const struct error *error)
{
    struct user *user = context;
    user->closes++;
    user->open = false;
    user->error = *error;
}

static void user_start(struct user *user, struct rig *rig, const char *address, u128 cluster)
{
    memset(user, 0, sizeof *user);
    user->rig = rig;
    const struct link_options options = { .loop = &rig->loop,
                                          .clock = clock_os(),
                                          .entropy = entropy_os(),
                                          .address = address,
                                          .cluster = cluster,
                                          .incarnation = 4711,
                                          .handler = { .on_open = on_open,
                                                       .on_frame = on_frame,
                                                       .on_close = on_close,
                                                       .context = user } };
    struct error error;
    assert_int_equal(link_start(&options, &user->link, &error), STATUS_OK);
}

static bool is_open(void *context)
{
    const struct user *user = context;
    return user->open;
}

static bool has_failed(void *context)
{
    const struct user *user = context;
    return user->closes > 0;
}

static bool has_ended(void *context)
{
    const struct user *user = context;
    return user->ended;
}

static void user_end(struct user *user)
{
    uint32_t closes = user->closes;
    link_close(user->link, on_ended, user);
    assert_true(rig_until(user->rig, RIG_PATIENCE_MS, has_ended, user));
    assert_int_equal(user->closes, closes);
}

static enum status ask(struct user *user, uint64_t sequence, uint32_t size)
{
    uint8_t *payload = calloc(1, size + 1);
    uint8_t head[RIG_HEAD_SIZE];
    rig_head(head, sequence, crc32c(payload, size), size);
    const struct bus_payload copied = { .bytes = { .data = payload, .size = size } };
    enum status status =
        link_send(user->link, FRAME_REQUEST, (struct bytes){ head, sizeof head }, &copied);
    free(payload);
    return status;
}

struct wanted {
    const struct user *user;
    uint32_t frames;
};

static bool answers_came(void *context)
{
    const struct wanted *wanted = context;
    return wanted->user->frames >= wanted->frames;
}

static const char *address_of(const struct rig *rig, uint32_t id)
{
    return rig->nodes[1].identity.members[id - 1].address;
}

static void requests_are_answered(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    rig.nodes[1].echo = true;
    struct user users[3];
    for (size_t i = 0; i < 3; i++) {
        user_start(&users[i], &rig, address_of(&rig, 1), i == 0 ? 0 : u128_make(0xC1, 0x57E5));
        assert_int_equal(ask(&users[i], 0, 1), STATUS_CLOSED);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, is_open, &users[i]));
        assert_true(users[i].hello.cluster == u128_make(0xC1, 0x57E5));
        assert_int_equal(users[i].hello.node, 1);
        assert_true(users[i].hello.incarnation == 1001);
        static const uint32_t SIZES[] = { 0, 100, 0, 70000, 1048576, 2 * 1024 * 1024, 3 };
        for (uint64_t k = 0; k < 7; k++) {
            assert_int_equal(ask(&users[i], k, SIZES[k]), STATUS_OK);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        struct wanted wanted = { .user = &users[i], .frames = 7 };
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, answers_came, &wanted));
    }
    assert_int_equal(rig.nodes[1].clients_opened, 3);
    /* Links ping, so an idle one lives. */
    rig_run(&rig, LINK_SILENCE_MS + PEER_SILENCE_MS - 1000);
    for (size_t i = 0; i < 3; i++) {
        assert_true(users[i].open);
        assert_int_equal(users[i].opens, 1);
        user_end(&users[i]);
    }
    rig_stop(&rig);
}

static void link_follows_a_restart(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    rig.nodes[1].echo = true;
    struct user user;
    user_start(&user, &rig, address_of(&rig, 1), 0);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_failed, &user));
    assert_non_null(strstr(user.error.text, "refused"));
    assert_int_equal(user.error.status, STATUS_CLOSED);
    for (uint32_t round = 1; round <= 3; round++) {
        rig_start_node(&rig, 1);
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, is_open, &user));
        assert_int_equal(user.opens, round);
        assert_int_equal(ask(&user, round - 1, 10), STATUS_OK);
        struct wanted wanted = { .user = &user, .frames = round };
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, answers_came, &wanted));
        rig_stop_node(&rig, 1);
        user.closes = 0;
        assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_failed, &user));
    }
    user_end(&user);
    rig_stop(&rig);
}

static void link_of_another_cluster_learns_why(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    struct user user;
    user_start(&user, &rig, address_of(&rig, 1), 5);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_failed, &user));
    assert_int_equal(user.error.status, STATUS_WRONG_CLUSTER);
    assert_non_null(strstr(user.error.text, "another cluster"));
    assert_int_equal(user.opens, 0);
    user_end(&user);
    rig_stop(&rig);
}

static bool can_accept(void *context)
{
    struct pollfd *ready = context;
    return poll(ready, 1, 0) == 1;
}

/* A server that accepts and then says nothing is dead, before and after its hello. */
static void dead_server_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    char text[64];
    (void)snprintf(text, sizeof text, "localhost:%u", (unsigned)ntohs(address.sin_port));
    struct user user;
    user_start(&user, &rig, text, 0);
    struct pollfd ready = { .fd = listener, .events = POLLIN };
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, can_accept, &ready));
    int server = accept(listener, NULL, NULL);
    assert_true(server >= 0);
    struct hello hello = rig_hello(&rig, 2, 1);
    hello.to_node = 0;
    hello.to_incarnation = 0;
    stranger_hello(server, &hello);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, is_open, &user));
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_failed, &user));
    assert_non_null(strstr(user.error.text, "silent"));
    user.closes = 0;
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_failed, &user));
    assert_int_equal(user.error.status, STATUS_TIMEOUT);
    user_end(&user);
    assert_int_equal(close(server), 0);
    assert_int_equal(close(listener), 0);
    rig_stop(&rig);
}

static void bad_addresses(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 0);
    struct link_options options = {
        .loop = &rig.loop, .clock = clock_os(), .entropy = entropy_os(), .incarnation = 1
    };
    static const char *const BAD[] = { "nowhere", "host:", "host:99999", "host:0", ":1" };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct link *link = NULL;
        struct error error;
        options.address = BAD[i];
        assert_int_equal(link_start(&options, &link, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, BAD[i]));
        assert_null(link);
    }
    struct user user;
    user_start(&user, &rig, "name.invalid:1", 0);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_failed, &user));
    assert_non_null(strstr(user.error.text, "cannot resolve name.invalid:1"));
    user_end(&user);
    rig_stop(&rig);
}

static void closing_inside_a_callback(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, 1);
    rig.nodes[1].echo = true;
    struct user user;
    user_start(&user, &rig, address_of(&rig, 1), 0);
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, is_open, &user));
    user.close_in_callback = true;
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(ask(&user, i, 100), STATUS_OK);
    }
    assert_true(rig_until(&rig, RIG_PATIENCE_MS, has_ended, &user));
    assert_int_equal(user.frames, 1);
    assert_int_equal(user.closes, 0);
    /* And at once, before anything happened. */
    user_start(&user, &rig, address_of(&rig, 1), 0);
    user_end(&user);
    user_start(&user, &rig, "localhost:1", 0);
    rig_run(&rig, 1);
    user_end(&user);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(link_follows_a_restart),
        cmocka_unit_test(link_of_another_cluster_learns_why),
        cmocka_unit_test(dead_server_is_noticed),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(closing_inside_a_callback),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
