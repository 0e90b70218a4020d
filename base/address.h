/* address.h — HOST:PORT, as people write it in flags and files.
 *
 * A host is a name, an IPv4 address, or an IPv6 address in square brackets: "ledger-2:7400",
 * "127.0.0.1:7410", "[::1]:7410". The port is decimal, 0 to 65535; 0 asks the kernel for one.
 * Host is kept without brackets. Threads any.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/socket.h>

enum {
    ADDRESS_HOST_MAX = 253, /* bytes of the longest DNS name (RFC 1035) */
    /* "[" host "]:65535" and the terminating zero. */
    ADDRESS_TEXT_MAX = ADDRESS_HOST_MAX + 9,
};

struct address {
    char host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
};

/* INVALID with a text that quotes the input; `address` is then unchanged. */
STATUS_MUST_USE enum status address_parse(const char *text, struct address *address,
                                          struct error *error);
/* Writes "HOST:PORT", brackets around an IPv6 host, into `text`. */
void address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);
/* Asks the resolver for a TCP address, IPv4 first; may block while a name server answers, so call
 * it before the loop runs or with numbers only. NOT_FOUND when the name is unknown. */
STATUS_MUST_USE enum status address_resolve(const struct address *address,
                                            struct sockaddr_storage *socket_address,
                                            struct error *error);
/* Of what a resolver answered (not empty): the first IPv4 address, else the first of all. */
struct addrinfo;
const struct addrinfo *address_choose(const struct addrinfo *list);
/* The numeric host and port of a socket address; any other family than IPv4 and IPv6 is a bug. */
void address_from_socket(const struct sockaddr_storage *socket_address, struct address *address);
