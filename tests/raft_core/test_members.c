/* The body of an ENTRY_MEMBERS entry as bytes. */
#include "base/random.h"
#include "raft/core/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct members three(void)
{
    struct members members = { .features = FENLU_FEATURES, .count = 3 };
    static const uint8_t ROLES[] = { RAFT_VOTER | RAFT_VOTER_OLD, RAFT_LEARNER | RAFT_VOTER_OLD,
                                     RAFT_VOTER };
    for (uint32_t i = 0; i < 3; i++) {
        struct member *member = &members.members[i];
        member->id = (10 * i) + 1;
        member->roles = ROLES[i];
        member->priority = (uint8_t)(100 + i);
        member->incarnation = 0x123456789abcdefULL + i;
        (void)snprintf(member->address, MEMBER_ADDRESS_MAX, "node-%u:7400", i);
    }
    return members;
}

static size_t encode(const struct members *members, uint8_t body[MEMBERS_BODY_MAX])
{
    struct writer writer = writer_init(body, MEMBERS_BODY_MAX);
    members_encode(members, &writer);
    assert_false(writer.failed);
    return writer_size(&writer);
}

/* From memory of just that size, so that a sanitizer sees any step outside. */
static enum status decode(const uint8_t *body, size_t size, struct members *members)
{
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    assert_non_null(exact);
    memcpy(exact, body, size);
    enum status status = members_decode((struct bytes){ exact, size }, members);
    free(exact);
    return status;
}

static void members_come_back_as_they_were(void **state)
{
    (void)state;
    uint8_t body[MEMBERS_BODY_MAX];
    struct members members = three();
    struct members decoded;
    assert_int_equal(decode(body, encode(&members, body), &decoded), STATUS_OK);
    assert_memory_equal(&members, &decoded, sizeof members);
    members.count = RAFT_MEMBERS_MAX; /* the largest there is */
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        members.members[i] = members.members[0];
        members.members[i].id = i + 1;
        memset(members.members[i].address, 'x', MEMBER_ADDRESS_MAX - 1);
    }
    assert_int_equal(decode(body, encode(&members, body), &decoded), STATUS_OK);
    assert_memory_equal(&members, &decoded, sizeof members);
}

static void what_is_cut_short_or_too_long_is_refused(void **state)
{
    (void)state;
    uint8_t body[MEMBERS_BODY_MAX + 1] = { 0 };
    struct members members = three();
    struct members decoded;
    size_t size = encode(&members, body);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(decode(body, cut, &decoded), STATUS_PROTOCOL);
    }
    assert_int_equal(decode(body, size + 1, &decoded), STATUS_PROTOCOL);
    body[0] = MEMBERS_VERSION + 1;
    assert_int_equal(decode(body, size, &decoded), STATUS_VERSION);
}

/* Any bytes: refused, or members that encode to the same bytes. */
static void hostile_bytes_are_refused_or_mean_one_thing(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 5);
    uint8_t body[MEMBERS_BODY_MAX];
    uint8_t again[MEMBERS_BODY_MAX];
    struct members members = three();
    size_t size = encode(&members, body);
    uint32_t taken = 0;
    for (uint32_t round = 0; round < 50000; round++) {
        uint8_t hostile[MEMBERS_BODY_MAX];
        memcpy(hostile, body, size);
        for (uint64_t changes = random_between(&random, 1, 3); changes > 0; changes--) {
            hostile[random_below(&random, size)] = (uint8_t)random_u64(&random);
        }
        struct members decoded;
        if (decode(hostile, size, &decoded) == STATUS_OK) {
            taken++;
            assert_true(members_check(&decoded));
            assert_int_equal(encode(&decoded, again), size);
            assert_memory_equal(hostile, again, size);
        }
    }
    assert_true(taken > 1000);
}

static void members_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct members members = three();
    assert_true(members_check(&members));
    members.members[1].id = 1;
    assert_false(members_check(&members));
    members = three();
    members.members[0].id = 0;
    assert_false(members_check(&members));
    members = three();
    members.members[1].roles = 0;
    assert_false(members_check(&members));
    members = three();
    members.members[0].address[0] = '\0';
    assert_false(members_check(&members));
    members = three();
    memset(members.members[2].address, 'x', MEMBER_ADDRESS_MAX);
    assert_false(members_check(&members));
    members = three();
    members.count = 0;
    assert_false(members_check(&members));
    members.count = RAFT_MEMBERS_MAX + 1;
    assert_false(members_check(&members));
}

static void raft_is_told_who_is_meant(void **state)
{
    (void)state;
    struct members members = three();
    struct raft_config config;
    members_config(&members, &config);
    assert_int_equal(config.count, 3);
    assert_int_equal(config.members[2].id, 21);
    assert_int_equal(config.members[1].roles, RAFT_LEARNER | RAFT_VOTER_OLD);
    assert_int_equal(config.members[1].priority, 101);
    assert_false(config.binds_self);
    uint64_t incarnation = members_find(&members, 11)->incarnation;
    members_config_for(&members, 11, incarnation, &config);
    assert_true(config.binds_self);
    members_config_for(&members, 11, incarnation + 1, &config); /* another disk */
    assert_false(config.binds_self);
    members_config_for(&members, 12, incarnation, &config);
    assert_false(config.binds_self);
    members.members[1].incarnation = 0; /* not seen yet */
    members_config_for(&members, 11, 0, &config);
    assert_false(config.binds_self);
    assert_null(members_find(&members, 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_back_as_they_were),
        cmocka_unit_test(what_is_cut_short_or_too_long_is_refused),
        cmocka_unit_test(hostile_bytes_are_refused_or_mean_one_thing),
        cmocka_unit_test(members_that_cannot_be_are_refused),
        cmocka_unit_test(raft_is_told_who_is_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
