/* grpc_record FOLDER — writes what a client sends in typical conversations, one file each: seeds
 * for tests/fuzz/fuzz_grpc_conn.c, whose first byte chooses how the bytes are cut. */
#include "base/assert.h"
#include "base/limits.h"
#include "tests/grpc/echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct echo echo;
static struct pair pair;

static void record_output(FILE *file)
{
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    for (bool moved = true; moved;) {
        size_t sent = grpc_client_output(pair.client, bytes, sizeof bytes);
        if (sent > 0) {
            size_t written = fwrite(bytes, 1, sent, file);
            ASSERT(written == sent);
            pair.conn_status = grpc_conn_receive(pair.conn, bytes, sent, pair.now_ns);
        }
        size_t got = grpc_conn_output(pair.conn, bytes, sizeof bytes);
        if (got > 0) {
            pair.client_status = grpc_client_receive(pair.client, bytes, got, pair.now_ns);
        }
        moved = sent + got > 0;
    }
}

static void record(const char *folder, const char *name, const char *path, uint32_t calls,
                   bool cancelled)
{
    char file_name[512];
    (void)snprintf(file_name, sizeof file_name, "%s/%s", folder, name);
    FILE *file = fopen(file_name, "wb");
    ASSERT(file != NULL);
    static struct outcome outcome;
    echo_init(&echo);
    pair_open(&pair, &echo);
    int chosen = fputc((int)calls * 7, file);
    ASSERT(chosen != EOF);
    struct grpc_header header = { grpc_text("x-bin"), grpc_text("aGk") };
    for (uint32_t i = 0; i < calls; i++) {
        struct grpc_client_call *call = NULL;
        struct grpc_request request = { .path = path,
                                        .deadline_ns = pair.now_ns + 1000000,
                                        .headers = &header,
                                        .headers_count = 1,
                                        .message = grpc_buffer_copy("0123456789", 10 - i),
                                        .more = cancelled,
                                        .replies_stream = true };
        enum status status =
            grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, &call);
        ASSERT(status == STATUS_OK);
        if (cancelled) {
            record_output(file);
            grpc_client_cancel(call);
        }
    }
    record_output(file);
    int closed = fclose(file);
    ASSERT(closed == 0);
    outcome_free(&outcome);
    pair_close(&pair);
    echo_close(&echo);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: grpc_record FOLDER\n");
        return 2;
    }
    record(argv[1], "unary", "/test.Echo/Unary", 1, false);
    record(argv[1], "unary_three", "/test.Echo/Unary", 3, false);
    record(argv[1], "stream", "/test.Echo/Stream", 2, false);
    record(argv[1], "bidi", "/test.Echo/Bidi", 2, false);
    record(argv[1], "bidi_cancelled", "/test.Echo/Bidi", 2, true);
    record(argv[1], "hold_cancelled", "/test.Echo/Hold", 2, true);
    record(argv[1], "fail", "/test.Echo/Fail", 2, false);
    record(argv[1], "unknown", "/test.Echo/None", 2, false);
    return 0;
}
