#include "base/address.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool parse_port(const char *text, uint16_t *port)
{
    size_t length = strlen(text);
    if (length == 0 || length > 5) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* Letters, digits and what names and numeric addresses use besides. */
static bool host_is_valid(const char *host, size_t length, bool bracketed)
{
    if (length == 0 || length > ADDRESS_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = host[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool mark = c == '.' || c == '-' || c == '_';
        bool v6 = bracketed && (c == ':' || c == '%');
        if (!word && !mark && !v6) {
            return false;
        }
    }
    return true;
}

enum status address_parse(const char *text, struct address *address, struct error *error)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return error_set(error, STATUS_INVALID, "address \"%s\" has no port: write HOST:PORT",
                         text);
    }
    const char *host = text;
    size_t length = (size_t)(colon - text);
    bool bracketed = length >= 2 && text[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        host++;
        length -= 2;
    }
    if (!host_is_valid(host, length, bracketed)) {
        return error_set(error, STATUS_INVALID,
                         "address \"%s\" has no valid host: write HOST:PORT or [IPV6]:PORT", text);
    }
    uint16_t port;
    if (!parse_port(colon + 1, &port)) {
        return error_set(error, STATUS_INVALID, "address \"%s\": the port must be 0 to 65535",
                         text);
    }
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    address->port = port;
    return STATUS_OK;
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    bool v6 = strchr(address->host, ':') != NULL;
    (void)snprintf(text, ADDRESS_TEXT_MAX, "%s%s%s:%u", v6 ? "[" : "", address->host, v6 ? "]" : "",
                   (unsigned)address->port);
}

static enum status resolve_failed(const struct address *address, int code, struct error *error)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(address, text);
    enum status status = code == EAI_NONAME || code == EAI_FAIL ? STATUS_NOT_FOUND : STATUS_IO;
    return error_set(error, status, "cannot resolve %s: %s", text, gai_strerror(code));
}

const struct addrinfo *address_choose(const struct addrinfo *list)
{
    ASSERT(list != NULL);
    for (const struct addrinfo *each = list; each != NULL; each = each->ai_next) {
        if (each->ai_family == AF_INET) {
            return each;
        }
    }
    return list;
}

enum status address_resolve(const struct address *address, struct sockaddr_storage *socket_address,
                            struct error *error)
{
    char service[6];
    (void)snprintf(service, sizeof service, "%u", (unsigned)address->port);
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    int code = getaddrinfo(address->host, service, &hints, &list);
    if (code != 0) {
        return resolve_failed(address, code, error);
    }
    const struct addrinfo *best = address_choose(list);
    ASSERT(best->ai_addrlen <= sizeof *socket_address);
    memset(socket_address, 0, sizeof *socket_address);
    memcpy(socket_address, best->ai_addr, best->ai_addrlen);
    freeaddrinfo(list);
    return STATUS_OK;
}

void address_from_socket(const struct sockaddr_storage *socket_address, struct address *address)
{
    const char *text = NULL;
    if (socket_address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, socket_address, sizeof v4);
        text = inet_ntop(AF_INET, &v4.sin_addr, address->host, sizeof address->host);
        address->port = ntohs(v4.sin_port);
    } else {
        ASSERT(socket_address->ss_family == AF_INET6);
        struct sockaddr_in6 v6;
        memcpy(&v6, socket_address, sizeof v6);
        text = inet_ntop(AF_INET6, &v6.sin6_addr, address->host, sizeof address->host);
        address->port = ntohs(v6.sin6_port);
    }
    ASSERT(text != NULL);
}
