#include "api/grpc/tls.h"
#include "base/address.h"
#include "base/assert.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { ALPN_MAX = 32 };

struct tls_context {
    SSL_CTX *ssl_context;
    bool server;
    bool insecure;
    unsigned char alpn[ALPN_MAX]; /* a length byte and the name, as in the protocol */
    unsigned alpn_size;
};

struct tls {
    SSL *ssl;
    const struct tls_context *context;
    BIO *input;  /* owned by ssl */
    BIO *output; /* owned by ssl */
};

/* For calls that fail only when memory runs out or when we misuse them. */
static void must(bool done)
{
    ASSERT(done);
}

/* OpenSSL's reason, after a sentence of ours. */
static enum status failed(struct error *error, enum status status, const char *what,
                          const char *file)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return error_set(error, status, "%s%s%s: %s", what, file == NULL ? "" : " ",
                     file == NULL ? "" : file, reason == NULL ? "unspecified error" : reason);
}

/* --- contexts -------------------------------------------------------------------------------- */

static enum status load_files(SSL_CTX *context, const struct tls_config *config,
                              struct error *error)
{
    if (config->certificate_file != NULL) {
        if (SSL_CTX_use_certificate_chain_file(context, config->certificate_file) != 1) {
            return failed(error, STATUS_INVALID, "cannot use the TLS certificate",
                          config->certificate_file);
        }
        const char *key = config->key_file;
        if (key == NULL) {
            return error_set(error, STATUS_INVALID,
                             "the TLS certificate %s needs a key file beside it",
                             config->certificate_file);
        }
        if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
            return failed(error, STATUS_INVALID, "cannot use the TLS key", key);
        }
        if (SSL_CTX_check_private_key(context) != 1) {
            return failed(error, STATUS_INVALID, "the TLS key does not fit the certificate", key);
        }
    } else if (config->server) {
        return error_set(error, STATUS_INVALID, "a TLS server needs a certificate file");
    }
    if (config->ca_file != NULL) {
        if (SSL_CTX_load_verify_locations(context, config->ca_file, NULL) != 1) {
            return failed(error, STATUS_INVALID, "cannot use the TLS CA file", config->ca_file);
        }
    } else if (!config->server && SSL_CTX_set_default_verify_paths(context) != 1) {
        return failed(error, STATUS_INVALID, "cannot load the system's CA certificates", NULL);
    }
    return STATUS_OK;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *offered, unsigned offered_size, void *argument)
{
    (void)ssl;
    const struct tls_context *context = argument;
    for (unsigned at = 0; at < offered_size; at += offered[at] + 1U) {
        unsigned size = offered[at] + 1U;
        if (size == context->alpn_size && size <= offered_size - at &&
            memcmp(offered + at, context->alpn, size) == 0) {
            *out = offered + at + 1;
            *out_size = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_rules(struct tls_context *context, const struct tls_config *config)
{
    SSL_CTX *ssl_context = context->ssl_context;
    must(SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION) == 1);
    (void)SSL_CTX_set_options(ssl_context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                               SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ssl_context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int verify = SSL_VERIFY_NONE;
    if (config->server && config->verify_peer) {
        verify = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    } else if (!config->server && !config->insecure) {
        verify = SSL_VERIFY_PEER;
    }
    SSL_CTX_set_verify(ssl_context, verify, NULL);
    if (context->alpn_size > 0 && config->server) {
        SSL_CTX_set_alpn_select_cb(ssl_context, select_alpn, context);
    } else if (context->alpn_size > 0) {
        must(SSL_CTX_set_alpn_protos(ssl_context, context->alpn, context->alpn_size) == 0);
    }
}

enum status tls_context_new(const struct tls_config *config, struct tls_context **context_out,
                            struct error *error)
{
    if (config->server && config->verify_peer && config->ca_file == NULL) {
        return error_set(error, STATUS_INVALID, "checking client certificates needs a TLS CA file");
    }
    ERR_clear_error();
    struct tls_context *context = calloc(1, sizeof *context);
    ASSERT(context != NULL);
    context->server = config->server;
    context->insecure = config->insecure;
    if (config->alpn != NULL) {
        size_t size = strlen(config->alpn);
        ASSERT(size > 0 && size < ALPN_MAX);
        context->alpn[0] = (unsigned char)size;
        memcpy(context->alpn + 1, config->alpn, size);
        context->alpn_size = (unsigned)size + 1;
    }
    context->ssl_context = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    ASSERT(context->ssl_context != NULL);
    set_rules(context, config);
    enum status status = load_files(context->ssl_context, config, error);
    if (status != STATUS_OK) {
        tls_context_free(context);
        return status;
    }
    *context_out = context;
    return STATUS_OK;
}

void tls_context_free(struct tls_context *context)
{
    SSL_CTX_free(context->ssl_context);
    free(context);
}

/* --- sessions -------------------------------------------------------------------------------- */

static void expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        must(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1);
        return;
    }
    char name[ADDRESS_HOST_MAX + 1]; /* OpenSSL's macro wants it writable */
    (void)snprintf(name, sizeof name, "%s", host);
    must(SSL_set1_host(ssl, name) == 1);
    must(SSL_set_tlsext_host_name(ssl, name) == 1);
}

struct tls *tls_new(struct tls_context *context, const char *host)
{
    struct tls *tls = calloc(1, sizeof *tls);
    ASSERT(tls != NULL);
    tls->context = context;
    tls->ssl = SSL_new(context->ssl_context);
    tls->input = BIO_new(BIO_s_mem());
    tls->output = BIO_new(BIO_s_mem());
    ASSERT(tls->ssl != NULL && tls->input != NULL && tls->output != NULL);
    SSL_set_bio(tls->ssl, tls->input, tls->output);
    if (context->server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        ASSERT(host != NULL);
        if (!context->insecure) {
            expect_host(tls->ssl, host);
        }
        SSL_set_connect_state(tls->ssl);
        ERR_clear_error();
        /* Writes the first flight; it wants an answer, which is no error. */
        (void)SSL_do_handshake(tls->ssl);
        ERR_clear_error();
    }
    return tls;
}

void tls_free(struct tls *tls)
{
    SSL_free(tls->ssl);
    free(tls);
}

/* The outcome of an SSL call that did not succeed: OK when it only wants more input. */
static enum status outcome(struct tls *tls, int result, const char *what, struct error *error)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STATUS_OK;
    case SSL_ERROR_ZERO_RETURN:
        return error_set(error, STATUS_CLOSED, "%s: the peer closed the TLS session", what);
    default:
        break;
    }
    long verified = SSL_get_verify_result(tls->ssl);
    if (verified != X509_V_OK) {
        ERR_clear_error();
        return error_set(error, STATUS_PROTOCOL, "%s: the peer's certificate: %s", what,
                         X509_verify_cert_error_string(verified));
    }
    return failed(error, STATUS_PROTOCOL, what, NULL);
}

