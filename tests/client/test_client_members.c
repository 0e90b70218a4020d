/* The client follows the cluster's own list of members, and asks the leader to change it. */
#include "tests/client/client_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct members_view view_of(uint64_t index, const uint32_t ids[], uint32_t count)
{
    static const char *const ADDRESSES[] = { "", "a:1", "b:2", "c:3", "d:4", "e:5" };
    struct members_view view = {
        .config_index = index, .committed = true, .leader = 1, .term = 5, .count = count
    };
    for (uint32_t i = 0; i < count; i++) {
        view.members[i].id = ids[i];
        view.members[i].roles = 1;
        (void)snprintf(view.members[i].address, sizeof view.members[i].address, "%s",
                       ADDRESSES[ids[i]]);
    }
    return view;
}

/* All say that there is a list at this index; link 0 gives it. */
static void learn(const struct members_view *view)
{
    fake_config_index = view->config_index;
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, view->leader, 5);
    fake_answer_list(0, view);
}

static uint32_t rows_count;
static struct cluster_member_status rows_seen[RAFT_MEMBERS_MAX];

static void on_rows(void *context, const struct cluster_member_status *rows, uint32_t count)
{
    (void)context;
    rows_count = count;
    memcpy(rows_seen, rows, count * sizeof *rows);
}

static void test_new_members_are_dialled(void **state)
{
    (void)state;
    static struct seen seen;
    lead(1, 5);
    struct members_view view = view_of(40, (uint32_t[]){ 1, 2, 3, 4 }, 4);
    learn(&view);
    assert_int_equal(fake_links_count, 4);
    assert_string_equal(fake_links[3].address, "d:4");
    assert_false(fake_links[0].closed);
    fake_up(3, CLUSTER, 4);
    fake_answer_status(3, 4, 6); /* it leads now */
    submit(&seen);
    assert_non_null(fake_command(3));
    /* The same list again is not asked for. */
    uint32_t lists = fake_lists_count(0);
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, 4, 6);
    assert_int_equal(fake_lists_count(0), lists);
}

static void test_removed_members_are_let_go(void **state)
{
    (void)state;
    static struct seen seen;
    lead(2, 5);
    submit(&seen);
    assert_non_null(fake_command(1));
    struct members_view view = view_of(41, (uint32_t[]){ 1, 3, 5 }, 3);
    view.leader = 2;
    learn(&view); /* node 2 leads no more, and what it had goes elsewhere */
    assert_true(fake_links[1].closed);
    assert_int_equal(seen.count, 0);
    assert_int_equal(fake_links_count, 4);
    assert_string_equal(fake_links[3].address, "e:5");
    /* The one that took its place leads: it has not got what the former had. */
    fake_up(3, CLUSTER, 5);
    fake_answer_status(3, 5, 6);
    assert_non_null(fake_command(3));
    assert_int_equal(cluster_client_status(world.client, NS_PER_S, on_rows, NULL), STATUS_OK);
    pass_ms(1000);
    assert_int_equal(rows_count, 3);
    assert_int_equal(rows_seen[0].member.id, 1);
    assert_int_equal(rows_seen[1].member.id, 3); /* in its order, though 5 took the place of 2 */
    assert_int_equal(rows_seen[2].member.id, 5);
}

static void test_lists_that_do_not_count(void **state)
{
    (void)state;
    lead(1, 5);
    struct members_view view = view_of(40, (uint32_t[]){ 1, 2, 3, 4 }, 4);
    view.committed = false;
    learn(&view);
    assert_int_equal(fake_links_count, LINKS);
    view = view_of(0, NULL, 0); /* of a node that waits to be added */
    fake_config_index = 40;
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, 1, 5);
    fake_answer_list(0, &view);
    assert_int_equal(fake_links_count, LINKS);
    assert_false(fake_links[0].closed || fake_links[1].closed || fake_links[2].closed);
    view = view_of(40, (uint32_t[]){ 1, 2, 3, 4 }, 4);
    learn(&view);
    assert_int_equal(fake_links_count, 4);
    /* One that lags, such as the list of a member that was removed. */
    view = view_of(39, (uint32_t[]){ 1 }, 1);
    fake_config_index = 41;
    pass_ms(CLIENT_POLL_MS);
    fake_answer_status(0, 1, 5);
    fake_answer_list(0, &view);
    assert_false(fake_links[1].closed || fake_links[2].closed || fake_links[3].closed);
}

static void test_a_member_that_moved_is_dialled_there(void **state)
{
    (void)state;
    lead(1, 5);
    struct members_view view = view_of(40, (uint32_t[]){ 1, 2, 3 }, 3);
    learn(&view);
    (void)snprintf(view.members[2].address, sizeof view.members[2].address, "elsewhere:3");
    view.config_index = 50;
    learn(&view);
    assert_true(fake_links[2].closed);
    assert_int_equal(fake_links_count, 4);
    assert_string_equal(fake_links[3].address, "elsewhere:3");
}

/* Behind a translation of addresses --members is right and the list is not, or the other way round
 * when the list has changed since --members was written. */
