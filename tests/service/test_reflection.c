/* Reflection: the tables agree with what is served, and clients get what they ask for. */
#include "api/service/descriptors.h"
#include "api/service/proto_wire.h"
#include "api/service/service_internal.h"
#include "tests/service/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define V1      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define V1ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

static struct call call;

/* --- the tables ------------------------------------------------------------------------------- */

static enum grpc_method_kind kind_of(const struct descriptor_method *method)
{
    if (method->client_streams) {
        return GRPC_BIDI;
    }
    return method->server_streams ? GRPC_SERVER_STREAM : GRPC_UNARY;
}

static void test_every_method_is_served_and_described(void **state)
{
    (void)state;
    assert_int_equal(DESCRIPTOR_METHODS_COUNT, SERVICE_METHODS_COUNT);
    for (uint32_t i = 0; i < DESCRIPTOR_METHODS_COUNT; i++) {
        const struct descriptor_method *method = &DESCRIPTOR_METHODS[i];
        const struct grpc_method *served =
            service_ops()->route(fixture_service, grpc_text(method->path));
        if (served == NULL) {
            fail_msg("nobody serves %s", method->path);
            continue;
        }
        assert_int_equal(served->kind, kind_of(method));
    }
}

static void test_symbols_are_sorted(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < DESCRIPTOR_SYMBOLS_COUNT; i++) {
        assert_true(strcmp(DESCRIPTOR_SYMBOLS[i - 1].symbol, DESCRIPTOR_SYMBOLS[i].symbol) < 0);
        assert_true(DESCRIPTOR_SYMBOLS[i].file < DESCRIPTOR_FILES_COUNT);
    }
}

/* Field 1 of a FileDescriptorProto is its name: the slices begin where files begin. */
static void test_files_are_whole(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < DESCRIPTOR_FILES_COUNT; i++) {
        const struct descriptor_file *file = &DESCRIPTOR_FILES[i];
        assert_int_equal(file->data[0], 0x0A);
        assert_int_equal(file->data[1], strlen(file->name));
        assert_memory_equal(file->data + 2, file->name, strlen(file->name));
        assert_memory_equal(file->data + file->size - 6, "proto3", 6);
        assert_true((file->imports >> i & 1) != 0);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

/* What a response holds: its kind is the number of the field, its items are the byte strings in it.
 */
struct answer {
    uint32_t kind;
    uint32_t items_count;
    struct bytes items[16];
    uint64_t code; /* of an error */
    bool echoed;   /* original_request is there */
};

static void read_body(struct bytes body, struct answer *answer)
{
    struct proto_reader reader = { body.data, body.data + body.size, NULL };
    struct proto_tag tag;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type == PROTO_VARINT) {
            answer->code = proto_read_varint(&reader);
        } else {
            assert_true(answer->items_count < 16);
            answer->items[answer->items_count++] = proto_read_bytes(&reader);
        }
    }
    assert_null(reader.failed);
}

static void read_answer(uint32_t message, struct answer *answer)
{
    memset(answer, 0, sizeof *answer);
    assert_true(message < call.messages_count);
    const struct grpc_buffer *buffer = call.messages[message];
    struct proto_reader reader = { buffer->data, buffer->data + buffer->size, NULL };
    struct proto_tag tag;
    while (proto_read_tag(&reader, &tag)) {
        struct bytes body = proto_read_bytes(&reader);
        if (tag.field >= 4) {
            answer->kind = tag.field;
            read_body(body, answer);
        }
        answer->echoed = answer->echoed || tag.field == 2;
    }
    assert_null(reader.failed);
}

/* A request with one text in `field`. */
static void ask(uint32_t field, const char *text, struct answer *answer)
{
    uint8_t bytes[128];
    size_t size = strlen(text);
    assert_true(size < sizeof bytes - 2);
    bytes[0] = (uint8_t)(field << 3 | PROTO_BYTES);
    bytes[1] = (uint8_t)size;
    for (size_t i = 0; i < size; i++) {
        bytes[2 + i] = (uint8_t)text[i];
    }
    uint32_t before = call.messages_count;
    call_send(&call, bytes, size + 2);
    assert_int_equal(call.messages_count, before + 1);
    read_answer(before, answer);
    assert_true(answer->echoed);
}

enum { BY_FILENAME = 3, BY_SYMBOL = 4, BY_EXTENSION = 5, EXTENSIONS_OF = 6, LIST_SERVICES = 7 };
enum { FILES = 4, EXTENSIONS = 5, SERVICES = 6, FAILURE = 7 };