/* A server that knows no ALPN leaves the choice open; our server never gets here without one. */
static enum status check_alpn(const struct tls *tls, struct error *error)
{
    const unsigned char *chosen = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(tls->ssl, &chosen, &size);
    const struct tls_context *context = tls->context;
    bool agreed = context->alpn_size == 0 ||
                  (size + 1 == context->alpn_size && memcmp(chosen, context->alpn + 1, size) == 0);
    if (!agreed) {
        return error_set(error, STATUS_PROTOCOL, "TLS handshake: the peer does not speak %.*s",
                         (int)context->alpn[0], (const char *)context->alpn + 1);
    }
    return STATUS_OK;
}

enum status tls_receive(struct tls *tls, const uint8_t *data, size_t size, struct error *error)
{
    ASSERT(size <= INT32_MAX);
    if (size > 0) {
        must(BIO_write(tls->input, data, (int)size) == (int)size);
    }
    if (tls_ready(tls)) {
        return STATUS_OK;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        return outcome(tls, result, "TLS handshake", error);
    }
    return check_alpn(tls, error);
}

enum status tls_read(struct tls *tls, uint8_t *into, size_t room, size_t *size, struct error *error)
{
    *size = 0;
    if (!tls_ready(tls)) {
        return STATUS_OK;
    }
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, into, room, size);
    return result == 1 ? STATUS_OK : outcome(tls, result, "TLS read", error);
}

enum status tls_write(struct tls *tls, const uint8_t *data, size_t size, struct error *error)
{
    ASSERT(tls_ready(tls));
    while (size > 0) {
        ERR_clear_error();
        size_t written = 0;
        int result = SSL_write_ex(tls->ssl, data, size, &written);
        if (result != 1) {
            /* Memory never makes a write wait, and there is no renegotiation. */
            enum status status = outcome(tls, result, "TLS write", error);
            return status != STATUS_OK
                       ? status
                       : error_set(error, STATUS_PROTOCOL, "TLS write: the session is stuck");
        }
        data += written;
        size -= written;
    }
    return STATUS_OK;
}

size_t tls_output_size(const struct tls *tls)
{
    return BIO_ctrl_pending(tls->output);
}

size_t tls_output(struct tls *tls, uint8_t *into, size_t room)
{
    ASSERT(room > 0 && room <= INT32_MAX);
    int size = BIO_read(tls->output, into, (int)room);
    return size > 0 ? (size_t)size : 0;
}

bool tls_ready(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

void tls_shutdown(struct tls *tls)
{
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* an answer of the peer's is not waited for */
    ERR_clear_error();
}
