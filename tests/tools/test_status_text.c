/* What `fenlu status` shows of nodes that are well, and of those that are not. */
#include "raft/core/raft.h"
#include "tools/status_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char printed[8192];

static void print(void (*how)(FILE *, const struct client_cluster_status *),
                  const struct client_cluster_status *status)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    how(file, status);
    rewind(file);
    size_t size = fread(printed, 1, sizeof printed - 1, file);
    printed[size] = '\0';
    assert_int_equal(fclose(file), 0);
}

static struct client_cluster_status sample(void)
{
    struct client_cluster_status status = { .cluster = 7, .leader = 1, .node_count = 2 };
    for (uint32_t i = 0; i < 2; i++) {
        status.nodes[i].reachable = true;
        status.nodes[i].status = (struct node_status){ .node = i + 1,
                                                       .role = i == 0 ? RAFT_LEADER : RAFT_FOLLOWER,
                                                       .leader = 1,
                                                       .member_roles = RAFT_VOTER,
                                                       .priority = 100,
                                                       .incarnation = 0xABC + i,
                                                       .features = 1 };
        (void)snprintf(status.nodes[i].address, sizeof status.nodes[i].address, "host%u:7400", i);
    }
    return status;
}

static void test_all_is_well(void **state)
{
    (void)state;
    struct client_cluster_status status = sample();
    print(status_print_table, &status);
    assert_non_null(strstr(printed, "leader        voter"));
    assert_non_null(strstr(printed, "0000000000000abd"));
    uint32_t lines = 0;
    for (const char *at = printed; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    assert_int_equal(lines, 4); /* nothing more to say */
}

static void test_what_is_not_well(void **state)
{
    (void)state;
    struct client_cluster_status status = sample();
    struct node_status *node = &status.nodes[1].status;
    node->member_roles = 0;
    node->damaged_entries = 3;
    node->disk_full = true;
    node->features_on = 2;
    node->receiving_bytes = 512ULL << 40;
    node->receiving_total_bytes = 1024ULL << 40;
    status.nodes[0].status.sending_bytes = 1 << 20;
    status.nodes[0].status.sending_total_bytes = 4 << 20;
    print(status_print_table, &status);
    assert_non_null(strstr(printed, "node 2 is no member"));
    assert_non_null(strstr(printed, "node 2 has 3 damaged log entries"));
    assert_non_null(strstr(printed, "node 2 has no room for entries"));
    assert_non_null(strstr(printed, "node 2 runs a release without features"));
    assert_non_null(
        strstr(printed, "node 2 receives a snapshot: 536870912 of 1073741824 MiB (50 %)"));
    assert_non_null(strstr(printed, "node 1 sends a snapshot: 1 of 4 MiB (25 %)"));
    assert_null(strstr(printed, "hears no leader"));
    status.nodes[0].status.sending_bytes = 0;
    node->member_roles = RAFT_VOTER;
    node->leader = 0;
    print(status_print_table, &status);
    assert_non_null(strstr(printed, "node 2 hears no leader, though there is one"));
    assert_non_null(strstr(printed, "node 1 holds a snapshot of 4 MiB"));
    status.nodes[0].reachable = false; /* it led last */
    print(status_print_table, &status);
    assert_null(strstr(printed, "hears no leader"));
    status.nodes[1].reachable = false;
    print(status_print_table, &status);
    assert_non_null(strstr(printed, "unreachable"));
    assert_null(strstr(printed, "node 2 has"));
}

static void test_json(void **state)
{
    (void)state;
    struct client_cluster_status status = sample();
    status.nodes[1].status.member_roles = RAFT_LEARNER;
    status.nodes[1].status.damaged_entries = 3;
    print(status_print_json, &status);
    assert_non_null(strstr(printed, "\"member\":\"voter\""));
    assert_non_null(strstr(printed, "\"member\":\"learner\""));
    assert_non_null(strstr(printed, "\"incarnation\":\"0000000000000abc\""));
    assert_non_null(strstr(printed, "\"damaged_entries\":3,\"disk_full\":false"));
    assert_string_equal(printed + strlen(printed) - 4, "}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_what_is_not_well),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("status_text", tests, NULL, NULL);
}
