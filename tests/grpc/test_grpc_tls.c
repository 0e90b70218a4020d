#include "api/grpc/tls.h"
#include "tests/grpc/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct certificate made;

static int set_up(void **state)
{
    (void)state;
    certificate_make(&made);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certificate_remove(&made);
    return 0;
}

static struct tls_context *context_of(const struct tls_config *config)
{
    struct tls_context *context = NULL;
    struct error error;
    if (tls_context_new(config, &context, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return context;
}

static struct tls_config server_config(void)
{
    return (struct tls_config){ .server = true,
                                .certificate_file = made.certificate_file,
                                .key_file = made.key_file,
                                .alpn = "h2" };
}

static struct tls_config client_config(void)
{
    return (struct tls_config){ .ca_file = made.certificate_file, .alpn = "h2" };
}

/* Moves ciphertext one way; the status of the receiver. */
static enum status move(struct tls *from, struct tls *into, struct error *error)
{
    uint8_t bytes[3000];
    enum status status = STATUS_OK;
    while (status == STATUS_OK && tls_output_size(from) > 0) {
        size_t size = tls_output(from, bytes, sizeof bytes);
        status = tls_receive(into, bytes, size, error);
    }
    return status;
}

struct handshake {
    struct tls_context *server_context, *client_context;
    struct tls *server, *client;
    enum status status;
    struct error error;
};

static void shake(struct handshake *hands, const struct tls_config *server,
                  const struct tls_config *client, const char *host)
{
    hands->server_context = context_of(server);
    hands->client_context = context_of(client);
    hands->server = tls_new(hands->server_context, NULL);
    hands->client = tls_new(hands->client_context, host);
    hands->status = STATUS_OK;
    while (hands->status == STATUS_OK &&
           tls_output_size(hands->client) + tls_output_size(hands->server) > 0) {
        hands->status = move(hands->client, hands->server, &hands->error);
        if (hands->status == STATUS_OK) {
            hands->status = move(hands->server, hands->client, &hands->error);
        }
    }
}

static void part(struct handshake *hands)
{
    tls_free(hands->server);
    tls_free(hands->client);
    tls_context_free(hands->server_context);
    tls_context_free(hands->client_context);
}

static void test_handshake_and_data(void **state)
{
    (void)state;
    struct tls_config server = server_config();
    struct tls_config client = client_config();
    const char *hosts[] = { "localhost", "127.0.0.1" };
    for (size_t i = 0; i < 2; i++) {
        struct handshake hands;
        shake(&hands, &server, &client, hosts[i]);
        assert_int_equal(hands.status, STATUS_OK);
        assert_true(tls_ready(hands.server));
        assert_true(tls_ready(hands.client));
        static uint8_t sent[100000];
        static uint8_t got[sizeof sent];
        for (size_t k = 0; k < sizeof sent; k++) {
            sent[k] = (uint8_t)(k * 31 >> 3);
        }
        struct error error;
        assert_int_equal(tls_write(hands.client, sent, sizeof sent, &error), STATUS_OK);
        assert_int_equal(move(hands.client, hands.server, &error), STATUS_OK);
        size_t total = 0;
        size_t size = 1;
        while (size > 0) {
            assert_int_equal(tls_read(hands.server, got + total, sizeof got - total, &size, &error),
                             STATUS_OK);
            total += size;
            if (total == sizeof got) {
                break;
            }
        }
        assert_int_equal(total, sizeof sent);
        assert_memory_equal(got, sent, sizeof sent);
        tls_shutdown(hands.client);
        assert_int_equal(move(hands.client, hands.server, &error), STATUS_OK);
        assert_int_equal(tls_read(hands.server, got, sizeof got, &size, &error), STATUS_CLOSED);
        part(&hands);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    struct handshake hands;
    struct tls_config server = server_config();
    struct tls_config client = client_config();
    shake(&hands, &server, &client, "other.example");
    assert_int_equal(hands.status, STATUS_PROTOCOL);
    assert_non_null(strstr(hands.error.text, "certificate"));
    part(&hands);

    client.ca_file = NULL; /* the system knows no such authority */
    shake(&hands, &server, &client, "localhost");
    assert_int_equal(hands.status, STATUS_PROTOCOL);
    part(&hands);

    client = client_config();
    client.alpn = "http/1.1";
    shake(&hands, &server, &client, "localhost");
    assert_int_equal(hands.status, STATUS_PROTOCOL);
    part(&hands);

    client = client_config();
    server.alpn = NULL; /* a server that ignores the offer */
    shake(&hands, &server, &client, "localhost");
    assert_int_equal(hands.status, STATUS_PROTOCOL);
    assert_non_null(strstr(hands.error.text, "h2"));
    part(&hands);
}

static void test_client_certificates(void **state)
{
    (void)state;
    struct handshake hands;
    struct tls_config server = server_config();
    struct tls_config client = client_config();
    server.verify_peer = true;
    server.ca_file = made.certificate_file;
    shake(&hands, &server, &client, "localhost");
    assert_int_equal(hands.status, STATUS_PROTOCOL);
    part(&hands);
    client.certificate_file = made.certificate_file;
    client.key_file = made.key_file;
    shake(&hands, &server, &client, "localhost");
    assert_int_equal(hands.status, STATUS_OK);
    assert_true(tls_ready(hands.server));
    part(&hands);
}

static void test_garbage(void **state)
{
    (void)state;
    struct tls_config config = server_config();
    struct tls_context *context = context_of(&config);
    struct tls *tls = tls_new(context, NULL);
    struct error error;
    const char *garbage = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_int_equal(tls_receive(tls, (const uint8_t *)garbage, strlen(garbage), &error),
                     STATUS_PROTOCOL);
    tls_free(tls);
    tls_context_free(context);
}

static void check_config(struct tls_config config, const char *named)
{
    struct tls_context *context = NULL;
    struct error error = { .text = "" };
    assert_int_not_equal(tls_context_new(&config, &context, &error), STATUS_OK);
    if (strstr(error.text, named) == NULL) {
        fail_msg("\"%s\" does not name \"%s\"", error.text, named);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct tls_config config = server_config();
    config.certificate_file = "/nowhere/cert.pem";
    check_config(config, "/nowhere/cert.pem");
    config = server_config();
    config.key_file = "/nowhere/key.pem";
    check_config(config, "/nowhere/key.pem");
    config.key_file = NULL;
    check_config(config, "key");
    config = server_config();
    config.key_file = made.certificate_file; /* PEM, but no key */
    check_config(config, made.certificate_file);
    config = server_config();
    config.ca_file = "/nowhere/ca.pem";
    check_config(config, "/nowhere/ca.pem");
    config = server_config();
    config.verify_peer = true;
    check_config(config, "CA file");
    config = server_config();
    config.certificate_file = NULL;
    check_config(config, "certificate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_and_data),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests_name("grpc_tls", tests, set_up, tear_down);
}
