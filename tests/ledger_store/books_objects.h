/* books_objects.h — the objects of the books (books.h): a few of each entry's are named, changed,
 * changed back with a chain that is undone, and get versions. */
#pragma once

#include "tests/ledger_store/books.h"

enum { BOOKS_OBJECT_KINDS = 3, BOOKS_OBJECT_IDS = 40, BOOKS_OBJECTS_AN_ENTRY = 6 };

enum object_kind books_object_kind(uint32_t i);
/* Those of entry `number`; all of a kind and number that entries may name. */
void books_name_objects(uint64_t seed, uint64_t number,
                        struct object_name names[BOOKS_OBJECTS_AN_ENTRY]);
void books_apply_objects(struct delta *delta, uint64_t seed, uint64_t number,
                         uint64_t first_timestamp);
void books_assert_objects_equal(const struct books *left, const struct books *right);