static void test_two_addresses_are_tried_in_turn(void **state)
{
    (void)state;
    lead(1, 5);
    struct members_view view = view_of(40, (uint32_t[]){ 1, 2, 3 }, 3);
    (void)snprintf(view.members[1].address, sizeof view.members[1].address, "inside:2");
    (void)snprintf(view.members[2].address, sizeof view.members[2].address, "0.0.0.0:0");
    learn(&view);
    assert_int_equal(fake_links_count, LINKS);
    fake_down(1);
    fake_down(2);
    pass_ms(CLIENT_SWITCH_MS - 100);
    assert_int_equal(fake_links_count, LINKS);
    pass_ms(200);
    assert_int_equal(fake_links_count, LINKS + 1);
    assert_string_equal(fake_links[LINKS].address, "inside:2");
    assert_false(fake_links[2].closed); /* nobody can dial port 0 */
    pass_ms(CLIENT_SWITCH_MS + CLIENT_SEARCH_MS);
    assert_int_equal(fake_links_count, LINKS + 2);
    assert_string_equal(fake_links[LINKS + 1].address, "b:2");
}

/* --- admin ------------------------------------------------------------------------------------ */

static struct seen admin_seen;
static struct members_view admin_view;

static void on_admin(void *context, const struct cluster_answer *answer)
{
    (void)context;
    admin_seen.count++;
    admin_seen.status = answer->status;
    (void)snprintf(admin_seen.text, sizeof admin_seen.text, "%s", answer->text);
    if (answer->status == STATUS_OK) {
        assert_int_equal(members_view_decode(answer->payload, &admin_view), STATUS_OK);
    }
}

static void ask_admin(enum admin_action action)
{
    struct admin_request request = { .action = action, .id = 4, .address = "d:4" };
    uint64_t handle = 0;
    memset(&admin_seen, 0, sizeof admin_seen);
    assert_int_equal(cluster_client_admin(world.client, &request, world.now_ns + NS_PER_S, on_admin,
                                          NULL, &handle),
                     STATUS_OK);
}

static void answer_admin(uint32_t link, enum status status, const char *text)
{
    struct fake_sent *sent = fake_command(link);
    assert_non_null(sent);
    sent->answered = true;
    struct reply reply = {
        .id = sent->request.id, .status = status, .leader = link + 1, .term = 5
    };
    struct members_view view = view_of(60, (uint32_t[]){ 1, 2, 3, 4 }, 4);
    uint8_t payload[MEMBERS_VIEW_SIZE_MAX];
    size_t size = members_view_encode(payload, &view);
    if (status == STATUS_OK) {
        fake_reply(link, &reply, payload, size);
    } else {
        fake_reply(link, &reply, text, strlen(text));
    }
}

static void test_admin_goes_to_the_leader(void **state)
{
    (void)state;
    ask_admin(ADMIN_ADD);
    lead(2, 5);
    assert_null(fake_command(0));
    const struct fake_sent *sent = fake_command(1);
    assert_int_equal(sent->request.operation, OPERATION_ADMIN);
    assert_int_equal(sent->admin.action, ADMIN_ADD);
    assert_int_equal(sent->admin.id, 4);
    assert_string_equal(sent->admin.address, "d:4");
    answer_admin(1, STATUS_OK, "");
    assert_int_equal(admin_seen.count, 1);
    assert_int_equal(admin_seen.status, STATUS_OK);
    assert_int_equal(admin_view.count, 4);
    ask_admin(ADMIN_PROMOTE);
    answer_admin(1, STATUS_PRECONDITION, "member 4 has not caught up");
    assert_int_equal(admin_seen.status, STATUS_PRECONDITION);
    assert_string_equal(admin_seen.text, "member 4 has not caught up");
}

/* Nobody knows whether the first leader did it. */
static void test_admin_outcome_is_unknown_after_a_cut(void **state)
{
    (void)state;
    lead(1, 5);
    ask_admin(ADMIN_REMOVE);
    assert_non_null(fake_command(0));
    fake_down(0);
    pass_ms(1000);
    assert_int_equal(admin_seen.status, STATUS_LEADER_LOST);
    ask_admin(ADMIN_LIST); /* a list changes nothing */
    pass_ms(1000);
    assert_int_equal(admin_seen.status, STATUS_NO_LEADER);
    fake_up(0, CLUSTER, 1);
    fake_answer_status(0, 1, 5);
    ask_admin(ADMIN_LIST);
    fake_down(0);
    pass_ms(1000);
    assert_int_equal(admin_seen.status, STATUS_NO_LEADER);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_new_members_are_dialled),
        TEST(test_removed_members_are_let_go),
        TEST(test_lists_that_do_not_count),
        TEST(test_a_member_that_moved_is_dialled_there),
        TEST(test_two_addresses_are_tried_in_turn),
        TEST(test_admin_goes_to_the_leader),
        TEST(test_admin_outcome_is_unknown_after_a_cut),
    };
    return cmocka_run_group_tests_name("client_members", tests, NULL, NULL);
}
