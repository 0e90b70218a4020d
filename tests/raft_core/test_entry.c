#include "base/crc32c.h"
#include "base/random.h"
#include "raft/core/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct entry *sealed(uint64_t index, uint32_t body_size, uint64_t previous_chain)
{
    struct entry *entry = entry_new(body_size);
    entry->header = (struct entry_header){ .index = index,
                                           .term = 3,
                                           .timestamp = 1000 + index,
                                           .body_size = body_size,
                                           .kind = body_size == 0 ? ENTRY_NOOP : ENTRY_COMMANDS };
    struct random random;
    random_init(&random, index);
    for (uint32_t i = 0; i < body_size; i++) {
        entry->body[i] = (uint8_t)random_u64(&random);
    }
    entry_seal(entry, previous_chain);
    return entry;
}

static void a_sealed_entry_checks(void **state)
{
    (void)state;
    static const uint32_t SIZES[] = { 0, 1, 64, 1000, RAFT_ENTRY_BODY_MAX };
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct entry *entry = sealed(7, SIZES[i], 0);
        assert_true(entry_header_check(&entry->header));
        assert_true(entry_body_check(&entry->header, entry->body));
        assert_int_equal(entry_size(&entry->header), 64 + SIZES[i]);
        assert_int_equal((uintptr_t)&entry->header % 64, 0);
        assert_ptr_equal(entry->body, (uint8_t *)&entry->header + 64);
        entry_release(entry);
    }
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct entry *entry = sealed(9, 40, 5);
    uint8_t *header = (uint8_t *)&entry->header;
    for (uint32_t bit = 0; bit < 64 * 8; bit++) {
        header[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_false(entry_header_check(&entry->header));
        header[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (uint32_t bit = 0; bit < 40 * 8; bit++) {
        entry->body[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_false(entry_body_check(&entry->header, entry->body));
        entry->body[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    assert_true(entry_header_check(&entry->header));
    assert_true(entry_body_check(&entry->header, entry->body));
    entry_release(entry);
}

/* A right checksum over wrong fields: written by something that is no Fenlu, or by a later one. */
static void fields_are_checked_beside_the_checksum(void **state)
{
    (void)state;
    for (uint32_t which = 0; which < 6; which++) {
        struct entry *entry = sealed(9, 40, 5);
        struct entry_header *header = &entry->header;
        header->version = which == 0 ? ENTRY_VERSION + 1 : header->version;
        header->kind = which == 1 ? 0 : which == 2 ? ENTRY_MEMBERS + 1 : header->kind;
        header->reserved[1] = which == 3 ? 1 : 0;
        header->body_size = which == 4 ? RAFT_ENTRY_BODY_MAX + 1 : header->body_size;
        header->kind = which == 5 ? ENTRY_NOOP : header->kind; /* and not empty */
        header->header_crc = crc32c((const uint8_t *)header + 4, sizeof *header - 4);
        assert_false(entry_header_check(header));
        entry_release(entry);
    }
}

static void chain_depends_on_everything_before(void **state)
{
    (void)state;
    struct entry *first = sealed(1, 10, 0);
    struct entry *second = sealed(2, 10, first->header.chain);
    assert_int_equal(second->header.chain, entry_chain(first->header.chain, &second->header));
    assert_int_not_equal(second->header.chain,
                         entry_chain(first->header.chain ^ 1, &second->header));
    struct entry_header changed = second->header;
    changed.term++;
    assert_int_not_equal(second->header.chain, entry_chain(first->header.chain, &changed));
    changed = second->header;
    changed.timestamp++;
    assert_int_not_equal(second->header.chain, entry_chain(first->header.chain, &changed));
    changed = second->header;
    changed.body_crc++;
    assert_int_not_equal(second->header.chain, entry_chain(first->header.chain, &changed));
    changed = second->header;
    changed.kind = ENTRY_MEMBERS;
    assert_int_not_equal(second->header.chain, entry_chain(first->header.chain, &changed));
    entry_release(first);
    entry_release(second);
}

/* The chain is a format: this value is on disks. */
static void chain_is_the_same_for_ever(void **state)
{
    (void)state;
    struct entry_header header = { .body_crc = 0x01020304,
                                   .index = 5,
                                   .term = 6,
                                   .timestamp = 7,
                                   .body_size = 8,
                                   .kind = ENTRY_COMMANDS };
    assert_int_equal(entry_chain(9, &header), 0x460DF02B276BFF8BU);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct entry *entry = entry_new(5);
    assert_ptr_equal(entry_keep(entry), entry);
    assert_int_equal(entry->references, 2);
    entry_release(entry);
    assert_int_equal(entry->references, 1);
    entry_release(entry); /* the sanitizers see a leak or a second free */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_entry_checks),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(fields_are_checked_beside_the_checksum),
        cmocka_unit_test(chain_depends_on_everything_before),
        cmocka_unit_test(chain_is_the_same_for_ever),
        cmocka_unit_test(references_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
