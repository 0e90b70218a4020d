/* fuzz_grpc_conn — a server connection fed with hostile bytes: grpc_conn_receive, _output, _tick,
 * _drain and the stream and call code behind them, with the echo service on top.
 *
 * The first byte chooses how the rest is cut into pieces and what happens between them. If the
 * client's preface is missing it is put in front, so that mutations reach the frames.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/grpc/echo.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static void no_wake(void *context)
{
    (void)context;
}

static void pull(struct grpc_conn *conn)
{
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    while (grpc_conn_has_output(conn)) {
        if (grpc_conn_output(conn, bytes, sizeof bytes) == 0) {
            break;
        }
    }
}

static void feed(struct grpc_conn *conn, struct echo *echo, uint8_t choice, struct bytes input)
{
    uint64_t now_ns = NS_PER_S;
    size_t step = (choice & 15) == 0 ? input.size : (size_t)(choice & 15) * (choice & 15);
    for (size_t at = 0, piece = 0; at < input.size; at += step, piece++) {
        size_t size = input.size - at < step ? input.size - at : step;
        enum status status = grpc_conn_receive(conn, input.data + at, size, now_ns);
        if ((choice & 16) != 0 || status != STATUS_OK) {
            pull(conn);
        }
        if ((choice & 32) != 0 && piece % 7 == 6) {
            echo_release(echo);
        }
        if ((choice & 64) != 0 && piece % 5 == 4) {
            now_ns += NS_PER_MS;
            grpc_conn_tick(conn, now_ns);
        }
        if ((choice & 128) != 0 && piece == 9) {
            grpc_conn_drain(conn, now_ns);
        }
        if (status != STATUS_OK) {
            ASSERT(grpc_conn_done(conn));
            break;
        }
    }
    grpc_conn_tick(conn, now_ns + 3600 * NS_PER_S);
    pull(conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    enum { PREFACE_SIZE = sizeof PREFACE - 1 };
    if (size < 1 || size > 1 << 16) {
        return 0;
    }
    static struct echo echo;
    echo_init(&echo);
    struct grpc_conn_shell shell = { .wants_write = no_wake };
    struct grpc_conn *conn = grpc_conn_new(echo.server, &shell, 1);
    struct bytes input = { data + 1, size - 1 };
    bool greeted = input.size >= PREFACE_SIZE && memcmp(input.data, PREFACE, PREFACE_SIZE) == 0;
    if (!greeted && (data[0] & 3) != 0) {
        enum status status =
            grpc_conn_receive(conn, (const uint8_t *)PREFACE, PREFACE_SIZE, NS_PER_S);
        ASSERT(status == STATUS_OK);
    }
    feed(conn, &echo, data[0], input);
    grpc_conn_free(conn);
    echo_close(&echo); /* asserts that no call and no byte was lost */
    return 0;
}
