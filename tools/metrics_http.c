#include "tools/metrics_http.h"

#include "base/address.h"
#include "base/metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_LIMIT = 16, CONNECTION_TIMEOUT_S = 10, TEXT_START = 64 * 1024 };

struct metrics_http {
    struct MHD_Daemon *daemon;
};

/* The text, in memory of its own. */
static char *print_all(size_t *size)
{
    size_t room = TEXT_START;
    for (;;) {
        char *text = malloc(room);
        if (text == NULL) {
            return NULL;
        }
        *size = metrics_print(text, room);
        if (*size < room) {
            return text;
        }
        free(text);
        room = *size + TEXT_START;
    }
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, char *text,
                              size_t size, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(size, text, mode);
    if (response == NULL) {
        if (mode == MHD_RESPMEM_MUST_FREE) {
            free(text);
        }
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                                     "text/plain; version=0.0.4; charset=utf-8");
    if (result == MHD_YES) {
        result = MHD_queue_response(connection, code, response);
    }
    MHD_destroy_response(response);
    return result;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are the library's */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_size, void **state)
{
    (void)context;
    (void)version;
    (void)upload_data;
    (void)upload_size;
    (void)state;
    static char not_found[] = "not found; the metrics are at /metrics\n";
    static char not_get[] = "only GET\n";
    if (strcmp(method, "GET") != 0) {
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, not_get, sizeof not_get - 1,
                      MHD_RESPMEM_PERSISTENT);
    }
    if (strcmp(url, "/metrics") != 0) {
        return answer(connection, MHD_HTTP_NOT_FOUND, not_found, sizeof not_found - 1,
                      MHD_RESPMEM_PERSISTENT);
    }
    size_t size = 0;
    char *text = print_all(&size);
    return text != NULL ? answer(connection, MHD_HTTP_OK, text, size, MHD_RESPMEM_MUST_FREE)
                        : MHD_NO;
}

enum status metrics_http_start(const char *address, struct metrics_http **http_out,
                               struct error *error)
{
    struct address parsed;
    struct sockaddr_storage socket_address;
    TRY(address_parse(address, &parsed, error));
    TRY(address_resolve(&parsed, &socket_address, error));
    struct metrics_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the metrics listener");
    }
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD;
    flags |= socket_address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    errno = 0;
    http->daemon =
        MHD_start_daemon(flags, parsed.port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&socket_address, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_END);
    if (http->daemon == NULL) {
        int reason = errno != 0 ? errno : EADDRINUSE;
        free(http);
        return error_set_errno(error, reason,
                               "cannot serve metrics on %s; choose another address with --metrics",
                               address);
    }
    *http_out = http;
    return STATUS_OK;
}

void metrics_http_stop(struct metrics_http *http)
{
    MHD_stop_daemon(http->daemon);
    free(http);
}
