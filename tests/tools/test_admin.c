/* What `fenlu admin` asks for next, when it is done, what it says. */
#include "raft/core/config.h"
#include "tools/admin_plan.h"
#include "tools/admin_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct admin_plan plan;
static struct error error;

static enum status make(const char *first, const char *second, const struct admin_flags *flags)
{
    struct arguments words = { .count = second != NULL ? 2 : first != NULL ? 1 : 0 };
    words.values[0] = (char *)(uintptr_t)first;
    words.values[1] = (char *)(uintptr_t)second;
    return admin_plan_make(&plan, &words, flags, &error);
}

/* Members 1, 2, 3 are voters that are heard; 1 leads. */
static struct members_view three(void)
{
    struct members_view view = {
        .config_index = 10, .committed = true, .leader = 1, .commit_index = 500, .count = 3
    };
    for (uint32_t i = 0; i < 3; i++) {
        view.members[i] = (struct member_view){
            .id = i + 1, .roles = RAFT_VOTER, .priority = 100, .heard = true, .match_index = 500
        };
        (void)snprintf(view.members[i].address, sizeof view.members[i].address, "host%u:7400",
                       i + 1);
    }
    return view;
}

static struct members_view with_four(unsigned roles)
{
    struct members_view view = three();
    view.config_index = 11;
    view.members[3] = view.members[2];
    view.members[3].id = 4;
    view.members[3].roles = (uint8_t)roles;
    view.members[3].match_index = 120;
    view.count = 4;
    return view;
}

static void test_words_and_flags(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        struct admin_flags flags;
        const char *text; /* NULL: good */
    } CASES[] = {
        { "member", "list", { 0, NULL, 256 }, NULL },
        { "member", "add", { 4, "d:1", 256 }, NULL },
        { "member", "add", { 4, "d:1", 0 }, NULL },
        { "member", "promote", { 4, NULL, 7 }, NULL },
        { "member", "remove", { 4, NULL, 256 }, NULL },
        { "member", "replace", { 4, NULL, 256 }, NULL },
        { "member", "replace", { 4, "d:1", 9 }, NULL },
        { "transfer-leader", NULL, { 0, NULL, 256 }, NULL },
        { "transfer-leader", NULL, { 2, NULL, 256 }, NULL },
        { "snapshot", NULL, { 0, NULL, 256 }, NULL },
        { NULL, NULL, { 0, NULL, 256 }, "no command" },
        { "member", NULL, { 0, NULL, 256 }, "member: expected" },
        { "member", "frob", { 0, NULL, 256 }, "frob: expected" },
        { "snapshot", "now", { 0, NULL, 256 }, "now: expected" },
        { "member", "add", { 0, "d:1", 256 }, "--id N is required" },
        { "member", "add", { 4, NULL, 256 }, "--address HOST:PORT is required" },
        { "member", "add", { 4, "d", 256 }, "\"d\"" },
        { "member", "add", { 4, "d:0", 256 }, "--address d:0" },
        { "member", "remove", { 4, "d:1", 256 }, "--address has no meaning" },
        { "member", "remove", { 4, NULL, 1 }, "--priority has no meaning" },
        { "member", "list", { 4, NULL, 256 }, "--id has no meaning" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        enum status status = make(CASES[i].first, CASES[i].second, &CASES[i].flags);
        if ((status == STATUS_OK) != (CASES[i].text == NULL) ||
            (status != STATUS_OK && strstr(error.text, CASES[i].text) == NULL)) {
            fail_msg("case %zu: %d %s", i, (int)status, error.text);
        }
    }
}

