/* tls.h — TLS without I/O: ciphertext in and out through memory, plaintext likewise.
 *
 * TLS 1.2 or later, no renegotiation, no compression; where an ALPN protocol is named, both sides
 * must agree on it or the handshake fails (RFC 9113 §3.2 asks that of HTTP/2).
 * context  certificates and rules, loaded once, shared by its sessions.
 * session  one connection. One thread at a time.
 * Errors   of files name the file; of a peer are PROTOCOL (or CLOSED after its close_notify) and
 *          end the session: pull the output, which may be an alert, then close.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_context;
struct tls;

struct tls_config {
    bool server;
    const char *certificate_file; /* PEM, leaf first; a server must have one, a client may */
    const char *key_file;         /* PEM */
    const char *ca_file;          /* PEM; NULL: a client trusts the system's */
    bool verify_peer;             /* a server asks for a client certificate; a client always checks
                                     unless insecure */
    bool insecure;                /* a client that checks nothing: for tests */
    const char *alpn;             /* "h2", or NULL for none */
};

enum status tls_context_new(const struct tls_config *config, struct tls_context **context_out,
                            struct error *error) STATUS_MUST_USE;
void tls_context_free(struct tls_context *context);

/* `host` is what a client expects in the server's certificate: a name or an address. */
struct tls *tls_new(struct tls_context *context, const char *host);
void tls_free(struct tls *tls);

/* Takes ciphertext from the peer and goes on with the handshake. */
enum status tls_receive(struct tls *tls, const uint8_t *data, size_t size,
                        struct error *error) STATUS_MUST_USE;
/* Plaintext that arrived; *size 0 when there is none now. */
enum status tls_read(struct tls *tls, uint8_t *into, size_t room, size_t *size,
                     struct error *error) STATUS_MUST_USE;
/* Plaintext to send; only once tls_ready. All of it is taken. */
enum status tls_write(struct tls *tls, const uint8_t *data, size_t size,
                      struct error *error) STATUS_MUST_USE;
/* Ciphertext to send: how much there is, and its front. */
size_t tls_output_size(const struct tls *tls);
size_t tls_output(struct tls *tls, uint8_t *into, size_t room);
/* The handshake is through. */
bool tls_ready(const struct tls *tls);
/* Queues a close_notify. */
void tls_shutdown(struct tls *tls);
