#include "tests/base/disk_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define assert_status(expression, expected)                                                        \
    assert_string_equal(status_name(expression), status_name(expected))

static struct error error;

static const char *path_of(const struct disk_subject *subject, const char *name)
{
    static char paths[4][DISK_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_status(disk_join(path, subject->folder, name, &error), STATUS_OK);
    return path;
}

static struct disk_file make(struct disk_subject *subject, const char *name)
{
    struct disk_file file;
    assert_status(disk_open(&subject->disk, path_of(subject, name), DISK_CREATE, &file, &error),
                  STATUS_OK);
    return file;
}

static void drop(struct disk_subject *subject, const char *name)
{
    assert_status(disk_remove(&subject->disk, path_of(subject, name), &error), STATUS_OK);
}

static void write_one(struct disk_subject *subject, struct disk_file file, uint64_t offset,
                      const char *text)
{
    struct disk_slice slice = { .data = text, .size = strlen(text) };
    assert_status(disk_write(&subject->disk, file, offset, &slice, 1, &error), STATUS_OK);
}

static uint64_t size_of(struct disk_subject *subject, struct disk_file file)
{
    uint64_t size = UINT64_MAX;
    assert_status(disk_size(&subject->disk, file, &size, &error), STATUS_OK);
    return size;
}

static void opening(struct disk_subject *subject)
{
    struct disk *disk = &subject->disk;
    const char *path = path_of(subject, "a");
    struct disk_file file = { .handle = -1 };
    error.text[0] = '\0';
    assert_status(disk_open(disk, path, DISK_READ, &file, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(file.handle, -1);
    assert_status(disk_open(disk, path, DISK_WRITE, &file, &error), STATUS_NOT_FOUND);
    file = make(subject, "a");
    assert_int_equal(size_of(subject, file), 0);
    struct disk_file second;
    assert_status(disk_open(disk, path, DISK_CREATE, &second, &error), STATUS_EXISTS);
    assert_non_null(strstr(error.text, path));
    write_one(subject, file, 0, "kept");
    disk_close(disk, file);
    assert_status(disk_open(disk, path, DISK_WRITE, &file, &error), STATUS_OK);
    assert_int_equal(size_of(subject, file), 4);
    disk_close(disk, file);
    drop(subject, "a");
    assert_status(disk_open(disk, path, DISK_READ, &file, &error), STATUS_NOT_FOUND);
    assert_status(disk_remove(disk, path, &error), STATUS_NOT_FOUND);
}

static void reading_and_writing(struct disk_subject *subject)
{
    struct disk *disk = &subject->disk;
    struct disk_file file = make(subject, "a");
    write_one(subject, file, 0, "hello world");
    write_one(subject, file, 6, "earth");
    write_one(subject, file, 20, "far");
    assert_int_equal(size_of(subject, file), 23);
    char bytes[24] = "";
    assert_status(disk_read(disk, file, 0, bytes, 23, &error), STATUS_OK);
    assert_memory_equal(bytes, "hello earth\0\0\0\0\0\0\0\0\0far", 23);
    assert_status(disk_read(disk, file, 6, bytes, 5, &error), STATUS_OK);
    assert_memory_equal(bytes, "earth", 5);
    assert_status(disk_read(disk, file, 23, bytes, 0, &error), STATUS_OK);
    error.text[0] = '\0';
    assert_status(disk_read(disk, file, 20, bytes, 4, &error), STATUS_IO);
    assert_non_null(strstr(error.text, path_of(subject, "a")));
    assert_status(disk_read(disk, file, 1000, bytes, 1, &error), STATUS_IO);
    assert_status(disk_sync(disk, file, &error), STATUS_OK);
    disk_close(disk, file);
    assert_status(disk_sync_folder(disk, subject->folder, &error), STATUS_OK);
    assert_status(disk_open(disk, path_of(subject, "a"), DISK_READ, &file, &error), STATUS_OK);
    assert_status(disk_read(disk, file, 0, bytes, 5, &error), STATUS_OK);
    assert_memory_equal(bytes, "hello", 5);
    disk_close(disk, file);
    drop(subject, "a");
}

/* More slices than one system call takes, some of them empty. */
static void gathering(struct disk_subject *subject)
{
    enum { SLICES = 200 };
    struct disk *disk = &subject->disk;
    struct disk_file file = make(subject, "a");
    static uint8_t bytes[SLICES * 3];
    static uint8_t expected[SLICES * 3];
    struct disk_slice slices[SLICES];
    size_t size = 0;
    for (size_t i = 0; i < SLICES; i++) {
        slices[i] = (struct disk_slice){ .data = expected + size, .size = i % 4 };
        for (size_t j = 0; j < i % 4; j++) {
            expected[size++] = (uint8_t)i;
        }
    }
    assert_status(disk_write(disk, file, 5, slices, SLICES, &error), STATUS_OK);
    assert_int_equal(size_of(subject, file), size + 5);
    assert_status(disk_read(disk, file, 5, bytes, size, &error), STATUS_OK);
    assert_memory_equal(bytes, expected, size);
    assert_status(disk_write(disk, file, 5, slices, 0, &error), STATUS_OK);
    assert_status(disk_write(disk, file, 1000, slices, 1, &error), STATUS_OK); /* an empty slice */
    assert_int_equal(size_of(subject, file), size + 5);
    disk_close(disk, file);
    drop(subject, "a");
}

static void allocating(struct disk_subject *subject)
{
    enum { SIZE = 100000 };
    struct disk *disk = &subject->disk;
    struct disk_file file = make(subject, "a");
    write_one(subject, file, 0, "kept");
    assert_status(disk_allocate(disk, file, SIZE, &error), STATUS_OK);
    assert_int_equal(size_of(subject, file), SIZE);
    static uint8_t bytes[SIZE];
    static uint8_t zeros[SIZE];
    assert_status(disk_read(disk, file, 0, bytes, SIZE, &error), STATUS_OK);
    assert_memory_equal(bytes, "kept", 4);
    assert_memory_equal(bytes + 4, zeros, SIZE - 4);
    assert_status(disk_allocate(disk, file, 10, &error), STATUS_OK); /* never shrinks */
    assert_int_equal(size_of(subject, file), SIZE);
    disk_close(disk, file);
    drop(subject, "a");
}

static void renaming(struct disk_subject *subject)
{
    struct disk *disk = &subject->disk;
    const char *from = path_of(subject, "from");
    const char *to = path_of(subject, "to");
    assert_status(disk_rename(disk, from, to, &error), STATUS_NOT_FOUND);
    struct disk_file file = make(subject, "from");
    write_one(subject, file, 0, "new");
    disk_close(disk, file);
    file = make(subject, "to");
    write_one(subject, file, 0, "older");
    disk_close(disk, file);
    assert_status(disk_rename(disk, from, to, &error), STATUS_OK); /* replaces */
    assert_status(disk_sync_folder(disk, subject->folder, &error), STATUS_OK);
    assert_status(disk_open(disk, from, DISK_READ, &file, &error), STATUS_NOT_FOUND);
    assert_status(disk_open(disk, to, DISK_READ, &file, &error), STATUS_OK);
    assert_int_equal(size_of(subject, file), 3);
    disk_close(disk, file);
    drop(subject, "to");
}

static void append_name(void *context, const char *name)
{
    char *names = context;
    size_t used = strlen(names);
    assert_true(used + strlen(name) + 2 < 200);
    (void)snprintf(names + used, 200 - used, "%s ", name);
}

static void listing(struct disk_subject *subject)
{
    static const char *const NAMES[] = { "b", "a.10", "a.9", "B", "_", "\xC3\xA4" };
    struct disk *disk = &subject->disk;
    char names[200] = "";
    assert_status(disk_list(disk, subject->folder, append_name, names, &error), STATUS_OK);
    assert_string_equal(names, "");
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        disk_close(disk, make(subject, NAMES[i]));
    }
    assert_status(disk_list(disk, subject->folder, append_name, names, &error), STATUS_OK);
    assert_string_equal(names, "B _ a.10 a.9 b \xC3\xA4 ");
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        drop(subject, NAMES[i]);
    }
    const char *missing = path_of(subject, "missing");
    assert_status(disk_list(disk, missing, append_name, names, &error), STATUS_NOT_FOUND);
}

static void folders(struct disk_subject *subject)
{
    struct disk *disk = &subject->disk;
    const char *path = path_of(subject, "inner");
    assert_status(disk_sync_folder(disk, path, &error), STATUS_NOT_FOUND);
    assert_status(disk_make_folder(disk, path, &error), STATUS_OK);
    assert_status(disk_make_folder(disk, path, &error), STATUS_EXISTS);
    const char *deep = path_of(subject, "no/such");
    assert_status(disk_make_folder(disk, deep, &error), STATUS_NOT_FOUND);
    assert_status(disk_sync_folder(disk, path, &error), STATUS_OK);
    uint64_t bytes = 0;
    assert_status(disk_free_bytes(disk, path, &bytes, &error), STATUS_OK);
    assert_true(bytes > 0);
    assert_status(disk_remove(disk, path, &error), STATUS_OK);
    assert_status(disk_free_bytes(disk, path, &bytes, &error), STATUS_NOT_FOUND);
}

void disk_contract(struct disk_subject *subject)
{
    opening(subject);
    reading_and_writing(subject);
    gathering(subject);
    allocating(subject);
    renaming(subject);
    listing(subject);
    folders(subject);
}