static void test_add_waits_for_a_vote(void **state)
{
    (void)state;
    struct members_view view = three();
    assert_int_equal(make("member", "add", &(struct admin_flags){ 4, "d:1", 50 }), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(plan.request.action, ADMIN_ADD);
    assert_string_equal(plan.request.address, "d:1");
    assert_int_equal(plan.request.priority, 50);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view = with_four(RAFT_LEARNER);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    struct admin_progress progress;
    admin_plan_progress(&plan, &view, NULL, &progress);
    assert_string_equal(progress.text, "member 4 is a learner and has the log up to 120 of 500");
    uint64_t measure = progress.measure;
    view.members[3].match_index++;
    admin_plan_progress(&plan, &view, NULL, &progress);
    assert_true(progress.measure > measure);
    /* A snapshot on its way is progress, too. */
    struct node_status status = { .receiving_bytes = 3 << 20, .receiving_total_bytes = 9 << 20 };
    measure = progress.measure;
    admin_plan_progress(&plan, &view, &status, &progress);
    assert_string_equal(progress.text, "member 4 receives a snapshot: 3 of 9 MiB");
    assert_true(progress.measure > measure);
    view.members[3].heard = false;
    admin_plan_progress(&plan, &view, NULL, &progress);
    assert_true(progress.unheard);
    assert_non_null(strstr(progress.text, "is not heard: is it running at host3:7400?"));
    /* Half of the change of voters. */
    view = with_four(RAFT_VOTER);
    view.members[0].roles |= RAFT_VOTER_OLD;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view = with_four(RAFT_VOTER);
    view.committed = false;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view.committed = true;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    char text[256];
    admin_plan_outcome(&plan, &view, 0, text);
    assert_string_equal(text, "member 4 at host3:7400 is a voter, priority 100");
}

static void test_promote_and_priority(void **state)
{
    (void)state;
    struct members_view view = with_four(RAFT_LEARNER);
    assert_int_equal(make("member", "promote", &(struct admin_flags){ 4, NULL, 256 }), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view = with_four(RAFT_VOTER);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    assert_int_equal(make("member", "promote", &(struct admin_flags){ 2, NULL, 0 }), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view.members[1].priority = 0;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
}

static void test_remove(void **state)
{
    (void)state;
    struct members_view view = with_four(RAFT_VOTER);
    assert_int_equal(make("member", "remove", &(struct admin_flags){ 4, NULL, 256 }), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(plan.request.action, ADMIN_REMOVE);
    view.members[3].roles = RAFT_VOTER_OLD;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view = three();
    view.committed = false;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view = three();
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    /* The answer to the first attempt was lost. */
    assert_true(admin_plan_was_done(&plan, GRPC_NOT_FOUND));
    assert_false(admin_plan_was_done(&plan, GRPC_FAILED_PRECONDITION));
}

static void test_replace_is_two_changes(void **state)
{
    (void)state;
    struct members_view view = three();
    struct admin_flags flags = { 3, NULL, 256 };
    assert_int_equal(make("member", "replace", &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_FAILED);
    assert_non_null(strstr(error.text, "member 3 at host3:7400 is alive"));
    view.members[2].heard = false;
    view.members[2].priority = 7;
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(plan.request.action, ADMIN_REMOVE);
    view.count = 2;
    view.committed = false;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view.committed = true;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_ASK);
    assert_int_equal(plan.request.action, ADMIN_ADD);
    assert_int_equal(plan.request.id, 3);
    assert_string_equal(plan.request.address, "host3:7400"); /* as it was */
    assert_true(plan.request.has_priority);
    assert_int_equal(plan.request.priority, 7);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view = three();
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    /* Interrupted after the first half, and given again. */
    view.count = 2;
    assert_int_equal(make("member", "replace", &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_FAILED);
    assert_non_null(strstr(error.text, "--address"));
    flags.address = "e:1";
    assert_int_equal(make("member", "replace", &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(plan.request.action, ADMIN_ADD);
    assert_string_equal(plan.request.address, "e:1");
}

static void test_transfer_list_snapshot(void **state)
{
    (void)state;
    struct members_view view = three();
    struct admin_flags flags = { 0, NULL, 256 };
    assert_int_equal(make("transfer-leader", NULL, &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view.leader = 0;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view.leader = 3;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    flags.id = 2;
    assert_int_equal(make("transfer-leader", NULL, &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    view.leader = 1;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_WAIT);
    view.leader = 2;
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_DONE); /* it leads */
    flags.id = 0;
    assert_int_equal(make("member", "list", &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_DONE);
    assert_int_equal(make("snapshot", NULL, &flags), STATUS_OK);
    assert_int_equal(admin_plan_begin(&plan, &view, &error), ADMIN_STEP_ASK);
    assert_int_equal(admin_plan_look(&plan, &view), ADMIN_STEP_DONE);
    char text[256];
    admin_plan_outcome(&plan, &view, 4711, text);
    assert_non_null(strstr(text, "4711"));
}

/* What is printed, as one text. */
static char printed[8192];

static FILE *open_printed(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    return file;
}

static void close_printed(FILE *file)
{
    rewind(file);
    size_t size = fread(printed, 1, sizeof printed - 1, file);
    printed[size] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void test_texts(void **state)
{
    (void)state;
    struct members_view view = with_four(RAFT_LEARNER);
    view.members[1].roles = RAFT_VOTER_OLD;
    view.committed = false;
    FILE *file = open_printed();
    admin_print_table(file, &view);
    close_printed(file);
    assert_non_null(strstr(printed, "leader 1"));
    assert_non_null(strstr(printed, "(not committed)"));
    assert_non_null(strstr(printed, "learner"));
    assert_non_null(strstr(printed, "leaving"));
    assert_non_null(strstr(printed, "host3:7400"));
    file = open_printed();
    admin_print_json(file, &view, 99);
    close_printed(file);
    assert_non_null(strstr(printed, "{\"leader\":1,"));
    assert_non_null(strstr(printed, "\"committed\":false"));
    assert_non_null(strstr(printed, "\"log_index\":99,"));
    assert_non_null(strstr(printed, "{\"id\":4,\"address\":\"host3:7400\",\"role\":\"learner\""));
    assert_string_equal(printed + strlen(printed) - 3, "]}\n");
    view = three();
    file = open_printed();
    admin_print_join(file, &view, u128_make(1, 2), 3, "new:7400");
    close_printed(file);
    assert_non_null(strstr(printed, "fenlu format --join --data DIR --cluster "
                                    "00000000-0000-0001-0000-000000000002 --id 3 --members "
                                    "1=host1:7400,2=host2:7400,3=new:7400\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_flags),
        cmocka_unit_test(test_add_waits_for_a_vote),
        cmocka_unit_test(test_promote_and_priority),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_replace_is_two_changes),
        cmocka_unit_test(test_transfer_list_snapshot),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