static const struct descriptor_file *described(struct bytes file)
{
    for (uint32_t i = 0; i < DESCRIPTOR_FILES_COUNT; i++) {
        if (file.size == DESCRIPTOR_FILES[i].size &&
            memcmp(file.data, DESCRIPTOR_FILES[i].data, file.size) == 0) {
            return &DESCRIPTOR_FILES[i];
        }
    }
    return NULL;
}

static void expect_file(const struct answer *answer, uint32_t item, const char *name)
{
    assert_int_equal(answer->kind, FILES);
    assert_true(item < answer->items_count);
    const struct descriptor_file *file = described(answer->items[item]);
    assert_string_equal(file != NULL ? file->name : "nothing", name);
}

static void close_stream(void)
{
    grpc_client_end_sending(call.grpc);
    fixture_pump();
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_OK);
    call_free(&call);
}

static void list_services(const char *path)
{
    static const char *const SERVED[] = { "fenlu.v1.Ledger",
                                          "fenlu.v1.Cluster",
                                          "fenlu.v1.Controls",
                                          "fenlu.v1.Registry",
                                          "fenlu.v1.Metadata",
                                          "grpc.health.v1.Health",
                                          "grpc.reflection.v1.ServerReflection",
                                          "grpc.reflection.v1alpha.ServerReflection" };
    struct answer answer;
    call_open(&call, path);
    ask(LIST_SERVICES, "", &answer);
    assert_int_equal(answer.kind, SERVICES);
    assert_int_equal(answer.items_count, sizeof SERVED / sizeof SERVED[0]);
    for (uint32_t i = 0; i < answer.items_count; i++) { /* each a message with the name */
        bool known = false;
        for (uint32_t j = 0; j < sizeof SERVED / sizeof SERVED[0]; j++) {
            known = known || (answer.items[i].size == strlen(SERVED[j]) + 2 &&
                              memcmp(answer.items[i].data + 2, SERVED[j], strlen(SERVED[j])) == 0);
        }
        assert_true(known);
    }
    close_stream();
}

static void test_list_services(void **state)
{
    (void)state;
    list_services(V1);
    list_services(V1ALPHA);
}

static void test_files(void **state)
{
    (void)state;
    struct answer answer;
    call_open(&call, V1);
    ask(BY_FILENAME, "fenlu/v1/errors.proto", &answer);
    assert_int_equal(answer.items_count, 1);
    expect_file(&answer, 0, "fenlu/v1/errors.proto");
    ask(BY_SYMBOL, "fenlu.v1.Ledger", &answer);
    expect_file(&answer, 0, "fenlu/v1/ledger.proto");
    ask(BY_SYMBOL, "fenlu.v1.Ledger.CreateTransfers", &answer);
    expect_file(&answer, 0, "fenlu/v1/ledger.proto");
    ask(BY_SYMBOL, "fenlu.v1.Transfer.amount_hi", &answer);
    expect_file(&answer, 0, "fenlu/v1/ledger.proto");
    ask(BY_SYMBOL, "grpc.health.v1.HealthCheckResponse.ServingStatus", &answer);
    expect_file(&answer, 0, "grpc/health/v1/health.proto");
    /* With what it imports, itself first. */
    ask(BY_SYMBOL, "google.rpc.Status", &answer);
    assert_int_equal(answer.items_count, 2);
    expect_file(&answer, 0, "google/rpc/status.proto");
    expect_file(&answer, 1, "google/protobuf/any.proto");
    close_stream();
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct answer answer;
    call_open(&call, V1);
    ask(BY_FILENAME, "no.proto", &answer);
    assert_int_equal(answer.kind, FAILURE);
    assert_int_equal(answer.code, GRPC_NOT_FOUND);
    ask(BY_SYMBOL, "fenlu.v1.Nothing", &answer);
    assert_int_equal(answer.code, GRPC_NOT_FOUND);
    ask(BY_EXTENSION, "", &answer);
    assert_int_equal(answer.code, GRPC_NOT_FOUND);
    ask(EXTENSIONS_OF, "fenlu.v1.Transfer", &answer);
    assert_int_equal(answer.kind, EXTENSIONS);
    ask(EXTENSIONS_OF, "fenlu.v1.Nothing", &answer);
    assert_int_equal(answer.code, GRPC_NOT_FOUND);
    ask(9, "", &answer); /* a question of a later version */
    assert_int_equal(answer.code, GRPC_UNIMPLEMENTED);
    close_stream();
}

static void test_malformed(void **state)
{
    (void)state;
    call_open(&call, V1);
    call_send(&call, "\x22\x7F", 2);
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_INVALID_ARGUMENT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_every_method_is_served_and_described),
        CASE(test_symbols_are_sorted),
        CASE(test_files_are_whole),
        CASE(test_list_services),
        CASE(test_files),
        CASE(test_what_is_not_there),
        CASE(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
