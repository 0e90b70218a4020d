/* grpc_echo_server ADDRESS [CERTIFICATE KEY] — the echo service on a port, for foreign clients.
 * Prints "ready ADDRESS"; SIGTERM drains. */
#include "api/grpc/grpc_listener_uv.h"
#include "tests/grpc/echo.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct program {
    struct echo echo;
    struct grpc_listener *listener;
    uv_signal_t stop;
};

static void on_drained(void *context)
{
    struct program *program = context;
    grpc_listener_close(program->listener, NULL, NULL);
}

static void on_stop(uv_signal_t *signal, int number)
{
    (void)number;
    struct program *program = signal->data;
    uv_close((uv_handle_t *)signal, NULL);
    grpc_listener_drain(program->listener, on_drained, program);
}

static void give_up(const struct error *error)
{
    (void)fprintf(stderr, "%s\n", error->text);
    exit(1);
}

int main(int argc, char **argv)
{
    static struct program program;
    struct address address;
    struct error error;
    if (argc != 2 && argc != 4) {
        (void)fprintf(stderr, "usage: grpc_echo_server ADDRESS [CERTIFICATE KEY]\n");
        return 2;
    }
    if (address_parse(argv[1], &address, &error) != STATUS_OK) {
        give_up(&error);
    }
    echo_init(&program.echo);
    struct grpc_listener_config config =
        grpc_listener_config_default(program.echo.server, &address);
    struct tls_config tls = { .server = true, .alpn = "h2" };
    if (argc == 4) {
        tls.certificate_file = argv[2];
        tls.key_file = argv[3];
        if (tls_context_new(&tls, &config.tls, &error) != STATUS_OK) {
            give_up(&error);
        }
    }
    uv_loop_t *loop = uv_default_loop();
    if (grpc_listener_open(loop, &config, &program.listener, &error) != STATUS_OK) {
        give_up(&error);
    }
    if (uv_signal_init(loop, &program.stop) != 0 ||
        uv_signal_start(&program.stop, on_stop, SIGTERM) != 0) {
        return 1;
    }
    program.stop.data = &program;
    char text[ADDRESS_TEXT_MAX];
    address_format(grpc_listener_address(program.listener), text);
    (void)printf("ready %s\n", text);
    (void)fflush(stdout);
    if (uv_run(loop, UV_RUN_DEFAULT) != 0) {
        return 1;
    }
    echo_close(&program.echo);
    if (config.tls != NULL) {
        tls_context_free(config.tls);
    }
    return 0;
}
